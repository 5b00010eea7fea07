"""A cluster whose nodes are ours: add-ons in the order that they and the nodes need, and the system nodes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from springtide.clouds.aws.control_plane import Draft, control_plane
from springtide.clouds.aws.nodes import launch_template, node_release, node_role, template_reference
from springtide.clouds.aws.order import id_after
from springtide.component import child_of

BEFORE_NODES: Mapping[str, Mapping[str, Any] | None] = {
    # A node hands out blocks of 16 addresses, one kept in reserve: more pods, and fewer calls to EC2 while they start.
    "vpc-cni": {"env": {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "1"}},
    "kube-proxy": None,
    "eks-pod-identity-agent": None,
}
"""Add-ons that a node needs to become ready, with their configuration; the rest wait for a node."""
AFTER_NODES = ("coredns", "eks-node-monitoring-agent")
"""The agent finds broken GPUs; without it a node group's repair sees only nodes that have gone silent."""
CONTROL_PLANE_POLICIES = ("AmazonEKSClusterPolicy",)
SYSTEM_DISK_GIB = 50


def standard(draft: Draft) -> tuple[aws.eks.Cluster, pulumi.Output[str], list[pulumi.Resource]]:
    """A control plane, the role of its machines, and what a pod has to wait for.

    The role is the system nodes' own. EKS lets the machines of a managed node group in by itself, by an access entry
    that it makes and that nobody else can make: other machines of the role, Karpenter's say, come in by the same entry,
    and are gone before the group is.
    """
    made = control_plane(draft, CONTROL_PLANE_POLICIES)
    early = [_addon(name, made, draft.parent, configuration=said) for name, said in BEFORE_NODES.items()]
    role_arn = id_after(node_role(draft.name, draft.spec.mode, draft.parent), *early)
    system = _system_nodes(draft, made, role_arn)
    late = [_addon(name, made, draft.parent, depends_on=[system]) for name in AFTER_NODES]
    return made, role_arn, [system, *late]


def _addon(
    name: str,
    cluster: aws.eks.Cluster,
    parent: pulumi.Resource,
    *,
    configuration: Mapping[str, Any] | None = None,
    depends_on: Sequence[pulumi.Resource] = (),
) -> aws.eks.Addon:
    """An add-on in the version that EKS recommends for the cluster when it is made; after that it stays where it is.

    Nobody takes it to another one by itself: `plan --base` says how, where Kubernetes goes on (offline/upgrade_aws.py).
    """
    return aws.eks.Addon(
        name,
        addon_name=name,
        cluster_name=cluster.name,
        configuration_values=None if configuration is None else json.dumps(configuration),
        resolve_conflicts_on_create="OVERWRITE",
        resolve_conflicts_on_update="OVERWRITE",
        opts=child_of(parent, depends_on=list(depends_on)),
    )


def _system_nodes(draft: Draft, cluster: aws.eks.Cluster, role_arn: pulumi.Output[str]) -> aws.eks.NodeGroup:
    spec, name = draft.spec, f"{draft.name}-system"
    template = launch_template(name, draft.place["name"], SYSTEM_DISK_GIB, draft.parent)
    return aws.eks.NodeGroup(
        name,
        cluster_name=cluster.name,
        node_role_arn=role_arn,
        subnet_ids=draft.subnets,
        ami_type="BOTTLEROCKET_x86_64",
        release_version=node_release(spec.version, gpu=False),
        version=spec.version,
        capacity_type="ON_DEMAND",
        instance_types=list(spec.system_machine_types),
        launch_template=template_reference(template),
        scaling_config={
            "min_size": spec.system_nodes,
            "desired_size": spec.system_nodes,
            "max_size": spec.system_nodes + 1,
        },
        update_config={"max_unavailable": 1},
        labels={"springtide.dev/pool": "system"},
        node_repair_config={"enabled": True},
        opts=child_of(draft.parent),
    )
