"""FSx for Lustre: a parallel file system in one zone, whose files may be the objects of a bucket.

It is PERSISTENT_2 on SSD: replicated inside its zone, and a server that fails is replaced without the pods noticing. A
SCRATCH_2 file system costs less a GiB, but loses the files of a server that fails, and cannot be made larger: a cache
that training must not depend on.

It lies in the first zone that the environment lists. Pods in other zones reach it, with more delay, and every byte
between zones is paid for; so a pool that reads from it belongs in that zone: list the pool's zone first.

Lustre checks who a process is as a local disk does, and its root directory is root's: pods read what is there, and write
where a directory is theirs. Objects that come in from a bucket can be read by everybody.
"""

from typing import Any

import pulumi
import pulumi_aws as aws

from springtide.clouds import StorageParts
from springtide.clouds.aws.order import id_after
from springtide.clouds.aws.provider import label
from springtide.cluster import ClusterRef
from springtide.component import child_of
from springtide.spec import Finding, StorageSpec, refuse
from springtide.storage import StorageRef

DRIVER = "fsx.csi.aws.com"
PORTS = ((988, 988), (1018, 1023))
"""First and last TCP port of each range that Lustre speaks on (FSx for Lustre user guide: access control with VPC)."""
SMALLEST_GIB, STEP_GIB = 1200, 2400
"""Sizes of a PERSISTENT_2 file system on SSD: the smallest, then this and its multiples (FSx API: StorageCapacity)."""
SPEEDS = (125, 250, 500, 1000)
"""MB/s for each TiB (FSx API: PerUnitStorageThroughput)."""
VERSION = "2.15"
"""Of Lustre; FSx' documentation recommends it for all new file systems, and kernels of newer nodes want it."""
EVENTS = ["NEW", "CHANGED", "DELETED"]
"""What is carried over between bucket and file system, both ways."""
BACKUP_DAYS = 7


def lustre(
    name: str, spec: StorageSpec, cluster: ClusterRef, linked: StorageRef | None, parent: pulumi.Resource
) -> StorageParts:
    """A file system in the cluster's first zone, and how FSx' driver mounts it.

    FSx encrypts it with a key of its own, and Lustre's traffic on the way, between machine types that can. FSx takes no
    backups of what is linked to a bucket: there the bucket is the copy. A destroy makes no last backup, which would
    outlive it; `protect` is what stands before a destroy. When AWS maintains it is left to AWS.
    """
    group, open_back = _group(name, cluster, parent)
    made = aws.fsx.LustreFileSystem(
        name,
        deployment_type="PERSISTENT_2",
        storage_type="SSD",
        storage_capacity=spec.size_gib,
        per_unit_storage_throughput=_throughput(spec),
        file_system_type_version=VERSION,
        # As many metadata operations as go with the size; without a mode they could never be raised.
        metadata_configuration={"mode": "AUTOMATIC"},
        data_compression_type="LZ4",
        automatic_backup_retention_days=BACKUP_DAYS if linked is None else 0,
        copy_tags_to_backups=True if linked is None else None,
        skip_final_backup=True,
        subnet_ids=cluster["private_subnets"][cluster["zones"][0]],
        security_group_ids=[group.id],
        tags={"Name": _title(name, cluster)},
        opts=child_of(parent, protect=spec.protected),
    )
    links = [] if linked is None else [_link(name, made, linked, parent)]
    source = {
        "driver": DRIVER,
        "volumeHandle": id_after(made.id, *open_back, *links),
        "volumeAttributes": {"dnsname": made.dns_name, "mountname": made.mount_name},
    }
    # Without flock, a program that locks a file of it is told that there are no locks.
    return StorageParts(url="", resource=made.arn, volume=source, mount_options=("flock",))


def _title(name: str, cluster: ClusterRef) -> str:
    return f"{label(cluster['environment']['name'])}-{name}"


def _throughput(spec: StorageSpec) -> int:
    return min(SPEEDS) if spec.mbps_per_tib is None else spec.mbps_per_tib


def _group(
    name: str, cluster: ClusterRef, parent: pulumi.Resource
) -> tuple[aws.ec2.SecurityGroup, list[aws.vpc.SecurityGroupIngressRule]]:
    """The file system's security group, and the rules by which its servers reach the clients: Lustre calls back."""
    clients = cluster["security_group"]
    # The same both ways, for which the SDK has two types.
    rules: list[Any] = [
        {
            "description": "Lustre, between servers and clients",
            "protocol": "tcp",
            "from_port": first,
            "to_port": last,
            "security_groups": [clients],
            "self": True,
        }
        for first, last in PORTS
    ]
    group = aws.ec2.SecurityGroup(
        name,
        description=f"Lustre file system {name}",
        vpc_id=cluster["network_id"],
        ingress=rules,
        egress=rules,
        tags={"Name": _title(name, cluster)},
        opts=child_of(parent),
    )
    back = [
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-{first}",
            description=f"Lustre file system {name}, to its clients",
            security_group_id=clients,
            referenced_security_group_id=group.id,
            ip_protocol="tcp",
            from_port=first,
            to_port=last,
            opts=child_of(parent),
        )
        for first, last in PORTS
    ]
    return group, back


def _link(
    name: str, made: aws.fsx.LustreFileSystem, linked: StorageRef, parent: pulumi.Resource
) -> aws.fsx.DataRepositoryAssociation:
    """The bucket's objects as files, from the first on, and changes carried over both ways.

    Of a file that is changed on both sides, either change may win. FSx notes changes by an event notification of the
    bucket: nothing else may set the bucket's notifications.
    """
    return aws.fsx.DataRepositoryAssociation(
        name,
        file_system_id=made.id,
        file_system_path="/",
        data_repository_path=pulumi.Output.from_input(linked["resource"]).apply(lambda _safe: linked["url"]),
        batch_import_meta_data_on_create=True,
        s3={"auto_import_policy": {"events": EVENTS}, "auto_export_policy": {"events": EVENTS}},
        # The first import reads the names of all objects.
        opts=child_of(parent, custom_timeouts=pulumi.CustomTimeouts(create="60m", delete="60m")),
    )


def lustre_findings(spec: StorageSpec) -> list[Finding]:
    """Which sizes and speeds FSx does not sell."""
    return [*_size(spec.size_gib), *_speed(spec)]


def _size(size: int | None) -> list[Finding]:
    # That there is none, and that it is no size at all, the spec says.
    if size is None or size < 1 or size == SMALLEST_GIB or size % STEP_GIB == 0:
        return []
    below, above = size // STEP_GIB * STEP_GIB or SMALLEST_GIB, -(-size // STEP_GIB) * STEP_GIB
    near = [below] if size < SMALLEST_GIB else [below, above]
    message = f"FSx for Lustre has {SMALLEST_GIB} GiB, {STEP_GIB} GiB or a multiple of that, and not {size}."
    return [refuse("aws/lustre-size", "/size_gib", size, message, f"use {' or '.join(map(str, near))}", allowed=near)]


def _speed(spec: StorageSpec) -> list[Finding]:
    if _throughput(spec) in SPEEDS:
        return []
    message = f"FSx for Lustre is not sold with {spec.mbps_per_tib} MB/s for each TiB."
    path = "/mbps_per_tib"
    return [refuse("aws/lustre-speed", path, spec.mbps_per_tib, message, "use one of them", allowed=SPEEDS)]
