"""The address plan of a GCP network."""

from ipaddress import IPv4Network
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from springtide.clouds.gcp.network import DEFAULT_PODS_CIDR, ranges

networks = st.builds(
    lambda address, prefix: str(IPv4Network((address, prefix), strict=False)),
    st.integers(min_value=0, max_value=2**32 - 1),
    st.integers(min_value=16, max_value=20),
)
"""Every range that an environment file may give (`spec.NetworkSpec`)."""


@given(networks)
def test_ranges_lie_in_the_network_and_never_overlap(cidr: str) -> None:
    found = ranges(cidr)
    parts = [found.nodes, found.services, found.peering, found.proxies]
    assert all(part.subnet_of(IPv4Network(cidr)) for part in parts)
    assert not any(one.overlaps(other) for one, other in combinations(parts, 2))


@given(networks)
def test_every_range_is_as_large_as_its_use_needs(cidr: str) -> None:
    found = ranges(cidr)
    assert found.nodes.num_addresses == IPv4Network(cidr).num_addresses // 2
    assert found.services.prefixlen <= 27  # the narrowest that GKE takes
    assert found.peering.prefixlen <= 23  # of which one Managed Lustre instance takes all
    assert found.proxies.prefixlen == 23


def test_pods_lie_outside_of_every_private_network_by_default() -> None:
    pods = IPv4Network(DEFAULT_PODS_CIDR)
    assert pods.subnet_of(IPv4Network("100.64.0.0/10"))
    assert pods.num_addresses // 256 == 1024


def test_the_plan_is_the_one_that_is_documented() -> None:
    found = ranges("10.8.0.0/18")
    assert [str(part) for part in (found.nodes, found.services, found.peering, found.proxies)] == [
        *("10.8.0.0/19", "10.8.32.0/20", "10.8.48.0/21", "10.8.56.0/23"),
    ]
