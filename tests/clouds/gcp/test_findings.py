"""What GCP refuses: each with the field, the value, what is allowed, and what to do."""

from typing import Any

import pytest

from springtide import clouds
from springtide.clouds.gcp.filestore import shared_findings
from springtide.clouds.gcp.lustre import lustre_findings
from springtide.spec import ClusterSpec, Finding, NetworkSpec, StorageSpec

GCP = clouds.load("gcp")
NETWORK = "projects/shared-net/global/networks/corp"
SUBNET = "projects/shared-net/regions/us-central1/subnetworks/gpu"
ZONES = ("us-central1-a", "us-central1-b")


def cluster(**said: Any) -> list[Finding]:
    return GCP.cluster_findings(ClusterSpec(**{"version": "1.35", "access": ("203.0.113.0/24",), **said}))


def network(**said: Any) -> list[Finding]:
    return GCP.network_findings(NetworkSpec(**{"zones": ZONES, **said}))


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    """Rule and path of each; every one also says what is wrong and what to do."""
    assert all(found.message and found.fix for found in findings)
    return [(found.rule, found.path) for found in findings]


@pytest.mark.parametrize("project", ["ml-platform-dev", "abcdef", "a" + "b" * 29])
def test_an_id_of_a_project_is_taken(project: str) -> None:
    assert GCP.account_findings(project) == []


@pytest.mark.parametrize(
    "project",
    ["", "abcde", "a" * 31, "ML-platform", "1platform", "platform-", "123456789012", "example.com:ml", "ml_platform"],
)
def test_what_is_no_id_of_a_project_is_refused(project: str) -> None:
    assert told(GCP.account_findings(project)) == [("gcp/project", "/account")]


def test_a_version_in_standard_support_is_taken() -> None:
    assert cluster(version="1.35") == cluster(version="1.36") == []


def test_a_version_that_the_channel_left_needs_the_extended_one() -> None:
    [found] = cluster(version="1.33")
    assert (found.rule, found.path, found.value) == ("gcp/version", "/version", "1.33")
    assert "release_channel: extended" in found.fix
    assert "1.33" not in found.allowed
    assert cluster(version="1.33", release_channel="extended") == []


@pytest.mark.parametrize("version", ["1.32", "1.99", "1.35.1"])
def test_a_version_that_gke_does_not_sell_us_is_refused(version: str) -> None:
    [found] = cluster(version=version, release_channel="extended")
    assert (found.rule, found.path) == ("gcp/version", "/version")
    assert found.allowed == ("1.33", "1.34", "1.35", "1.36")


def test_system_nodes_are_of_one_cpu_machine_type() -> None:
    assert cluster(system_machine_types=("e2-standard-4",)) == []
    assert told(cluster(system_machine_types=("g2-standard-4",))) == [
        ("gcp/system-machine", "/system_machine_types/0"),
    ]
    assert told(cluster(system_machine_types=("e2-standard-4", "e2-standard-8"))) == [
        ("gcp/system-machines", "/system_machine_types/1"),
    ]


def test_logs_are_kept_as_long_as_the_project_keeps_them() -> None:
    [found] = cluster(log_retention_days=90)
    assert (found.rule, found.path, found.allowed) == ("gcp/log-retention", "/log_retention_days", (30,))
    assert "--retention-days=90" in found.fix


@pytest.mark.parametrize(
    "member",
    ["group:ops@example.com", "user:a@b.co", "serviceAccount:x@p.iam.gserviceaccount.com", "principal://iam/x"],
)
def test_a_member_that_iam_knows_is_taken(member: str) -> None:
    assert cluster(admins=(member,)) == []


@pytest.mark.parametrize("member", ["ops@example.com", "allUsers", "arn:aws:iam::123456789012:role/ops", "group:ops"])
def test_an_administrator_is_somebody_whom_iam_knows(member: str) -> None:
    assert told(cluster(admins=("group:ops@example.com", member))) == [("gcp/admin", "/admins/1")]


def test_gke_takes_a_hundred_ranges() -> None:
    ranges = tuple(f"203.0.113.{i}/32" for i in range(101))
    assert cluster(access=ranges[:100]) == []
    assert told(cluster(access=ranges)) == [("gcp/access-ranges", "/access")]


def test_an_adopted_cluster_is_used_as_it_is() -> None:
    assert cluster(existing="shared", version="1.33") == []
    said = {
        "system_nodes": 3,
        "log_retention_days": 30,
        "release_channel": "stable",
        "system_machine_types": ("n2-standard-4",),
    }
    assert told(cluster(existing="shared", **said)) == [
        ("gcp/adopted-cluster", "/system_machine_types"),
        ("gcp/adopted-cluster", "/system_nodes"),
        ("gcp/adopted-cluster", "/release_channel"),
    ]
    assert told(cluster(existing="projects/x/clusters/y")) == [("gcp/cluster-name", "/existing")]


def test_autopilot_has_no_system_nodes_of_ours() -> None:
    assert cluster(mode="auto") == []
    assert told(cluster(mode="auto", system_nodes=3)) == [("gcp/auto-mode", "/system_nodes")]


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"cidr": "100.64.0.0/16"}, "/cidr"),
        ({"cidr": "10.0.0.0/16", "pods_cidr": "10.0.0.0/12"}, "/pods_cidr"),
        ({"cidr": "169.254.0.0/16"}, "/cidr"),
        ({"pods_cidr": "224.0.0.0/16"}, "/pods_cidr"),
    ],
)
def test_ranges_that_a_network_cannot_have_are_refused(said: dict[str, str], path: str) -> None:
    assert told(network(**said)) == [("gcp/range", path)]


