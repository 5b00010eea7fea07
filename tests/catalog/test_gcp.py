"""What the GCP data says that no AWS row does: accelerator strings, networks, attached accelerators, zones by name."""

import re
from itertools import chain

import pytest

from springtide import catalog
from springtide.catalog import MachineType, lookup, versions

MACHINES = catalog.machine_types("gcp")
every_accelerated = pytest.mark.parametrize("item", [item for item in MACHINES if item.gpu], ids=lambda item: item.name)


def machine(name: str) -> MachineType:
    found = catalog.machine_type("gcp", name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "accelerator", "gpudirect", "networks", "disks"),
    [
        ("g2-standard-8", "nvidia-l4", "", (0, 0), 0),
        ("a2-highgpu-8g", "nvidia-tesla-a100", "", (0, 0), 0),
        ("a3-highgpu-4g", "nvidia-h100-80gb", "", (0, 0), 8),
        ("a3-highgpu-8g", "nvidia-h100-80gb", "tcpx", (4, 0), 16),
        ("a3-megagpu-8g", "nvidia-h100-mega-80gb", "tcpxo", (8, 0), 16),
        ("a3-ultragpu-8g", "nvidia-h200-141gb", "rdma", (1, 8), 32),
        ("a4-highgpu-8g", "nvidia-b200", "rdma", (1, 8), 32),
    ],
)
def test_known_machines_are_as_cluster_toolkit_has_them(
    name: str, accelerator: str, gpudirect: str, networks: tuple[int, int], disks: int
) -> None:
    item = machine(name)
    assert (item.accelerator, item.gpudirect, item.local_ssds) == (accelerator, gpudirect, disks)
    assert (item.extra_networks, item.rdma_networks) == networks


@every_accelerated
def test_an_accelerated_machine_names_its_accelerator_as_gke_does(item: MachineType) -> None:
    assert re.fullmatch(r"nvidia-[a-z0-9-]+", item.accelerator)


@every_accelerated
def test_networks_come_with_a_kind_of_gpudirect_and_the_other_way_round(item: MachineType) -> None:
    assert bool(item.gpudirect) == bool(item.extra_networks)
    assert bool(item.rdma_networks) == (item.gpudirect == "rdma")
    assert not item.gpudirect or catalog.fabric_parts("gcp", item.gpudirect)


def test_an_accelerator_string_means_one_accelerator() -> None:
    meant = {
        item.accelerator: {other.gpu for other in MACHINES if other.accelerator == item.accelerator}
        for item in MACHINES
    }
    assert [name for name, found in meant.items() if len(found) != 1] == []


@every_accelerated
def test_an_attached_accelerator_is_in_the_name_and_not_in_the_type_that_the_api_takes(item: MachineType) -> None:
    if not item.attachable:
        assert item.instance_type == item.name
        return
    assert item.name == f"{item.instance_type}+{item.gpu.lower()}x{item.gpus}"
    assert item.instance_type.startswith("n1-standard-")


def test_a_zone_is_called_after_its_region() -> None:
    for region in catalog.regions("gcp"):
        zones = [zone.id for zone in catalog.zones("gcp", region)]
        assert len(zones) >= 3
        assert all(re.fullmatch(rf"{region}-[a-f]", zone) for zone in zones)


def test_every_region_has_machines_for_system_nodes() -> None:
    found = {item.name: set(catalog.regions_of(item)) for item in MACHINES if item.name.startswith("e2-standard")}
    without = {name: set(catalog.regions("gcp")) - regions for name, regions in found.items()}
    assert set(chain.from_iterable(without.values())) == {"asia-southeast3"}


def test_the_newest_patch_is_one_of_its_minor() -> None:
    for version in catalog.kubernetes_versions("gcp"):
        assert versions.parse(version.latest)[:2] == versions.parse(version.version)


def test_what_nobody_confirmed_is_labelled_in_the_files_that_have_it() -> None:
    for name in (lookup.MACHINE_TYPES, lookup.OFFERINGS, lookup.ZONES, lookup.KUBERNETES_VERSIONS):
        assert "memory, unverified: " in lookup.header("gcp", name).source
