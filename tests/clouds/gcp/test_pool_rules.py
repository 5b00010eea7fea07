"""What GKE refuses, refused offline: each rule by a file and its neighbour that differs in one field, or by a law.

Numbers are those of the list of configurations to refuse before apply that this project began with.
"""

import warnings
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.clouds.gcp.pool_recordings import ZONES
from tests.environment_files import load, mistakes
from tests.k8s.manifests import RUN

from springtide import catalog, clouds, selection
from springtide.clouds.gcp.groups import MOST_GROUPS, Group, evenly, groups
from springtide.clouds.gcp.node_pool import arguments
from springtide.clouds.gcp.pool import pod_part
from springtide.clouds.gcp.reservation import shared_block_findings
from springtide.k8s.training import indexed_job
from springtide.spec import PoolSpec, SharingSpec

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pulumi_gcp warns of its own old names when it is imported
    clouds.load("gcp")

MEGA = "projects/acme-ml-prod/reservations/mega"
SPOT: dict[str, Any] = {"gpu": "H100", "gpus_per_node": 8, "max_nodes": 4, "capacity": ["spot"]}
QUEUED = {**SPOT, "capacity": ["queued"]}
FLEX = {**SPOT, "capacity": ["flex-start"]}
RESERVED = {
    **SPOT,
    "capacity": ["reserved"],
    "reservation": MEGA,
    "zones": ["us-central1-a"],
    "machine_types": ["a3-megagpu-8g"],
}
BLOCK = {**RESERVED, "reservation": f"{MEGA}/reservationBlocks/b1"}
DIRECT = {**SPOT, "fabric": "gpudirect", "machine_types": ["a3-megagpu-8g"]}
SHARED = {"gpu": "L4", "max_nodes": 2, "sharing": {"strategy": "time-sharing", "clients": 4}}
ABSENT = object()

NEIGHBOURS: list[tuple[str, dict[str, Any], str, Any, str]] = [
    ("1", BLOCK, "zones", ABSENT, "/zones"),
    ("1", BLOCK, "zones", ["us-central1-a", "us-central1-c"], "/zones"),
    ("1", RESERVED, "zones", ABSENT, "/zones"),
    ("7", RESERVED, "reservation", ABSENT, "/reservation"),
    ("7", RESERVED, "reservation", "mega", "/reservation"),
    ("7", SPOT, "reservation", MEGA, "/reservation"),
    ("8", RESERVED, "machine_types", ABSENT, "/machine_types"),
    ("8", RESERVED, "reservation_kind", "capacity-block", "/reservation_kind"),
    ("15", QUEUED, "placement", "compact", "/placement"),
    ("16", QUEUED, "reservation", MEGA, "/reservation"),
    ("17", QUEUED, "min_nodes", 1, "/min_nodes"),
    ("22", FLEX, "min_nodes", 1, "/min_nodes"),
    ("23", FLEX, "reservation", MEGA, "/reservation"),
    ("25", QUEUED, "capacity", ["spot", "queued"], "/capacity/1"),
    ("26", SPOT, "reservation", MEGA, "/reservation"),
    ("28", {**RESERVED, "reservation_kind": "future"}, "min_nodes", 1, "/min_nodes"),
    ("29", FLEX, "placement", "compact", "/placement"),
    ("30", DIRECT, "machine_types", ["a3-edgegpu-8g"], "/fabric"),
    ("30", DIRECT, "machine_types", ABSENT, "/machine_types"),
    ("50", SPOT, "max_nodes", 0, "/max_nodes"),
    ("longest run", FLEX, "max_run_hours", 169, "/max_run_hours"),
    ("longest run", SPOT, "max_run_hours", 24, "/max_run_hours"),
    ("never sold", FLEX | {"gpu": "H200"}, "capacity", ["on-demand"], "/capacity/0"),
    ("raw disks", SPOT, "local_disks", "block", ""),
    ("raw disks", {"gpu": "L4", "max_nodes": 2}, "local_disks", "block", "/local_disks"),
    ("compact N1", {"gpu": "T4", "max_nodes": 2}, "placement", "compact", "/placement"),
    ("EFA layout", SPOT, "efa_layout", "legacy", "/efa_layout"),
    ("EFA", SPOT, "fabric", "efa", "/fabric"),
    ("taints", SPOT, "taints", ["team"], "/taints/0"),
    ("taints", SPOT, "taints", ["team=a:Never"], "/taints/0"),
    ("shared among", SHARED, "sharing", {"strategy": "mps", "clients": 49}, "/sharing/clients"),
    ("shared training", SHARED, "purpose", "training", "/sharing/strategy"),
    (
        "too many node pools",
        {**SPOT, "capacity": ["spot", "on-demand"]},
        "machine_types",
        ["a3-highgpu-8g", "a3-megagpu-8g", "a3-edgegpu-8g"],
        "/machine_types",
    ),
]
REFUSED = [row for row in NEIGHBOURS if row[4]]


