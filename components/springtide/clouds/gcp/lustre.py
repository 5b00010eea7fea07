"""Managed Lustre: a parallel file system in one zone."""

import pulumi
import pulumi_gcp as gcp

from springtide.clouds import StorageParts
from springtide.clouds.gcp.names import LONGEST_RESOURCE_NAME, fitted, label
from springtide.clouds.gcp.services import enabled
from springtide.cluster import ClusterRef
from springtide.component import after, child_of
from springtide.spec import Finding, StorageSpec, refuse
from springtide.storage import StorageRef

DRIVER = "lustre.csi.storage.gke.io"
STEPS_GIB = {125: 72_000, 250: 36_000, 500: 18_000, 1000: 9_000}
"""By throughput in MB/s for each TiB: the least size, and the steps it grows in
(docs.cloud.google.com/managed-lustre/docs/performance-tiers, of 2026)."""
FILE_SYSTEM = "lustre"
"""What clients mount; at most eight characters."""


def lustre(
    name: str, spec: StorageSpec, cluster: ClusterRef, linked: StorageRef | None, parent: pulumi.Resource
) -> StorageParts:
    """A Managed Lustre instance in the cluster's first zone, and how GKE's driver mounts it.

    It speaks port 988, as GKE's driver does by itself since 1.33.2-gke.4655000; `gke_support_enabled` would move it to
    another. Pods in other zones reach it, with more delay.
    """
    del linked  # `lustre_findings` refuses it
    place, zone = cluster["environment"], cluster["zones"][0]
    instance = fitted(f"{label(place['name'])}-{name}", LONGEST_RESOURCE_NAME)
    apis = enabled(["lustre"], child_of(parent), f"{name}-")
    made = gcp.lustre.Instance(
        name,
        instance_id=instance,
        location=zone,
        filesystem=FILE_SYSTEM,
        capacity_gib=str(spec.size_gib),
        per_unit_storage_throughput=str(_throughput(spec)),
        network=cluster["network_id"],
        opts=child_of(parent, depends_on=apis, protect=spec.protected),
    )
    source = {
        "driver": DRIVER,
        # github.com/GoogleCloudPlatform/lustre-csi-driver, its example of an instance that is there already
        "volumeHandle": after(f"{place['account']}/{zone}/{instance}", made),
        "volumeAttributes": {"ip": made.mount_point.apply(_host), "filesystem": FILE_SYSTEM},
    }
    path = f"projects/{place['account']}/locations/{zone}/instances/{instance}"
    return StorageParts(url="", resource=after(path, made), volume=source)


def lustre_findings(spec: StorageSpec) -> list[Finding]:
    """Which sizes and speeds Managed Lustre is not sold in, and what it cannot be linked to."""
    return [*_speed(spec), *_size(spec), *_linked(spec)]


def _throughput(spec: StorageSpec) -> int:
    return min(STEPS_GIB) if spec.mbps_per_tib is None else spec.mbps_per_tib


def _host(mount_point: str) -> str:
    """Address of the server: a mount point is written 10.90.1.4@tcp:/lustre."""
    return mount_point.partition("@")[0]


def _speed(spec: StorageSpec) -> list[Finding]:
    if _throughput(spec) in STEPS_GIB:
        return []
    message = f"Managed Lustre is not sold with {spec.mbps_per_tib} MB/s for each TiB."
    path, allowed = "/mbps_per_tib", sorted(STEPS_GIB)
    return [refuse("gcp/lustre-speed", path, spec.mbps_per_tib, message, "use one of them", allowed=allowed)]


def _size(spec: StorageSpec) -> list[Finding]:
    step = STEPS_GIB.get(_throughput(spec))
    # Without a size it is none on any cloud: the spec says so.
    if step is None or spec.size_gib is None or (spec.size_gib > 0 and spec.size_gib % step == 0):
        return []
    asked = _throughput(spec)
    message = (
        f"with {asked} MB/s for each TiB, Managed Lustre is sold in steps of {step} GiB, and not with {spec.size_gib}."
    )
    above = max(step, -(-spec.size_gib // step) * step)
    fix = f"use {above}, or another mbps_per_tib: the faster, the smaller its steps"
    return [refuse("gcp/lustre-size", "/size_gib", spec.size_gib, message, fix, allowed=[above])]


def _linked(spec: StorageSpec) -> list[Finding]:
    if spec.linked_bucket is None:
        return []
    message = (
        "Managed Lustre keeps no link to a bucket; objects are copied in and out by a transfer that somebody starts."
    )
    fix = "remove linked_bucket, and copy with gcloud lustre instances import-data and export-data"
    return [refuse("gcp/lustre-link", "/linked_bucket", spec.linked_bucket, message, fix)]
