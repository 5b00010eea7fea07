"""A VPC over several zones: private subnets for nodes, public ones for load balancers, NAT, and endpoints.

Nodes and pods take their addresses from the private subnets, one for each pod. Where those run short, `pods_cidr` gives
the VPC a second range, and the private subnets lie in it as a whole. Custom networking, with a subnet for pods beside
the nodes' one, would need an ENIConfig for each zone, cost every node a network card, and not fit a fabric whose cards
have no address; a wider subnet does without all of it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from springtide.clouds import NetworkParts
from springtide.clouds.aws.addresses import WIDEST_RANGE, conflict, parsed, ranges, reserved
from springtide.clouds.aws.endpoints import INTERFACES, gateway_endpoint, interface_endpoints
from springtide.clouds.aws.order import id_after
from springtide.clouds.aws.provider import label
from springtide.component import child_of
from springtide.environment import EnvironmentRef
from springtide.spec import Finding, NetworkSpec, did_you_mean, refuse
from springtide.spec.unused import unused

DISCOVERY = "karpenter.sh/discovery"
"""Tag by which people, and NodeClasses that are not ours, find the subnets of a cluster. Ours name them by id."""
OURS_ONLY = ("cidr", "nat", "pods_cidr", "endpoints")
"""What is said of a network that is made."""
_VPC_ID = re.compile(r"vpc-([0-9a-f]{8}|[0-9a-f]{17})")
_SUBNET_ID = re.compile(r"subnet-([0-9a-f]{8}|[0-9a-f]{17})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """What all parts of a network share."""

    name: str
    label: str
    vpc: aws.ec2.Vpc
    parent: pulumi.Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class _Private:
    subnet: aws.ec2.Subnet
    table: aws.ec2.RouteTable
    way_out: tuple[pulumi.Resource, ...]


def network(name: str, spec: NetworkSpec, place: EnvironmentRef, parent: pulumi.Resource) -> NetworkParts:
    """A VPC with a private and a public subnet in each zone, or one that is there already.

    Private subnets reach the internet through NAT, and AWS' own services through the endpoints that the spec names.
    """
    if spec.existing is not None:
        return _adopted(name, spec.existing, spec, parent)
    vpc = aws.ec2.Vpc(
        name,
        cidr_block=spec.cidr,
        enable_dns_hostnames=True,
        enable_dns_support=True,
        tags={"Name": label(place["name"])},
        opts=child_of(parent),
    )
    site = _Site(name=name, label=label(place["name"]), vpc=vpc, parent=parent)
    outward, to_internet = _internet(site)
    divided = ranges(spec.cidr, spec.zones, spec.pods_cidr)
    public = {zone: _public_subnet(site, zone, str(divided[zone].public), outward) for zone in spec.zones}
    nat_zones = spec.zones[:1] if spec.nat == "one" else spec.zones
    nats = {zone: _nat(site, zone, public[zone], to_internet) for zone in nat_zones}
    home = _home_of_private_subnets(site, spec)
    private = {
        zone: _private_subnet(site, zone, str(divided[zone].private), home, nats.get(zone, nats[nat_zones[0]]))
        for zone in spec.zones
    }
    endpoints = _endpoints(site, spec, place["region"], list(private.values()))
    return NetworkParts(
        network_id=vpc.id,
        # Machines need the internet to boot and to say goodbye.
        private_subnets={zone: id_after(it.subnet.id, *it.way_out, *endpoints) for zone, it in private.items()},
        public_subnets=[id_after(subnet.id, to_internet) for subnet in public.values()],
    )


def _adopted(name: str, network_id: str, spec: NetworkSpec, parent: pulumi.Resource) -> NetworkParts:
    """A VPC and its subnets as they are: read by id, and nothing is made, tagged or deleted."""
    vpc = aws.ec2.Vpc.get(name, network_id, opts=child_of(parent))
    private = {
        zone: aws.ec2.Subnet.get(f"{name}-private-{zone}", spec.subnets[zone], opts=child_of(parent))
        for zone in spec.zones
    }
    return NetworkParts(network_id=vpc.id, private_subnets={zone: subnet.id for zone, subnet in private.items()})


def _internet(site: _Site) -> tuple[aws.ec2.RouteTable, aws.ec2.Route]:
    """The public subnets' table, and the route in it that leads to the internet."""
    inside = child_of(site.parent)
    gateway = aws.ec2.InternetGateway(site.name, vpc_id=site.vpc.id, tags={"Name": site.label}, opts=inside)
    table = aws.ec2.RouteTable(
        f"{site.name}-public", vpc_id=site.vpc.id, tags={"Name": f"{site.label}-public"}, opts=inside
    )
    route = aws.ec2.Route(
        f"{site.name}-public",
        route_table_id=table.id,
        destination_cidr_block="0.0.0.0/0",
        gateway_id=gateway.id,
        opts=inside,
    )
    return table, route


