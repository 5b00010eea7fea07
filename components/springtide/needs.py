"""What must run in the cluster, and what its namespace must allow: pure functions of an environment's file."""

from collections.abc import Iterator

from springtide import clouds, exposure, service, training
from springtide.k8s.namespace import PRIVILEGED, RESTRICTED
from springtide.sections import EnvironmentFile


def controllers(file: EnvironmentFile) -> tuple[str, ...]:
    """Names of what must run in the cluster, each once, in the order they were asked for."""
    without = clouds.load(file.cloud).without
    return tuple(name for name in dict.fromkeys(_needed(file)) if name not in without)


def pod_security(file: EnvironmentFile) -> str:
    """The pod security standard that the workloads' namespace can be held to.

    GPUDirect's libraries and its receive manager lie on the node: pods mount directories of it, which the baseline
    standard refuses as the restricted one does.
    """
    direct = any(pool.fabric == "gpudirect" for pool in file.pools.values())
    return PRIVILEGED if direct else RESTRICTED


def _needed(file: EnvironmentFile) -> Iterator[str]:
    cloud = clouds.load(file.cloud)
    yield from cloud.charts
    for pool in file.pools.values():
        yield from cloud.pool_controllers(pool, file.cluster.mode)
    for item in file.storage.values():
        yield from cloud.storage_controllers(item)
    # A training pool is there for jobs, of this file or of work in another stack.
    if file.jobs or file.queues or any(pool.purpose == "training" for pool in file.pools.values()):
        yield training.JOBSET
    if file.queues and isinstance(cloud, clouds.SupportsQueues):
        yield from cloud.queue_controllers()
    for served in file.services.values():
        yield from service.controllers(served)
        yield from exposure.controllers(served, file.cloud, file.cluster.mode)
    yield from file.controllers.install
