"""Ways to AWS' own services that never leave the VPC."""

from collections.abc import Iterable, Sequence

import pulumi
import pulumi_aws as aws

from springtide.component import child_of

INTERFACES = {"registry": ("ecr.api", "ecr.dkr"), "identity": ("sts", "eks-auth")}
"""Services behind network interfaces: one in every zone, each paid by the hour and by the GB."""
HTTPS = 443


def gateway_endpoint(
    name: str, region: str, vpc: aws.ec2.Vpc, tables: Iterable[aws.ec2.RouteTable], parent: pulumi.Resource
) -> aws.ec2.VpcEndpoint:
    """A route to S3. It costs nothing and keeps checkpoints off the NAT's bill, and image layers: ECR keeps them in S3."""
    return aws.ec2.VpcEndpoint(
        f"{name}-s3",
        vpc_id=vpc.id,
        service_name=f"com.amazonaws.{region}.s3",
        vpc_endpoint_type="Gateway",
        route_table_ids=[table.id for table in tables],
        tags={"Name": f"{name}-s3"},
        opts=child_of(parent),
    )


def interface_endpoints(  # noqa: PLR0913, PLR0917  an endpoint ties a service, a network and its ranges together
    name: str,
    services: Sequence[str],
    region: str,
    vpc: aws.ec2.Vpc,
    subnets: Iterable[aws.ec2.Subnet],
    sources: Sequence[str],
    parent: pulumi.Resource,
) -> list[aws.ec2.VpcEndpoint]:
    """The services by their usual names, answered inside the VPC, for every machine of the ranges `sources`."""
    if not services:
        return []
    group = https_group(f"{name}-endpoints", "AWS services, from inside the network", vpc.id, sources, parent)
    places = [subnet.id for subnet in subnets]
    return [
        aws.ec2.VpcEndpoint(
            f"{name}-{service.replace('.', '-')}",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{region}.{service}",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=places,
            security_group_ids=[group.id],
            tags={"Name": f"{name}-{service}"},
            opts=child_of(parent),
        )
        for service in services
    ]


def https_group(
    name: str, description: str, network_id: pulumi.Input[str], sources: Sequence[str], parent: pulumi.Resource
) -> aws.ec2.SecurityGroup:
    """A security group that lets HTTPS in from some ranges, and nothing out but answers."""
    return aws.ec2.SecurityGroup(
        name,
        description=description,
        vpc_id=network_id,
        ingress=[
            {
                "description": "HTTPS",
                "protocol": "tcp",
                "from_port": HTTPS,
                "to_port": HTTPS,
                "cidr_blocks": list(sources),
            }
        ],
        tags={"Name": name},
        opts=child_of(parent),
    )
