"""Filestore: a file system over NFS that many pods write at once."""

from collections.abc import Sequence
from typing import cast

import pulumi
import pulumi_gcp as gcp

from springtide.clouds import StorageParts
from springtide.clouds.gcp.names import LONGEST_RESOURCE_NAME, fitted, label
from springtide.clouds.gcp.services import enabled
from springtide.cluster import ClusterRef
from springtide.component import after, child_of
from springtide.spec import Finding, StorageSpec, refuse

DRIVER = "filestore.csi.storage.gke.io"
TIER = "REGIONAL"
"""Lives on when a zone is lost, as the cluster does; zonal and basic instances are in one zone."""
SIZES_GIB = (range(100, 10_239 + 1), range(10_240, 102_400 + 1, 2_560))
"""What the tier is sold in (docs.cloud.google.com/filestore/docs/service-tiers-regional, of 2026)."""
SHARE = "shared"


def shared(name: str, spec: StorageSpec, cluster: ClusterRef, parent: pulumi.Resource) -> StorageParts:
    """A Filestore instance, and how GKE's driver mounts it."""
    place = cluster["environment"]
    instance_name = fitted(f"{label(place['name'])}-{name}", LONGEST_RESOURCE_NAME)
    apis = enabled(["file"], child_of(parent), f"{name}-")
    made = gcp.filestore.Instance(
        name,
        name=instance_name,
        location=place["region"],
        tier=TIER,
        protocol="NFS_V3",
        file_shares={"name": SHARE, "capacity_gb": cast("int", spec.size_gib)},
        networks=[{"network": cluster["network_id"], "modes": ["MODE_IPV4"], "connect_mode": "DIRECT_PEERING"}],
        opts=child_of(parent, depends_on=apis, protect=spec.protected),
    )
    path = f"projects/{place['account']}/locations/{place['region']}/instances/{instance_name}"
    source = {
        "driver": DRIVER,
        # github.com/kubernetes-sigs/gcp-filestore-csi-driver docs/kubernetes/pre-provisioned-pv.md
        "volumeHandle": after(f"modeInstance/{place['region']}/{instance_name}/{SHARE}", made),
        "volumeAttributes": {"ip": made.networks.apply(_address), "volume": SHARE},
    }
    return StorageParts(url="", resource=after(path, made), volume=source)


def _address(networks: Sequence[gcp.filestore.outputs.InstanceNetwork]) -> str:
    """Where the share is served; an instance has one network and one address in it."""
    return next(iter(networks[0].ip_addresses or ()), "")


def shared_findings(spec: StorageSpec) -> list[Finding]:
    """Which sizes Filestore is not sold in; it does not grow by itself, so one must be named."""
    if spec.size_gib is not None and any(spec.size_gib in sizes for sizes in SIZES_GIB):
        return []
    small, large = SIZES_GIB
    message = (
        "Filestore does not grow by itself: it needs a size."
        if spec.size_gib is None
        else f"Filestore is not sold with {spec.size_gib} GiB."
    )
    fix = (
        f"use {small[0]} to {small[-1]} GiB, or {large[0]} to {large[-1]} in steps of {large.step}; "
        "one does not grow into the other"
    )
    return [refuse("gcp/filestore-size", "/size_gib", spec.size_gib, message, fix)]
