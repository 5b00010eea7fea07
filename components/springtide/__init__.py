"""Elastic GPU clusters as typed Pulumi components: network, cluster, pools, storage, training and serving."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from springtide.account_wide import AccountWide
    from springtide.ci import CiIdentity, SecretsKey
    from springtide.cluster import Cluster
    from springtide.controllers import Controllers
    from springtide.environment import Environment
    from springtide.file_system import FileSystem
    from springtide.identity import WorkloadIdentity
    from springtide.network import Network
    from springtide.pool import GpuPool
    from springtide.queue import Queue
    from springtide.registry import Registry
    from springtide.service import ModelService
    from springtide.storage import Storage
    from springtide.training import TrainingJob

_HOMES = {
    "AccountWide": "account_wide",
    "CiIdentity": "ci",
    "Cluster": "cluster",
    "Controllers": "controllers",
    "Environment": "environment",
    "FileSystem": "file_system",
    "GpuPool": "pool",
    "ModelService": "service",
    "Network": "network",
    "Queue": "queue",
    "Registry": "registry",
    "SecretsKey": "ci",
    "Storage": "storage",
    "TrainingJob": "training",
    "WorkloadIdentity": "identity",
}

__all__ = [
    "AccountWide",
    "CiIdentity",
    "Cluster",
    "Controllers",
    "Environment",
    "FileSystem",
    "GpuPool",
    "ModelService",
    "Network",
    "Queue",
    "Registry",
    "SecretsKey",
    "Storage",
    "TrainingJob",
    "WorkloadIdentity",
]


def __getattr__(name: str) -> Any:
    """Import a component when it is first asked for: `springtide --help` needs no Pulumi."""
    if name not in _HOMES:
        message = f"module 'springtide' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"springtide.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
