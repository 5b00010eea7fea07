"""AWS: EKS, with machines that Karpenter makes. Each noun has a file of its own; this one only names them."""

from springtide.clouds import Cloud
from springtide.clouds.aws.addons import ADDONS, addon, storage_controllers
from springtide.clouds.aws.cluster import cluster, cluster_findings
from springtide.clouds.aws.controllers import controller, pool_controllers, queue_controllers
from springtide.clouds.aws.exposure import (
    exposure_conditions,
    exposure_controllers,
    internal,
    public,
    public_findings,
)
from springtide.clouds.aws.identity import identity
from springtide.clouds.aws.lustre import lustre, lustre_findings
from springtide.clouds.aws.network import network, network_findings
from springtide.clouds.aws.notice import notice
from springtide.clouds.aws.pool import gpu_pool, pod_part
from springtide.clouds.aws.pool_rules import (
    efa_findings,
    ladder_findings,
    most_nodes,
    pool_findings,
    reservation_findings,
    wakes,
)
from springtide.clouds.aws.provider import account_findings, provider
from springtide.clouds.aws.registry import registry
from springtide.clouds.aws.shared import shared, shared_findings
from springtide.clouds.aws.storage import bucket, bucket_findings, bucket_url


class Aws:
    """The functions of this folder, as the `Cloud` protocol wants them."""

    name = "aws"
    machines: tuple[str, ...] = ("aws",)
    without: tuple[str, ...] = ()
    charts: tuple[str, ...] = ("metrics-server",)
    addons: tuple[str, ...] = tuple(ADDONS)
    system_machine_types: tuple[str, ...] = ("m7i.large",)
    more_system_nodes: int = 0
    account_findings = staticmethod(account_findings)
    addon = staticmethod(addon)
    controller = staticmethod(controller)
    bucket = staticmethod(bucket)
    ceiling = staticmethod(most_nodes)
    bucket_findings = staticmethod(bucket_findings)
    bucket_url = staticmethod(bucket_url)
    cluster = staticmethod(cluster)
    cluster_findings = staticmethod(cluster_findings)
    efa_findings = staticmethod(efa_findings)
    exposure_conditions = staticmethod(exposure_conditions)
    exposure_controllers = staticmethod(exposure_controllers)
    internal = staticmethod(internal)
    public = staticmethod(public)
    public_findings = staticmethod(public_findings)
    gpu_pool = staticmethod(gpu_pool)
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
    shared = staticmethod(shared)
    shared_findings = staticmethod(shared_findings)
    storage_controllers = staticmethod(storage_controllers)
    provider = staticmethod(provider)
    queue_controllers = staticmethod(queue_controllers)
    registry = staticmethod(registry)
    reservation_findings = staticmethod(reservation_findings)
    wakes = staticmethod(wakes)


CLOUD: Cloud = Aws()
