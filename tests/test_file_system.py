"""File systems: what may be said of which kind, the volume that pods mount, and what must be there to mount it."""

from pathlib import Path
from typing import Any

import pytest
from tests.environment_files import BASE, edited, mistakes
from tests.recordings import Recorded, of_file, of_text

from springtide import FileSystem
from springtide.component import ArgumentsError
from springtide.file_system import NOMINAL_GIB, mounted
from springtide.spec import StorageSpec

CLUSTER: Any = {
    "environment": {"name": "dev", "cloud": "aws", "account": "123456789012", "region": "us-east-1"},
    "zones": ["use1-az1"], "version": "1.35", "mode": "standard", "network_id": "vpc-1", "security_group": "sg-1",
    "name": "c", "node_role": "r", "private_subnets": {"use1-az1": "subnet-1"}, "namespace": "springtide",
    "controllers": {"aws-fsx-csi-driver": "1", "aws-efs-csi-driver": "1"},
}  # fmt: skip
STORAGE = "artifacts: {kind: bucket, expire_days: 30}"


@pytest.fixture(scope="module")
def files() -> Recorded:
    return of_file("files")


def with_storage(text: str) -> str:
    return edited((STORAGE, f"{STORAGE}\n    {text}"), text=BASE)


def test_it_registers_what_was_asked_with_the_place_that_it_is_in(files: Recorded) -> None:
    assert files.one("FileSystem", "corpus", below="springtide:index:FileSystem::corpus").inputs == {
        "kind": "lustre",
        "sizeGib": 4800,
        "mbpsPerTib": 500,
        "linkedBucket": "raw",
        "cloud": "aws",
        "region": "us-east-1",
    }


def test_a_pod_finds_each_file_system_under_its_own_name(files: Recorded) -> None:
    template = files.one("JobSet", "notes-first").inputs["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
    [container] = template["spec"]["containers"]
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in template["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    found = {
        claims[item["name"]]: (item["mountPath"], item["readOnly"])
        for item in container["volumeMounts"]
        if item["name"] in claims
    }
    assert found == {"corpus": ("/mnt/corpus", True), "home": ("/mnt/home", False)}
    assert mounted("home", "home")["url"] == files.outputs["storage"]["value"]["home"] == "file:///mnt/home"


def test_what_grows_claims_a_nominal_size(files: Recorded) -> None:
    assert files.one("PersistentVolume", "home").inputs["spec"]["capacity"] == {"storage": f"{NOMINAL_GIB}Gi"}


@pytest.mark.parametrize(
    ("said", "path", "rule"),
    [
        ("it: {kind: lustre}", "/storage/it/size_gib", "spec/storage-size"),
        ("it: {kind: lustre, size_gib: 0}", "/storage/it/size_gib", "spec/at-least"),
        ("it: {kind: lustre, size_gib: 3600}", "/storage/it/size_gib", "aws/lustre-size"),
        ("it: {kind: lustre, size_gib: 1200, mbps_per_tib: 200}", "/storage/it/mbps_per_tib", "aws/lustre-speed"),
        ("it: {kind: lustre, size_gib: 1200, expire_days: 3}", "/storage/it/expire_days", "spec/storage-kind"),
        ("it: {kind: lustre, size_gib: 1200, linked_bucket: gone}", "/storage/it/linked_bucket", "settings/reference"),
        ("it: {kind: lustre, size_gib: 1200, linked_bucket: it}", "/storage/it/linked_bucket", "settings/reference"),
        ("it: {kind: shared, size_gib: 100}", "/storage/it/size_gib", "aws/shared-size"),
        ("it: {kind: shared, mbps_per_tib: 125}", "/storage/it/mbps_per_tib", "spec/storage-kind"),
        ("it: {kind: shared, linked_bucket: artifacts}", "/storage/it/linked_bucket", "spec/storage-kind"),
        ("it: {kind: bucket, size_gib: 100}", "/storage/it/size_gib", "spec/storage-kind"),
    ],
)
def test_a_key_that_means_nothing_or_cannot_be_is_refused_once_and_where_it_stands(
    tmp_path: Path, said: str, path: str, rule: str
) -> None:
    assert [(item.path, item.rule) for item in mistakes(tmp_path, with_storage(said))] == [(path, rule)]


@pytest.mark.parametrize(
    "said",
    [
        "it: {kind: lustre, size_gib: 1200}",
        "it: {kind: lustre, size_gib: 2400, linked_bucket: artifacts}",
        "it: {kind: shared}",
    ],
)
def test_the_neighbour_of_each_mistake_is_planned(said: str) -> None:
    assert [item.name for item in of_text(with_storage(said)).all("PersistentVolumeClaim")] == ["it"]


def test_a_file_system_is_protected_unless_the_file_says_otherwise_and_a_bucket_if_it_does() -> None:
    said = {
        (kind, protect): StorageSpec(kind=kind, protect=protect).protected
        for kind in ("bucket", "lustre", "shared")
        for protect in (None, True, False)
    }
    assert {key for key, value in said.items() if value} == {
        ("bucket", True), ("lustre", None), ("lustre", True), ("shared", None), ("shared", True),
    }  # fmt: skip


def refused(name: str, **args: Any) -> list[tuple[str, str]]:
    with pytest.raises(ArgumentsError) as error:
        FileSystem(name, {"cluster": CLUSTER, **args})  # type: ignore[typeddict-item]
    return [(found.rule, found.path) for found in error.value.findings]


def test_without_its_driver_it_is_refused_for_nothing_would_mount_it() -> None:
    bare = {**CLUSTER, "controllers": {}}
    assert refused("home", cluster=bare, kind="shared") == [("controllers/absent", "/kind")]


def test_a_bucket_is_no_file_system() -> None:
    assert ("spec/one-of", "/kind") in refused("b", kind="bucket")


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert refused("No Name", kind="lustre", size_gib=1201, mbps_per_tib=1) == [
        ("spec/name", "/name"),
        ("aws/lustre-size", "/size_gib"),
        ("aws/lustre-speed", "/mbps_per_tib"),
    ]
