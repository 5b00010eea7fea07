"""Karpenter's custom resources on AWS as data: how machines of a pool are made, and which of them a rung may have."""

from collections.abc import Mapping, Sequence
from typing import Any

from springtide.catalog import MachineType
from springtide.clouds.aws.efa import Interface
from springtide.clouds.aws.ladder import ZONE, Rung
from springtide.clouds.aws.nodes import BOTTLEROCKET_DATA_DISK
from springtide.k8s import Manifest, karpenter

FLOORS: Mapping[str, tuple[int, ...]] = {
    "karpenter.sh/v1 and nothing older": (1, 1),
    "capacityReservationSelectorTerms": (1, 3),
    "networkInterfaces": (1, 11),
    "placementGroupSelector": (1, 11),
    "ec2:DescribeInstanceStatus": (1, 12),
}
"""What we use of Karpenter, and the oldest version that has it (its upgrade guide and task pages)."""
BOTTLEROCKET_FLOOR = (1, 22)
"""Oldest Bottlerocket that makes one disk of a machine's NVMe at Karpenter's word (Karpenter's page on node classes)."""
SYSTEM_DISK = "/dev/xvda"
SYSTEM_DISK_GIB = 4
"""Bottlerocket's own, read-only system; what Karpenter gives it where nothing is said."""


def node_pool(  # noqa: PLR0913  a pool has this many sides
    rung: Rung,
    *,
    machines: Sequence[MachineType],
    labels: Mapping[str, str],
    taints: Sequence[Manifest],
    purpose: str,
    gpus: int,
) -> Manifest:
    """A NodePool of one rung.

    Args:
        rung: What it buys, where, and before which others.
        machines: Machine types that it may make.
        labels: Labels of its nodes, by which pods find them.
        taints: Taints of its nodes.
        purpose: What runs on them, a key of `k8s.karpenter.LIVES`.
        gpus: Most GPUs that it may have at once.
    """
    return karpenter.node_pool(
        rung.name,
        weight=rung.weight,
        node_class={"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": rung.node_class},
        requirements=karpenter.requirements(
            rung.kinds, {machine.name: machine.architecture for machine in machines}, ZONE, rung.zones
        ),
        labels=labels,
        taints=taints,
        purpose=purpose,
        gpus=gpus,
    )


def node_class(  # noqa: PLR0913  a machine has this many sides
    name: Any,
    *,
    release: str,
    disk_gib: int,
    striped: bool,
    role: Any,
    subnets: Sequence[Any],
    groups: Sequence[Any],
    tags: Mapping[str, str],
    reservation: str | None,
    placement_group: Any | None,
    interfaces: Sequence[Interface],
) -> Manifest:
    """An EC2NodeClass: Bottlerocket in one pinned release, encrypted disks, metadata one hop away, no public address.

    Args:
        name: Name of the object.
        release: A node image's release, `1.64.0-ad9d4847`. Karpenter takes the NVIDIA variant for a machine with GPUs.
        disk_gib: Disk for images and scratch files, in GiB.
        striped: Whether the machine's own NVMe becomes one disk that takes the place of it.
        role: Name of the machines' role.
        subnets: Ids of the subnets they may be in.
        groups: Ids of their security groups.
        tags: Tags of all that Karpenter makes.
        reservation: Id of the reservation that reserved machines come from.
        placement_group: Name of the placement group they are in.
        interfaces: Network interfaces, where they are not just one.
    """
    optional: Manifest = {
        "instanceStorePolicy": "RAID0" if striped else None,
        "capacityReservationSelectorTerms": None if reservation is None else [{"id": reservation}],
        "placementGroupSelector": None if placement_group is None else {"name": placement_group},
        "networkInterfaces": [_attached(item) for item in interfaces] or None,
    }
    return {
        "api_version": "karpenter.k8s.aws/v1",
        "kind": "EC2NodeClass",
        "metadata": {"name": name},
        "spec": {
            "amiSelectorTerms": [{"alias": alias(release)}],
            "role": role,
            "subnetSelectorTerms": [{"id": subnet} for subnet in subnets],
            "securityGroupSelectorTerms": [{"id": group} for group in groups],
            "blockDeviceMappings": [_disk(SYSTEM_DISK, SYSTEM_DISK_GIB), _disk(BOTTLEROCKET_DATA_DISK, disk_gib)],
            "metadataOptions": {
                "httpEndpoint": "enabled",
                "httpProtocolIPv6": "disabled",
                "httpPutResponseHopLimit": 1,
                "httpTokens": "required",
            },
            "tags": dict(tags),
            **{key: value for key, value in optional.items() if value is not None},
        },
    }


def alias(release: str) -> str:
    """How Karpenter names a pinned release: by its version, without the commit that EKS wants to know."""
    return f"bottlerocket@v{release.partition('-')[0]}"


def _disk(device: str, gib: int) -> Manifest:
    ebs = {"volumeSize": f"{gib}Gi", "volumeType": "gp3", "encrypted": True, "deleteOnTermination": True}
    return {"deviceName": device, "ebs": ebs}


def _attached(item: Interface) -> Manifest:
    return {"networkCardIndex": item.card, "deviceIndex": item.device, "interfaceType": item.kind}
