"""FSx for Lustre: what is asked of it, who reaches it, how it is linked, and in which order it comes and goes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.environment_files import BASE, edited
from tests.recordings import Recorded, of_file, of_text

from springtide.clouds.aws.lustre import SPEEDS, lustre_findings
from springtide.spec import StorageSpec

SOLD = {1200, *range(2400, 102_000, 2400)}


@pytest.fixture(scope="module")
def files() -> Recorded:
    return of_file("files")


def lustre(**said: Any) -> StorageSpec:
    return StorageSpec(kind="lustre", **said)


def test_a_linked_file_system_is_just_this(files: Recorded) -> None:
    made = files.one("LustreFileSystem", "corpus").inputs
    group, subnet = files.one("SecurityGroup", "corpus"), files.one("Subnet", "network-private-use1-az4")
    assert made == {
        "deploymentType": "PERSISTENT_2",
        "storageType": "SSD",
        "storageCapacity": 4800,
        "perUnitStorageThroughput": 500,
        "fileSystemTypeVersion": "2.15",
        "metadataConfiguration": {"mode": "AUTOMATIC"},
        "dataCompressionType": "LZ4",
        "automaticBackupRetentionDays": 0,
        "skipFinalBackup": True,
        "subnetIds": f"«{subnet.urn}#/id»",
        "securityGroupIds": [f"«{group.urn}#/id»"],
        "tags": {"Name": "springtide-files-corpus"},
    }


def test_one_without_a_bucket_is_backed_up_and_gets_the_least_throughput(files: Recorded) -> None:
    """FSx takes no backups of what is linked, nor `copyTagsToBackups`."""
    made = files.one("LustreFileSystem", "scratch").inputs
    assert (made["automaticBackupRetentionDays"], made["copyTagsToBackups"]) == (7, True)
    assert made["perUnitStorageThroughput"] == 125
    assert [item.name for item in files.all("DataRepositoryAssociation")] == ["corpus"]


def test_a_destroy_is_refused_unless_the_file_allows_it(files: Recorded) -> None:
    protected = {item.name: item.options["protect"] for item in files.all("LustreFileSystem")}
    assert protected == {"corpus": True, "scratch": False}


def test_lustre_passes_on_both_of_its_port_ranges_between_servers_and_clients(files: Recorded) -> None:
    group = files.one("SecurityGroup", "corpus")
    clients = next(item for item in files.all("Cluster") if item.custom)
    ports = [(988, 988), (1018, 1023)]
    for way in ("ingress", "egress"):
        rules = group.inputs[way]
        assert [(rule["fromPort"], rule["toPort"]) for rule in rules] == ports
        assert {rule["protocol"] for rule in rules} == {"tcp"}
        assert {rule["self"] for rule in rules} == {True}
        assert [rule["securityGroups"] for rule in rules] == [
            [f"«{clients.urn}#/vpcConfig/clusterSecurityGroupId»"],
            [f"«{clients.urn}#/vpcConfig/clusterSecurityGroupId»"],
        ]


def test_the_servers_reach_their_clients_by_rules_that_go_with_them(files: Recorded) -> None:
    group = files.one("SecurityGroup", "corpus")
    rules = [item for item in files.all("SecurityGroupIngressRule") if item.name.startswith("corpus-")]
    assert {(item.inputs["fromPort"], item.inputs["toPort"]) for item in rules} == {(988, 988), (1018, 1023)}
    assert {item.inputs["referencedSecurityGroupId"] for item in rules} == {f"«{group.urn}#/id»"}
    assert {item.inputs["securityGroupId"].rpartition("#")[2] for item in rules} == {
        "/vpcConfig/clusterSecurityGroupId»"
    }


def test_objects_are_files_and_changes_are_carried_both_ways(files: Recorded) -> None:
    events = {"events": ["NEW", "CHANGED", "DELETED"]}
    assert files.one("DataRepositoryAssociation", "corpus").inputs == {
        "fileSystemId": f"«{files.one('LustreFileSystem', 'corpus').urn}#/id»",
        "fileSystemPath": "/",
        "dataRepositoryPath": "s3://springtide-files-raw-123456789012",
        "batchImportMetaDataOnCreate": True,
        "s3": {"autoImportPolicy": events, "autoExportPolicy": events},
    }


AFTER = [
    ("DataRepositoryAssociation", "corpus", "BucketPolicy", "raw"),
    ("DataRepositoryAssociation", "corpus", "BucketVersioning", "raw"),
    ("DataRepositoryAssociation", "corpus", "LustreFileSystem", "corpus"),
    ("PersistentVolume", "corpus", "DataRepositoryAssociation", "corpus"),
    ("PersistentVolume", "corpus", "SecurityGroupIngressRule", "corpus-988"),
    ("PersistentVolume", "corpus", "SecurityGroupIngressRule", "corpus-1018"),
    ("PersistentVolume", "corpus", "Addon", "aws-fsx-csi-driver"),
    ("PersistentVolumeClaim", "corpus", "PersistentVolume", "corpus"),
    ("LustreFileSystem", "corpus", "SecurityGroup", "corpus"),
    ("LustreFileSystem", "corpus", "Route", "network-private-use1-az4"),
]


@pytest.mark.parametrize(("kind", "name", "other", "needed"), AFTER, ids=[f"{a}-after-{c}-{d}" for a, _, c, d in AFTER])
def test_each_part_comes_after_what_it_needs_and_goes_before_it(
    files: Recorded, kind: str, name: str, other: str, needed: str
) -> None:
    one, before = files.one(kind, name), files.one(other, needed)
    assert files.needs(one, before)
    assert not files.needs(before, one)


def test_a_pod_reads_the_file_system_by_its_claim(files: Recorded) -> None:
    job = files.one("JobSet", "gpt-first")
    assert files.needs(job, files.one("PersistentVolumeClaim", "corpus"))


def test_fsx_own_driver_mounts_it_by_id_and_name_with_locks(files: Recorded) -> None:
    made = files.one("LustreFileSystem", "corpus").urn
    spec = files.one("PersistentVolume", "corpus").inputs["spec"]
    assert spec["csi"] == {
        "driver": "fsx.csi.aws.com",
        "volumeHandle": f"«{made}#/id»",
        "volumeAttributes": {"dnsname": f"«{made}#/dnsName»", "mountname": f"«{made}#/mountName»"},
    }
    assert spec["mountOptions"] == ["flock"]
    assert spec["capacity"] == {"storage": "4800Gi"}


@given(st.integers(1, 99_999))
def test_just_the_sizes_that_fsx_sells_pass_and_what_is_proposed_instead_is_sold(size: int) -> None:
    found = lustre_findings(lustre(size_gib=size))
    assert (found == []) == (size in SOLD)
    assert all(proposed in SOLD for item in found for proposed in item.allowed)
    assert all(min(abs(size - it) for it in SOLD) == min(abs(size - it) for it in item.allowed) for item in found)


@given(st.integers(1, 1100))
def test_just_the_speeds_that_fsx_sells_pass(speed: int) -> None:
    found = lustre_findings(lustre(size_gib=1200, mbps_per_tib=speed))
    assert [item.path for item in found] == ([] if speed in (125, 250, 500, 1000) else ["/mbps_per_tib"])
    assert all(item.allowed == SPEEDS for item in found)


def test_a_size_that_is_missing_is_the_specs_to_say() -> None:
    spec = lustre()
    assert lustre_findings(spec) == []
    assert [item.path for item in spec.findings()] == ["/size_gib"]


def test_it_lies_in_the_first_zone_that_is_listed() -> None:
    text = edited(
        ("zones: 2", "zones: [use1-az6, use1-az2]"),
        (
            "artifacts: {kind: bucket, expire_days: 30}",
            "artifacts: {kind: bucket}\n    fast: {kind: lustre, size_gib: 1200}",
        ),
        text=BASE,
    )
    assert "network-private-use1-az6" in of_text(text).one("LustreFileSystem", "fast").inputs["subnetIds"]
