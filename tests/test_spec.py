"""Rules of the specs: for each value that is refused, its neighbour that is not. And the findings they speak in."""

import json
from dataclasses import FrozenInstanceError, replace
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.spec import (
    CAPACITY,
    ClusterSpec,
    EnvironmentSpec,
    Finding,
    JobSpec,
    ModelSpec,
    NetworkSpec,
    Outcome,
    PoolSpec,
    QueueSpec,
    ReplicasSpec,
    ScaleOnSpec,
    ServiceSpec,
    Severity,
    SharingSpec,
    Source,
    SpecError,
    StorageSpec,
    did_you_mean,
    dns_label,
    finding_text,
    refuse,
    warn,
)

DIGEST = f"sha256:{'0123456789abcdef' * 4}"


class Judged(Protocol):
    """What every spec can do."""

    def findings(self) -> list[Finding]:
        """What is impossible."""
        ...


ENVIRONMENT = EnvironmentSpec(cloud="aws", account="1", region="r")
NETWORK = NetworkSpec(zones=("a", "b"))
CLUSTER = ClusterSpec(version="1.35", access=("203.0.113.0/24",))
POOL = PoolSpec(gpu="L4", max_nodes=2)
STORAGE = StorageSpec(kind="bucket")
QUEUE = QueueSpec(max_gpus=1)
JOB = JobSpec(recipe="gpt_tiny")
SERVICE = ServiceSpec(model=ModelSpec(job="gpt"))

