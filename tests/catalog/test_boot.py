"""How long machines take to come, and which region stands for a whole cloud."""

import pytest

from springtide import catalog
from springtide.catalog import UnknownNameError


@pytest.mark.parametrize("cloud", catalog.clouds())
def test_every_cloud_has_a_range_of_seconds_with_its_source(cloud: str) -> None:
    boot = catalog.boot(cloud)
    assert 0 < boot.least_seconds <= boot.most_seconds
    assert boot.source


def test_machines_of_an_unknown_cloud_have_no_time() -> None:
    with pytest.raises(UnknownNameError):
        catalog.boot("nimbus")


@pytest.mark.parametrize("cloud", catalog.clouds())
def test_no_region_has_prices_of_more_machines_than_the_best_known_one(cloud: str) -> None:
    def priced(region: str) -> int:
        usable = [item for item in catalog.machine_types(cloud) if item.gpu and not item.unusable]
        return sum(catalog.price(cloud, region, item.name, "on-demand") is not None for item in usable)

    best = catalog.best_known_region(cloud)
    assert priced(best) == max(priced(region) for region in catalog.regions(cloud)) > 0


@pytest.mark.parametrize("cloud", catalog.clouds())
def test_a_label_can_hold_the_name_of_every_machine_type(cloud: str) -> None:
    names = [item.node_label for item in catalog.machine_types(cloud)]
    assert all(name.replace("-", "").replace(".", "").isalnum() for name in names)
    assert len(set(names)) == len(names)
