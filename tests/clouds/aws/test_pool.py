"""What AWS refuses of a pool, and what its pods must say; how it is rendered is in `test_rendering_pools.py`."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import environment_files  # noqa: F401  loads the AWS SDK without its own warnings

from springtide import catalog, clouds, selection
from springtide.clouds.aws.controllers import pool_controllers
from springtide.clouds.aws.efa import RESOURCE
from springtide.clouds.aws.pool import pod_part
from springtide.clouds.aws.pool_rules import DRIVER, driven, wakes
from springtide.spec import Finding, PoolSpec
from springtide.spec.taints import parsed_taint

ZONES = ("use1-az1", "use1-az2", "use1-az4")
RESERVED: dict[str, Any] = {"capacity": ("reserved",), "reservation": "cr-0123456789abcdef0"}
EFA: dict[str, Any] = {"gpu": "H100", "gpus_per_node": 8, "fabric": "efa"}
LEGACY: dict[str, Any] = {**EFA, "efa_layout": "legacy", "zones": ("use1-az2",)}
BLOCK: dict[str, Any] = {
    **RESERVED, "gpu": "H100", "gpus_per_node": 8, "reservation_kind": "capacity-block", "zones": ("use1-az2",),
}  # fmt: skip


def pool(**said: Any) -> PoolSpec:
    return PoolSpec(**{"gpu": "L40S", "max_nodes": 4, **said})


def refusals(spec: PoolSpec, mode: str = "standard") -> list[Finding]:
    return [*spec.findings(), *of_the_cloud(spec, mode)]


def of_the_cloud(spec: PoolSpec, mode: str = "standard") -> list[Finding]:
    choice = selection.choose(spec, "aws", "us-east-1", ZONES)
    assert choice.findings == ()
    return clouds.pool_findings("aws", spec, choice, version="1.35", mode=mode)


ACCEPTED = [
    {},
    {"capacity": ("spot", "on-demand")},
    {"capacity": ("on-demand", "spot")},
    {**RESERVED, "capacity": ("reserved", "spot", "on-demand")},
    EFA,
    {**EFA, "min_nodes": 1, "zones": ("use1-az2",)},
    {**LEGACY, "zones": ("use1-az2",)},
    BLOCK,
    {**BLOCK, "fabric": "efa"},
    {"gpu": "L40S", "machine_types": ("g6e.8xlarge", "g6e.16xlarge"), "fabric": "efa"},
    {"local_disks": "none", "labels": {"example.com/team": "a"}, "taints": ("example.com/team=a:NoSchedule",)},
    {"placement": "compact"},
]


@pytest.mark.parametrize("said", ACCEPTED)
def test_what_aws_can_do_is_not_refused(said: dict[str, Any]) -> None:
    assert refusals(pool(**said)) == []


REFUSED = [
    ({"capacity": ("spot", "reserved"), "reservation": "cr-0123456789abcdef0"}, "/capacity", "write [reserved, spot]"),
    ({**LEGACY, "capacity": ("spot", "on-demand")}, "/capacity", "one pool of each"),
    ({**BLOCK, "capacity": ("reserved", "spot")}, "/capacity", "one pool of each"),
    ({"capacity": ("reserved",)}, "/reservation", "reservation: cr-"),
    ({**RESERVED, "reservation": "projects/p/reservations/r"}, "/reservation", "reservation: cr-"),
    ({**RESERVED, "reservation_kind": "future"}, "/reservation_kind", "capacity-block for a block"),
    ({"reservation": "cr-0123456789abcdef0"}, "/reservation", "add reserved to capacity"),
    ({"reservation_kind": "capacity-block"}, "/reservation_kind", "add reserved to capacity"),
    ({**BLOCK, "zones": ()}, "/zones", "zones: [use1-az1]"),
    ({**RESERVED, "reservation_kind": "capacity-block", "machine_types": ("g6e.xlarge",), "zones": ("use1-az1",)},
     "/reservation_kind", "reservation_kind: standard"),
    ({"fabric": "efa"}, "/fabric", "machine_types: [g6e.8xlarge, g6e.16xlarge]"),
    ({"fabric": "efa", "machine_types": ("g6e.xlarge",)}, "/machine_types", "fabric: none"),
    ({"gpu": "A100", "gpus_per_node": 8, "machine_types": ("p4d.24xlarge",), "efa_layout": "legacy"}, "/efa_layout",
     "fabric: efa"),
    ({**LEGACY, "zones": ()}, "/zones", "zones: [use1-az1]"),
    ({**EFA, "min_nodes": 1}, "/zones", "zones: [use1-az1]"),
    ({"max_run_hours": 3}, "/max_run_hours", "flex-start"),
    ({"driver": "latest"}, "/driver", "remove driver"),
    ({"local_disks": "block"}, "/local_disks", "use scratch"),
    ({"labels": {"karpenter.sh/team": "a"}}, "/labels/karpenter.sh~1team", "domain of your own"),
    ({"labels": {"springtide.dev/pool": "a"}}, "/labels/springtide.dev~1pool", "domain of your own"),
    ({"taints": ("team",)}, "/taints/0", "key=value:Effect"),
    ({"capacity": ("flex-start",)}, "/capacity", "use spot or on-demand"),
    ({"capacity": ("queued",)}, "/capacity", "use spot or on-demand"),
    ({"fabric": "gpudirect"}, "/fabric", "another fabric"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "path", "fix"), REFUSED)
def test_what_aws_cannot_do_is_refused_with_its_remedy(said: dict[str, Any], path: str, fix: str) -> None:
    [found] = refusals(pool(**said))
    assert (found.path, fix in found.fix) == (path, True), found


def test_a_misspelt_layout_is_left_to_the_rule_about_its_spelling() -> None:
    assert of_the_cloud(pool(**{**EFA, "efa_layout": "older"})) == []


def test_no_gpu_pool_is_promised_in_auto_mode() -> None:
    [found] = refusals(pool(), mode="auto")
    assert (found.rule, found.path) == ("aws/auto-mode", "/gpu")


@pytest.mark.parametrize(
    ("said", "rule"),
    [({"fabric": "efa"}, "aws/efa-layout"), ({**RESERVED, "reservation_kind": "capacity-block"}, "aws/capacity-block")],
)
def test_one_layout_of_interfaces_and_one_block_take_machines_of_one_type(said: dict[str, Any], rule: str) -> None:
    """In Oregon there are p5e and p5en, with the same GPUs and different network cards."""
    spec = pool(gpu="H200", gpus_per_node=8, zones=("usw2-az3",), **said)
    choice = selection.choose(spec, "aws", "us-west-2", ["usw2-az2", "usw2-az3"])
    [found] = clouds.pool_findings("aws", spec, choice, version="1.35", mode="standard")
    assert (found.rule, found.path, found.allowed) == (rule, "/machine_types", ("p5e.48xlarge", "p5en.48xlarge"))


@pytest.mark.parametrize(
    ("floor", "ceiling", "served"), [(0, 0, True), (595, 0, False), (0, 575, False), (0, 580, True), (580, 580, True)]
)
def test_a_gpu_that_the_images_driver_does_not_serve_is_refused(floor: int, ceiling: int, *, served: bool) -> None:
    machine = replace(catalog.machine_types("aws")[0], driver_floor=floor, driver_ceiling=ceiling)
    assert driven(machine, DRIVER) is served


def test_every_usable_machine_is_served_by_the_images_driver() -> None:
    assert [
        item.name
        for item in catalog.machine_types("aws")
        if item.gpu and not item.unusable and not driven(item, DRIVER)
    ] == []


@pytest.mark.parametrize(
    ("said", "charts"),
    [
        ({}, ("karpenter-crd", "karpenter")),
        (EFA, ("karpenter-crd", "karpenter", "aws-efa-k8s-device-plugin")),
        (LEGACY, ("aws-efa-k8s-device-plugin",)),
        (BLOCK, ()),
        ({"min_nodes": 4}, ()),
    ],
)
def test_a_pool_brings_the_controllers_without_which_it_does_not_work(
    said: dict[str, Any], charts: tuple[str, ...]
) -> None:
    assert pool_controllers(pool(**said), "standard") == charts


@pytest.mark.parametrize(("said", "wake"), [({}, True), (EFA, True), (LEGACY, False), (BLOCK, False)])
def test_karpenter_wakes_what_is_not_a_node_group(said: dict[str, Any], *, wake: bool) -> None:
    assert wakes(pool(**said)) is wake


def part(spec: PoolSpec) -> Any:
    return pod_part("train", spec, selection.choose(spec, "aws", "us-east-1", ZONES), version="1.35", mode="standard")


def test_a_pod_with_efa_asks_for_every_interface_of_a_node_and_for_no_huge_page() -> None:
    """Karpenter knows no huge pages: a pod that asked for them would never wake a pool."""
    found = part(pool(**EFA))
    assert found["resources"] == {RESOURCE: "32"}
    assert found["env"] == {"FI_EFA_USE_HUGE_PAGE": "0", "NCCL_SOCKET_IFNAME": "^docker,lo,veth"}


def test_a_job_stays_on_one_rung_where_nodes_lie_together_and_else_in_one_zone() -> None:
    assert part(pool(**EFA))["together"] == "springtide.dev/rung"
    assert part(pool())["together"] == "topology.k8s.aws/zone-id"


def test_only_pods_of_training_pools_are_not_to_be_disrupted() -> None:
    assert part(pool(purpose="training"))["annotations"] == {"karpenter.sh/do-not-disrupt": "true"}
    assert part(pool(purpose="serving"))["annotations"] == {}


def test_a_pod_tolerates_the_pools_own_taints() -> None:
    tolerated = {"key": "team", "operator": "Equal", "value": "a", "effect": "NoSchedule"}
    assert part(pool(taints=("team=a:NoSchedule",)))["tolerations"] == [tolerated]


@given(st.from_regex(r"[a-z/.]{1,20}", fullmatch=True), st.from_regex(r"[a-z]{0,9}", fullmatch=True))
def test_a_taint_is_read_as_it_is_written(key: str, value: str) -> None:
    assert parsed_taint(f"{key}={value}:NoExecute") == {"key": key, "value": value, "effect": "NoExecute"}
