"""EFS: what is asked of it, who reaches it, and in which order it comes and goes."""

import json

import pytest
from tests.recordings import Recorded, of_file

from springtide.clouds.aws.shared import shared_findings
from springtide.k8s.pod import USER_ID
from springtide.spec import StorageSpec


@pytest.fixture(scope="module")
def files() -> Recorded:
    return of_file("files")


def test_a_shared_file_system_is_just_this(files: Recorded) -> None:
    made = files.one("FileSystem", "home", below="aws:efs")
    assert made.inputs == {
        "encrypted": True,
        "performanceMode": "generalPurpose",
        "throughputMode": "elastic",
        "lifecyclePolicies": [
            {"transitionToIa": "AFTER_30_DAYS"},
            {"transitionToPrimaryStorageClass": "AFTER_1_ACCESS"},
        ],
        "tags": {"Name": "springtide-files-home"},
    }
    assert made.options["protect"] is True
    assert files.one("BackupPolicy", "home").inputs["backupPolicy"] == {"status": "ENABLED"}


def test_every_zone_has_an_address_that_the_cluster_alone_reaches(files: Recorded) -> None:
    group = files.one("SecurityGroup", "home")
    cluster = next(item for item in files.all("Cluster") if item.custom)
    assert group.inputs["ingress"] == [
        {
            "description": "NFS, from the cluster",
            "protocol": "tcp",
            "fromPort": 2049,
            "toPort": 2049,
            "securityGroups": [f"«{cluster.urn}#/vpcConfig/clusterSecurityGroupId»"],
        }
    ]
    assert "egress" not in group.inputs
    for zone in ("use1-az4", "use1-az1"):
        target = files.one("MountTarget", f"home-{zone}").inputs
        assert target["subnetId"] == f"«{files.one('Subnet', f'network-private-{zone}').urn}#/id»"
        assert target["securityGroups"] == [f"«{group.urn}#/id»"]
    assert len(files.all("MountTarget")) == 2


def test_pods_may_write_though_the_root_of_a_new_file_system_is_roots(files: Recorded) -> None:
    door = files.one("AccessPoint", "home").inputs
    assert door["posixUser"] == {"uid": USER_ID, "gid": USER_ID}
    assert door["rootDirectory"] == {
        "path": "/pods",
        "creationInfo": {"ownerUid": USER_ID, "ownerGid": USER_ID, "permissions": "0755"},
    }


def test_there_is_one_way_in_and_it_is_encrypted(files: Recorded) -> None:
    allow, deny = json.loads(files.one("FileSystemPolicy", "home").inputs["policy"])["Statement"]
    door = files.one("AccessPoint", "home")
    assert (allow["Effect"], allow["Action"]) == (
        "Allow",
        ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
    )
    assert f"«{door.urn}#/arn»" in allow["Condition"]["StringEquals"]["elasticfilesystem:AccessPointArn"]
    assert allow["Condition"]["Bool"] == {"elasticfilesystem:AccessedViaMountTarget": "true"}
    assert (deny["Effect"], deny["Action"], deny["Condition"]) == (
        "Deny",
        "*",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


def test_efs_own_driver_mounts_it_by_its_access_point(files: Recorded) -> None:
    made, door = files.one("FileSystem", "home", below="aws:efs"), files.one("AccessPoint", "home")
    spec = files.one("PersistentVolume", "home").inputs["spec"]
    assert spec["csi"] == {"driver": "efs.csi.aws.com", "volumeHandle": f"«{made.urn}#/id»::«{door.urn}#/id»"}
    assert "mountOptions" not in spec


AFTER = [
    ("PersistentVolume", "Addon", "aws-efs-csi-driver"),
    ("PersistentVolume", "MountTarget", "home-use1-az1"),
    ("PersistentVolume", "MountTarget", "home-use1-az4"),
    ("PersistentVolume", "FileSystemPolicy", "home"),
    ("PersistentVolume", "AccessPoint", "home"),
]


@pytest.mark.parametrize(("kind", "other", "needed"), AFTER, ids=[f"after-{b}-{c}" for _, b, c in AFTER])
def test_a_volume_comes_after_all_that_it_is_reached_by_and_goes_before_it(
    files: Recorded, kind: str, other: str, needed: str
) -> None:
    one, before = files.one(kind, "home"), files.one(other, needed)
    assert files.needs(one, before)
    assert not files.needs(before, one)


def test_a_size_is_refused_for_there_is_none() -> None:
    assert shared_findings(StorageSpec(kind="shared")) == []
    [found] = shared_findings(StorageSpec(kind="shared", size_gib=100))
    assert (found.rule, found.path, found.fix) == ("aws/shared-size", "/size_gib", "remove it, or use kind lustre")
