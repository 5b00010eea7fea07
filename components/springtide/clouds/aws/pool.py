"""A GPU pool as one EKS managed node group on Bottlerocket's NVIDIA variant: driver and device plugin inside."""

import pulumi
import pulumi_aws as aws

from springtide.clouds import PoolParts
from springtide.clouds.aws.nodes import launch_template, node_release, template_reference
from springtide.cluster import ClusterRef
from springtide.component import after, child_of
from springtide.selection import Choice
from springtide.spec import Finding, PoolSpec

AMI_TYPES = {"x86_64": "BOTTLEROCKET_x86_64_NVIDIA", "arm64": "BOTTLEROCKET_ARM_64_NVIDIA"}
CAPACITY_TYPES = {"spot": "SPOT", "on-demand": "ON_DEMAND"}
MOST_INSTANCE_TYPES = 20
"""CreateNodegroup takes no more; the cheapest are kept."""


def gpu_pool(name: str, spec: PoolSpec, choice: Choice, cluster: ClusterRef, parent: pulumi.Resource) -> PoolParts:
    """A node group that nothing but a workload's toleration can enter."""
    place = cluster["environment"]
    labels = {"springtide.dev/pool": name, "springtide.dev/gpu": spec.gpu, "nvidia.com/gpu.present": "true"}
    template = launch_template(name, place["name"], spec.disk_gib, parent)
    group = aws.eks.NodeGroup(
        name,
        cluster_name=cluster["name"],
        node_role_arn=cluster["node_role"],
        subnet_ids=[cluster["private_subnets"][zone] for zone in choice.zones],
        ami_type=AMI_TYPES[choice.machine_types[0].architecture],
        release_version=node_release(cluster["version"], gpu=True),
        version=cluster["version"],
        capacity_type=CAPACITY_TYPES[spec.capacity[0]],
        instance_types=[machine.name for machine in choice.machine_types[:MOST_INSTANCE_TYPES]],
        launch_template=template_reference(template),
        # Nothing else scales the pool in this version. Were the desired size ignored, a raised minimum would be above it,
        # which EKS refuses.
        scaling_config={"min_size": spec.min_nodes, "desired_size": spec.min_nodes, "max_size": spec.max_nodes},
        # Scarce machines are given back before others are asked for: a surge may never come.
        update_config={"max_unavailable": 1, "update_strategy": "MINIMAL"},
        labels=labels,
        taints=[{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}],
        node_repair_config={"enabled": True},
        opts=child_of(parent),
    )
    return PoolParts(selector=after({"springtide.dev/pool": name}, group))


def pool_findings(spec: PoolSpec, choice: Choice, *, version: str, mode: str) -> list[Finding]:  # noqa: ARG001
    """What is impossible about a pool on AWS."""
    return []
