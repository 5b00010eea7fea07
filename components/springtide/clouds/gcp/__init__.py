"""GCP: GKE with node pools of our own. Each noun has a file of its own; this one only names them."""

from springtide.clouds import Cloud
from springtide.clouds.gcp.cluster import cluster
from springtide.clouds.gcp.cluster_rules import cluster_findings
from springtide.clouds.gcp.compute_class import ladder_findings
from springtide.clouds.gcp.controllers import (
    addon,
    controller,
    pool_controllers,
    queue_controllers,
    storage_controllers,
)
from springtide.clouds.gcp.exposure import (
    exposure_conditions,
    exposure_controllers,
    internal,
    public,
    public_findings,
)
from springtide.clouds.gcp.fabric import gpudirect_findings
from springtide.clouds.gcp.filestore import shared, shared_findings
from springtide.clouds.gcp.flex import PROVISIONING_CLASS, flex_start_findings, queued_findings
from springtide.clouds.gcp.identity import identity
from springtide.clouds.gcp.lustre import lustre, lustre_findings
from springtide.clouds.gcp.network import network
from springtide.clouds.gcp.network_rules import network_findings
from springtide.clouds.gcp.notice import notice
from springtide.clouds.gcp.pool import gpu_pool, pod_part
from springtide.clouds.gcp.pool_rules import most_nodes, pool_findings, sharing_findings, wakes
from springtide.clouds.gcp.provider import account_findings, provider
from springtide.clouds.gcp.registry import registry
from springtide.clouds.gcp.reservation import reservation_findings
from springtide.clouds.gcp.storage import bucket, bucket_findings, bucket_url


class Gcp:
    """The functions of this folder, as the `Cloud` protocol wants them."""

    name = "gcp"
    machines: tuple[str, ...] = ("gcp",)
    without: tuple[str, ...] = ()
    charts: tuple[str, ...] = ()
    addons: tuple[str, ...] = ()
    system_machine_types: tuple[str, ...] = ("e2-standard-4",)
    more_system_nodes: int = 1
    provisioning_class = PROVISIONING_CLASS
    account_findings = staticmethod(account_findings)
    addon = staticmethod(addon)
    controller = staticmethod(controller)
    bucket = staticmethod(bucket)
    ceiling = staticmethod(most_nodes)
    bucket_findings = staticmethod(bucket_findings)
    bucket_url = staticmethod(bucket_url)
    cluster = staticmethod(cluster)
    cluster_findings = staticmethod(cluster_findings)
    flex_start_findings = staticmethod(flex_start_findings)
    exposure_conditions = staticmethod(exposure_conditions)
    exposure_controllers = staticmethod(exposure_controllers)
    internal = staticmethod(internal)
    public = staticmethod(public)
    public_findings = staticmethod(public_findings)
    gpu_pool = staticmethod(gpu_pool)
    gpudirect_findings = staticmethod(gpudirect_findings)
    identity = staticmethod(identity)
    ladder_findings = staticmethod(ladder_findings)
    lustre = staticmethod(lustre)
    lustre_findings = staticmethod(lustre_findings)
    network = staticmethod(network)
    network_findings = staticmethod(network_findings)
    notice = staticmethod(notice)
    pod_part = staticmethod(pod_part)
    pool_controllers = staticmethod(pool_controllers)
    pool_findings = staticmethod(pool_findings)
    queued_findings = staticmethod(queued_findings)
    reservation_findings = staticmethod(reservation_findings)
    sharing_findings = staticmethod(sharing_findings)
    storage_controllers = staticmethod(storage_controllers)
    provider = staticmethod(provider)
    queue_controllers = staticmethod(queue_controllers)
    registry = staticmethod(registry)
    shared = staticmethod(shared)
    shared_findings = staticmethod(shared_findings)
    wakes = staticmethod(wakes)


CLOUD: Cloud = Gcp()
