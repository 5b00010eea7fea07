"""The control plane: its key, its logs, its role, who reaches it over the network, and what both modes say alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from springtide.clouds.aws.addresses import PRIVATE_BLOCKS, SHARED_BLOCK
from springtide.clouds.aws.endpoints import https_group
from springtide.clouds.aws.provider import label
from springtide.clouds.aws.roles import document, role
from springtide.component import child_of
from springtide.environment import EnvironmentRef
from springtide.network import NetworkRef
from springtide.spec import ClusterSpec

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
KEY_DELETION_DAYS = 7
INSIDE = tuple(str(block) for block in (*PRIVATE_BLOCKS, SHARED_BLOCK))
"""Addresses that lie inside a network or in one that it is connected to: no packet of them comes over the internet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a cluster is made from."""

    name: str
    spec: ClusterSpec
    place: EnvironmentRef
    network: NetworkRef
    parent: pulumi.Resource

    @property
    def label(self) -> str:
        """The cluster's name in AWS."""
        return label(self.place["name"])

    @property
    def subnets(self) -> list[pulumi.Input[str]]:
        """Subnets of its control plane and its own nodes."""
        return list(self.network["private_subnets"].values())


def control_plane(
    draft: Draft,
    policies: Sequence[str],
    *,
    actions: Sequence[str] = ("sts:AssumeRole",),
    **of_its_mode: Any,
) -> aws.eks.Cluster:
    """A control plane that encrypts its secrets and keeps its logs.

    Args:
        draft: What is asked for.
        policies: Managed policies of its role.
        actions: How EKS may take the role on.
        of_its_mode: Further arguments of the cluster.
    """
    inside, spec = child_of(draft.parent), draft.spec
    key = aws.kms.Key(
        draft.name,
        description=f"Kubernetes secrets of {draft.label}",
        enable_key_rotation=True,
        deletion_window_in_days=KEY_DELETION_DAYS,
        opts=inside,
    )
    # EKS would make this group itself, keep its logs for ever, and leave it behind.
    logs = aws.cloudwatch.LogGroup(
        draft.name, name=f"/aws/eks/{draft.label}/cluster", retention_in_days=spec.log_retention_days, opts=inside
    )
    made, role_arn = role(
        f"{draft.name}-control-plane", "eks.amazonaws.com", draft.parent, policies=policies, actions=actions
    )
    may_encrypt = aws.iam.RolePolicy(
        f"{draft.name}-secrets", role=made.name, policy=key.arn.apply(_use_of_key), opts=inside
    )
    return aws.eks.Cluster(
        draft.name,
        name=draft.label,
        version=spec.version,
        role_arn=role_arn,
        access_config={"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": True},
        bootstrap_self_managed_addons=False,
        enabled_cluster_log_types=list(LOG_TYPES),
        encryption_config={"provider": {"key_arn": key.arn}, "resources": ["secrets"]},
        # Extended support costs six times as much an hour and would begin by itself.
        upgrade_policy={"support_type": "STANDARD"},
        # A shift would take a zone's nodes out of service in the midst of a run, and capacity of GPUs is in few zones.
        zonal_shift_config={"enabled": False},
        vpc_config=_way_in(draft),
        opts=child_of(draft.parent, depends_on=[logs, may_encrypt]),
        **of_its_mode,
    )


def _way_in(draft: Draft) -> aws.eks.ClusterVpcConfigArgs:
    """Where the Kubernetes API listens."""
    spec = draft.spec
    return aws.eks.ClusterVpcConfigArgs(
        subnet_ids=draft.subnets,
        endpoint_private_access=True,
        endpoint_public_access=not spec.private,
        public_access_cidrs=None if spec.private else list(spec.ranges),
        security_group_ids=None if spec.runner == "outside" else [_door(draft).id],
    )


def _door(draft: Draft) -> aws.ec2.SecurityGroup:
    """A group that opens the API's private addresses, which otherwise only nodes reach, to a runner inside the network.

    Inside, the API's name is always that of its private addresses, even where there are public ones.
    """
    what = "Kubernetes API, from inside the network"
    return https_group(f"{draft.name}-api", what, draft.network["network_id"], INSIDE, draft.parent)


def _use_of_key(arn: str) -> str:
    actions = ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:ListGrants"]
    return document({"Effect": "Allow", "Action": actions, "Resource": [arn]})
