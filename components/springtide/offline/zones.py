"""The subnets of each zone, read from a plan's cloud resources for the picture."""

from dataclasses import dataclass

from springtide.offline.plan import Plan, Resource
from springtide.offline.views import NetworkView

_SUBNET = "aws:ec2/subnet:Subnet"
_NAT = "aws:ec2/natGateway:NatGateway"
_SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
_PROXIES = "REGIONAL_MANAGED_PROXY"
_CLOUD_NAT = "gcp:compute/routerNat:RouterNat"
_PUBLIC_MARK = "kubernetes.io/role/elb"
"""The tag of subnets for load balancers that face the internet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetParts:
    """One subnet."""

    cidr: str
    private: bool
    nat: bool
    """Whether a NAT gateway stands in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneParts:
    """One zone with its subnets, public ones first."""

    id: str
    subnets: tuple[SubnetParts, ...]


def zone_parts(plan: Plan) -> tuple[ZoneParts, ...]:
    """Zones that the plan has subnets in, ascending, or the region where a subnet spans them all; empty without any."""
    gateways = [str(item.inputs.get("subnetId", "")) for item in plan.of_type(_NAT)]
    by_zone: dict[str, list[SubnetParts]] = {}
    for subnet in plan.of_type(_SUBNET):
        zone = str(subnet.inputs.get("availabilityZoneId") or subnet.inputs.get("availabilityZone") or "")
        by_zone.setdefault(zone, []).append(_parts(subnet, gateways))
    spanning = _regional(plan)
    return spanning + tuple(
        ZoneParts(id=zone, subnets=tuple(sorted(subnets, key=lambda item: (item.private, item.cidr))))
        for zone, subnets in sorted(by_zone.items())
    )


def _regional(plan: Plan) -> tuple[ZoneParts, ...]:
    """Subnets on Google Cloud lie in no zone; those that a fabric adds for its nodes are not the network's."""
    networks = {network.urn for network in NetworkView.among(plan.resources)}
    nat = bool(plan.of_type(_CLOUD_NAT))
    found = [
        SubnetParts(cidr=str(subnet.inputs.get("ipCidrRange", "")), private=True, nat=nat)
        for subnet in plan.of_type(_SUBNETWORK)
        if subnet.parent in networks and subnet.inputs.get("purpose") != _PROXIES
    ]
    region = str(plan.environment.get("region", ""))
    return (ZoneParts(id=f"{region}, all zones", subnets=tuple(found)),) if found else ()


def _parts(subnet: Resource, gateways: list[str]) -> SubnetParts:
    return SubnetParts(
        cidr=str(subnet.inputs.get("cidrBlock", "")),
        private=_PUBLIC_MARK not in subnet.inputs.get("tags", {}),
        nat=any(f"{subnet.urn}#" in gateway for gateway in gateways),
    )
