"""What system nodes and GPU nodes have in common: Bottlerocket on encrypted disks, behind a metadata service of hop one."""

import pulumi
import pulumi_aws as aws

from springtide import catalog
from springtide.clouds.aws.provider import tags
from springtide.component import child_of

BOTTLEROCKET_DATA_DISK = "/dev/xvdb"
"""Images, containers and emptyDirs live here; /dev/xvda holds the read-only system (Bottlerocket's documentation)."""


def launch_template(name: str, environment: str, disk_gib: int, parent: pulumi.Resource) -> aws.ec2.LaunchTemplate:
    """Disks, metadata service and tags of a node.

    It names no subnet, profile or instance type (the node group does), and no tag that changes: an edit here
    replaces every node of the group.
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
