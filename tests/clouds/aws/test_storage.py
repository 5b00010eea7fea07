"""Buckets that are protected, and the drivers that mount file systems; what a bucket says is in `test_rendering`."""

import json

import pytest
from tests.environment_files import BASE, edited
from tests.recordings import Recorded, of_file, of_text

from springtide.clouds.aws.addons import ADDONS, addon, storage_controllers
from springtide.clouds.aws.storage import bucket_findings, bucket_url
from springtide.spec import StorageSpec

DRIVERS = ["aws-efs-csi-driver", "aws-fsx-csi-driver"]


@pytest.fixture(scope="module")
def files() -> Recorded:
    return of_file("files")


def test_a_bucket_is_protected_where_the_file_says_so(files: Recorded) -> None:
    """S3 itself keeps what is not empty."""
    assert {item.name: item.options["protect"] for item in files.all("Bucket")} == {"artifacts": False, "raw": True}


def test_the_address_of_a_bucket_is_known_without_it(files: Recorded) -> None:
    url = bucket_url("files", "raw", "123456789012")
    assert url == f"s3://{files.one('Bucket', 'raw').inputs['bucket']}" == files.outputs["storage"]["value"]["raw"]


def test_a_name_too_long_for_a_bucket_is_refused_with_the_characters_to_spare() -> None:
    assert bucket_findings("dev", "a" * 35, "1" * 12) == []
    [found] = bucket_findings("dev", "a" * 37, "1" * 12)
    assert found.fix == "shorten its name, or the environment's, by 2"


def test_an_environment_without_file_systems_has_no_driver() -> None:
    found = of_text(BASE)
    assert [item.name for item in found.all("Addon") if item.name in ADDONS] == []


def test_one_kind_of_file_system_brings_its_own_driver_only() -> None:
    found = of_text(edited(("expire_days: 30}", "expire_days: 30}\n    home: {kind: shared}")))
    assert [item.name for item in found.all("Addon") if item.name in ADDONS] == ["aws-efs-csi-driver"]


def test_a_driver_that_is_there_already_is_used_and_not_installed() -> None:
    found = of_text(
        edited(
            ("expire_days: 30}", "expire_days: 30}\n    home: {kind: shared}"),
            ("  policies:", "  controllers: {existing: [aws-efs-csi-driver]}\n  policies:"),
        )
    )
    assert [item.name for item in found.all("Addon") if item.name in ADDONS] == []
    assert found.one("PersistentVolume", "home").inputs["spec"]["csi"]["driver"] == "efs.csi.aws.com"


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_comes_once_there_are_nodes_and_it_has_its_role(files: Recorded, name: str) -> None:
    driver = files.one("Addon", name)
    assert driver.inputs == {
        "addonName": name,
        "clusterName": "springtide-files",
        "resolveConflictsOnCreate": "OVERWRITE",
        "resolveConflictsOnUpdate": "OVERWRITE",
    }
    assert files.needs(driver, files.one("NodeGroup", "cluster-system"))
    associations = [item for item in files.all("PodIdentityAssociation") if item.name in ADDONS[name].accounts]
    assert len(associations) == len(ADDONS[name].accounts)
    assert all(files.needs(driver, item) and files.needs(item, files.one("RolePolicy", name)) for item in associations)


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_may_look_and_change_nothing(files: Recorded, name: str) -> None:
    [statement] = json.loads(files.one("RolePolicy", name).inputs["policy"])["Statement"]
    verbs = {action.partition(":")[2] for action in statement["Action"]}
    assert verbs
    assert all(verb.startswith("Describe") for verb in verbs)


@pytest.mark.parametrize("name", DRIVERS)
def test_a_drivers_role_is_for_its_own_accounts(files: Recorded, name: str) -> None:
    role = files.one("Role", name)
    taken_on = [
        (item.inputs["namespace"], item.inputs["serviceAccount"])
        for item in files.all("PodIdentityAssociation")
        if f"«{role.urn}#/arn»" in item.inputs["roleArn"]
    ]
    assert sorted(taken_on) == [("kube-system", account) for account in ADDONS[name].accounts]


def test_only_what_is_mounted_needs_a_driver() -> None:
    needed = {
        kind: storage_controllers(StorageSpec(kind=kind, size_gib=None)) for kind in ("bucket", "lustre", "shared")
    }
    assert needed == {"bucket": (), "lustre": ("aws-fsx-csi-driver",), "shared": ("aws-efs-csi-driver",)}


def test_an_add_on_of_another_name_is_none(files: Recorded) -> None:
    del files  # the SDK is loaded with it
    with pytest.raises(LookupError, match="no-such-driver"):
        addon("no-such-driver", {"name": "x", "namespace": "y"}, None)  # type: ignore[typeddict-item,arg-type]
