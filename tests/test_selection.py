"""Which machine types and zones a pool gets."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import catalog, selection
from springtide.pool import usable_memory_gib
from springtide.spec import PoolSpec, Source

REGION = "us-east-1"
ZONES = tuple(zone.id for zone in catalog.zones("aws", REGION) if not zone.refused)
POOL = PoolSpec(gpu="A10G", max_nodes=1)
USABLE = [item for item in catalog.accelerators("aws") if not item.unusable]


def refused(spec: PoolSpec, region: str = REGION, zones: tuple[str, ...] = ZONES) -> list[tuple[str, str, str]]:
    found = selection.choose(spec, "aws", region, zones).findings
    assert all(item.source is Source.CATALOG for item in found)
    return [(item.rule, item.path, item.fix) for item in found]


def test_every_fitting_machine_is_a_candidate_cheapest_first() -> None:
    choice = selection.choose(POOL, "aws", REGION, ZONES)
    assert choice.findings == ()
    assert choice.machine_types[0].name == "g5.xlarge"
    prices = [catalog.price("aws", REGION, item.name, "on-demand") for item in choice.machine_types]
    known = [price.usd_per_hour for price in prices if price is not None]
    assert known == sorted(known)
    assert None not in prices[: len(known)]


@given(
    accelerator=st.sampled_from(USABLE),
    count=st.sampled_from([1, 2, 4, 8]),
    region=st.sampled_from(catalog.regions("aws")),
    data=st.data(),
)
def test_a_choice_is_what_was_asked_for_where_it_is_offered_or_says_why_not(
    accelerator: catalog.Accelerator, count: int, region: str, data: st.DataObject
) -> None:
    here = [zone.id for zone in catalog.zones("aws", region) if not zone.refused]
    zones = tuple(data.draw(st.lists(st.sampled_from(here), unique=True)))
    spec = replace(POOL, gpu=accelerator.name, gpus_per_node=count)
    choice = selection.choose(spec, "aws", region, zones)
    assert bool(choice.findings) != bool(choice.machine_types)
    assert bool(choice.zones) == bool(choice.machine_types)
    assert all((item.gpu, item.gpus, item.unusable) == (accelerator.name, count, "") for item in choice.machine_types)
    assert all(set(catalog.offered(item, region)) & set(choice.zones) for item in choice.machine_types)
    assert [zone for zone in zones if zone in choice.zones] == list(choice.zones)


def test_a_machine_that_no_zone_of_the_network_offers_is_no_candidate() -> None:
    everywhere = [
        (machine, other, zone)
        for accelerator in USABLE
        for count in accelerator.counts
        for machine in catalog.candidates("aws", accelerator.name, count, REGION)
        for other in catalog.candidates("aws", accelerator.name, count, REGION)
        for zone in catalog.offered(other, REGION)
        if zone not in catalog.offered(machine, REGION)
    ]
    machine, other, zone = everywhere[0]
    choice = selection.choose(replace(POOL, gpu=machine.gpu, gpus_per_node=machine.gpus), "aws", REGION, [zone])
    assert other in choice.machine_types
    assert machine not in choice.machine_types


def test_machine_types_that_are_named_are_used_in_their_order() -> None:
    spec = replace(POOL, machine_types=("g5.4xlarge", "g5.xlarge"))
    assert [item.name for item in selection.choose(spec, "aws", REGION, ZONES).machine_types] == [
        "g5.4xlarge",
        "g5.xlarge",
    ]


def test_every_machine_type_that_does_not_fit_is_told_at_once() -> None:
    spec = replace(POOL, machine_types=("g5.xlarge", "g5.12xlarge", "m7i.large", "g5.xlarg", "g5g.xlarge"))
    assert [path for _, path, _ in refused(spec)] == [f"/machine_types/{i}" for i in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("spec", "rule", "path", "fix"),
    [
        (replace(POOL, gpu="a10g"), "catalog/gpu", "/gpu", "did you mean A10G?"),
        (replace(POOL, gpu="nvidia-l40s"), "catalog/gpu", "/gpu", "did you mean L40S?"),
        (replace(POOL, gpus_per_node=2), "catalog/gpus-per-node", "/gpus_per_node", "use a count on offer"),
    ],
)
def test_what_the_catalog_does_not_have_is_refused(spec: PoolSpec, rule: str, path: str, fix: str) -> None:
    assert refused(spec) == [(rule, path, fix)]


def test_a_machine_that_no_pool_can_use_says_why() -> None:
    machine = next(item for item in catalog.machine_types("aws") if item.unusable and item.gpus == 1)
    spec = replace(POOL, gpu=machine.gpu, gpus_per_node=machine.gpus, machine_types=(machine.name,))
    [found] = selection.choose(spec, "aws", REGION, ZONES).findings
    assert machine.unusable in found.message


def test_an_accelerator_that_the_region_lacks_names_the_regions_that_have_it() -> None:
    lacking = next(name for name in catalog.regions("aws") if not catalog.candidates("aws", "H100", 8, name))
    [found] = selection.choose(replace(POOL, gpu="H100", gpus_per_node=8), "aws", lacking, ()).findings
    assert (found.rule, found.path) == ("catalog/region", "/gpu")
    assert REGION in found.allowed


@given(st.sampled_from(catalog.machine_types("aws")))
def test_pods_never_get_all_of_a_machines_memory(machine: catalog.MachineType) -> None:
    assert 1 <= usable_memory_gib(machine.memory_mib) <= max(machine.memory_gib * 0.925 - 2, 1)


def test_zones_without_the_machine_are_refused_and_others_are_named() -> None:
    everywhere = (
        (replace(POOL, gpu=item.name, gpus_per_node=count), region)
        for item in USABLE
        for count in item.counts
        for region in catalog.regions("aws")
    )
    spec, region, usable, offered = next(
        (spec, region, usable, offered)
        for spec, region in everywhere
        if (usable := [zone.id for zone in catalog.zones("aws", region) if not zone.refused])
        if (offered := selection.choose(spec, "aws", region, usable).zones)
        if len(offered) < len(usable)
    )
    [found] = selection.choose(spec, "aws", region, [zone for zone in usable if zone not in offered]).findings
    assert (found.rule, found.path, found.allowed) == ("catalog/zone", "/gpu", offered)
