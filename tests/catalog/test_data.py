"""What every row of the shipped data files obeys."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from springtide import catalog
from springtide.catalog import MachineType, NetworkCard, lookup, table
from springtide.catalog.table import Table

FILES = sorted(lookup.FOLDER.glob("*/*.json"))
CLOUDS = catalog.clouds()
MACHINES = [item for cloud in CLOUDS for item in catalog.machine_types(cloud)]
ACCELERATED = [item for item in MACHINES if item.gpu]
every_cloud = pytest.mark.parametrize("cloud", CLOUDS)


@pytest.fixture(params=FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def data(request: pytest.FixtureRequest) -> Table:
    return table.read(request.param)


def test_every_file_says_where_it_comes_from(data: Table) -> None:
    header = data.header
    assert all((header.about, header.source, header.licence, header.tool))
    assert header.date is None or date.fromisoformat(header.date) <= datetime.now(tz=UTC).date()
    assert header.date is not None or "undated" in header.source


def test_every_row_fits_its_columns(data: Table) -> None:
    assert data.rows
    assert {len(row) for row in data.rows} == {len(data.columns)}


def test_every_source_key_is_cited_and_every_citation_used(data: Table) -> None:
    assert {row["source"] for row in data.records() if "source" in row} == set(data.header.sources)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_is_as_the_writer_writes_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert table.dumps(table.loads(text)) == text


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_file_names_a_path_of_a_machine_or_an_account(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(work|root|home|tmp)/|\b\d{12}\b", text)


def keys(cloud: str, name: str, *columns: str) -> list[tuple[str, ...]]:
    return [tuple(row[column] for column in columns) for row in lookup.records(cloud, name)]


@every_cloud
@pytest.mark.parametrize(
    ("name", "columns"),
    [
        (lookup.MACHINE_TYPES, ("name",)),
        (lookup.OFFERINGS, ("machine_type", "region")),
        (lookup.ZONES, ("region", "zone")),
        (lookup.PRICES, ("machine_type", "region", "capacity")),
        (lookup.SERVICE_PRICES, ("item", "region")),
        (lookup.QUOTAS, ("begins", "scope", "capacity")),
    ],
)
def test_rows_are_sorted_and_unique(cloud: str, name: str, columns: tuple[str, ...]) -> None:
    found = keys(cloud, name, *columns)
    assert found == sorted(found)
    assert not [row for row, after in pairwise(found) if row == after]


@every_cloud
def test_offerings_are_of_known_machines_in_known_zones(cloud: str) -> None:
    zones = set(keys(cloud, lookup.ZONES, "region", "zone"))
    for row in lookup.records(cloud, lookup.OFFERINGS):
        assert catalog.machine_type(cloud, row["machine_type"]) is not None
        assert {(row["region"], zone) for zone in row["zones"]} <= zones
        assert row["zones"] == sorted(set(row["zones"]))


def test_every_machine_type_is_offered_somewhere() -> None:
    assert [item.name for item in MACHINES if not catalog.regions_of(item)] == []


@every_cloud
def test_prices_are_positive_dated_and_of_machines_that_their_region_offers(cloud: str) -> None:
    for row in lookup.records(cloud, lookup.PRICES):
        assert row["usd_per_hour"] > 0
        assert date.fromisoformat(row["date"]) <= datetime.now(tz=UTC).date()
        machine = catalog.machine_type(cloud, row["machine_type"])
        assert machine is not None
        assert catalog.offered(machine, row["region"])


@every_cloud
def test_service_prices_are_positive_and_dated(cloud: str) -> None:
    for row in lookup.records(cloud, lookup.SERVICE_PRICES):
        assert row["usd"] > 0
        assert date.fromisoformat(row["date"]) <= datetime.now(tz=UTC).date()


UNPRICED = {
    "a3-edgegpu-8g", "a3-megagpu-8g", "a3-ultragpu-8g", "a4-highgpu-8g", "g4-standard-12", "g4-standard-24",
    "g4-standard-6", "n1-standard-16+p100x2", "n1-standard-16+t4x2", "n1-standard-16+v100x2", "n1-standard-32+p100x4",
    "n1-standard-32+t4x4", "n1-standard-32+v100x4", "n1-standard-4+t4x1", "n1-standard-8+p100x1", "n1-standard-8+t4x1",
    "n1-standard-8+v100x1", "n1-standard-96+v100x8",
}  # fmt: skip
"""No dated source at hand: the reference list has no attached accelerators and none of these."""


@pytest.mark.parametrize(
    ("cloud", "region", "unpriced"), [("aws", "us-east-1", set()), ("gcp", "us-central1", UNPRICED)]
)
def test_only_these_machines_are_unpriced_in_the_reference_region(cloud: str, region: str, unpriced: set[str]) -> None:
    here = [item for item in catalog.machine_types(cloud) if catalog.offered(item, region)]
    assert {item.name for item in here if catalog.price(cloud, region, item.name, "on-demand") is None} == unpriced


@pytest.mark.parametrize("item", MACHINES, ids=lambda item: f"{item.cloud}/{item.name}")
def test_a_machine_type_makes_sense(item: MachineType) -> None:
    assert item.vcpus > 0
    assert item.memory_mib > 0
    assert item.architecture in {"x86_64", "arm64"}
    assert set(item.usage_classes) <= {"on-demand", "spot", "capacity-block", "flex-start"}
    assert item.usage_classes
    assert [card.index for card in item.network_cards] == list(range(len(item.network_cards)))


@pytest.mark.parametrize("item", ACCELERATED, ids=lambda item: f"{item.cloud}/{item.name}")
def test_an_accelerated_machine_is_usable_or_says_why_not(item: MachineType) -> None:
    assert item.gpu_memory_mib > 0
    assert item.gpus > 0 or item.unusable


@pytest.mark.parametrize(
    ("family", "floor", "ceiling"), [("g7", 595, 0), ("p3dn", 0, 580), ("g6f", 0, 580), ("g6", 0, 0)]
)
def test_drivers_end_or_begin_with_some_families(family: str, floor: int, ceiling: int) -> None:
    found = {
        (item.driver_floor, item.driver_ceiling)
        for item in catalog.machine_types("aws")
        if item.name.split(".")[0] == family
    }
    assert found == {(floor, ceiling)}


def efa_cards(item: MachineType) -> Iterator[NetworkCard]:
    return (card for card in item.network_cards if "efa-only" in card.interface_types)


@pytest.mark.parametrize("item", MACHINES, ids=lambda item: f"{item.cloud}/{item.name}")
def test_there_is_a_card_for_every_efa_interface(item: MachineType) -> None:
    assert len(list(efa_cards(item))) == item.efa_max


def test_p6_b300_has_a_card_more_than_efa_interfaces_and_the_first_takes_none() -> None:
    b300 = catalog.machine_type("aws", "p6-b300.48xlarge")
    assert b300 is not None
    assert (len(b300.network_cards), b300.efa_max) == (17, 16)
    assert b300.network_cards[0].interface_types == ("interface",)


@pytest.mark.parametrize(
    ("name", "gpu", "gpus", "memory_mib", "vcpus", "nvme_gb", "efa"),
    [
        ("g5.xlarge", "A10G", 1, 22888, 4, 250, 0),
        ("g6.48xlarge", "L4", 8, 22888, 192, 7520, 1),
        ("g6e.48xlarge", "L40S", 8, 45776, 192, 7600, 4),
        ("p4d.24xlarge", "A100", 8, 40960, 96, 8000, 4),
        ("p4de.24xlarge", "A100-80GB", 8, 81920, 96, 8000, 4),
        ("p5.48xlarge", "H100", 8, 81920, 192, 30400, 32),
        ("p5en.48xlarge", "H200", 8, 144384, 192, 30400, 16),
    ],
)
def test_known_machines_are_described_as_aws_describes_them(  # noqa: PLR0913, PLR0917  a row of the table each
    name: str, gpu: str, gpus: int, memory_mib: int, vcpus: int, nvme_gb: int, efa: int
) -> None:
    item = catalog.machine_type("aws", name)
    assert item is not None
    found = (item.gpu, item.gpus, item.gpu_memory_mib, item.vcpus, item.local_disk_gb, item.efa_max)
    assert found == (gpu, gpus, memory_mib, vcpus, nvme_gb, efa)


@pytest.mark.parametrize("name", ["g6f.xlarge", "gr6f.4xlarge"])
def test_a_fraction_of_a_gpu_is_not_a_gpu(name: str) -> None:
    item = catalog.machine_type("aws", name)
    assert item is not None
    assert (item.gpu, item.gpus) == ("L4", 0)
    assert "fraction" in item.unusable


@pytest.mark.parametrize(
    ("name", "word"), [("trn2.48xlarge", "Neuron"), ("inf2.xlarge", "Neuron"), ("g7.2xlarge", "595")]
)
def test_a_machine_that_no_image_serves_says_so(name: str, word: str) -> None:
    item = catalog.machine_type("aws", name)
    assert item is not None
    assert word in item.unusable


def test_blocks_are_sold_of_the_large_training_machines_only() -> None:
    sold = {item.name for item in ACCELERATED if "capacity-block" in item.usage_classes and not item.unusable}
    assert sold == {
        "p4d.24xlarge", "p4de.24xlarge", "p5.4xlarge", "p5.48xlarge", "p5e.48xlarge", "p5en.48xlarge",
        "p6-b200.48xlarge", "p6-b300.48xlarge",
    }  # fmt: skip


@every_cloud
def test_a_kubernetes_version_ends_after_its_forerunner_and_has_images_where_the_cloud_pins_any(cloud: str) -> None:
    versions = catalog.kubernetes_versions(cloud)
    for version in versions:
        assert date.fromisoformat(version.standard_support_ends) < date.fromisoformat(version.extended_support_ends)
        for gpu in (False, True):
            assert (catalog.node_image(cloud, version.version, gpu=gpu) is not None) == catalog.pins_node_images(cloud)
    assert all(old.extended_support_ends < new.extended_support_ends for old, new in pairwise(versions))


def test_releases_have_the_form_that_eks_takes() -> None:
    assert all(re.fullmatch(r"\d+\.\d+\.\d+-[0-9a-f]{8}", image.release) for image in catalog.node_images("aws"))
