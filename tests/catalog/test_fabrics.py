"""What fast networks between machines need in an image or on a node."""

import pytest

from springtide import catalog
from springtide.catalog import UnknownNameError, lookup


@pytest.mark.parametrize(
    ("cloud", "fabric", "parts"),
    [
        ("aws", "efa", [("libfabric", "image"), ("aws-ofi-nccl", "image")]),
        ("gcp", "tcpx", [("nccl-plugin", "node"), ("rxdm", "sidecar")]),
        ("gcp", "tcpxo", [("nccl-plugin", "node"), ("rxdm", "sidecar")]),
        ("gcp", "rdma", [("gib", "node")]),
        ("aws", "tcpx", []),
        ("gcp", "efa", []),
    ],
)
def test_a_fabric_has_these_parts(cloud: str, fabric: str, parts: list[tuple[str, str]]) -> None:
    assert [(part.name, part.place) for part in catalog.fabric_parts(cloud, fabric)] == parts


@pytest.mark.parametrize("cloud", catalog.clouds())
def test_every_part_has_a_version_and_what_is_no_part_of_the_image_has_one_of_its_own(cloud: str) -> None:
    for row in lookup.records(cloud, lookup.FABRICS):
        assert row["place"] in {"image", "sidecar", "node"}
        assert row["version"]
        assert bool(row["image"]) == (row["place"] != "image")
        assert ":" not in row["image"]


def test_the_daemon_is_no_older_than_its_floor() -> None:
    rxdm = catalog.fabric_parts("gcp", "tcpxo")[1]
    assert (rxdm.floor, rxdm.version) == ("v1.0.20", "v1.0.21")


def test_an_unknown_cloud_is_an_error() -> None:
    with pytest.raises(UnknownNameError):
        catalog.fabric_parts("nimbus", "efa")
