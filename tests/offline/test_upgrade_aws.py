"""What a plan says of the add-ons of an EKS cluster that goes to another version: nobody moves them unless asked."""

import shlex
from dataclasses import replace
from importlib import import_module
from typing import Any

import botocore.session
import pytest

from springtide.offline import upgrade
from springtide.offline.diff import compare
from springtide.offline.plan import Plan
from springtide.offline.upgrade_aws import ADDON, DEFAULT

from .sample_plan import sample

jmespath: Any = import_module("jmespath")  # it comes with botocore, and without types
VERSIONS = {
    "addons": [
        {
            "addonName": "coredns",
            "addonVersions": [
                {"addonVersion": "v2", "compatibilities": [{"clusterVersion": "1.35", "defaultVersion": False}]},
                {"addonVersion": "v1", "compatibilities": [{"clusterVersion": "1.35", "defaultVersion": True}]},
            ],
        }
    ]
}
"""Of the form that EKS answers DescribeAddonVersions in."""


def planned(version: str, *addons: str) -> Plan:
    made = sample()
    parent = next(item for item in made.resources if item.type == "springtide:index:Cluster")
    for name in addons:
        made.add(ADDON, name, parent, {"addonName": name})
    wanted: dict[str, Any] = {"version": version, "name": "springtide-dev"}
    kinds = {"springtide:index:Cluster": {"version": version}, "aws:eks/cluster:Cluster": wanted}
    plan = made.plan()
    resources = (replace(item, inputs=item.inputs | kinds.get(item.type, {})) for item in plan.resources)
    return replace(plan, resources=tuple(resources))


def told(*addons: str) -> tuple[str, ...]:
    base, plan = planned("1.34", *addons), planned("1.35", *addons)
    return upgrade.order(base, plan, compare(base, plan))


def test_add_ons_of_eks_stay_behind_and_the_plan_gives_the_commands() -> None:
    order, asked, known = told("kube-proxy", "coredns")
    assert order.startswith("Kubernetes 1.34 → 1.35, in this order: control plane (cluster); nodes")
    assert asked.startswith(
        "Add-ons (coredns, kube-proxy) keep the versions they have, and no `pulumi up` changes them."
    )
    assert asked.endswith(
        "aws eks update-addon --cluster-name springtide-dev --region us-east-1 --addon-name NAME --addon-version VERSION "
        "--resolve-conflicts PRESERVE"
    )
    assert known.startswith(
        "VERSION is what EKS would take for 1.35: aws eks describe-addon-versions --region us-east-1"
    )


def test_without_add_ons_there_is_nothing_left_to_do() -> None:
    assert len(told()) == 1


@pytest.mark.parametrize(("sentence", "operation"), [(1, "UpdateAddon"), (2, "DescribeAddonVersions")])
def test_eks_has_what_the_commands_ask_for(sentence: int, operation: str) -> None:
    command = told("coredns")[sentence].rpartition(": ")[2]
    members = botocore.session.get_session().get_service_model("eks").operation_model(operation).input_shape.members
    own = {"--region", "--query", "--output"}
    options = [word for word in shlex.split(command) if word.startswith("--") and word not in own]
    assert {camel(option) for option in options} <= set(members)


def test_a_configuration_of_ours_outlives_the_update() -> None:
    """OVERWRITE would set fields that somebody changed back to EKS' own."""
    members = botocore.session.get_session().get_service_model("eks").operation_model("UpdateAddon").input_shape.members
    assert "PRESERVE" in members["resolveConflicts"].enum


def camel(option: str) -> str:
    first, *more = option.removeprefix("--").split("-")
    return first + "".join(word.title() for word in more)


def test_the_version_that_is_asked_for_is_the_one_that_eks_would_take() -> None:
    assert jmespath.search(DEFAULT, VERSIONS) == ["v1"]
