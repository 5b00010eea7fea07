"""An elastic pool of identical GPU nodes that sleeps at zero when idle."""

from typing import NotRequired, TypedDict

import pulumi

from springtide import clouds, selection
from springtide.cluster import ClusterRef
from springtide.component import checked, intent, tell
from springtide.spec import Finding, PoolSpec, dns_label, refuse, warn

SYSTEM = "system"
"""What the `springtide.dev/pool` label of system nodes says."""


class GpuPoolArgs(TypedDict):
    """Arguments of `GpuPool`."""

    cluster: ClusterRef
    """Cluster the nodes join; take it from `Cluster.ref`."""
    gpu: str
    """Accelerator of every node, a name of `springtide catalog`, such as L4."""
    max_nodes: int
    """Upper bound on nodes, and so on what the pool can cost."""
    gpus_per_node: NotRequired[int]
    """Accelerators in each node. Default 1."""
    min_nodes: NotRequired[int]
    """Nodes kept warm. Default 0: the pool sleeps when nothing runs."""
    capacity: NotRequired[list[str]]
    """How machines are bought, in the order tried: spot, on-demand, reserved. Default [on-demand]."""
    machine_types: NotRequired[list[str]]
    """Machine types to use instead of the catalog's own choice, which is every fitting one, cheapest first."""
    purpose: NotRequired[str]
    """What runs here: `training` (never disturbed while busy), `serving`, or `general` (default)."""
    disk_gib: NotRequired[int]
    """Disk of each node for images and scratch files, in GiB. Default 200."""


class PoolRef(TypedDict):
    """Pool that a workload runs on; take it from `GpuPool.ref`."""

    name: str
    """Name of the pool."""
    gpus_per_node: int
    """Accelerators in each node."""
    capacity: list[str]
    """How its machines are bought; decides how much notice a pod gets."""
    min_nodes: int
    """Nodes kept warm."""
    max_nodes: int
    """Upper bound on nodes."""
    memory_gib: int
    """Memory that pods of one node can share, in GiB, on the pool's smallest machine."""
    scratch_gib: int
    """Disk that pods of one node can share, in GiB."""
    selector: pulumi.Input[dict[str, str]]
    """Node labels that a pod must select to land here."""


class GpuPool(pulumi.ComponentResource):
    """GPU nodes for workloads that select them.

    Attributes:
        ref: What workloads need to know of it.
    """

    selector: pulumi.Output[dict[str, str]]
    """Node labels that a pod must select to land here."""

    def __init__(self, name: str, args: GpuPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        cluster = args["cluster"]
        place = cluster["environment"]
        spec = checked(
            PoolSpec,
            args,
            f"GpuPool {name}",
            wiring=["cluster"],
            rules=lambda spec: [
                *name_findings("/name", name),
                *selection.choose(spec, place["cloud"], place["region"], cluster["zones"]).findings,
                *clouds.pool_findings(place["cloud"], spec),
            ],
        )
        choice = selection.choose(spec, place["cloud"], place["region"], cluster["zones"])
        said = intent(spec, cloud=place["cloud"], region=place["region"], zones=choice.zones)
        said["machineTypes"] = [machine.name for machine in choice.machine_types]
        super().__init__("springtide:index:GpuPool", name, said, opts)
        tell(_never_wakes(name, spec, place["cloud"]))
        made = clouds.load(place["cloud"]).gpu_pool(name, spec, choice, cluster, self)
        self.selector = made.selector
        self.ref = reference(name, spec, choice, made.selector)
        self.register_outputs(said | {"selector": made.selector})


def reference(name: str, spec: PoolSpec, choice: selection.Choice, selector: pulumi.Input[dict[str, str]]) -> PoolRef:
    """A pool as a workload sees it."""
    return PoolRef(
        name=name,
        gpus_per_node=spec.gpus_per_node,
        capacity=list(spec.capacity),
        min_nodes=spec.min_nodes,
        max_nodes=spec.max_nodes,
        memory_gib=min((usable_memory_gib(item.memory_mib) for item in choice.machine_types), default=0),
        scratch_gib=spec.disk_gib // 2,
        selector=selector,
    )


def usable_memory_gib(memory_mib: int) -> int:
    """What pods get of a machine's memory, in whole GiB and on the safe side.

    Off the listed size go 7.5 % that the hypervisor keeps (Karpenter's default `VM_MEMORY_OVERHEAD_PERCENT`) and 2 GiB for
    kubelet, eviction threshold and daemons (EKS reserves 255 MiB + 11 MiB a pod).
    """
    return max(int(memory_mib / 1024 * 0.925) - 2, 1)


def fits(path: str, wanted: int, pool: str, room: int, what: str) -> list[Finding]:
    """What is wrong with a number of things that a pool must have room for, all at once."""
    if wanted <= room:
        return []
    message = f"{wanted} {what} never fit on pool {pool}, which has room for {room}."
    return [refuse("spec/fits", path, wanted, message, f"use at most {room}, or raise pools.{pool}.max_nodes")]


def name_findings(path: str, name: str) -> list[Finding]:
    """What is wrong with the name of a pool: it is a node label, and one such label is taken."""
    if name != SYSTEM:
        return dns_label(path, name)
    return [refuse("spec/name", path, name, "the nodes of the cluster's own add-ons are called so.", "rename the pool")]


def _never_wakes(name: str, spec: PoolSpec, cloud: str) -> list[Finding]:
    if spec.min_nodes > 0 or isinstance(clouds.load(cloud), clouds.SupportsWaking):
        return []
    message = f"nothing wakes pool {name} from zero in this version: a pod that asks for it stays pending."
    fix = "set min_nodes to what runs now, and back to 0 when it is done, until Karpenter is in the plan"
    return [warn("clouds/wake", f"/pools/{name}/min_nodes", 0, message, fix)]
