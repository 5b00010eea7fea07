"""What no pool on AWS is rendered as, whatever its file asks for: laws over the catalog's machines and all ways to buy them."""

import warnings
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from springtide import catalog, clouds, grace, selection
from springtide.cluster import ClusterRef
from springtide.spec import PoolSpec

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pulumi_aws warns of its own old names when it is imported
    clouds.load("aws")
    from springtide.clouds.aws import karpenter
    from springtide.clouds.aws.efa import LAYOUTS
    from springtide.clouds.aws.ladder import managed, rungs, together
    from springtide.clouds.aws.node_group import Nodes, _template

REGION, ZONES = "us-east-1", ("use1-az1", "use1-az2", "use1-az4", "use1-az5", "use1-az6")
MACHINES = [
    machine
    for machine in catalog.machine_types("aws")
    if machine.gpu and not machine.unusable and catalog.offered(machine, REGION)
]
WAYS = {
    "plain": [machine.name for machine in MACHINES],
    "efa": [machine.name for machine in MACHINES if machine.efa_max > 0],
    "legacy": [machine.name for machine in MACHINES if machine.efa_max > 0],
    "block": [machine.name for machine in MACHINES if "capacity-block" in machine.usage_classes],
}
"""Machine types that can be used in a way that not all can."""
CAPACITIES = [
    ("spot",),
    ("on-demand",),
    ("reserved",),
    ("reserved", "spot"),
    ("spot", "on-demand"),
    ("on-demand", "spot"),
]
SECONDS = {"m": 60, "h": 3600}
LAW = settings(max_examples=150, deadline=None)
Pool = tuple[PoolSpec, selection.Choice]


@st.composite
def accepted(draw: st.DrawFn) -> Pool:
    """A pool that nothing is wrong with, and what the catalog has for it."""
    way = draw(st.sampled_from(sorted(WAYS)))
    machine = catalog.machine_type("aws", draw(st.sampled_from(WAYS[way])))
    assert machine is not None
    capacity = ("reserved",) if way == "block" else draw(st.sampled_from(CAPACITIES[: 3 if way == "legacy" else None]))
    offered = [zone for zone in ZONES if zone in catalog.offered(machine, REGION)]
    spec = PoolSpec(
        gpu=machine.gpu,
        gpus_per_node=machine.gpus,
        max_nodes=4,
        min_nodes=draw(st.integers(0, 4)),
        capacity=capacity,
        reservation="cr-0123456789abcdef0" if "reserved" in capacity else None,
        reservation_kind="capacity-block" if way == "block" else "standard",
        machine_types=draw(st.sampled_from([(machine.name,), ()])),
        zones=tuple(draw(st.lists(st.sampled_from(offered), unique=True, max_size=2))),
        purpose=draw(st.sampled_from(["training", "serving", "general"])),
        fabric="efa" if way in {"efa", "legacy"} or (way == "block" and draw(st.booleans())) else "none",
        efa_layout="legacy" if way == "legacy" else "ip-optimised",
        placement=draw(st.sampled_from([None, "none", "compact"])),
        local_disks=draw(st.sampled_from(["scratch", "none"])),
    )
    choice = selection.choose(spec, "aws", REGION, ZONES)
    assume(not choice.findings and not spec.findings())
    assume(not clouds.pool_findings("aws", spec, choice, version="1.35", mode="standard"))
    return spec, choice


def template(pool: Pool) -> dict[str, Any]:
    """What the launch template of a pool's node group says beyond disks and tags."""
    spec, choice = pool
    cluster: ClusterRef = {}  # type: ignore[typeddict-item]  # a template says nothing of the cluster
    group = "the-group" if spec.compact and "reserved" not in spec.capacity[:1] else None
    return _template(
        Nodes(
            name="p",
            spec=spec,
            choice=choice,
            cluster=cluster,
            labels={},
            taints=[],
            groups=["sg"],
            placement_group=group,
        )
    )


@LAW
@given(accepted())
def test_35_37_a_template_names_a_machine_for_a_block_alone_and_never_a_subnet(pool: Pool) -> None:
    said = template(pool)
    assert ("instance_type" in said) == (pool[0].reservation_kind == "capacity-block")
    assert not {"subnet_id", "iam_instance_profile"} & said.keys()
    assert all("subnet_id" not in item for item in said.get("network_interfaces", []))


@LAW
@given(accepted())
def test_36_what_lies_together_lies_in_one_zone(pool: Pool) -> None:
    spec, choice = pool
    if together(spec):
        assert all(len(rung.zones) == 1 for rung in rungs("p", spec, choice.zones, "e"))
    if spec.reservation_kind == "capacity-block" or (managed(spec) and together(spec)):
        assert len(choice.zones) == 1


@LAW
@given(accepted())
def test_38_39_40_42_interfaces_are_as_many_and_of_such_kinds_as_the_machine_takes(pool: Pool) -> None:
    spec, choice = pool
    interfaces = template(pool).get("network_interfaces", [])
    assert bool(interfaces) == (spec.fabric == "efa")
    assert all("associate_public_ip_address" not in item for item in interfaces)
    assert {item["interface_type"] for item in interfaces[1:]} <= {"efa-only"}
    only = [item["network_card_index"] for item in interfaces if item["interface_type"] == "efa-only"]
    assert len(set(only)) == len(only)
    fabric = [item for item in interfaces if item["interface_type"] != "interface"]
    assert len(fabric) == (choice.machine_types[0].efa_max if spec.fabric == "efa" else 0)


@LAW
@given(accepted())
def test_41_karpenter_is_given_a_plain_first_interface(pool: Pool) -> None:
    spec, choice = pool
    if spec.fabric == "efa" and not managed(spec):
        primary = LAYOUTS[spec.efa_layout](choice.machine_types[0])[0]
        assert (primary.card, primary.device, primary.kind) == (0, 0, "interface")


@LAW
@given(accepted())
def test_47_48_50_a_node_pool_has_a_limit_and_a_training_node_time_to_save(pool: Pool) -> None:
    spec, choice = pool
    for rung in rungs("p", spec, choice.zones, "e"):
        said = karpenter.node_pool(
            rung, machines=choice.machine_types, labels={}, taints=[], purpose=spec.purpose, gpus=spec.max_nodes
        )["spec"]
        assert said["limits"] == {"nvidia.com/gpu": str(spec.max_nodes)}
        assert "expireAfter" not in said["disruption"]
        life = said["template"]["spec"]
        drain = life["terminationGracePeriod"]
        assert int(drain[:-1]) * SECONDS[drain[-1]] >= grace.VOLUNTARY_NOTICE_SECONDS
        if spec.purpose == "training":
            assert (life["expireAfter"], said["disruption"]["consolidationPolicy"]) == ("Never", "WhenEmpty")