NEIGHBOURS: list[tuple[Any, str, Any, Any, str]] = [
    (ENVIRONMENT, "budget_usd_per_hour", -0.01, 0, "/budget_usd_per_hour"),
    (NETWORK, "zones", ("a",), ("a", "b"), "/zones"),
    (NETWORK, "zones", tuple("abcdefghi"), tuple("abcdefgh"), "/zones"),
    (NETWORK, "zones", ("a", "b", "a"), ("a", "b", "c"), "/zones/2"),
    (NETWORK, "cidr", "10.0.0.0/15", "10.0.0.0/16", "/cidr"),
    (NETWORK, "cidr", "10.0.0.0/21", "10.0.0.0/20", "/cidr"),
    (NETWORK, "cidr", "10.0.0.0", "10.0.0.0/16", "/cidr"),
    (NETWORK, "cidr", "10.0.1.0/16", "10.1.0.0/16", "/cidr"),
    (NETWORK, "nat", "none", "per-zone", "/nat"),
    (NETWORK, "pods_cidr", "100.64.0.0/22", "100.64.0.0/16", "/pods_cidr"),
    (NETWORK, "endpoints", ("storage", "images"), ("storage", "registry"), "/endpoints/1"),
    (NETWORK, "endpoints", ("storage", "storage"), (), "/endpoints/1"),
    (NETWORK, "subnets", {"a": "subnet-1"}, {}, "/subnets"),
    (replace(NETWORK, existing="vpc-1", subnets={"a": "subnet-1"}), "subnets", {}, {"a": "subnet-1"}, "/subnets"),
    (CLUSTER, "access", (), ("0.0.0.0/0",), "/access"),
    (CLUSTER, "access", ("203.0.113.0/24", "203.0.113.7"), ("203.0.113.0/24", "203.0.113.7/32"), "/access/1"),
    (CLUSTER, "access", ("10.0.0.0/8", "10.0.0.0/8"), ("10.0.0.0/8", "11.0.0.0/8"), "/access/1"),
    (replace(CLUSTER, runner="inside"), "access", ("private", "10.0.0.0/8"), ("private",), "/access"),
    (replace(CLUSTER, runner="inside"), "access", "everyone", "private", "/access"),
    (CLUSTER, "runner", "beside", "inside", "/runner"),
    (CLUSTER, "mode", "autopilot", "auto", "/mode"),
    (replace(CLUSTER, access="private", runner="inside"), "runner", "outside", "inside", "/runner"),
    (CLUSTER, "release_channel", "nightly", "rapid", "/release_channel"),
    (CLUSTER, "admins", ("a", "a"), ("a", "b"), "/admins/1"),
    (CLUSTER, "system_machine_types", ("a", "a"), ("a", "b"), "/system_machine_types/1"),
    (CLUSTER, "system_nodes", 0, 1, "/system_nodes"),
    (POOL, "max_nodes", 0, 1, "/max_nodes"),
    (POOL, "max_nodes", 1_000_001, 1_000_000, "/max_nodes"),
    (POOL, "min_nodes", -1, 0, "/min_nodes"),
    (POOL, "min_nodes", 3, 2, "/max_nodes"),
    (POOL, "gpus_per_node", 0, 1, "/gpus_per_node"),
    (POOL, "capacity", (), ("spot",), "/capacity"),
    (POOL, "capacity", ("spot", "ondemand"), ("spot", "on-demand"), "/capacity/1"),
    (POOL, "capacity", ("spot", "spot"), ("spot", "reserved"), "/capacity/1"),
    (POOL, "machine_types", ("a", "b", "b"), ("a", "b"), "/machine_types/2"),
    (POOL, "zones", ("a", "a"), ("a", "b"), "/zones/1"),
    (POOL, "purpose", "train", "training", "/purpose"),
    (POOL, "fabric", "infiniband", "efa", "/fabric"),
    (POOL, "efa_layout", "old", "legacy", "/efa_layout"),
    (POOL, "placement", "close", "compact", "/placement"),
    (POOL, "local_disks", "raid", "block", "/local_disks"),
    (POOL, "driver", "580", "latest", "/driver"),
    (replace(POOL, capacity=("reserved",)), "reservation_kind", "block", "capacity-block", "/reservation_kind"),
    (
        POOL,
        "sharing",
        SharingSpec(strategy="mig", clients=2),
        SharingSpec(strategy="mps", clients=2),
        "/sharing/strategy",
    ),
    (
        POOL,
        "sharing",
        SharingSpec(strategy="mps", clients=1),
        SharingSpec(strategy="mps", clients=2),
        "/sharing/clients",
    ),
    (POOL, "max_run_hours", 0, 1, "/max_run_hours"),
    (POOL, "taints", ("team=a:NoSchedule", "team"), ("team=a:NoSchedule", "team=:NoExecute"), "/taints/1"),
    (POOL, "taints", ("team=a:Never",), ("team=a:PreferNoSchedule",), "/taints/0"),
    (POOL, "reservation", "cr-1", None, "/reservation"),
    (POOL, "disk_gib", 49, 50, "/disk_gib"),
    (STORAGE, "kind", "disk", "bucket", "/kind"),
    (STORAGE, "expire_days", 0, 1, "/expire_days"),
    (QUEUE, "max_gpus", 0, 1, "/max_gpus"),
    (JOB, "nodes", 0, 1, "/nodes"),
    (JOB, "run", "", "1", "/run"),
    (JOB, "run", "2026-11-22A", "2026-11-22a", "/run"),
    (JOB, "image", "team/server:1.2", f"team/server@{DIGEST}", "/image"),
    (JOB, "image", f"team/server@{DIGEST[:-1]}", f"team/server:1.2@{DIGEST}", "/image"),
    (SERVICE, "replicas", ReplicasSpec(min=-1, max=1), ReplicasSpec(min=1, max=1), "/replicas/min"),
    (SERVICE, "replicas", ReplicasSpec(min=0, max=1), ReplicasSpec(min=1, max=1), "/replicas/min"),
    (SERVICE, "replicas", ReplicasSpec(min=2, max=1), ReplicasSpec(min=2, max=2), "/replicas/max"),
    (SERVICE, "replicas", ReplicasSpec(min=1, max=0), ReplicasSpec(min=1, max=1), "/replicas/max"),
    (SERVICE, "scale_on", ScaleOnSpec(cpu_percent=0), ScaleOnSpec(cpu_percent=1), "/scale_on/cpu_percent"),
    (SERVICE, "gpus", -1, 0, "/gpus"),
    (SERVICE, "expose", "everyone", "internal", "/expose"),
    (SERVICE, "propagation_seconds", -1, 0, "/propagation_seconds"),
    (SERVICE, "drain_seconds", 0, 1, "/drain_seconds"),
    (SERVICE, "image", "server", f"server@{DIGEST}", "/image"),
]


def identity(value: object) -> str | None:
    return value if isinstance(value, str) and not value.startswith("/") else type(value).__name__


@pytest.mark.parametrize(("spec", "field", "refused", "accepted", "path"), NEIGHBOURS, ids=identity)
def test_a_rule_refuses_a_value_and_accepts_its_neighbour(
    spec: Any, field: str, refused: Any, accepted: Any, path: str
) -> None:
    assert replace(spec, **{field: accepted}).findings() == []
    found = replace(spec, **{field: refused}).findings()
    assert {item.path for item in found} == {path}
    assert all((item.source, item.outcome, item.severity) == (Source.SPEC, "fail", "error") for item in found)
    assert all(item.fix and json.dumps(item.to_json()) for item in found)


@pytest.mark.parametrize("spec", [ENVIRONMENT, NETWORK, CLUSTER, POOL, STORAGE, JOB, SERVICE], ids=identity)
def test_what_has_only_what_is_required_is_possible(spec: Judged) -> None:
    assert spec.findings() == []


@pytest.mark.parametrize("spec", [ENVIRONMENT, NETWORK, CLUSTER, POOL, STORAGE, JOB, SERVICE], ids=identity)
def test_a_spec_never_changes(spec: Any) -> None:
    field = next(iter(type(spec).__dataclass_fields__))
    with pytest.raises(FrozenInstanceError):
        setattr(spec, field, "other")


