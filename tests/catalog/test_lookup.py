"""What look-ups promise to whoever plans with them."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import catalog
from springtide.catalog import Capacity, MachineType, UnknownNameError, lookup, table

CLOUDS = catalog.clouds()
PRICES = {
    (cloud, row["machine_type"], row["region"], row["capacity"]): row
    for cloud in CLOUDS
    for row in lookup.records(cloud, lookup.PRICES)
}


@st.composite
def asked(draw: st.DrawFn) -> tuple[str, str, int, str]:
    """A cloud, an accelerator and a count that some machine of it has, and a region."""
    cloud = draw(st.sampled_from(CLOUDS))
    machine = draw(st.sampled_from([item for item in catalog.machine_types(cloud) if item.gpu]))
    return cloud, machine.gpu, machine.gpus, draw(st.sampled_from(catalog.regions(cloud)))


requests = asked()


def on_demand(item: MachineType, region: str) -> float | None:
    found = catalog.price(item.cloud, region, item.name, Capacity.ON_DEMAND)
    return None if found is None else found.usd_per_hour


@given(requests)
def test_candidates_have_what_was_asked_for_where_it_was_asked_for(request: tuple[str, str, int, str]) -> None:
    cloud, gpu, count, region = request
    for item in catalog.candidates(*request):
        assert (item.cloud, item.gpu, item.gpus, item.unusable) == (cloud, gpu, count, "")
        assert catalog.offered(item, region)


@given(requests)
def test_candidates_are_cheapest_first_and_unpriced_last(request: tuple[str, str, int, str]) -> None:
    prices = [on_demand(item, request[3]) for item in catalog.candidates(*request)]
    priced = [price for price in prices if price is not None]
    assert priced == sorted(priced)
    assert prices[len(priced) :] == [None] * (len(prices) - len(priced))


@given(requests)
def test_candidates_leave_nothing_usable_out(request: tuple[str, str, int, str]) -> None:
    cloud, gpu, count, region = request
    usable = {item for item in catalog.machine_types(cloud) if (item.gpu, item.gpus, item.unusable) == (gpu, count, "")}
    assert set(catalog.candidates(*request)) == {item for item in usable if catalog.offered(item, region)}


@given(requests)
def test_a_count_that_a_usable_machine_has_is_a_count_of_its_accelerator(request: tuple[str, str, int, str]) -> None:
    cloud, gpu, count, _ = request
    found = catalog.accelerator(cloud, gpu)
    assert found is not None
    assert not catalog.candidates(*request) or count in found.counts


@given(requests)
def test_a_zone_that_offers_a_machine_is_a_zone_of_the_region_that_clusters_may_use(
    request: tuple[str, str, int, str],
) -> None:
    cloud, gpu, _, region = request
    usable = {zone.id for zone in catalog.zones(cloud, region) if not zone.refused}
    for item in (item for item in catalog.machine_types(cloud) if item.gpu == gpu):
        assert set(catalog.offered(item, region)) <= usable
        assert (region in catalog.regions_of(item)) == bool(catalog.offered(item, region))


def test_one_l4_in_us_east_1_is_cheapest_on_g6_xlarge() -> None:
    names = [item.name for item in catalog.candidates("aws", "L4", 1, "us-east-1")]
    assert names[:3] == ["g6.xlarge", "g6.2xlarge", "g6.4xlarge"]
    assert not [name for name in names if name.startswith(("g6f", "gr6f"))]


def test_a_machine_without_a_price_comes_after_those_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    known = lookup.price
    unpriced = {"g6.xlarge", "g6.4xlarge"}
    monkeypatch.setattr(lookup, "price", lambda *asked: None if asked[2] in unpriced else known(*asked))
    names = [item.name for item in catalog.candidates("aws", "L4", 1, "us-east-1")]
    assert names[0] == "g6.2xlarge"
    assert names[-2:] == ["g6.4xlarge", "g6.xlarge"]


@given(requests, st.sampled_from(Capacity))
def test_a_price_is_the_tables_own_or_absent(request: tuple[str, str, int, str], capacity: Capacity) -> None:
    cloud, _, _, region = request
    for item in catalog.candidates(*request):
        row = PRICES.get((cloud, item.name, region, capacity.value))
        found = catalog.price(cloud, region, item.name, capacity)
        assert (found is None) == (row is None)
        assert found is None or row is None or (found.usd_per_hour, found.date) == (row["usd_per_hour"], row["date"])


def test_a_price_names_its_capacity_and_a_citation() -> None:
    found = catalog.price("aws", "us-east-1", "g5.xlarge", "on-demand")
    assert found is not None
    assert found.capacity is Capacity.ON_DEMAND
    assert found.source in lookup.header("aws", lookup.PRICES).sources.values()


def test_no_price_is_ever_zero() -> None:
    assert min(row["usd_per_hour"] for row in PRICES.values()) > 0


def test_a_cluster_cannot_have_machines_in_a_zone_that_eks_refuses() -> None:
    p5 = catalog.machine_type("aws", "p5.48xlarge")
    assert p5 is not None
    refused = {zone.id for zone in catalog.zones("aws", "us-east-1") if zone.refused}
    assert refused == {"use1-az3"}
    assert "use1-az3" not in catalog.offered(p5, "us-east-1")
    assert "use1-az1" in catalog.offered(p5, "us-east-1")


@pytest.mark.parametrize(("region", "zone"), [("us-west-1", "usw1-az2"), ("ca-central-1", "cac1-az3")])
def test_a_refused_zone_is_known_even_where_no_machine_is_offered(region: str, zone: str) -> None:
    assert {item.id for item in catalog.zones("aws", region) if item.refused} == {zone}


def test_a_region_without_machines_offers_none() -> None:
    g6 = catalog.machine_type("aws", "g6.xlarge")
    assert g6 is not None
    assert catalog.offered(g6, "mars-north-1") == ()
    assert catalog.zones("aws", "mars-north-1") == ()
    assert "us-east-1" in catalog.regions_of(g6)


def test_an_unknown_cloud_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="unknown cloud 'nimbus': the catalog knows aws, gcp"):
        catalog.machine_types("nimbus")


def test_an_unknown_machine_type_is_none() -> None:
    assert catalog.machine_type("aws", "g99.huge") is None
    assert catalog.accelerator("aws", "X1") is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("l4", "L4"),
        ("L40", "L40S"),
        ("A10", "A10G"),
        ("nvidia-h100", "H100"),
        ("RTX PRO 6000", "RTX-PRO-6000"),
        ("A100 80GB", "A100-80GB"),
    ],
)
def test_a_near_miss_of_an_accelerator_is_understood(written: str, meant: str) -> None:
    assert catalog.near_accelerators("aws", written)[0] == meant


def test_a_name_like_nothing_gets_no_suggestion() -> None:
    assert catalog.near_accelerators("aws", "toaster") == ()


@given(st.text(max_size=20))
def test_suggestions_are_usable(name: str) -> None:
    near = catalog.near_accelerators("aws", name)
    assert len(near) <= 3
    assert all(
        found is not None and not found.unusable for found in (catalog.accelerator("aws", item) for item in near)
    )


def test_a_near_miss_of_a_machine_type_is_understood() -> None:
    assert catalog.near_machine_types("aws", "g6.xlarg")[0] == "g6.xlarge"
    assert catalog.near_machine_types("aws", "P5.48XLARGE") == ("p5.48xlarge",)
    assert len(catalog.near_machine_types("aws", "g6.x2large")) == 3


def test_values_cannot_be_changed_by_who_looks_them_up() -> None:
    g6 = catalog.machine_type("aws", "g6.xlarge")
    assert g6 is not None
    with pytest.raises(dataclasses.FrozenInstanceError):
        g6.gpus = 8  # type: ignore[misc]


def test_the_date_is_that_of_the_newest_snapshot() -> None:
    headers = {cloud: [table.read(path).header for path in (lookup.FOLDER / cloud).glob("*.json")] for cloud in CLOUDS}
    newest = {cloud: max(header.date for header in found if header.date) for cloud, found in headers.items()}
    assert {cloud: catalog.date(cloud) for cloud in CLOUDS} == newest
    assert catalog.date() == max(newest.values())


def test_a_service_price_has_its_unit() -> None:
    disk = catalog.service_price("aws", "us-east-1", "disk-gp3")
    assert disk is not None
    assert disk.usd > 0
    assert disk.per == "GiB-month"
    assert catalog.service_price("aws", "us-east-1", "free-lunch") is None
    assert set(catalog.service_items("aws")) >= {"control-plane", "nat-gateway", "public-ipv4", "encryption-key"}


def test_a_node_image_is_chosen_by_version_accelerator_and_architecture() -> None:
    image = catalog.node_image("aws", "1.35", gpu=True)
    assert image is not None
    assert (image.os, image.kubernetes, image.gpu) == ("bottlerocket", "1.35", True)
    assert "x86_64" in image.architectures
    assert catalog.node_image("aws", "1.35", gpu=False) != image
    assert catalog.node_image("aws", "1.35", gpu=True, architecture="riscv64") is None
    assert catalog.node_image("aws", "1.20", gpu=True) is None


def test_a_cloud_that_pins_no_images_has_none_and_says_so() -> None:
    assert catalog.pins_node_images("aws")
    assert not catalog.pins_node_images("gcp")
    assert catalog.node_images("gcp") == ()
    assert catalog.node_image("gcp", "1.35", gpu=True) is None
    with pytest.raises(UnknownNameError):
        catalog.pins_node_images("nimbus")


def test_a_near_miss_of_a_region_is_understood() -> None:
    assert catalog.near_regions("gcp", "us-central-1")[0] == "us-central1"
    assert catalog.near_regions("aws", "us-east1") == ("us-east-1",)


def test_the_public_face_is_sorted_and_complete() -> None:
    assert sorted(catalog.__all__) == catalog.__all__
    assert all(hasattr(catalog, name) for name in catalog.__all__)
