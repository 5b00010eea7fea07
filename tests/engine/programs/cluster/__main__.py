"""A program that uses everything a plan records: nesting, options, reads, secrets, and values buried in values."""

import base64
import json

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

size = pulumi.Config().require_int("size")


class Zone(pulumi.ComponentResource):
    """A component inside a component."""

    def __init__(self, name: str, vpc: aws.ec2.Vpc, index: int, opts: pulumi.ResourceOptions) -> None:
        super().__init__("parity:index:Zone", name, {"index": index, "empty": {}, "none": None}, opts)
        self.subnet = aws.ec2.Subnet(
            name,
            vpc_id=vpc.id,
            cidr_block=f"10.0.{index}.0/24",
            availability_zone_id=f"use1-az{index}",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"subnet": self.subnet.id})


class Network(pulumi.ComponentResource):
    """A component with components inside."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__("parity:index:Network", name, {"cidr": "10.0.0.0/16", "ratio": 0.5, "zero": 0}, opts)
        mine = pulumi.ResourceOptions(parent=self)
        self.vpc = aws.ec2.Vpc(name, cidr_block="10.0.0.0/16", enable_dns_hostnames=True, opts=mine)
        self.zones = [Zone(f"{name}-{index}", self.vpc, index, mine) for index in (1, 2)]
        self.register_outputs({"vpc": self.vpc.id})


guarded = aws.Provider("aws", region="us-east-1", allowed_account_ids=["123456789012"])
network = Network("main", pulumi.ResourceOptions(providers=[guarded], retain_on_delete=False))
subnets = [zone.subnet.id for zone in network.zones]
inside = pulumi.ResourceOptions(provider=guarded)

role = aws.iam.Role(
    "nodes",
    assume_role_policy=pulumi.Output.json_dumps({"Statement": [{"Resource": network.vpc.arn}]}),
    opts=inside,
)
cluster = aws.eks.Cluster(
    "main",
    role_arn=role.arn,
    version="1.35",
    vpc_config={"subnet_ids": subnets, "endpoint_public_access": True},
    opts=pulumi.ResourceOptions(
        provider=guarded,
        depends_on=[network],
        custom_timeouts=pulumi.CustomTimeouts(delete="60m"),
        aliases=[pulumi.Alias(name="old"), pulumi.Alias(parent=network)],
        ignore_changes=["tags", "vpc_config"],
    ),
)
template = aws.ec2.LaunchTemplate(
    "nodes",
    user_data=pulumi.Output.all(cluster.endpoint, cluster.certificate_authority.data).apply(
        lambda parts: base64.b64encode("\n".join([parts[0], base64.b64decode(parts[1]).decode()]).encode()).decode()
    ),
    ebs_optimized=cluster.deletion_protection.apply(lambda protected: str(protected).lower()),
    opts=inside,
)
nodes = aws.eks.NodeGroup(
    "nodes",
    cluster_name=cluster.name,
    node_role_arn=role.arn,
    subnet_ids=subnets,
    scaling_config={"min_size": 0, "max_size": size, "desired_size": 0},
    launch_template={"id": template.id, "version": template.latest_version.apply(str)},
    opts=pulumi.ResourceOptions(provider=guarded, delete_before_replace=True, replace_on_changes=["scaling_config"]),
)
aws.autoscaling.Tag(
    "nodes",
    autoscaling_group_name=nodes.resources[0].autoscaling_groups[0].name,
    tag={"key": "size", "value": str(size), "propagate_at_launch": False},
    opts=inside,
)

kubeconfig = pulumi.Output.all(cluster.endpoint, cluster.name).apply(
    lambda parts: json.dumps({"clusters": [{"server": parts[0]}], "name": parts[1]})
)
access = kubernetes.Provider("main", kubeconfig=kubeconfig, opts=pulumi.ResourceOptions(depends_on=[nodes]))
within = pulumi.ResourceOptions(provider=access, deleted_with=cluster)
namespace = kubernetes.core.v1.Namespace("work", metadata={"name": "work"}, opts=within)
hidden: pulumi.Output[str] = pulumi.Output.secret(cluster.endpoint)
token = kubernetes.core.v1.Secret(
    "token",
    metadata={"namespace": namespace.metadata.name},
    string_data={"plain": "x", "token": hidden},
    opts=within,
)
kubernetes.core.v1.ConfigMap(
    "copy",
    metadata={"namespace": token.metadata.namespace},
    data={"plain": token.string_data["plain"], "name": token.metadata.name},
    opts=within,
)
service = kubernetes.core.v1.Service(
    "web", metadata={"namespace": "work", "annotations": {"a": "b"}}, spec={"ports": [{"port": 80}]}, opts=within
)
kubernetes.apps.v1.Deployment(
    "web",
    metadata={"namespace": namespace.metadata.name},
    spec={
        "replicas": 0,
        "selector": {"match_labels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "web",
                        "env": [
                            {"name": "GROUP", "value": cluster.vpc_config.cluster_security_group_id},
                            {"name": "HOST", "value": service.status.load_balancer.ingress[0].hostname},
                        ],
                    }
                ]
            },
        },
    },
    opts=within,
)
kubernetes.apiextensions.CustomResource(
    "pool",
    api_version="karpenter.sh/v1",
    kind="NodePool",
    metadata={"name": "pool"},
    spec={"limits": {"nodes": size}, "cluster": cluster.name},
    opts=pulumi.ResourceOptions(provider=access),
)

found = aws.ec2.Vpc.get("found", "vpc-0123456789abcdef0", opts=inside)
aws.ec2.Tag("found", resource_id=found.id, key="range", value=found.cidr_block, opts=inside)
aws.s3.Bucket("plain", bucket="parity-plain")  # by the default provider, which only the engine registers

pulumi.export("endpoint", cluster.endpoint)
pulumi.export("subnets", subnets)
pulumi.export("size", size)
pulumi.export("kubeconfig", pulumi.Output.secret(kubeconfig))
