"""A file system's volume and the claim on it: they name each other, and nothing else gets between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.k8s import Manifest
from springtide.k8s.volume import persistent_volume, volume_claim, volume_name

from .manifests import known_to_kubernetes

SOURCE = {"driver": "fsx.csi.aws.com", "volumeHandle": "fs-1", "volumeAttributes": {"dnsname": "d", "mountname": "m"}}
VOLUME = persistent_volume("corpus", "springtide", 4800, SOURCE, ("flock",))
CLAIM = volume_claim("corpus", "springtide", 4800)
names = st.from_regex(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(("kind", "manifest"), [("PersistentVolume", VOLUME), ("PersistentVolumeClaim", CLAIM)])
def test_kubernetes_knows_every_field(kind: str, manifest: Manifest) -> None:
    known_to_kubernetes("v1", kind, manifest)


@given(name=names, space=names, size=st.integers(1, 100_000))
def test_claim_and_volume_fit_no_other(name: str, space: str, size: int) -> None:
    volume, claim = persistent_volume(name, space, size, SOURCE), volume_claim(name, space, size)
    known_to_kubernetes("v1", "PersistentVolume", volume)
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"] == volume_name(name)
    assert volume["spec"]["claimRef"] == {
        "name": claim["metadata"]["name"],
        "namespace": claim["metadata"]["namespace"],
    }
    assert claim["spec"]["accessModes"] == volume["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["resources"]["requests"]["storage"] == volume["spec"]["capacity"]["storage"] == f"{size}Gi"


def test_no_default_class_makes_a_disk_for_the_claim() -> None:
    assert VOLUME["spec"]["storageClassName"] == CLAIM["spec"]["storageClassName"] == ""


def test_a_claim_that_goes_leaves_the_files() -> None:
    assert VOLUME["spec"]["persistentVolumeReclaimPolicy"] == "Retain"


def test_options_of_a_mount_are_there_where_there_are_any() -> None:
    assert VOLUME["spec"]["mountOptions"] == ["flock"]
    assert "mountOptions" not in persistent_volume("corpus", "springtide", 4800, SOURCE)["spec"]