@pytest.mark.parametrize(
    "said", [{}, {"pods_cidr": "10.4.0.0/14"}, {"cidr": "172.16.0.0/20", "pods_cidr": "10.0.0.0/9"}]
)
def test_pods_may_have_any_range_beside_the_networks_own(said: dict[str, str]) -> None:
    assert network(**said) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cidr", "10.1.0.0/16"),
        ("nat", "per-zone"),
        ("pods_cidr", "10.4.0.0/14"),
        ("endpoints", ("storage", "registry")),
    ],
)
def test_nothing_is_said_of_an_adopted_network_that_would_do_nothing(key: str, value: object) -> None:
    found = network(existing=NETWORK, subnets={"us-central1": SUBNET}, **{key: value})
    assert told(found) == [("gcp/adopted-network", f"/{key}")]


def test_there_is_no_address_translator_per_zone() -> None:
    [found] = network(nat="per-zone")
    assert (found.rule, found.path, found.value, found.allowed) == ("gcp/nat", "/nat", "per-zone", ("one",))
    assert network(nat="one") == []


@pytest.mark.parametrize("endpoints", [(), ("storage",), ("storage", "registry", "identity")])
def test_every_endpoint_is_there_at_no_cost(endpoints: tuple[str, ...]) -> None:
    assert network(endpoints=endpoints) == []


def test_an_adopted_network_is_named_by_its_path() -> None:
    assert network(existing=NETWORK, subnets={"us-central1": SUBNET}) == []
    assert told(network(existing="corp", subnets={"us-central1": SUBNET})) == [("gcp/network-id", "/existing")]


@pytest.mark.parametrize(
    ("subnets", "path"),
    [
        ({"us-central1": "gpu"}, "/subnets/us-central1"),
        ({"us-east1": SUBNET}, "/subnets/us-east1"),
        ({"us-central1": SUBNET, "us-east1": SUBNET}, "/subnets"),
        ({"us-east1": SUBNET.replace("us-central1", "us-east1")}, "/subnets/us-east1"),
    ],
)
def test_an_adopted_network_brings_the_subnet_of_its_region(subnets: dict[str, str], path: str) -> None:
    assert told(network(existing=NETWORK, subnets=subnets)) == [("gcp/subnets", path)]


def test_a_file_whose_zones_are_not_known_yet_is_not_judged_by_them() -> None:
    other = {"us-east1": SUBNET.replace("us-central1", "us-east1")}
    assert network(zones=(), existing=NETWORK, subnets=other) == []


def test_a_bucket_whose_name_google_does_not_take_is_refused() -> None:
    assert GCP.bucket_findings("prod", "artifacts", "ml-platform-dev") == []
    [long] = GCP.bucket_findings("prod", "a" * 40, "ml-platform-dev")
    assert (long.rule, "63" in long.message, "by 9" in long.fix) == ("gcp/bucket-name", True, True)
    [reserved] = GCP.bucket_findings("prod", "google-data", "ml-platform-dev")
    assert "'google'" in reserved.message


@pytest.mark.parametrize("size", [100, 2048, 10_239, 10_240, 12_800, 102_400])
def test_a_size_that_filestore_is_sold_in_is_taken(size: int) -> None:
    assert shared_findings(StorageSpec(kind="shared", size_gib=size)) == []


@pytest.mark.parametrize("size", [None, 99, 10_241, 102_401])
def test_a_size_that_filestore_is_not_sold_in_is_refused(size: int | None) -> None:
    [found] = shared_findings(StorageSpec(kind="shared", size_gib=size))
    assert (found.rule, found.path, found.value) == ("gcp/filestore-size", "/size_gib", size)
    assert "100 to 10239" in found.fix


@pytest.mark.parametrize(
    ("size", "speed"), [(72_000, None), (36_000, 250), (18_000, 500), (9_000, 1000), (90_000, 500)]
)
def test_a_size_that_lustre_is_sold_in_is_taken(size: int, speed: int | None) -> None:
    assert lustre_findings(StorageSpec(kind="lustre", size_gib=size, mbps_per_tib=speed)) == []


@pytest.mark.parametrize(("size", "speed", "nearest"), [(0, 1000, 9_000), (36_000, 125, 72_000), (20_000, 500, 36_000)])
def test_lustre_is_sold_in_steps_that_its_speed_decides(size: int | None, speed: int | None, nearest: int) -> None:
    [found] = lustre_findings(StorageSpec(kind="lustre", size_gib=size, mbps_per_tib=speed))
    assert (found.rule, found.path, found.value, found.allowed) == ("gcp/lustre-size", "/size_gib", size, (nearest,))


def test_a_speed_that_lustre_does_not_have_is_refused_and_nothing_is_said_of_the_size() -> None:
    [found] = lustre_findings(StorageSpec(kind="lustre", size_gib=1, mbps_per_tib=200))
    assert (found.rule, found.path, found.allowed) == ("gcp/lustre-speed", "/mbps_per_tib", (125, 250, 500, 1000))


def test_lustre_keeps_no_link_to_a_bucket() -> None:
    spec = StorageSpec(kind="lustre", size_gib=72_000, linked_bucket="artifacts")
    assert told(lustre_findings(spec)) == [("gcp/lustre-link", "/linked_bucket")]


def test_a_pod_on_spot_gets_what_gke_leaves_it() -> None:
    assert GCP.notice("spot", "1.34").seconds == 15
    assert GCP.notice("spot", "1.35").seconds == 105
    assert GCP.notice("spot", "1.36").seconds == 105


@pytest.mark.parametrize("capacity", ["on-demand", "reserved", "flex-start", "queued", "unheard-of"])
def test_nothing_else_is_taken_back_before_its_end(capacity: str) -> None:
    assert GCP.notice(capacity, "1.35").seconds is None
