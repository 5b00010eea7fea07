"""The address plan of a VPC: nothing overlaps, nothing lies outside, nothing moves."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import environment_files  # noqa: F401  loads the AWS SDK without its own warnings

from springtide.clouds.aws.network import ranges
from springtide.spec import MOST_ZONES, NetworkSpec

ZONES = tuple(f"z{i}" for i in range(MOST_ZONES))
CIDRS = st.builds(
    lambda length, bits: str(IPv4Network((bits >> (32 - length) << (32 - length), length))),
    st.integers(16, 20),
    st.integers(0, 2**32 - 1),
)
COUNTS = st.integers(1, MOST_ZONES)


def plan(cidr: str, count: int) -> list[IPv4Network]:
    return [part for found in ranges(cidr, ZONES[:count]).values() for part in (found.private, found.public)]


@given(cidr=CIDRS, count=COUNTS)
def test_no_two_subnets_overlap_and_all_lie_in_the_network(cidr: str, count: int) -> None:
    subnets = plan(cidr, count)
    assert len(subnets) == 2 * count
    assert not [pair for pair in combinations(subnets, 2) if pair[0].overlaps(pair[1])]
    assert all(part.subnet_of(IPv4Network(cidr)) for part in subnets)


@given(cidr=CIDRS, count=st.integers(1, MOST_ZONES - 1))
def test_another_zone_moves_nothing(cidr: str, count: int) -> None:
    assert plan(cidr, count) == plan(cidr, count + 1)[: 2 * count]


@given(cidr=CIDRS, count=COUNTS)
def test_every_subnet_is_one_that_a_vpc_can_have(cidr: str, count: int) -> None:
    assert all(16 <= part.prefixlen <= 28 for part in plan(cidr, count))


@given(cidr=CIDRS, count=COUNTS)
def test_every_network_that_a_spec_allows_can_be_divided(cidr: str, count: int) -> None:
    spec = NetworkSpec(zones=ZONES[: max(count, 2)], cidr=cidr)
    assert spec.findings() == []
    assert list(ranges(spec.cidr, spec.zones)) == list(spec.zones)


@pytest.mark.parametrize(("cidr", "private", "public"), [("10.0.0.0/16", 4096, 512), ("10.0.0.0/20", 256, 32)])
def test_pods_get_most_of_the_addresses(cidr: str, private: int, public: int) -> None:
    found = ranges(cidr, ZONES)["z0"]
    assert (found.private.num_addresses, found.public.num_addresses) == (private, public)