def _public_subnet(site: _Site, zone: str, cidr: str, table: aws.ec2.RouteTable) -> aws.ec2.Subnet:
    title = f"{site.name}-public-{zone}"
    subnet = aws.ec2.Subnet(
        title,
        vpc_id=site.vpc.id,
        availability_zone_id=zone,
        cidr_block=cidr,
        tags={"Name": title, "kubernetes.io/role/elb": "1"},
        opts=child_of(site.parent),
    )
    aws.ec2.RouteTableAssociation(title, subnet_id=subnet.id, route_table_id=table.id, opts=child_of(site.parent))
    return subnet


def _nat(site: _Site, zone: str, subnet: aws.ec2.Subnet, to_internet: aws.ec2.Route) -> aws.ec2.NatGateway:
    title = f"{site.name}-nat-{zone}"
    address = aws.ec2.Eip(title, domain="vpc", tags={"Name": title}, opts=child_of(site.parent))
    return aws.ec2.NatGateway(
        f"{site.name}-{zone}",
        subnet_id=subnet.id,
        allocation_id=address.id,
        tags={"Name": f"{site.name}-{zone}"},
        opts=child_of(site.parent, depends_on=[to_internet]),
    )


def _home_of_private_subnets(site: _Site, spec: NetworkSpec) -> pulumi.Output[str]:
    """The VPC's id, for use once it has the range that private subnets lie in."""
    if spec.pods_cidr is None:
        return site.vpc.id
    second = aws.ec2.VpcIpv4CidrBlockAssociation(
        f"{site.name}-pods", vpc_id=site.vpc.id, cidr_block=spec.pods_cidr, opts=child_of(site.parent)
    )
    return id_after(site.vpc.id, second)


def _private_subnet(site: _Site, zone: str, cidr: str, home: pulumi.Output[str], nat: aws.ec2.NatGateway) -> _Private:
    title, inside = f"{site.name}-private-{zone}", child_of(site.parent)
    subnet = aws.ec2.Subnet(
        title,
        vpc_id=home,
        availability_zone_id=zone,
        cidr_block=cidr,
        tags={"Name": title, "kubernetes.io/role/internal-elb": "1", DISCOVERY: site.label},
        opts=inside,
    )
    table = aws.ec2.RouteTable(title, vpc_id=site.vpc.id, tags={"Name": title}, opts=inside)
    route = aws.ec2.Route(
        title, route_table_id=table.id, destination_cidr_block="0.0.0.0/0", nat_gateway_id=nat.id, opts=inside
    )
    association = aws.ec2.RouteTableAssociation(title, subnet_id=subnet.id, route_table_id=table.id, opts=inside)
    return _Private(subnet=subnet, table=table, way_out=(route, association))


