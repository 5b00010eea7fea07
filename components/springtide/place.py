"""What a workload finds where it runs: its namespace, and its storage with the right to use it."""

from typing import TypeVar

import pulumi

from springtide.cluster import ClusterRef
from springtide.identity import GrantArgs
from springtide.k8s.pod import Mount
from springtide.pool import SYSTEM
from springtide.storage import StorageRef

T = TypeVar("T")

DEFAULT_ACCOUNT = "default"
"""ServiceAccount of pods that have no right in the cloud: what they use is mounted."""


def system_nodes(cluster: ClusterRef) -> dict[str, str]:
    """Node labels that a pod without a pool selects: the system nodes', where these are ours.

    Nodes that the cloud makes, or somebody else made, have no such label, and no pod that asks for one would ever run. What
    keeps it off GPU nodes there is their taint.
    """
    ours = cluster["mode"] == "standard" and not cluster.get("existing", False)
    return {"springtide.dev/pool": SYSTEM} if ours else {}


def controlled(cluster: ClusterRef, controller: str, value: pulumi.Input[T]) -> pulumi.Output[T]:
    """`value`, for use by a resource of that controller: made after it and destroyed before it, known in a preview."""
    both = pulumi.Output.all(value, cluster["controllers"][controller])
    return both.apply(lambda found: found[0])


def mounted(storage: StorageRef) -> bool:
    """Whether the storage is a file system."""
    return storage["mount_path"] != ""


def mount(storage: StorageRef, *, read_only: bool) -> list[Mount]:
    """How a pod mounts the storage, where it is a file system."""
    if not mounted(storage):
        return []
    return [Mount(claim=storage["claim"], path=storage["mount_path"], read_only=read_only)]


def mounts(*wanted: Mount) -> tuple[Mount, ...]:
    """Each file system once: who may write to it may also read it."""
    by_path: dict[str, Mount] = {}
    for item in wanted:
        if item.path not in by_path or by_path[item.path].read_only:
            by_path[item.path] = item
    return tuple(by_path.values())


def grant(storage: StorageRef, prefix: str, *, write: bool) -> list[GrantArgs]:
    """The right to use a part of the storage, where it is a bucket."""
    return [] if mounted(storage) else [GrantArgs(storage=storage, prefix=prefix, write=write)]
