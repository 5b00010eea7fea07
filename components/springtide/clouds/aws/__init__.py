"""AWS: EKS with managed node groups. Each noun has a file of its own; this one only names them."""

from springtide.clouds import Cloud, Notice
from springtide.clouds.aws.cluster import cluster, cluster_findings
from springtide.clouds.aws.identity import identity
from springtide.clouds.aws.network import network
from springtide.clouds.aws.pool import gpu_pool
from springtide.clouds.aws.provider import account_findings, provider
from springtide.clouds.aws.registry import registry
from springtide.clouds.aws.storage import bucket, bucket_findings

_NOTICES = {
    "spot": Notice(seconds=120, source="EC2 spot interruption notice, two minutes"),
    "on-demand": Notice(seconds=None, source="EC2 takes no on-demand instance back"),
    "reserved": Notice(seconds=None, source="EC2 takes no reserved instance back before its end"),
}


class Aws:
    """The functions of this folder, as the `Cloud` protocol wants them."""

    name = "aws"
    charts: tuple[str, ...] = ("metrics-server",)
    account_findings = staticmethod(account_findings)
    bucket = staticmethod(bucket)
    bucket_findings = staticmethod(bucket_findings)
    cluster = staticmethod(cluster)
    cluster_findings = staticmethod(cluster_findings)
    gpu_pool = staticmethod(gpu_pool)
    identity = staticmethod(identity)
    network = staticmethod(network)
    notice = staticmethod(_NOTICES.__getitem__)
    provider = staticmethod(provider)
    registry = staticmethod(registry)


CLOUD: Cloud = Aws()
