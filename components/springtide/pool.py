"""An elastic pool of identical GPU nodes that sleeps at zero when idle."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict, cast

import pulumi

from springtide import clouds, selection
from springtide.cluster import ClusterRef
from springtide.component import checked, intent, refused, tell
from springtide.controllers import absent
from springtide.environment import EnvironmentRef, machines_of
from springtide.k8s.pod import PodPart
from springtide.parse import read
from springtide.spec import Finding, PoolSpec, below, dns_label, refuse, warn

SYSTEM = "system"
"""What the `springtide.dev/pool` label of system nodes says."""


class SharingArgs(TypedDict):
    """Several pods on one GPU."""

    strategy: str
    """`time-sharing`, or `mps` (NVIDIA's Multi-Process Service)."""
    clients: int
    """Most pods on one GPU, at least 2."""


class GpuPoolArgs(TypedDict):
    """Arguments of `GpuPool`."""

    cluster: ClusterRef
    """Cluster the nodes join; take it from `Controllers.ref`, or from `Cluster.ref` where nothing was installed."""
    gpu: str
    """Accelerator of every node, a name of `springtide catalog`, such as L4."""
    max_nodes: int
    """Upper bound on nodes, and so on what the pool can cost."""
    gpus_per_node: NotRequired[int]
    """Accelerators in each node. Default 1."""
    min_nodes: NotRequired[int]
    """Nodes kept warm. Default 0: the pool sleeps when nothing runs."""
    capacity: NotRequired[list[str]]
    """How machines are bought, in the order tried: spot, on-demand, reserved, flex-start, queued. Default [on-demand]."""
    reservation: NotRequired[str]
    """Reservation that `reserved` capacity comes from: cr-… on AWS, projects/P/reservations/R on GCP."""
    reservation_kind: NotRequired[str]
    """What it is: `standard` (default), `capacity-block` (AWS: paid ahead, with an end), `future` (GCP: not yet there)."""
    machine_types: NotRequired[list[str]]
    """Machine types to use instead of the catalog's own choice, which is every fitting one, cheapest first."""
    zones: NotRequired[list[str]]
    """Zone ids to use of those that the network spans. Default: all that offer the machines."""
    fabric: NotRequired[str]
    """Network between machines for collectives: `none` (default), `efa`, `gpudirect`."""
    efa_layout: NotRequired[str]
    """EFA interfaces: `ip-optimised` (default: one address a node) or `legacy` (as older templates have it)."""
    placement: NotRequired[str]
    """`compact`: nodes lie close together, in one zone; `none`. Default: compact where there is a fabric."""
    local_disks: NotRequired[str]
    """The machines' own NVMe: `scratch` (default: pods' scratch files lie on it), `block` (raw), `none`."""
    driver: NotRequired[str]
    """GPU driver where the cloud installs it: `default` (default), `latest`."""
    sharing: NotRequired[SharingArgs]
    """Several pods on one GPU. Default: each pod has its GPUs for itself."""
    max_run_hours: NotRequired[int]
    """Hours after which a machine is taken back, for flex-start and queued capacity: at most 168. Default 168 there."""
    labels: NotRequired[dict[str, str]]
    """More labels of its nodes."""
    taints: NotRequired[list[str]]
    """More taints of its nodes, each `key=value:Effect`."""
    protect: NotRequired[bool]
    """Whether a destroy or a replacement is refused. Default: yes where capacity is reserved."""
    purpose: NotRequired[str]
    """What runs here: `training` (never disturbed while busy), `serving`, or `general` (default)."""
    disk_gib: NotRequired[int]
    """Disk of each node for images and scratch files, in GiB. Default 200."""


class PoolRef(TypedDict):
    """Pool that a workload runs on; take it from `GpuPool.ref`.

    Programs in other languages give `name`, `selector` and `args`; the rest follows from these.
    """

    name: str
    """Name of the pool."""
    selector: pulumi.Input[dict[str, str]]
    """Node labels that a pod must select to land here."""
    args: NotRequired[GpuPoolArgs]
    """Arguments that the pool was made with. Default: none, where all else is said."""
    gpus_per_node: NotRequired[int]
    """Accelerators in each node."""
    capacity: NotRequired[list[str]]
    """How its machines are bought; decides how much notice a pod gets."""
    min_nodes: NotRequired[int]
    """Nodes kept warm."""
    max_nodes: NotRequired[int]
    """Upper bound on nodes."""
    memory_gib: NotRequired[int]
    """Memory that pods of one node can share, in GiB, on the pool's smallest machine."""
    scratch_gib: NotRequired[int]
    """Disk that pods of one node can share, in GiB."""
    fabric: NotRequired[str]
    """Network between its machines: none (default), efa, gpudirect."""
    usd_per_hour: NotRequired[float]
    """List price of one of its machines, bought as the pool buys first. Default: nobody knows."""
    pod: NotRequired[PodPart]
    """What a pod needs on these nodes besides GPUs."""


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
        cloud = clouds.load(place["cloud"])
        spec = checked(
            PoolSpec,
            args,
            f"GpuPool {name}",
            wiring=["cluster"],
            rules=lambda spec: [
                *name_findings("/name", name),
                *findings(spec, place, cluster["zones"], version=cluster["version"], mode=cluster["mode"]),
                *absent(cluster, cloud.pool_controllers(spec, cluster["mode"]), "/gpu", spec.gpu),
            ],
        )
        choice = selection.choose(spec, machines_of(place), place["region"], cluster["zones"])
        said = intent(
            spec, cloud=place["cloud"], machines=place.get("machines"), region=place["region"], zones=choice.zones
        )
        said["machineTypes"] = [machine.name for machine in choice.machine_types]
        said |= {"ceilingNodes": cloud.ceiling(spec, choice), "wakes": _wakes(spec, cloud)}
        super().__init__("springtide:index:GpuPool", name, said, opts)
        tell(_never_wakes(name, spec, place["cloud"]))
        made = cloud.gpu_pool(name, spec, choice, cluster, self)
        self.selector = made.selector
        self.ref = reference(name, spec, choice, made)
        self.register_outputs(said | {"selector": made.selector})


def findings(spec: PoolSpec, place: EnvironmentRef, zones: Sequence[str], *, version: str, mode: str) -> list[Finding]:
    """What is impossible about a pool in such a cluster, as far as cloud and catalog know."""
    choice = selection.choose(spec, machines_of(place), place["region"], zones)
    return [*choice.findings, *clouds.pool_findings(place["cloud"], spec, choice, version=version, mode=mode)]


def reference(name: str, spec: PoolSpec, choice: selection.Choice, made: clouds.PoolParts | None) -> PoolRef:
    """A pool as a workload sees it; without what a cloud made of it, as much as can be said before."""
    found = PoolRef(
        name=name,
        gpus_per_node=spec.gpus_per_node,
        capacity=list(spec.capacity),
        min_nodes=spec.min_nodes,
        max_nodes=spec.max_nodes,
        memory_gib=min((usable_memory_gib(item.memory_mib) for item in choice.machine_types), default=0),
        scratch_gib=spec.disk_gib // 2,
        fabric=spec.fabric,
        selector={} if made is None else made.selector,
        pod=PodPart() if made is None else made.pod,
    )
    if choice.usd_per_hour is not None:
        found["usd_per_hour"] = choice.usd_per_hour
    return found


def known_pool(pool: PoolRef, path: str) -> PoolRef:
    """A pool with all that a workload must know of it: what a reference leaves out follows from the pool's arguments.

    Args:
        pool: The pool as the caller refers to it.
        path: Where the pool's arguments stand in the caller's.

    Raises:
        ArgumentsError: the arguments describe no pool.
    """
    args = pool.get("args")
    if args is None:
        return pool
    name, cluster = pool["name"], args["cluster"]
    place, version, mode = cluster["environment"], cluster["version"], cluster["mode"]
    found, mistakes = read(PoolSpec, {key: value for key, value in args.items() if key != "cluster"}, path)
    refused(mistakes, f"pool {name}")
    spec = cast("PoolSpec", found)
    choice = selection.choose(spec, machines_of(place), place["region"], cluster["zones"])
    refused(below(path, choice.findings), f"pool {name}")
    pod = clouds.load(place["cloud"]).pod_part(name, spec, choice, version=version, mode=mode)
    selector = pulumi.Output.from_input(pool["selector"])
    return {**reference(name, spec, choice, clouds.PoolParts(selector=selector, pod=pod)), **pool}


def reference_findings(pool: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with a reference to a pool that somebody wrote by hand."""
    lacking = sorted(PoolRef.__optional_keys__ - {"args", "fabric", "usd_per_hour"} - set(pool))
    if "args" in pool or not lacking:
        return []
    message = f"pool {pool['name']}: nothing says its {', '.join(lacking)}."
    return [refuse("spec/reference", "/args", None, message, "give the arguments that the pool was made with")]


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


def _wakes(spec: PoolSpec, cloud: clouds.Cloud) -> bool:
    return isinstance(cloud, clouds.SupportsWaking) and cloud.wakes(spec)


def _never_wakes(name: str, spec: PoolSpec, cloud: str) -> list[Finding]:
    if spec.min_nodes > 0 or _wakes(spec, clouds.load(cloud)):
        return []
    message = f"nothing wakes pool {name} from zero: a pod that asks for it stays pending."
    fix = "set min_nodes to what runs now, and back to 0 when it is done"
    return [warn("clouds/wake", f"/pools/{name}/min_nodes", 0, message, fix)]
