"""The subnets of each zone, read from a plan's cloud resources for the picture."""

from dataclasses import dataclass

from springtide.offline.plan import Plan, Resource

_SUBNET = "aws:ec2/subnet:Subnet"
_NAT = "aws:ec2/natGateway:NatGateway"
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
    """Zones that the plan has subnets in, ascending; empty where the cloud has none or the network is adopted."""
    gateways = [str(item.inputs.get("subnetId", "")) for item in plan.of_type(_NAT)]
    by_zone: dict[str, list[SubnetParts]] = {}
    for subnet in plan.of_type(_SUBNET):
        zone = str(subnet.inputs.get("availabilityZoneId") or subnet.inputs.get("availabilityZone") or "")
        by_zone.setdefault(zone, []).append(_parts(subnet, gateways))
    return tuple(
        ZoneParts(id=zone, subnets=tuple(sorted(subnets, key=lambda item: (item.private, item.cidr))))
        for zone, subnets in sorted(by_zone.items())
    )


def _parts(subnet: Resource, gateways: list[str]) -> SubnetParts:
    return SubnetParts(
        cidr=str(subnet.inputs.get("cidrBlock", "")),
        private=_PUBLIC_MARK not in subnet.inputs.get("tags", {}),
        nat=any(f"{subnet.urn}#" in gateway for gateway in gateways),
    )