def file_with(pool: dict[str, Any], **cluster: Any) -> str:
    """An environment file with one pool."""
    return yaml.safe_dump(
        {
            "config": {
                "cloud": "gcp",
                "account": "acme-ml-prod",
                "region": "us-central1",
                "zones": list(ZONES),
                "cluster": {"version": "1.35", "access": ["203.0.113.0/24"], **cluster},
                "storage": {"artifacts": {"kind": "bucket"}},
                "pools": {"train": {key: value for key, value in pool.items() if value is not ABSENT}},
            }
        }
    )


@pytest.mark.parametrize(
    ("pool", "key", "value", "path"), [row[1:] for row in REFUSED], ids=[f"{row[0]}-{row[2]}" for row in REFUSED]
)
def test_one_field_is_refused_with_its_remedy_and_the_file_without_it_is_not(
    tmp_path: Path, pool: dict[str, Any], key: str, value: Any, path: str
) -> None:
    load(tmp_path, file_with(pool))
    found = mistakes(tmp_path, file_with({**pool, key: value}))
    assert [item.path for item in found] == [f"/pools/train{path}"]
    assert all(item.fix and item.where for item in found)


def test_disks_that_come_with_a_machine_may_be_raw(tmp_path: Path) -> None:
    load(tmp_path, file_with({**SPOT, "local_disks": "block"}))


def test_31_a_version_before_the_fabric_is_refused_by_pool_and_by_cluster(tmp_path: Path) -> None:
    load(tmp_path, file_with(DIRECT))
    found = mistakes(tmp_path, file_with(DIRECT, version="1.27"))
    assert "/pools/train/fabric" in [item.path for item in found]


def test_a_fabric_that_lies_in_one_zone_needs_one() -> None:
    """The catalog knows one zone of us-central1 with H200, so a file cannot show it there."""
    spec = PoolSpec(gpu="H200", gpus_per_node=8, max_nodes=1, fabric="gpudirect", capacity=("spot",))
    machine = selection.choose(spec, "gcp", "us-central1", ZONES).machine_types
    two = selection.Choice(machine_types=machine, zones=ZONES[:2])
    found = clouds.pool_findings("gcp", spec, two, version="1.35", mode="standard")
    assert [item.path for item in found] == ["/zones"]
    one = selection.Choice(machine_types=machine, zones=ZONES[:1])
    assert clouds.pool_findings("gcp", spec, one, version="1.35", mode="standard") == []


def test_8_a_block_of_another_projects_reservation_is_refused() -> None:
    spec = PoolSpec(gpu="H100", max_nodes=1, capacity=("reserved",), reservation=f"{MEGA}/reservationBlocks/b1")
    assert shared_block_findings(spec, "acme-ml-prod") == []
    [found] = shared_block_findings(spec, "acme-research")
    assert found.path == "/reservation"
    whole = PoolSpec(gpu="H100", max_nodes=1, capacity=("reserved",), reservation=MEGA)
    assert shared_block_findings(whole, "acme-research") == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("capacity", ["queued"]),
        ("min_nodes", 1),
        ("placement", "compact"),
        ("labels", {"team": "vision"}),
        ("taints", ["team=vision:NoExecute"]),
        ("local_disks", "block"),
        ("sharing", {"strategy": "mps", "clients": 2}),
    ],
)
def test_what_autopilot_cannot_be_told_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    pool = {"gpu": "H100", "gpus_per_node": 8, "max_nodes": 2, "capacity": ["spot"], "machine_types": ["a3-highgpu-8g"]}
    load(tmp_path, file_with(pool, mode="auto"))
    found = mistakes(tmp_path, file_with({**pool, key: value}, mode="auto"))
    assert {(item.rule, item.path) for item in found} >= {("gcp/automatic", f"/pools/train/{key}")}


