"""Which controllers an environment uses: a pure function of its file."""

from collections.abc import Iterator

from springtide import clouds
from springtide.sections import EnvironmentFile


def controllers(file: EnvironmentFile) -> tuple[str, ...]:
    """Names of what must run in the cluster, each once, in the order they were asked for."""
    return tuple(dict.fromkeys(_needed(file)))


def _needed(file: EnvironmentFile) -> Iterator[str]:
    cloud = clouds.load(file.cloud)
    yield from cloud.charts
    for pool in file.pools.values():
        yield from cloud.pool_controllers(pool, file.cluster.mode)
    for item in file.storage.values():
        yield from cloud.storage_controllers(item)
