"""The address plan of a VPC: nothing overlaps, nothing lies outside, nothing moves."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests import environment_files  # noqa: F401  loads the AWS SDK without its own warnings

from springtide.clouds.aws.addresses import conflict, parsed, ranges, reserved
from springtide.clouds.aws.network import network_findings
from springtide.spec import MOST_ZONES, NetworkSpec

ZONES = tuple(f"z{i}" for i in range(MOST_ZONES))
COUNTS = st.integers(1, MOST_ZONES)


def blocks(widest: int, narrowest: int, within: str = "0.0.0.0/0") -> st.SearchStrategy[str]:
    """Ranges with a prefix of so many bits, inside another range."""
    whole = IPv4Network(within)
    return st.builds(
        lambda length, bits: str(IPv4Network((bits >> (32 - length) << (32 - length), length))),
        st.integers(widest, narrowest),
        st.integers(int(whole.network_address), int(whole.broadcast_address)),
    )


CIDRS = blocks(16, 20)
POD_CIDRS = st.none() | blocks(16, 21)


def plan(cidr: str, count: int, pods: str | None = None) -> list[IPv4Network]:
    return [part for found in ranges(cidr, ZONES[:count], pods).values() for part in (found.private, found.public)]


def apart(cidr: str, pods: str | None) -> bool:
    return pods is None or not IPv4Network(cidr).overlaps(IPv4Network(pods))


@given(cidr=CIDRS, count=COUNTS, pods=POD_CIDRS)
def test_no_two_subnets_overlap_and_all_lie_in_the_network(cidr: str, count: int, pods: str | None) -> None:
    assume(apart(cidr, pods))
    subnets = plan(cidr, count, pods)
    assert len(subnets) == 2 * count
    assert not [pair for pair in combinations(subnets, 2) if pair[0].overlaps(pair[1])]
    whole = [IPv4Network(block) for block in (cidr, pods) if block is not None]
    assert all(any(part.subnet_of(block) for block in whole) for part in subnets)


@given(cidr=CIDRS, count=COUNTS, pods=blocks(16, 21))
def test_machines_and_pods_live_in_the_second_range_as_a_whole(cidr: str, count: int, pods: str) -> None:
    found = ranges(cidr, ZONES[:count], pods).values()
    assert all(item.private.subnet_of(IPv4Network(pods)) for item in found)
    assert [item.public for item in found] == [item.public for item in ranges(cidr, ZONES[:count]).values()]


@given(cidr=CIDRS, count=st.integers(1, MOST_ZONES - 1), pods=POD_CIDRS)
def test_another_zone_moves_nothing(cidr: str, count: int, pods: str | None) -> None:
    assert plan(cidr, count, pods) == plan(cidr, count + 1, pods)[: 2 * count]


@given(cidr=CIDRS, count=COUNTS, pods=POD_CIDRS)
def test_every_subnet_is_one_that_a_vpc_can_have(cidr: str, count: int, pods: str | None) -> None:
    assert all(16 <= part.prefixlen <= 28 for part in plan(cidr, count, pods))


@given(cidr=blocks(16, 20, "10.0.0.0/8"), count=COUNTS, pods=st.none() | blocks(16, 21, "100.64.0.0/10"))
def test_every_network_that_is_not_refused_can_be_divided(cidr: str, count: int, pods: str | None) -> None:
    spec = NetworkSpec(zones=ZONES[: max(count, 2)], cidr=cidr, pods_cidr=pods)
    assert spec.findings() == network_findings(spec) == []
    assert list(ranges(spec.cidr, spec.zones, spec.pods_cidr)) == list(spec.zones)


@given(cidr=CIDRS, pods=blocks(16, 21))
def test_ranges_that_overlap_are_always_refused(cidr: str, pods: str) -> None:
    found = network_findings(NetworkSpec(zones=ZONES, cidr=cidr, pods_cidr=pods))
    assert apart(cidr, pods) or "/pods_cidr" in {item.path for item in found}


@given(cidr=CIDRS)
def test_a_range_that_is_the_networks_own_is_refused(cidr: str) -> None:
    assert "/pods_cidr" in {item.path for item in network_findings(NetworkSpec(zones=ZONES, cidr=cidr, pods_cidr=cidr))}


@pytest.mark.parametrize(
    ("cidr", "pods", "private", "public"),
    [
        ("10.0.0.0/16", None, 4096, 512),
        ("10.0.0.0/20", None, 256, 32),
        ("10.0.0.0/20", "100.64.0.0/16", 8192, 32),
        ("10.0.0.0/16", "100.64.0.0/21", 256, 512),
    ],
)
def test_pods_get_most_of_the_addresses(cidr: str, pods: str | None, private: int, public: int) -> None:
    found = ranges(cidr, ZONES, pods)["z0"]
    assert (found.private.num_addresses, found.public.num_addresses) == (private, public)


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("10.0.0.0/16", "100.64.0.0/16", ""),
        ("10.2.0.0/16", "10.3.0.0/16", ""),
        ("172.16.0.0/16", "172.31.0.0/16", ""),
        ("100.64.0.0/16", "100.65.0.0/16", ""),
        ("10.0.0.0/16", "20.0.0.0/16", ""),
        ("10.0.0.0/16", "172.16.0.0/16", "two private blocks"),
        ("192.168.0.0/16", "10.0.0.0/16", "two private blocks"),
        ("100.64.0.0/16", "10.0.0.0/16", "two private blocks"),
        ("10.0.0.0/17", "10.0.64.0/18", "overlaps"),
        ("10.1.0.0/16", "10.0.0.0/16", "takes nothing of 10.0.0.0/16"),
        ("10.0.0.0/17", "10.0.128.0/17", "takes nothing of 10.0.0.0/16"),
        ("10.2.0.0/16", "10.0.0.0/16", ""),
        ("10.0.0.0/16", "10.1.0.0/16", ""),
    ],
)
def test_a_second_range_keeps_to_what_aws_allows_beside_the_first(first: str, second: str, why: str) -> None:
    found = conflict(IPv4Network(first), IPv4Network(second))
    assert (why in found) if why else not found


@pytest.mark.parametrize("cidr", ["0.0.0.0/16", "127.0.0.0/16", "169.254.0.0/20", "198.19.0.0/16", "239.0.0.0/16"])
def test_some_ranges_are_nobodys(cidr: str) -> None:
    assert reserved(IPv4Network(cidr))
    assert not reserved(IPv4Network("198.18.0.0/16"))


def test_what_is_no_range_is_none() -> None:
    assert parsed("10.0.0.0/16") == IPv4Network("10.0.0.0/16")
    assert parsed("10.0.0.1/16") is parsed("ten") is None
