"""A VPC over several zones: private subnets for nodes, public ones for load balancers, NAT, and an S3 endpoint."""

from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from itertools import islice

import pulumi
import pulumi_aws as aws

from springtide.clouds import NetworkParts
from springtide.component import after, child_of
from springtide.environment import EnvironmentRef
from springtide.spec import Finding, NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Address ranges of one zone."""

    private: IPv4Network
    public: IPv4Network


def ranges(cidr: str, zones: tuple[str, ...]) -> dict[str, Ranges]:
    """Divide a network among its zones.

    The first half is cut into eight private ranges (4,096 addresses each in a /16; every pod has one), the
    ninth sixteenth into eight public ones. The places do not depend on the number of zones, so adding a zone moves nothing.
    """
    whole = IPv4Network(ip_network(cidr))
    private_half, rest = whole.subnets(prefixlen_diff=1)
    public_part = next(rest.subnets(prefixlen_diff=3))
    private = islice(private_half.subnets(prefixlen_diff=3), len(zones))
    public = islice(public_part.subnets(prefixlen_diff=3), len(zones))
    return {zone: Ranges(private=a, public=b) for zone, a, b in zip(zones, private, public, strict=True)}


def network(name: str, spec: NetworkSpec, place: EnvironmentRef, parent: pulumi.Resource) -> NetworkParts:
    """A VPC with a private and a public subnet in each zone.

    Private subnets reach the internet through NAT and S3 through a gateway endpoint, which costs nothing and
    keeps checkpoints and image layers off the NAT's bill.
    """
    inside = child_of(parent)
    label = f"springtide-{place['name']}"
    vpc = aws.ec2.Vpc(
        name,
        cidr_block=spec.cidr,
        enable_dns_hostnames=True,
        enable_dns_support=True,
        tags={"Name": label},
        opts=inside,
    )
    gateway = aws.ec2.InternetGateway(name, vpc_id=vpc.id, tags={"Name": label}, opts=inside)
    outward = aws.ec2.RouteTable(f"{name}-public", vpc_id=vpc.id, tags={"Name": f"{label}-public"}, opts=inside)
    to_internet = aws.ec2.Route(
        f"{name}-public",
        route_table_id=outward.id,
        destination_cidr_block="0.0.0.0/0",
        gateway_id=gateway.id,
        opts=inside,
    )
    divided = ranges(spec.cidr, spec.zones)
    public = {zone: _public_subnet(name, zone, str(divided[zone].public), vpc, outward, parent) for zone in spec.zones}
    nat_zones = spec.zones[:1] if spec.nat == "one" else spec.zones
    nats = {zone: _nat(name, zone, public[zone], to_internet, parent) for zone in nat_zones}
    private = {
        zone: _private_subnet(name, zone, str(divided[zone].private), vpc, nats.get(zone, nats[nat_zones[0]]), parent)
        for zone in spec.zones
    }
    endpoint = aws.ec2.VpcEndpoint(
        f"{name}-s3",
        vpc_id=vpc.id,
        service_name=f"com.amazonaws.{place['region']}.s3",
        vpc_endpoint_type="Gateway",
        route_table_ids=[subnet.table.id for subnet in private.values()],
        tags={"Name": f"{label}-s3"},
        opts=inside,
    )
    return NetworkParts(
        network_id=vpc.id,
        private_subnets={zone: subnet.after_its_way_out(endpoint) for zone, subnet in private.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Private:
    subnet: aws.ec2.Subnet
    table: aws.ec2.RouteTable
    way_out: tuple[pulumi.Resource, ...]

    def after_its_way_out(self, *more: pulumi.Resource) -> pulumi.Output[str]:
        """The subnet's id, for machines that need the internet to boot and to say goodbye."""
        return pulumi.Output.all(self.subnet.id, after(None, *self.way_out, *more)).apply(lambda both: str(both[0]))


def _public_subnet(  # noqa: PLR0913, PLR0917  a subnet has this many relations
    name: str,
    zone: str,
    cidr: str,
    vpc: aws.ec2.Vpc,
    table: aws.ec2.RouteTable,
    parent: pulumi.Resource,
) -> aws.ec2.Subnet:
    subnet = aws.ec2.Subnet(
        f"{name}-public-{zone}",
        vpc_id=vpc.id,
        availability_zone_id=zone,
        cidr_block=cidr,
        tags={"Name": f"{name}-public-{zone}", "kubernetes.io/role/elb": "1"},
        opts=child_of(parent),
    )
    aws.ec2.RouteTableAssociation(
        f"{name}-public-{zone}", subnet_id=subnet.id, route_table_id=table.id, opts=child_of(parent)
    )
    return subnet


def _nat(
    name: str, zone: str, subnet: aws.ec2.Subnet, to_internet: aws.ec2.Route, parent: pulumi.Resource
) -> aws.ec2.NatGateway:
    address = aws.ec2.Eip(
        f"{name}-nat-{zone}", domain="vpc", tags={"Name": f"{name}-nat-{zone}"}, opts=child_of(parent)
    )
    return aws.ec2.NatGateway(
        f"{name}-{zone}",
        subnet_id=subnet.id,
        allocation_id=address.id,
        tags={"Name": f"{name}-{zone}"},
        opts=child_of(parent, depends_on=[to_internet]),
    )


def _private_subnet(  # noqa: PLR0913, PLR0917  a subnet has this many relations
    name: str,
    zone: str,
    cidr: str,
    vpc: aws.ec2.Vpc,
    nat: aws.ec2.NatGateway,
    parent: pulumi.Resource,
) -> _Private:
    label = f"{name}-private-{zone}"
    inside = child_of(parent)
    subnet = aws.ec2.Subnet(
        label,
        vpc_id=vpc.id,
        availability_zone_id=zone,
        cidr_block=cidr,
        tags={"Name": label, "kubernetes.io/role/internal-elb": "1"},
        opts=inside,
    )
    table = aws.ec2.RouteTable(label, vpc_id=vpc.id, tags={"Name": label}, opts=inside)
    route = aws.ec2.Route(
        label, route_table_id=table.id, destination_cidr_block="0.0.0.0/0", nat_gateway_id=nat.id, opts=inside
    )
    association = aws.ec2.RouteTableAssociation(label, subnet_id=subnet.id, route_table_id=table.id, opts=inside)
    return _Private(subnet=subnet, table=table, way_out=(route, association))


def network_findings(spec: NetworkSpec) -> list[Finding]:  # noqa: ARG001
    """What a network asks for that AWS does not have."""
    return []
