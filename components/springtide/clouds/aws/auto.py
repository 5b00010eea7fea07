"""EKS Auto Mode: AWS makes nodes by itself and keeps what runs on each of them, network, volumes and load balancers too."""

import pulumi
import pulumi_aws as aws

from springtide.clouds.aws.control_plane import Draft, control_plane
from springtide.clouds.aws.nodes import node_role

CONTROL_PLANE_POLICIES = (
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
BUILT_IN = ("general-purpose", "system")
"""Node pools that AWS brings. `system` takes only what tolerates being critical; workloads without a GPU need the other."""


def auto(draft: Draft) -> tuple[aws.eks.Cluster, pulumi.Output[str], list[pulumi.Resource]]:
    """A control plane, the role of its machines, and what a pod has to wait for: nothing, a node comes when it is there.

    The three switches stand together: EKS takes all of them or none. EKS lets machines of the role in by itself.
    """
    role_arn = node_role(draft.name, draft.spec.mode, draft.parent)
    made = control_plane(
        draft,
        CONTROL_PLANE_POLICIES,
        actions=("sts:AssumeRole", "sts:TagSession"),
        compute_config={"enabled": True, "node_pools": list(BUILT_IN), "node_role_arn": role_arn},
        kubernetes_network_config={"elastic_load_balancing": {"enabled": True}},
        storage_config={"block_storage": {"enabled": True}},
    )
    return made, role_arn, [made]
