"""What pods can ask of a node, and what the cloud's own pods ask for already."""

from collections.abc import Callable, Mapping
from functools import cache

from springtide.catalog import lookup
from springtide.catalog.lookup import SYSTEM_PODS
from springtide.catalog.model import MachineType, Pods, Room

CORES = (60.0, 10.0, 5.0, 5.0)
"""Millicores kept for the node itself, of its first, second, third and fourth core; EKS took them over from GKE."""
MORE_CORES = 2.5
"""Of each core after those (bottlerocket sources/api/schnauzer/src/helpers.rs; GKE's documentation of node sizes)."""
EVICTION_MIB = 100
"""Memory at whose end the kubelet begins to evict, in both clouds."""
GKE_STEPS = ((4, 0.25), (4, 0.20), (8, 0.10), (112, 0.06))
"""GiB of memory after GiB, and the part of each that GKE keeps; of what is above, `GKE_REST`."""
GKE_REST = 0.02
FEW_PODS, MANY_PODS, MANY_CORES = 110, 250, 30
"""Most pods of a node of a managed node group, below and from so many vCPUs (EKS' guide: maximum pods)."""


def allocatable(machine: MachineType) -> Room:
    """What pods of one node of that machine type can ask for, on the safe side; of a cloud that the catalog knows."""
    kept = sum(CORES[: machine.vcpus]) + MORE_CORES * max(machine.vcpus - len(CORES), 0)
    memory = MEMORY[machine.cloud](machine)
    return Room(cpu_millis=int(machine.vcpus * 1000 - kept), memory_mib=max(int(memory - EVICTION_MIB), 0))


@cache
def system_pods(cloud: str) -> tuple[Pods, ...]:
    """Pods on system nodes that no chart of ours brings: every cluster's own, and those of add-ons."""
    sources = lookup.header(cloud, SYSTEM_PODS).sources
    return tuple(
        Pods(**{**record, "source": sources[record["source"]]}) for record in lookup.records(cloud, SYSTEM_PODS)
    )


def _eks(machine: MachineType) -> float:
    """Off the listed size go 7.5 % for the hypervisor (Karpenter's own assumption), 255 MiB, and 11 MiB for each pod."""
    most = FEW_PODS if machine.vcpus < MANY_CORES else MANY_PODS
    return machine.memory_mib * 0.925 - 255 - 11 * most


def _gke(machine: MachineType) -> float:
    """Off the listed size go 2.5 % that the machine itself keeps (an assumption), and GKE's steps of the rest."""
    left, kept = machine.memory_gib, 0.0
    for size, part in GKE_STEPS:
        kept += min(left, size) * part
        left = max(left - size, 0)
    return machine.memory_mib * 0.975 - (kept + left * GKE_REST) * 1024


MEMORY: Mapping[str, Callable[[MachineType], float]] = {"aws": _eks, "gcp": _gke}
"""By cloud: memory of a node in MiB without what is kept for the node itself."""
