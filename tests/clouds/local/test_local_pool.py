"""What a GPU pool becomes on this machine: the NodePools of AWS, on machines that come at another pace."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests import environment_files  # noqa: F401  loads the AWS SDK without its own warnings

from springtide import catalog, clouds, ladder, selection
from springtide.clouds.aws import karpenter as aws_karpenter
from springtide.clouds.aws import ladder as aws_ladder
from springtide.clouds.local import pool as local_pool
from springtide.clouds.local.boot import PACE, registration_delay
from springtide.clouds.local.pool_rules import most_nodes, rungs_of
from springtide.selection import Choice
from springtide.spec import PURPOSES, PoolSpec

REGION = "us-east-1"
ZONES = selection.usable_zones("aws", REGION)
MACHINES = [
    machine
    for machine in catalog.machine_types("aws")
    if machine.gpu and not machine.unusable and catalog.offered(machine, REGION)
]
specs = st.builds(
    lambda machine, **said: PoolSpec(gpu=machine.gpu, gpus_per_node=machine.gpus, **said),
    st.sampled_from(MACHINES),
    max_nodes=st.integers(1, 9),
    capacity=st.lists(st.sampled_from(["spot", "on-demand"]), min_size=1, unique=True).map(tuple),
    placement=st.sampled_from([None, "none", "compact"]),
    purpose=st.sampled_from(PURPOSES),
    taints=st.sampled_from([(), ("team=vision:NoSchedule",)]),
    labels=st.sampled_from([{}, {"example.com/team": "vision"}]),
)


def node_pools_here(spec: PoolSpec, choice: Choice) -> list[dict[str, Any]]:
    return [local_pool._node_pool("p", spec, choice, rung, REGION) for rung in rungs_of("p", spec, choice)]


def node_pools_on_aws(spec: PoolSpec, choice: Choice) -> list[dict[str, Any]]:
    return [
        aws_karpenter.node_pool(
            rung,
            machines=[item for item in choice.machine_types if set(catalog.offered(item, REGION)) & set(rung.zones)],
            labels=ladder.node_labels("p", spec, rung.name),
            taints=ladder.node_taints(spec),
            purpose=spec.purpose,
            gpus=spec.max_nodes * spec.gpus_per_node,
        )
        for rung in aws_ladder.rungs("p", spec, choice.zones, "dev")
    ]


def neutral(pool: dict[str, Any]) -> dict[str, Any]:
    """A NodePool without what names its provider."""
    spec = pool["spec"]["template"]["spec"]
    zones = {"topology.k8s.aws/zone-id", "topology.kubernetes.io/zone"}
    wanted = [item | ({"key": "zone"} if item["key"] in zones else {}) for item in spec["requirements"]]
    template = pool["spec"]["template"] | {"spec": spec | {"nodeClassRef": None, "requirements": wanted}}
    return pool | {"spec": pool["spec"] | {"template": template}}


@settings(max_examples=100, deadline=None)
@given(specs)
def test_a_node_pool_is_the_one_of_aws_but_for_its_provider(spec: PoolSpec) -> None:
    choice = selection.choose(spec, "aws", REGION, ZONES)
    assume(not choice.findings)
    # No zone is short of simulated machines: those that work together are in the first.
    same = replace(choice, zones=choice.zones[:1]) if ladder.gathered(spec) else choice
    here, there = node_pools_here(spec, choice), node_pools_on_aws(spec, same)
    assert [neutral(pool) for pool in here] == [neutral(pool) for pool in there]
    assert most_nodes(spec, choice) == clouds.load("aws").ceiling(spec, same)


@settings(max_examples=50, deadline=None)
@given(specs)
def test_a_pod_asks_for_what_it_would_ask_for_on_aws_with_the_zone_as_kubernetes_calls_it(spec: PoolSpec) -> None:
    choice = selection.choose(spec, "aws", REGION, ZONES)
    parts = [
        dict(clouds.load(name).pod_part("p", spec, choice, version="1.35", mode="standard"))
        for name in ("local", "aws")
    ]
    together = [part.pop("together") for part in parts]
    assert parts[0] == parts[1]
    assert together in [["springtide.dev/rung"] * 2, ["topology.kubernetes.io/zone", "topology.k8s.aws/zone-id"]]


def test_a_node_pool_names_a_class_that_kwok_knows() -> None:
    spec = PoolSpec(gpu="H100", gpus_per_node=8, max_nodes=4)
    [pool] = node_pools_here(spec, selection.choose(spec, "aws", REGION, ZONES))
    made = local_pool.node_class("p", "aws")
    reference = pool["spec"]["template"]["spec"]["nodeClassRef"]
    assert made["api_version"].startswith(f"{reference['group']}/")
    assert (made["kind"], made["metadata"]["name"]) == (reference["kind"], reference["name"])


def test_a_machine_type_of_gcp_is_named_as_a_label_can_hold_it() -> None:
    region = catalog.best_known_region("gcp")
    spec = PoolSpec(gpu="T4", max_nodes=1)
    choice = selection.choose(spec, "gcp", region, selection.usable_zones("gcp", region))
    [rung] = rungs_of("p", spec, choice)
    said = local_pool._node_pool("p", spec, choice, rung, region)["spec"]["template"]["spec"]["requirements"]
    types = next(item["values"] for item in said if item["key"] == "node.kubernetes.io/instance-type")
    assert types
    assert not any("+" in name for name in types)


@pytest.mark.parametrize("machines", catalog.clouds())
def test_a_machine_takes_what_a_real_one_takes_at_another_pace(machines: str) -> None:
    seconds = int(registration_delay(machines).removesuffix("s"))
    assert 0 <= seconds * PACE - catalog.boot(machines).most_seconds < PACE


def test_a_machine_is_never_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "boot", lambda _cloud: catalog.Boot(least_seconds=0, most_seconds=0, source="nobody"))
    assert registration_delay("aws") == "1s"
