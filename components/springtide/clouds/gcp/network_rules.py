"""What a network asks for that GCP does not have."""

import re
from ipaddress import IPv4Network

from springtide.clouds.gcp.network import DEFAULT_PODS_CIDR
from springtide.spec import Finding, NetworkSpec, refuse
from springtide.spec.unused import unused

OURS_ONLY = ("cidr", "nat", "pods_cidr", "endpoints")
"""Keys of a network that we make."""
_NETWORK = re.compile(r"projects/[a-z0-9-]+/global/networks/[a-z0-9-]+")
_SUBNET = re.compile(r"projects/[a-z0-9-]+/regions/(?P<region>[a-z0-9-]+)/subnetworks/[a-z0-9-]+")
_RESERVED = tuple(
    IPv4Network(block) for block in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "199.36.153.0/28", "224.0.0.0/4")
)
"""What no subnet may hold (VPC documentation: prohibited IPv4 subnet ranges; memory, unverified)."""


def network_findings(spec: NetworkSpec) -> list[Finding]:
    """What a network asks for that GCP does not have.

    `endpoints` is granted whatever it lists: Private Google Access leads to storage, registry and identity at no cost.
    """
    if spec.existing is None:
        return [*_nat_layout(spec.nat), *_reserved("/cidr", spec.cidr), *_pods(spec)]
    because, fix = f"{spec.existing} is used as it is.", "let the network be made: remove existing and subnets"
    return [
        *unused(spec, OURS_ONLY, "gcp/adopted-network", because, fix),
        *_network_id(spec.existing),
        *_subnets(spec),
    ]


def _nat_layout(layout: str) -> list[Finding]:
    if layout != "per-zone":
        return []
    message = "Cloud NAT belongs to a region and loses nothing with a zone; there is none per zone."
    return [refuse("gcp/nat", "/nat", layout, message, "remove nat, or write one", allowed=["one"])]


def _pods(spec: NetworkSpec) -> list[Finding]:
    """The second range: it may lie anywhere but in the first, wherever that is said."""
    path, text = ("/cidr", DEFAULT_PODS_CIDR) if spec.pods_cidr is None else ("/pods_cidr", spec.pods_cidr)
    first, second = _parsed(spec.cidr), _parsed(text)
    if first is None or second is None or not first.overlaps(second):
        return _reserved("/pods_cidr", text)
    message = f"pods would take their addresses from {second}, which overlaps {first}, the network's own range."
    fix = "use a pods_cidr that is nobody's, such as 100.64.0.0/14, and a cidr beside it"
    return [refuse("gcp/range", path, getattr(spec, path[1:]), message, fix)]


def _reserved(path: str, text: str) -> list[Finding]:
    block = _parsed(text)
    taken = None if block is None else next((it for it in _RESERVED if it.overlaps(block)), None)
    if taken is None:
        return []
    message = f"{text} reaches into {taken}, which no subnet can have."
    return [refuse("gcp/range", path, text, message, "use a private range, such as 10.0.0.0/16")]


def _parsed(text: str) -> IPv4Network | None:
    """The range, or None where the text is none: what is wrong with it, the spec says."""
    try:
        return IPv4Network(text)
    except ValueError:
        return None


def _network_id(existing: str) -> list[Finding]:
    if _NETWORK.fullmatch(existing):
        return []
    message = f"{existing!r} is no id of a network."
    return [refuse("gcp/network-id", "/existing", existing, message, "write projects/<project>/global/networks/<name>")]


def _subnets(spec: NetworkSpec) -> list[Finding]:
    """An adopted network brings one subnet: that of the region."""
    if not spec.subnets:
        return []
    if len(spec.subnets) > 1:
        message = f"a subnet spans all zones of its region, and {len(spec.subnets)} are listed."
        return [refuse("gcp/subnets", "/subnets", dict(spec.subnets), message, "name the one of the region")]
    [(region, path)] = spec.subnets.items()
    found = _SUBNET.fullmatch(path)
    if found is None or found["region"] != region:
        message = f"{path!r} is no subnet of {region}."
        written = "<region>: projects/<project>/regions/<region>/subnetworks/<name>"
        fix = f"write {written}; its secondary ranges are called pods and services"
        return [refuse("gcp/subnets", f"/subnets/{region}", path, message, fix)]
    return [
        refuse("gcp/subnets", f"/subnets/{region}", path, f"zone {zone} is not in {region}.", "name the zone's region")
        for zone in spec.zones[:1]
        if zone.rpartition("-")[0] != region
    ]
