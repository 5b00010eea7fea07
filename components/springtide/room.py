"""Whether what runs on system nodes has room there: controllers, the cluster's own pods, servers without a pool, gateways."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from springtide import catalog, clouds, needs
from springtide.catalog import Pods, Room
from springtide.charts import CHARTS
from springtide.k8s import gateway
from springtide.sections import EnvironmentFile, ServiceSection
from springtide.service import CPU_MEMORY_GIB, CPU_MILLIS
from springtide.spec import Finding, refuse, warn

MOST_TRIED = 20
"""System nodes up to which a number is looked for that would do."""
NAMED = 3
"""Machine types that an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemNodes:
    """The system nodes of an environment, and what is on them before any work."""

    machine_type: str
    count: int
    most: int
    """With those that come by themselves."""
    room: Room
    """What is left of each when each has its own pods."""
    pods: tuple[Pods, ...]
    """What runs once, or so many times, for the whole cluster."""


def system_nodes(file: EnvironmentFile) -> SystemNodes | None:
    """The system nodes of an environment, the smallest machine type counting; None where they are not ours to size.

    Args:
        file: What the environment says; its cloud and its machine types are known to be there.
    """
    cloud, cluster = clouds.load(file.cloud), file.cluster
    if cluster.existing is not None or cluster.mode != "standard" or not cloud.system_machine_types:
        return None
    names = cluster.system_machine_types or cloud.system_machine_types
    found = {name: catalog.machine_type(file.cloud, name) for name in names}
    machines = {name: catalog.allocatable(item) for name, item in found.items() if item is not None}
    if not machines:
        return None
    smallest = min(machines, key=lambda name: (machines[name].cpu_millis, machines[name].memory_mib))
    pods = _pods(file)
    return SystemNodes(
        machine_type=smallest,
        count=cluster.system_nodes,
        most=cluster.system_nodes + cloud.more_system_nodes,
        room=_left(machines[smallest], pods),
        pods=tuple(item for item in pods if item.replicas > 0),
    )


def findings(file: EnvironmentFile) -> list[Finding]:
    """What never starts, because the system nodes together have no room for it."""
    nodes = system_nodes(file)
    if nodes is None:
        return []
    if without_place(nodes.pods, nodes.room, nodes.most):
        return [_too_small(file, nodes)]
    return list(_services(file, nodes))


def warnings(file: EnvironmentFile) -> list[Finding]:
    """What finds no room when a service grows as far as it may, or is updated."""
    nodes = system_nodes(file)
    return [] if nodes is None else list(_grown(file, nodes))


def without_place(pods: Iterable[Pods], room: Room, nodes: int) -> list[str]:
    """Names of pods that find no room on so many equal nodes, each once.

    Those that must be apart are placed first, no more than there are nodes, then the largest, each on the first node that
    holds it. Kubernetes places them as they come, and rarely better.
    """
    left = [room] * nodes
    used: list[set[str]] = [set() for _ in left]
    lost: dict[str, None] = {}
    for item in sorted(pods, key=lambda item: (item.apart, *_size(item, room)), reverse=True):
        for _ in range(min(item.replicas, nodes) if item.apart else item.replicas):
            place = next((i for i, free in enumerate(left) if _fits(item, free, used[i])), None)
            if place is None:
                lost[item.name] = None
                break
            left[place] = _taken(left[place], item)
            used[place].add(item.name)
    return list(lost)


def of_service(name: str, item: ServiceSection, count: int) -> list[Pods]:
    """What a service with so many servers has on system nodes: its servers, without a pool; its gateways, where it has some."""
    servers = Pods(name=name, replicas=count, cpu_millis=CPU_MILLIS, memory_mib=CPU_MEMORY_GIB * 1024)
    gateways = Pods(
        name=f"{name}: gateway",
        replicas=gateway.REPLICAS,
        cpu_millis=gateway.CPU_MILLIS,
        memory_mib=gateway.MEMORY_GIB * 1024,
    )
    return [*([servers] if item.pool is None else []), *([gateways] if item.has_gateway else [])]


def _pods(file: EnvironmentFile) -> list[Pods]:
    """The cluster's own pods, and those of its controllers."""
    needed = [name for name in needs.controllers(file) if name not in file.controllers.existing]
    own = [item for item in catalog.system_pods(file.cloud) if item.add_on in {"", *needed}]
    return [*own, *(item for name in needed if name in CHARTS for item in CHARTS[name].pods)]


def _left(room: Room, pods: Iterable[Pods]) -> Room:
    """What is left of a node with the pods that every node has."""
    for item in pods:
        if item.replicas == 0:
            room = _taken(room, item)
    return room


