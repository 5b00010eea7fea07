"""What system nodes and GPU nodes have in common: a role, and Bottlerocket on encrypted disks, its metadata one hop away."""

from typing import Any

import pulumi
import pulumi_aws as aws

from springtide import catalog
from springtide.clouds.aws.provider import tags
from springtide.clouds.aws.roles import role
from springtide.component import child_of

BOTTLEROCKET_DATA_DISK = "/dev/xvdb"
"""Images, containers and emptyDirs live here; /dev/xvda holds the read-only system (Bottlerocket's documentation)."""

POLICIES = {
    "standard": (
        "AmazonEKSWorkerNodePolicy",
        "AmazonEKS_CNI_Policy",
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonSSMManagedInstanceCore",
    ),
    "auto": ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"),
}
"""What machines of a cluster may do, by its mode. In Auto Mode the network is the control plane's to arrange."""


def node_role(cluster: str, mode: str, parent: pulumi.Resource) -> pulumi.Output[str]:
    """ARN of the one role that all machines of a cluster have, whoever makes them; used once its rights are in force."""
    _, arn = role(f"{cluster}-node", "ec2.amazonaws.com", parent, policies=POLICIES[mode])
    return arn


def launch_template(
    name: str, environment: str, disk_gib: int, parent: pulumi.Resource, **more: Any
) -> aws.ec2.LaunchTemplate:
    """Disks, metadata service and tags of a node, and what a GPU pool says `more`.

    It names no subnet and no profile (the node group does), and no tag that changes: an edit here replaces every node
    of the group.
    """
    marks = tags(environment) | {"Name": f"springtide-{environment}-{name}"}
    return aws.ec2.LaunchTemplate(
        name,
        block_device_mappings=[
            {
                "device_name": BOTTLEROCKET_DATA_DISK,
                "ebs": {
                    "volume_size": disk_gib,
                    "volume_type": "gp3",
                    "encrypted": "true",
                    "delete_on_termination": "true",
                },
            }
        ],
        metadata_options={"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1},
        tag_specifications=[{"resource_type": kind, "tags": marks} for kind in ("instance", "volume")],
        opts=child_of(parent),
        **more,
    )


def node_release(version: str, *, gpu: bool) -> str:
    """The pinned Bottlerocket release for a Kubernetes version; a release moves when the catalog does.

    Raises:
        LookupError: the catalog pins none; `cluster_findings` says so before it comes to this.
    """
    image = catalog.node_image("aws", version, gpu=gpu)
    if image is None:
        message = f"no pinned node image for Kubernetes {version}"
        raise LookupError(message)
    return image.release


def template_reference(template: aws.ec2.LaunchTemplate) -> aws.eks.NodeGroupLaunchTemplateArgs:
    """How a node group names its launch template: by id and version, for the id may never change."""
    return aws.eks.NodeGroupLaunchTemplateArgs(id=template.id, version=template.latest_version.apply(str))
