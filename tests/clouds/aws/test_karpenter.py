"""Karpenter's resources and rights as data: what they say, and what no pool may make them say."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import environment_files  # noqa: F401  loads the AWS SDK without its own warnings

from springtide import catalog, charts, grace
from springtide.clouds.aws.efa import LAYOUTS
from springtide.clouds.aws.karpenter import (
    BOTTLEROCKET_FLOOR,
    FLOORS,
    alias,
    node_class,
    node_pool,
)
from springtide.clouds.aws.karpenter_controller import queue_policy
from springtide.clouds.aws.karpenter_rights import statements
from springtide.clouds.aws.ladder import Rung, rungs
from springtide.k8s import Manifest
from springtide.k8s.karpenter import DRAIN, LIVES
from springtide.ladder import ceiling
from springtide.spec import PURPOSES, PoolSpec

ZONES = ("use1-az1", "use1-az2")
MACHINES = [item for item in catalog.machine_types("aws") if item.gpu and not item.unusable]
KINDS = st.lists(st.sampled_from(["reserved", "spot", "on-demand"]), min_size=1, max_size=3, unique=True).map(tuple)

specs = st.builds(
    PoolSpec,
    gpu=st.just("H100"),
    min_nodes=st.integers(0, 3),
    max_nodes=st.integers(3, 9),
    gpus_per_node=st.integers(1, 8),
    capacity=KINDS,
    fabric=st.sampled_from(["none", "efa"]),
    placement=st.sampled_from([None, "none", "compact"]),
    purpose=st.sampled_from(PURPOSES),
    reservation=st.just("cr-0123456789abcdef0"),
    reservation_kind=st.sampled_from(["standard", "capacity-block"]),
    efa_layout=st.sampled_from(["ip-optimised", "legacy"]),
)
zones = st.lists(st.sampled_from([*ZONES, "use1-az4"]), min_size=1, max_size=3, unique=True)


def rung(**changes: Any) -> Rung:
    given = {
        "name": "train", "kinds": ("spot", "on-demand"), "zones": ZONES, "weight": 10, "node_class": "train",
        "placement_group": None,
    }  # fmt: skip
    return Rung(**{**given, **changes})


def pool_of(found: Rung, purpose: str = "general", gpus: int = 16) -> Manifest:
    machine = catalog.machine_type("aws", "p5.48xlarge")
    assert machine is not None
    return node_pool(found, machines=[machine], labels={"a": "b"}, taints=[], purpose=purpose, gpus=gpus)


def class_of(**changes: Any) -> Manifest:
    given = {
        "release": "1.64.0-ad9d4847", "disk_gib": 200, "striped": False, "role": "nodes", "subnets": ["subnet-1"],
        "groups": ["sg-1"], "tags": {"team": "ml"}, "reservation": None, "placement_group": None, "interfaces": (),
    }  # fmt: skip
    return node_class("train", **{**given, **changes})


def test_a_node_pool_says_what_it_may_make_and_how_many_gpus_that_may_come_to() -> None:
    spec = pool_of(rung())["spec"]
    assert spec["limits"] == {"nvidia.com/gpu": "16"}
    assert spec["template"]["spec"]["requirements"] == [
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot", "on-demand"]},
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["p5.48xlarge"]},
        {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
        {"key": "topology.k8s.aws/zone-id", "operator": "In", "values": ["use1-az1", "use1-az2"]},
    ]
    assert spec["template"]["spec"]["nodeClassRef"] == {
        "group": "karpenter.k8s.aws",
        "kind": "EC2NodeClass",
        "name": "train",
    }


def test_a_training_node_is_never_consolidated_expired_or_drifted_while_it_is_busy() -> None:
    spec = pool_of(rung(), "training")["spec"]
    assert spec["template"]["spec"]["expireAfter"] == "Never"
    assert spec["disruption"]["consolidationPolicy"] == "WhenEmpty"
    none = next(item for item in spec["disruption"]["budgets"] if item["nodes"] == "0")
    assert none["reasons"] == ["Drifted", "Underutilized"]


def test_servers_are_packed_one_node_at_a_time() -> None:
    disruption = pool_of(rung(), "serving")["spec"]["disruption"]
    assert disruption["consolidationPolicy"] == "WhenEmptyOrUnderutilized"
    assert disruption["budgets"][0] == {"nodes": "1", "reasons": ["Drifted", "Underutilized"]}


def test_a_drain_ends_but_not_before_the_longest_grace_of_a_pod() -> None:
    assert DRAIN.endswith("m")
    assert int(DRAIN.removesuffix("m")) * 60 > grace.VOLUNTARY_NOTICE_SECONDS


@pytest.mark.parametrize("purpose", PURPOSES)
def test_expiry_stands_where_karpenter_reads_it(purpose: str) -> None:
    spec = pool_of(rung(), purpose)["spec"]
    assert "expireAfter" not in spec["disruption"]
    assert spec["template"]["spec"]["expireAfter"] == LIVES[purpose]["expireAfter"]
    assert spec["template"]["spec"]["terminationGracePeriod"] == DRAIN


def test_machines_run_one_pinned_release() -> None:
    assert class_of()["spec"]["amiSelectorTerms"] == [{"alias": "bottlerocket@v1.64.0"}]
    for image in catalog.node_images("aws"):
        found = alias(image.release)
        assert "latest" not in found
        assert tuple(int(part) for part in found.rpartition("@v")[2].split("."))[:2] >= BOTTLEROCKET_FLOOR


def test_disks_are_encrypted_and_the_metadata_service_is_one_hop_away() -> None:
    spec = class_of()["spec"]
    assert [item["deviceName"] for item in spec["blockDeviceMappings"]] == ["/dev/xvda", "/dev/xvdb"]
    assert {item["ebs"]["encrypted"] for item in spec["blockDeviceMappings"]} == {True}
    assert spec["blockDeviceMappings"][1]["ebs"]["volumeSize"] == "200Gi"
    assert (spec["metadataOptions"]["httpTokens"], spec["metadataOptions"]["httpPutResponseHopLimit"]) == (
        "required",
        1,
    )


def test_what_a_machine_does_not_have_is_not_said() -> None:
    said = class_of()["spec"].keys()
    optional = {
        "instanceStorePolicy",
        "capacityReservationSelectorTerms",
        "placementGroupSelector",
        "networkInterfaces",
    }
    assert not said & optional
    assert "associatePublicIPAddress" not in said


def test_disks_reservation_and_placement_are_named_where_they_are_used() -> None:
    spec = class_of(striped=True, reservation="cr-0123456789abcdef0", placement_group="close")["spec"]
    assert spec["instanceStorePolicy"] == "RAID0"
    assert spec["capacityReservationSelectorTerms"] == [{"id": "cr-0123456789abcdef0"}]
    assert spec["placementGroupSelector"] == {"name": "close"}


@given(st.sampled_from([item for item in MACHINES if item.efa_max > 0]))
def test_interfaces_pass_the_rules_of_karpenters_definition(machine: Any) -> None:
    """Its two CEL rules: a primary `interface`, at most one `efa-only` a card; and its enum has no plain `efa`."""
    found = class_of(interfaces=LAYOUTS["ip-optimised"](machine))["spec"]["networkInterfaces"]
    assert found[0] == {"networkCardIndex": 0, "deviceIndex": 0, "interfaceType": "interface"}
    fabric = [item["networkCardIndex"] for item in found if item["interfaceType"] == "efa-only"]
    assert len(set(fabric)) == len(fabric) == machine.efa_max
    assert {item["interfaceType"] for item in found} == {"interface", "efa-only"}


@given(specs, zones)
def test_rungs_are_tried_in_the_order_of_the_file(spec: PoolSpec, where: list[str]) -> None:
    found = rungs("train", spec, where, "dev")
    weights = [item.weight for item in found]
    assert weights == sorted(weights, reverse=True)
    if found:
        assert tuple(dict.fromkeys(kind for item in found for kind in item.kinds)) == spec.capacity
        assert {zone for item in found for zone in item.zones} == set(where)
        assert all(0 < weight <= 100 for weight in weights)


@given(specs, zones)
def test_nodes_that_lie_together_are_of_one_kind_in_one_zone(spec: PoolSpec, where: list[str]) -> None:
    found = rungs("train", spec, where, "dev")
    if spec.compact or spec.fabric == "efa":
        assert all(len(item.kinds) == len(item.zones) == 1 for item in found)
    groups = [item.placement_group for item in found]
    assert all(item is None or item.endswith(found[i].zones[0]) for i, item in enumerate(groups))
    assert all(group is None for item, group in zip(found, groups, strict=True) if "reserved" in item.kinds)
    assert spec.compact or set(groups) <= {None}


@given(specs, zones)
def test_what_shares_a_node_class_shares_a_placement_group(spec: PoolSpec, where: list[str]) -> None:
    found = rungs("train", spec, where, "dev")
    assert len({item.name for item in found}) == len(found)
    assert len({(item.node_class, item.placement_group) for item in found}) == len({item.node_class for item in found})


@given(specs, zones)
def test_the_ceiling_is_what_the_limits_come_to(spec: PoolSpec, where: list[str]) -> None:
    found = rungs("train", spec, where, "dev")
    left = (spec.max_nodes - spec.min_nodes) * spec.gpus_per_node
    limits = [int(pool_of(item, gpus=left)["spec"]["limits"]["nvidia.com/gpu"]) for item in found]
    if found:
        assert ceiling(spec, found) * spec.gpus_per_node == spec.min_nodes * spec.gpus_per_node + sum(limits)
    else:
        assert ceiling(spec, found) == spec.max_nodes


def test_a_pool_with_one_rung_has_the_ceiling_that_it_names() -> None:
    spec = PoolSpec(gpu="L40S", max_nodes=6, capacity=("reserved", "spot", "on-demand"))
    [only] = rungs("serve", spec, ZONES, "dev")
    assert (only.name, only.kinds, only.zones) == ("serve", ("reserved", "spot", "on-demand"), ZONES)
    assert ceiling(spec, [only]) == 6


def test_an_order_that_karpenter_would_not_keep_by_itself_takes_a_node_pool_each() -> None:
    found = rungs("serve", PoolSpec(gpu="L40S", max_nodes=6, capacity=("on-demand", "spot")), ZONES, "dev")
    assert [(item.name, item.weight) for item in found] == [("serve.on-demand", 20), ("serve.spot", 10)]


def test_names_of_rungs_fit_in_a_label() -> None:
    spec = PoolSpec(gpu="H100", max_nodes=1, capacity=("on-demand",), fabric="efa")
    [found] = rungs("p" * 40, spec, ["apse1-az1"], "dev")
    assert len(found.name) <= 63


@pytest.mark.parametrize("chart", ["karpenter", "karpenter-crd"])
@pytest.mark.parametrize("feature", FLOORS)
def test_karpenter_is_new_enough_for_all_that_is_used_of_it(chart: str, feature: str) -> None:
    pinned = tuple(int(part) for part in charts.CHARTS[chart].version.split("."))
    assert pinned >= FLOORS[feature]


def test_definitions_come_from_a_chart_of_their_own_in_the_version_of_the_controller() -> None:
    assert charts.CHARTS["karpenter"].version == charts.CHARTS["karpenter-crd"].version
    assert charts.CHARTS["karpenter"].after == ("karpenter-crd",)


ROLE = "arn:aws:iam::123456789012:role/nodes"
RIGHTS = statements(region="us-east-1", account="123456789012", cluster="springtide-dev", node_role=ROLE, queue="arn:q")
TAKEN = (":image/", ":snapshot/", ":security-group/", ":subnet/", ":capacity-reservation/", ":placement-group/")
"""What a launch names and does not make."""


def test_karpenter_makes_and_changes_only_what_carries_its_clusters_tag() -> None:
    verbs = re.compile(r"(ec2|iam):(Create|Run|Tag|Delete|Terminate|Add)")
    changing = [
        item
        for item in RIGHTS
        if any(verbs.match(action) for action in item["Action"])
        and not all(any(kind in name for kind in TAKEN) for name in item["Resource"])
    ]
    assert len(changing) == 8
    assert [
        item for item in changing if "kubernetes.io/cluster/springtide-dev" not in json.dumps(item["Condition"])
    ] == []


def test_karpenter_looks_in_its_own_region_only() -> None:
    [found] = [item for item in RIGHTS if "ec2:DescribeInstances" in item["Action"]]
    assert found["Condition"] == {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}


def test_karpenter_gives_machines_one_role_and_no_other() -> None:
    [found] = [item for item in RIGHTS if "iam:PassRole" in item["Action"]]
    assert (found["Resource"], found["Condition"]) == (
        [ROLE],
        {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
    )


@pytest.mark.parametrize(
    "action", ["ec2:DescribePlacementGroups", "ec2:DescribeInstanceStatus", "ec2:DescribeCapacityReservations"]
)
def test_karpenter_may_look_at_what_its_newer_features_need(action: str) -> None:
    assert any(action in item["Action"] for item in RIGHTS)


def test_all_rights_together_fit_in_one_policy() -> None:
    """10,240 characters without white space for all inline policies of a role (IAM's quotas)."""
    assert len(json.dumps(RIGHTS, separators=(",", ":"))) < 10_240


def test_only_our_rules_fill_the_queue_and_only_over_encrypted_connections() -> None:
    allow, deny = json.loads(queue_policy("arn:q", ["arn:rule"], "123456789012"))["Statement"]
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert allow["Condition"] == {
        "ArnEquals": {"aws:SourceArn": ["arn:rule"]},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
