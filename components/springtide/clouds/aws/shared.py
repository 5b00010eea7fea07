"""EFS: a file system over NFS that grows by itself, lies in every zone, and is paid for by what is in it."""

import pulumi
import pulumi_aws as aws

from springtide.clouds import StorageParts
from springtide.clouds.aws.order import id_after
from springtide.clouds.aws.provider import label
from springtide.clouds.aws.roles import document
from springtide.cluster import ClusterRef
from springtide.component import child_of
from springtide.k8s.pod import USER_ID
from springtide.spec import Finding, StorageSpec, refuse

DRIVER = "efs.csi.aws.com"
NFS = 2049
DIRECTORY = "/pods"
"""What pods see as the root: an access point can give only a directory that it makes itself to somebody else than root."""


def shared(name: str, spec: StorageSpec, cluster: ClusterRef, parent: pulumi.Resource) -> StorageParts:
    """A file system with an address in every zone, and how EFS' driver mounts it.

    Throughput follows use and is paid by the byte. What nobody opened for 30 days becomes cheaper to keep and dearer to
    read, until it is opened again. AWS Backup keeps a copy of each day for 35 days; those outlive a destroy. The key that
    encrypts it is AWS' own.
    """
    inside = child_of(parent)
    made = aws.efs.FileSystem(
        name,
        encrypted=True,
        performance_mode="generalPurpose",
        throughput_mode="elastic",
        lifecycle_policies=[
            {"transition_to_ia": "AFTER_30_DAYS"},
            {"transition_to_primary_storage_class": "AFTER_1_ACCESS"},
        ],
        tags={"Name": f"{label(cluster['environment']['name'])}-{name}"},
        opts=child_of(parent, protect=spec.protected),
    )
    aws.efs.BackupPolicy(name, file_system_id=made.id, backup_policy={"status": "ENABLED"}, opts=inside)
    door = _access_point(name, made, parent)
    guarded = aws.efs.FileSystemPolicy(
        name,
        file_system_id=made.id,
        policy=pulumi.Output.all(made.arn, door.arn).apply(lambda arns: _only_by_the_door(str(arns[0]), str(arns[1]))),
        opts=inside,
    )
    targets = _mount_targets(name, made, cluster, parent)
    # The driver's own form: file system, path in it, access point. It encrypts the way there by itself.
    handle = pulumi.Output.concat(made.id, "::", door.id)
    source = {"driver": DRIVER, "volumeHandle": id_after(handle, guarded, *targets)}
    return StorageParts(url="", resource=made.arn, volume=source)


def _access_point(name: str, made: aws.efs.FileSystem, parent: pulumi.Resource) -> aws.efs.AccessPoint:
    """A way in on which everybody is our pods' user: the root of a new file system belongs to root, which they are not."""
    return aws.efs.AccessPoint(
        name,
        file_system_id=made.id,
        posix_user={"uid": USER_ID, "gid": USER_ID},
        root_directory={
            "path": DIRECTORY,
            "creation_info": {"owner_uid": USER_ID, "owner_gid": USER_ID, "permissions": "0755"},
        },
        opts=child_of(parent),
    )


def _only_by_the_door(arn: str, door: str) -> str:
    """Who reaches an address may read and write, but by the access point only, and only over TLS."""
    everybody = {"Principal": {"AWS": "*"}, "Resource": arn}
    return document(
        {
            "Sid": "OnlyByTheAccessPoint",
            "Effect": "Allow",
            **everybody,
            "Action": ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
            "Condition": {
                "Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"},
                "StringEquals": {"elasticfilesystem:AccessPointArn": door},
            },
        },
        {
            "Sid": "OnlyEncryptedConnections",
            "Effect": "Deny",
            **everybody,
            "Action": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )


def _mount_targets(
    name: str, made: aws.efs.FileSystem, cluster: ClusterRef, parent: pulumi.Resource
) -> list[aws.efs.MountTarget]:
    group = aws.ec2.SecurityGroup(
        name,
        description=f"Shared file system {name}",
        vpc_id=cluster["network_id"],
        ingress=[
            {
                "description": "NFS, from the cluster",
                "protocol": "tcp",
                "from_port": NFS,
                "to_port": NFS,
                "security_groups": [cluster["security_group"]],
            }
        ],
        tags={"Name": f"{label(cluster['environment']['name'])}-{name}"},
        opts=child_of(parent),
    )
    return [
        aws.efs.MountTarget(
            f"{name}-{zone}",
            file_system_id=made.id,
            subnet_id=cluster["private_subnets"][zone],
            security_groups=[group.id],
            opts=child_of(parent),
        )
        for zone in cluster["zones"]
    ]


def shared_findings(spec: StorageSpec) -> list[Finding]:
    """A size, which EFS does not have."""
    if spec.size_gib is None:
        return []
    message = "EFS has no size: it grows and shrinks with what is in it."
    return [refuse("aws/shared-size", "/size_gib", spec.size_gib, message, "remove it, or use kind lustre")]