def _endpoints(site: _Site, spec: NetworkSpec, region: str, private: Sequence[_Private]) -> list[aws.ec2.VpcEndpoint]:
    tables = [item.table for item in private]
    made = [gateway_endpoint(site.name, region, site.vpc, tables, site.parent)] if "storage" in spec.endpoints else []
    services = [service for wish, names in INTERFACES.items() if wish in spec.endpoints for service in names]
    sources = [spec.cidr] if spec.pods_cidr is None else [spec.cidr, spec.pods_cidr]
    subnets = [item.subnet for item in private]
    return [*made, *interface_endpoints(site.name, services, region, site.vpc, subnets, sources, site.parent)]


def network_findings(spec: NetworkSpec) -> list[Finding]:
    """What a network asks for that AWS does not have."""
    if spec.existing is None:
        return [*_reserved("/cidr", spec.cidr), *_second_range(spec)]
    because = f"{spec.existing} is used as it is."
    return [
        *unused(
            spec, OURS_ONLY, "aws/adopted-network", because, "let the network be made: remove existing and subnets"
        ),
        *_vpc_id(spec.existing),
        *_subnets(spec),
    ]


def _reserved(path: str, cidr: str) -> list[Finding]:
    block = parsed(cidr)
    taken = None if block is None else reserved(block)
    if taken is None:
        return []
    message = f"{cidr} reaches into {taken}, which no VPC can have."
    return [refuse("aws/vpc-range", path, cidr, message, "use a private range, such as 10.0.0.0/16")]


def _second_range(spec: NetworkSpec) -> list[Finding]:
    text = spec.pods_cidr
    first, second = parsed(spec.cidr), None if text is None else parsed(text)
    if text is None or second is None:
        return []
    fix = "use one that is nobody's, such as 100.64.0.0/16"
    if second.prefixlen < WIDEST_RANGE:
        message = f"a /{second.prefixlen} is wider than a VPC's ranges can be, /{WIDEST_RANGE}."
        return [refuse("aws/vpc-range", "/pods_cidr", text, message, fix)]
    wrong = "" if first is None else conflict(first, second)
    if wrong:
        return [refuse("aws/vpc-range", "/pods_cidr", text, wrong, fix)]
    return _reserved("/pods_cidr", text)


def _vpc_id(value: str) -> list[Finding]:
    if _VPC_ID.fullmatch(value):
        return []
    message = f"{value!r} is no id of a VPC."
    return [refuse("aws/network-id", "/existing", value, message, "write its id: vpc- and 17 hexadecimal digits")]


def _subnets(spec: NetworkSpec) -> list[Finding]:
    known = list(spec.subnets.values())
    return [
        *(found for zone, value in spec.subnets.items() for found in _subnet_id(zone, value)),
        *(
            refuse("aws/subnet", f"/subnets/{zone}", value, f"{value} lies in one zone only.", "name another one here")
            for i, (zone, value) in enumerate(spec.subnets.items())
            if value in known[:i]
        ),
        # A spec that was read without its environment's zones has nothing to compare with.
        *(_zones_of_subnets(spec) if spec.zones and spec.subnets else ()),
    ]


def _subnet_id(zone: str, value: str) -> list[Finding]:
    if _SUBNET_ID.fullmatch(value):
        return []
    message = f"{value!r} is no id of a subnet."
    fix = "write the private subnet's id: subnet- and 17 hexadecimal digits"
    return [refuse("aws/subnet", f"/subnets/{zone}", value, message, fix)]


def _zones_of_subnets(spec: NetworkSpec) -> list[Finding]:
    strange = [
        refuse(
            "aws/subnet",
            f"/subnets/{zone}",
            value,
            f"{zone} is no zone of this environment.",
            did_you_mean(zone, spec.zones, "use zone ids, and the environment's own"),
            allowed=spec.zones,
        )
        for zone, value in spec.subnets.items()
        if zone not in spec.zones
    ]
    missing = [zone for zone in spec.zones if zone not in spec.subnets]
    if not missing:
        return strange
    message = f"no subnet is named for {', '.join(missing)}, which the environment spans."
    fix = "name the private subnet of each zone, or list under zones those that have one"
    return [*strange, refuse("aws/subnet", "/subnets", spec.subnets, message, fix)]