def _taken(room: Room, item: Pods) -> Room:
    return Room(cpu_millis=room.cpu_millis - item.cpu_millis, memory_mib=room.memory_mib - item.memory_mib)


def _fits(item: Pods, free: Room, beside: set[str]) -> bool:
    alone = not item.apart or item.name not in beside
    return alone and item.cpu_millis <= free.cpu_millis and item.memory_mib <= free.memory_mib


def _size(item: Pods, room: Room) -> tuple[float, str]:
    """How large a pod is on such a node, by whatever it takes more of; names make the order one."""
    return max(item.cpu_millis / max(room.cpu_millis, 1), item.memory_mib / max(room.memory_mib, 1)), item.name


def _too_small(file: EnvironmentFile, nodes: SystemNodes) -> Finding:
    lost = ", ".join(without_place(nodes.pods, nodes.room, nodes.most))
    message = f"{_words(nodes)} have no room for all controllers of the cluster: {lost} would never start."
    return refuse("spec/system-room", "/cluster/system_nodes", nodes.count, message, _fix(file, nodes, nodes.pods))


def _services(file: EnvironmentFile, nodes: SystemNodes) -> Iterator[Finding]:
    """Services that at their smallest have no room beside the controllers and the services before them."""
    there = list(nodes.pods)
    for name, item in file.services.items():
        own = of_service(name, item, item.replicas.min)
        if without_place([*there, *own], nodes.room, nodes.most):
            message = f"{_each(own)} never fit on {_words(nodes)}, beside what runs there."
            remedy = "name a pool" if item.pool is None and not item.sleeps else "keep a replica: replicas: {min: 1}"
            fix = f"{remedy}, or {_fix(file, nodes, [*there, *own])}"
            path = f"/services/{name}/replicas/min"
            yield refuse("services/system-room", path, item.replicas.min, message, fix)
        else:
            there += own


def _grown(file: EnvironmentFile, nodes: SystemNodes) -> Iterator[Finding]:
    """Services that cannot have all their servers, or no further one to start an update with, the others at their least."""
    for name, item in file.services.items():
        if item.pool is not None:
            continue
        others = [
            pods
            for other, it in file.services.items()
            if other != name
            for pods in of_service(other, it, it.replicas.min)
        ]
        there, most = [*nodes.pods, *others], item.replicas.max + 1
        if without_place(wanted := [*there, *of_service(name, item, most)], nodes.room, nodes.most):
            held = max(
                n
                for n in range(most)
                if not without_place([*there, *of_service(name, item, n)], nodes.room, nodes.most)
            )
            message = (
                f"{_words(nodes)} hold {held} servers of {name}, and it may have {item.replicas.max} and one more while "
                "it is updated: the others would wait for room."
            )
            fix = f"lower replicas.max, name a pool, or {_fix(file, nodes, wanted)}"
            yield warn("services/system-growth", f"/services/{name}/replicas/max", item.replicas.max, message, fix)


def _each(pods: Iterable[Pods]) -> str:
    """How many there are of what, and what each asks for."""
    return " and ".join(
        f"{item.replicas} pods {item.name} ({item.cpu_millis}m of CPU and {item.memory_mib // 1024} GiB each)"
        for item in pods
        if item.replicas > 0
    )


def _words(nodes: SystemNodes) -> str:
    return f"{nodes.most} system nodes of {nodes.machine_type}" if nodes.most > 1 else f"a node of {nodes.machine_type}"


def _fix(file: EnvironmentFile, nodes: SystemNodes, pods: Sequence[Pods]) -> str:
    """What would hold these pods: more nodes of the same machine, or as many of a larger one."""
    spare = nodes.most - nodes.count
    enough = next(
        (n for n in range(nodes.count + 1, MOST_TRIED + 1) if not without_place(pods, nodes.room, n + spare)), None
    )
    larger = [name for name in _machines(file) if not without_place(pods, _room_of(file, name), nodes.most)]
    more = [] if enough is None else [f"write cluster.system_nodes: {enough}"]
    other = [f"under cluster.system_machine_types one of {', '.join(larger[:NAMED])}"] if larger else []
    return ", or ".join([*more, *other]) or "use larger machines under cluster.system_machine_types"


def _machines(file: EnvironmentFile) -> list[str]:
    """CPU machine types that system nodes can be of, smallest first."""
    found = [item for item in catalog.machine_types(file.cloud) if not item.gpu and item.architecture == "x86_64"]
    return [item.name for item in sorted(found, key=lambda item: (item.vcpus, item.memory_mib, item.name))]


def _room_of(file: EnvironmentFile, name: str) -> Room:
    machine = catalog.machine_type(file.cloud, name)
    return Room(cpu_millis=0, memory_mib=0) if machine is None else _left(catalog.allocatable(machine), _pods(file))