@given(least=st.integers(-5, 20), most=st.integers(-5, 20))
def test_a_pool_is_possible_just_where_its_floor_is_no_higher_than_its_ceiling(least: int, most: int) -> None:
    possible = not replace(POOL, min_nodes=least, max_nodes=most).findings()
    assert possible == (0 <= least <= most and most >= 1)


@given(least=st.integers(-5, 20), most=st.integers(-5, 20))
def test_a_service_is_possible_just_where_it_always_runs(least: int, most: int) -> None:
    possible = not replace(SERVICE, replicas=ReplicasSpec(min=least, max=most)).findings()
    assert possible == (1 <= least <= most)


@given(st.lists(st.sampled_from([*CAPACITY, "cheap"]), max_size=4))
def test_capacity_is_some_of_the_known_kinds_once_each(kinds: list[str]) -> None:
    possible = not replace(POOL, capacity=tuple(kinds)).findings()
    assert possible == (bool(kinds) and "cheap" not in kinds and len(set(kinds)) == len(kinds))


@given(prefix=st.integers(0, 32), address=st.integers(0, 2**32 - 1))
def test_an_address_range_is_written_without_host_bits(prefix: int, address: int) -> None:
    mask = ((1 << prefix) - 1) << (32 - prefix)
    text = f"{'.'.join(str(byte) for byte in address.to_bytes(4, 'big'))}/{prefix}"
    found = replace(CLUSTER, access=(text,)).findings()
    assert (not found) == (address & mask == address)
    if found:
        assert replace(CLUSTER, access=(found[0].fix.removeprefix("write "),)).findings() == []


@given(st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z"))
def test_labels_of_host_names_are_names(name: str) -> None:
    assert dns_label("", name) == []


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a.b", "a b", "ä", "a" * 64, "a\n"])
def test_nothing_else_is_a_name(name: str) -> None:
    assert [found.rule for found in dns_label("/x", name)] == ["spec/name"]


@pytest.mark.parametrize("date", ["2026-11-22 00:00:00 +0000 UTC", "2026-11-22T00:00:00Z"])
def test_a_date_without_quotes_is_explained(date: str) -> None:
    [found] = dns_label("/run", date)
    assert found.fix == 'put it in quotes: "2026-11-22"'


@pytest.mark.parametrize(
    ("value", "said"),
    [("spto", "did you mean spot?"), ("SPOT", "did you mean spot?"), ("lease", "use one of them")],
)
def test_the_nearest_name_is_offered_if_one_is_near(value: str, said: str) -> None:
    assert did_you_mean(value, ("spot", "on-demand"), "use one of them") == said


FINDING = refuse("spec/x", "/pools/train/max_nodes", 9, "9 is too many.", "use 8", allowed=(7, 8))


def test_a_finding_survives_the_way_through_json() -> None:
    everything = replace(FINDING, urn="urn:x", where="f:3", blocks=True, outcome=Outcome.CANNOT_TELL)
    assert Finding.from_json(json.loads(json.dumps(everything.to_json()))) == everything


@pytest.mark.parametrize(
    ("outcome", "severity", "blocks", "stops"),
    [
        (Outcome.FAIL, Severity.ERROR, False, True),
        (Outcome.FAIL, Severity.WARNING, True, False),
        (Outcome.CANNOT_TELL, Severity.ERROR, False, False),
        (Outcome.CANNOT_TELL, Severity.WARNING, True, True),
        (Outcome.PASS, Severity.ERROR, True, False),
        (Outcome.NOT_APPLICABLE, Severity.ERROR, True, False),
    ],
)
def test_errors_stop_a_plan_and_doubts_do_where_they_block(
    outcome: Outcome, severity: Severity, blocks: bool, stops: bool
) -> None:
    assert replace(FINDING, outcome=outcome, severity=severity, blocks=blocks).stops is stops


def test_a_warning_fails_and_stops_nothing() -> None:
    found = warn("a/b", "/x", 0, "it is late.", "go home")
    assert (found.outcome, found.stops) == (Outcome.FAIL, False)


def test_a_paragraph_holds_place_value_allowed_and_remedy() -> None:
    assert finding_text(replace(FINDING, where="f:3")) == (
        "  f:3 pools.train.max_nodes: 9 is too many. Allowed: 7, 8.\n    fix: use 8"
    )


def test_an_error_counts_its_findings_and_names_its_subject() -> None:
    assert str(SpecError([FINDING, FINDING], "GpuPool train")).startswith("2 mistakes in GpuPool train\n  pools.train")
    assert str(SpecError([FINDING])).startswith("1 mistake\n")
    assert SpecError([FINDING]).findings == (FINDING,)