MACHINES = [
    "g2-standard-4", "g2-standard-96", "n1-standard-16+t4x2", "a2-highgpu-8g", "a2-ultragpu-4g", "a3-highgpu-1g",
    "a3-highgpu-8g", "a3-megagpu-8g", "a3-edgegpu-8g", "a3-ultragpu-8g", "a4-highgpu-8g", "g4-standard-96",
]  # fmt: skip
CAPACITIES = [("queued",), ("flex-start",), *permutations(("reserved", "spot", "on-demand", "flex-start"), 2)]
CAPACITIES += [("spot",), ("on-demand",), ("reserved",), ("reserved", "spot", "on-demand")]
SHARINGS = st.builds(SharingSpec, strategy=st.sampled_from(["time-sharing", "mps"]), clients=st.integers(2, 32))


@st.composite
def accepted(draw: st.DrawFn) -> tuple[PoolSpec, selection.Choice]:
    """A pool that nothing is wrong with, and what the catalog has for it."""
    machine = catalog.machine_type("gcp", draw(st.sampled_from(MACHINES)))
    assert machine is not None
    capacity = draw(st.sampled_from(CAPACITIES))
    offered = sorted(set(ZONES) & set(catalog.offered(machine, "us-central1")))
    zones = draw(st.lists(st.sampled_from(offered), min_size="reserved" in capacity, unique=True))
    purpose = draw(st.sampled_from(["training", "serving", "general"]))
    most = draw(st.integers(1, 9))
    spec = PoolSpec(
        gpu=machine.gpu,
        gpus_per_node=machine.gpus,
        max_nodes=most,
        min_nodes=0 if capacity[0] in {"queued", "flex-start"} else draw(st.integers(0, most)),
        capacity=capacity,
        reservation=MEGA if "reserved" in capacity else None,
        machine_types=() if draw(st.booleans()) else (machine.name,),
        zones=tuple(zones),
        purpose=purpose,
        fabric=draw(st.sampled_from(["none", *["gpudirect"] * bool(machine.gpudirect)])),
        placement=draw(st.sampled_from([None, "none", "compact"])),
        local_disks=draw(st.sampled_from(["scratch", "none", *["block"] * (machine.local_ssds > 0)])),
        sharing=draw(st.none() if purpose == "training" else st.none() | SHARINGS),
    )
    choice = selection.choose(spec, "gcp", "us-central1", ZONES)
    assume(not choice.findings and not spec.findings())
    assume(not clouds.pool_findings("gcp", spec, choice, version="1.35", mode="standard"))
    return spec, choice


LAW = settings(max_examples=60, deadline=None)


def rendered(pool: tuple[PoolSpec, selection.Choice]) -> list[tuple[Group, dict[str, Any]]]:
    spec, choice = pool
    made = groups("p", spec, choice)
    return [(group, arguments(group, spec, version="1.35", environment="e", account="a")) for group in made]


@LAW
@given(accepted())
def test_every_accepted_pool_is_some_node_pools_with_names_of_their_own(
    pool: tuple[PoolSpec, selection.Choice],
) -> None:
    names = [said["name"] for _, said in rendered(pool)]
    assert 1 <= len(names) <= MOST_GROUPS
    assert len(set(names)) == len(names)
    assert all(len(name) <= 40 for name in names)


@LAW
@given(accepted())
def test_3_4_5_22_50_the_autoscaler_alone_owns_the_size_between_two_bounds(
    pool: tuple[PoolSpec, selection.Choice],
) -> None:
    spec, _ = pool
    for group, said in rendered(pool):
        bounds = said["autoscaling"]
        assert "node_count" not in said
        begins = said["initial_node_count"] * len(group.zones)
        assert 0 <= bounds["total_min_node_count"] <= begins <= bounds["total_max_node_count"] == spec.max_nodes
    assert sum(said["autoscaling"]["total_min_node_count"] for _, said in rendered(pool)) == spec.min_nodes


@LAW
@given(accepted())
def test_6_no_node_has_its_disks_in_both_ways(pool: tuple[PoolSpec, selection.Choice]) -> None:
    for _, said in rendered(pool):
        assert not {"ephemeral_storage_local_ssd_config", "local_nvme_ssd_block_config"} <= said["node_config"].keys()


@LAW
@given(accepted())
def test_9_10_11_12_14_an_upgrade_needs_no_spare_machine_and_can_go_on(
    pool: tuple[PoolSpec, selection.Choice],
) -> None:
    for group, said in rendered(pool):
        waited_for = group.kind in {"flex-start", "queued"}
        surge = {"strategy": "SURGE", "max_surge": 0, "max_unavailable": 1}
        # GKE's own strategy for machines that are waited for has no name that the provider takes.
        assert said.get("upgrade_settings") == (None if waited_for else surge)
        assert said["management"]["auto_upgrade"] is True


