"""AWS: EKS with managed node groups. Each noun has a file of its own; this one only names them."""

from springtide.clouds import Cloud
from springtide.clouds.aws.cluster import cluster, cluster_findings
from springtide.clouds.aws.controllers import addon, controller, pool_controllers, storage_controllers
from springtide.clouds.aws.identity import identity
from springtide.clouds.aws.network import network, network_findings
from springtide.clouds.aws.notice import notice
from springtide.clouds.aws.pool import gpu_pool, pool_findings
from springtide.clouds.aws.provider import account_findings, provider
from springtide.clouds.aws.registry import registry
from springtide.clouds.aws.storage import bucket, bucket_findings


class Aws:
    """The functions of this folder, as the `Cloud` protocol wants them."""

    name = "aws"
    charts: tuple[str, ...] = ("metrics-server",)
    addons: tuple[str, ...] = ()
    system_machine_types: tuple[str, ...] = ("m7i.large",)
    account_findings = staticmethod(account_findings)
    addon = staticmethod(addon)
    controller = staticmethod(controller)
    bucket = staticmethod(bucket)
    bucket_findings = staticmethod(bucket_findings)
    cluster = staticmethod(cluster)
    cluster_findings = staticmethod(cluster_findings)
    gpu_pool = staticmethod(gpu_pool)
    identity = staticmethod(identity)
    network = staticmethod(network)
    network_findings = staticmethod(network_findings)
    notice = staticmethod(notice)
    pool_controllers = staticmethod(pool_controllers)
    pool_findings = staticmethod(pool_findings)
    storage_controllers = staticmethod(storage_controllers)
    provider = staticmethod(provider)
    registry = staticmethod(registry)


CLOUD: Cloud = Aws()
