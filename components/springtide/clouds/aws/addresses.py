"""The address plan of a VPC: which part of its ranges belongs to which zone, and which ranges a VPC can have."""

from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from itertools import islice

PRIVATE_BLOCKS = tuple(IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
"""RFC 1918. A VPC's ranges come from one of these blocks at most (VPC user guide: CIDR block association restrictions)."""
SHARED_BLOCK = IPv4Network("100.64.0.0/10")
"""RFC 6598: beside any other range, and routed by few networks, so that pods may have plenty of it."""
WIDEST_RANGE = 16
"""Prefix length of the widest range of a VPC."""
_RESERVED = tuple(
    IPv4Network(block) for block in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "198.19.0.0/16", "224.0.0.0/3")
)
_FIRST_TENS, _NOT_BESIDE_THEM = IPv4Network("10.0.0.0/15"), IPv4Network("10.0.0.0/16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Address ranges of one zone."""

    private: IPv4Network
    public: IPv4Network


def ranges(cidr: str, zones: tuple[str, ...], pods_cidr: str | None = None) -> dict[str, Ranges]:
    """Divide a network among its zones.

    The first half of `cidr` is cut into eight private ranges (4,096 addresses each in a /16; every pod has one), the
    ninth sixteenth into eight public ones. With a `pods_cidr`, eighths of that are the private ranges instead (8,192
    addresses each in a /16). The places do not depend on the number of zones, so adding a zone moves nothing.
    """
    half, rest = IPv4Network(ip_network(cidr)).subnets(prefixlen_diff=1)
    whole = half if pods_cidr is None else IPv4Network(ip_network(pods_cidr))
    public_part = next(rest.subnets(prefixlen_diff=3))
    private = islice(whole.subnets(prefixlen_diff=3), len(zones))
    public = islice(public_part.subnets(prefixlen_diff=3), len(zones))
    return {zone: Ranges(private=a, public=b) for zone, a, b in zip(zones, private, public, strict=True)}


def parsed(cidr: str) -> IPv4Network | None:
    """The range, or None where the text is none: what is wrong with it, the spec says."""
    try:
        return IPv4Network(cidr)
    except ValueError:
        return None


def reserved(block: IPv4Network) -> IPv4Network | None:
    """The block that no VPC may have addresses of and that `block` reaches into."""
    return next((taken for taken in _RESERVED if taken.overlaps(block)), None)


def conflict(first: IPv4Network, second: IPv4Network) -> str:
    """Why a VPC of range `first` cannot have `second` as well, in words; empty where it can."""
    if first.overlaps(second):
        return f"{second} overlaps {first}, the network's own range."
    home = next((block for block in PRIVATE_BLOCKS if second.overlaps(block)), None)
    if home is not None and not first.subnet_of(home):
        return f"{second} is of {home}, and {first} is not: AWS takes no ranges of two private blocks."
    if first.subnet_of(_FIRST_TENS) and second.subnet_of(_NOT_BESIDE_THEM):
        return f"AWS takes nothing of {_NOT_BESIDE_THEM} beside {first}."
    return ""