@LAW
@given(accepted())
def test_what_pods_of_a_job_share_is_had_in_one_zone_and_of_one_kind_of_capacity_only(
    pool: tuple[PoolSpec, selection.Choice],
) -> None:
    """Design: a job of several nodes lands on one rung and in one zone, always, for whatever purpose the pool is."""
    spec, choice = pool
    run = replace(RUN, place=replace(RUN.place, part=pod_part("p", spec, choice, version="1.35", mode="standard")))
    pods = indexed_job(run)["spec"]["template"]["spec"]["affinity"]["podAffinity"]
    keys = [term["topologyKey"] for term in pods["requiredDuringSchedulingIgnoredDuringExecution"]]
    kinds: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for group in groups("p", spec, choice):
        for zone in group.zones:
            labels = {"cloud.google.com/gke-nodepool": group.name, "topology.kubernetes.io/zone": zone}
            kinds.setdefault(tuple(labels[key] for key in keys), set()).add((group.kind, zone))
    assert all(len(found) == 1 for found in kinds.values())


@pytest.mark.parametrize(("hours", "seconds"), [(None, "604800"), (1, "3600"), (24, "86400")])
def test_queued_machines_are_wanted_for_as_long_as_the_file_says_and_else_for_a_week(
    hours: int | None, seconds: str
) -> None:
    spec = PoolSpec(gpu="H100", gpus_per_node=8, max_nodes=1, capacity=("queued",), max_run_hours=hours)
    asked = pod_part("q", spec, selection.Choice(), version="1.35", mode="standard")["request"]
    assert asked == {"provreq.kueue.x-k8s.io/maxRunDurationSeconds": seconds}


@LAW
@given(accepted())
def test_13_15_29_close_nodes_lie_in_one_zone_and_are_never_queued(pool: tuple[PoolSpec, selection.Choice]) -> None:
    for group, said in rendered(pool):
        if "placement_policy" not in said:
            continue
        assert len(said["node_locations"]) == 1
        assert group.kind not in {"queued", "reserved"}
        assert group.kind != "flex-start" or group.machine.name.startswith(("a3-ultragpu-", "a4-"))


@LAW
@given(accepted())
def test_7_16_23_24_25_26_a_machine_is_bought_in_one_way(pool: tuple[PoolSpec, selection.Choice]) -> None:
    for group, said in rendered(pool):
        node = said["node_config"]
        ways = {
            "spot": node.get("spot", False),
            "flex-start": node.get("flex_start", False),
            "queued": "queued_provisioning" in said,
            "reserved": node.get("reservation_affinity", {}).get("consume_reservation_type") == "SPECIFIC_RESERVATION",
        }
        assert [kind for kind, found in ways.items() if found] == [group.kind][: group.kind != "on-demand"]
        assert ("max_run_duration" in node) == (group.kind == "flex-start")


@LAW
@given(accepted())
def test_17_18_21_what_is_waited_for_starts_from_zero_and_is_not_repaired(
    pool: tuple[PoolSpec, selection.Choice],
) -> None:
    for group, said in rendered(pool):
        waited_for = group.kind in {"flex-start", "queued"}
        assert said["management"]["auto_repair"] is not waited_for
        assert not waited_for or said["autoscaling"]["total_min_node_count"] == 0


@LAW
@given(accepted())
def test_a_job_cannot_be_torn_between_kinds_or_zones(pool: tuple[PoolSpec, selection.Choice]) -> None:
    spec, _ = pool
    made = [group for group, _ in rendered(pool)]
    if spec.purpose != "serving" and len(spec.capacity) > 1:
        assert all(len(group.zones) == 1 for group in made)


@LAW
@given(accepted())
def test_every_machine_is_offered_where_its_node_pool_is(pool: tuple[PoolSpec, selection.Choice]) -> None:
    spec, choice = pool
    for group, _ in rendered(pool):
        assert group.zones
        assert set(group.zones) <= set(choice.zones)
        assert (group.machine.gpu, group.machine.gpus) == (spec.gpu, spec.gpus_per_node)


@given(st.integers(0, 20), st.integers(1, 20), st.integers(1, 8))
def test_nodes_that_a_pool_begins_with_are_between_its_bounds_in_as_many_zones_as_can_be(
    least: int, most: int, count: int
) -> None:
    assume(least <= most)
    zones = tuple(f"zone-{i}" for i in range(count))
    used = evenly(zones, least, most)
    assert least <= -(-least // len(used)) * len(used) <= most
    more = len(used) + 1
    assert used == zones or -(-least // more) * more > most
