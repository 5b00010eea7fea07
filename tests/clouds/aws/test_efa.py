"""EFA layouts: the rows of AWS' own matrix, and what no machine of the catalog and no layout may break."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import environment_files  # noqa: F401  loads the AWS SDK without its own warnings

from springtide import catalog
from springtide.catalog import MachineType
from springtide.clouds.aws.efa import LAYOUTS, Interface, ip_optimised, legacy

FABRIC = ("efa", "efa-only")
WITH_EFA = [item for item in catalog.machine_types("aws") if item.efa_max > 0]

machines = st.sampled_from(WITH_EFA)
layouts = st.sampled_from(sorted(LAYOUTS))


def machine(name: str) -> MachineType:
    found = catalog.machine_type("aws", name)
    assert found is not None
    return found


def written(interfaces: tuple[Interface, ...]) -> list[str]:
    return [f"{item.card}:{item.device} {item.kind}" for item in interfaces]


@pytest.mark.parametrize(
    ("name", "cards"), [("p4d.24xlarge", 4), ("p5.48xlarge", 32), ("p5en.48xlarge", 16), ("p6-b200.48xlarge", 8)]
)
def test_a_large_machine_has_one_address_and_an_efa_on_each_card(name: str, cards: int) -> None:
    expected = ["0:0 interface", "0:1 efa-only", *(f"{card}:0 efa-only" for card in range(1, cards))]
    assert written(ip_optimised(machine(name))) == expected


@pytest.mark.parametrize("name", ["p5.4xlarge", "g5.8xlarge", "g6e.16xlarge", "p3dn.24xlarge"])
def test_a_machine_of_one_card_has_both_on_it(name: str) -> None:
    assert written(ip_optimised(machine(name))) == ["0:0 interface", "0:1 efa-only"]
    assert written(legacy(machine(name))) == ["0:0 efa"]


def test_the_older_layout_has_an_address_a_card_but_the_first_and_efa_at_device_one() -> None:
    assert written(legacy(machine("p5.48xlarge"))) == ["0:0 efa", *(f"{card}:1 efa-only" for card in range(1, 32))]


def test_a_card_that_takes_no_efa_gets_none() -> None:
    """p6-b300 has 17 cards and 16 EFA interfaces; a loop over cards would ask for one too many."""
    b300 = machine("p6-b300.48xlarge")
    assert written(ip_optimised(b300)) == ["0:0 interface", *(f"{card}:0 efa-only" for card in range(1, 17))]
    assert written(legacy(b300)) == ["0:0 interface", *(f"{card}:1 efa-only" for card in range(1, 17))]


@given(machines, layouts)
def test_every_layout_has_as_many_efa_interfaces_as_the_machine_may_have(item: MachineType, layout: str) -> None:
    assert sum(found.kind in FABRIC for found in LAYOUTS[layout](item)) == item.efa_max


@given(machines, layouts)
def test_no_secondary_card_gets_a_plain_efa_and_no_card_two_efas(item: MachineType, layout: str) -> None:
    """nodeadm times out on the first, EC2 refuses the second."""
    interfaces = LAYOUTS[layout](item)
    assert not [found for found in interfaces if found.card > 0 and found.kind == "efa"]
    assert max(Counter(found.card for found in interfaces if found.kind in FABRIC).values()) == 1


@given(machines, layouts)
def test_no_card_gets_more_interfaces_than_it_takes_or_a_kind_that_it_does_not(item: MachineType, layout: str) -> None:
    interfaces = LAYOUTS[layout](item)
    assert len({(found.card, found.device) for found in interfaces}) == len(interfaces)
    for found in interfaces:
        card = item.network_cards[found.card]
        assert found.kind in card.interface_types
        assert found.device < card.max_interfaces


@given(machines)
def test_the_primary_interface_of_todays_layout_is_plain(item: MachineType) -> None:
    assert ip_optimised(item)[0] == Interface(card=0, device=0, kind="interface")
