"""This machine: real Kubernetes, with GPU nodes that Karpenter's kwok provider simulates. Each noun has a file of its own."""

from springtide import catalog
from springtide.clouds import Cloud
from springtide.clouds.local.cluster import cluster, cluster_findings
from springtide.clouds.local.controllers import addon, controller, pool_controllers, storage_controllers
from springtide.clouds.local.identity import identity
from springtide.clouds.local.network import network, network_findings
from springtide.clouds.local.notice import notice
from springtide.clouds.local.pool import gpu_pool, pod_part
from springtide.clouds.local.pool_rules import ladder_findings, most_nodes, pool_findings, wakes
from springtide.clouds.local.provider import account_findings, provider
from springtide.clouds.local.registry import registry
from springtide.clouds.local.storage import bucket, bucket_findings, bucket_url
from springtide.sections import LOCAL


class Local:
    """The functions of this folder, as the `Cloud` protocol wants them."""

    name = LOCAL
    machines: tuple[str, ...] = catalog.clouds()
    charts: tuple[str, ...] = ()
    addons: tuple[str, ...] = ()
    without: tuple[str, ...] = ("jobset",)
    system_machine_types: tuple[str, ...] = ()
    more_system_nodes: int = 0
    account_findings = staticmethod(account_findings)
    addon = staticmethod(addon)
    bucket = staticmethod(bucket)
    bucket_findings = staticmethod(bucket_findings)
    bucket_url = staticmethod(bucket_url)
    ceiling = staticmethod(most_nodes)
    cluster = staticmethod(cluster)
    cluster_findings = staticmethod(cluster_findings)
    controller = staticmethod(controller)
    gpu_pool = staticmethod(gpu_pool)
    identity = staticmethod(identity)
    ladder_findings = staticmethod(ladder_findings)
    network = staticmethod(network)
    network_findings = staticmethod(network_findings)
    notice = staticmethod(notice)
    pod_part = staticmethod(pod_part)
    pool_controllers = staticmethod(pool_controllers)
    pool_findings = staticmethod(pool_findings)
    provider = staticmethod(provider)
    registry = staticmethod(registry)
    storage_controllers = staticmethod(storage_controllers)
    wakes = staticmethod(wakes)


CLOUD: Cloud = Local()
