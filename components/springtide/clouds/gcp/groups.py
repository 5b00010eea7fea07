"""Which node pools a GPU pool is made of: a GKE node pool has one machine type, bought in one way.

The order of a ladder is the order of its kinds of capacity, and within a kind that of machine types, cheapest first.
A job must not be torn between two kinds or two zones. Where it could be, because there are several kinds or because
nodes lie close together, every zone has node pools of its own, and the node pool is what a job's pods have in common.
Where a serving pool's node pools span zones, a job on it has the zone in common as well, as everywhere (`k8s.training`).
Elsewhere one node pool spans the zones: its upper bound is then that of the whole GPU pool.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from springtide import catalog
from springtide.catalog import MachineType
from springtide.clouds.gcp.names import LONGEST_CLUSTER_NAME, fitted
from springtide.selection import Choice
from springtide.spec import PoolSpec

MOST_GROUPS = 12
"""Node pools of one GPU pool. GKE makes about five at once, in minutes each (terraform-provider-google issue 15579)."""
NODE_POOL = "cloud.google.com/gke-nodepool"
ZONE = "topology.kubernetes.io/zone"
SOLD_AS = {"flex-start": "flex-start", "queued": "flex-start", "on-demand": "on-demand", "spot": "spot"}
"""Kinds of capacity in the catalog's words. What was reserved is sold already; queued machines are flex-start's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One node pool."""

    kind: str
    """How its machines are bought."""
    machine: MachineType
    zones: tuple[str, ...]
    pool: str
    """Name of the GPU pool it is part of."""
    min_nodes: int = 0
    """Nodes kept warm in it."""
    zonal: bool
    """Whether the zone is part of what it is, and so of its name."""

    @property
    def title(self) -> str:
        """Its name in Pulumi. It says nothing of the others, so that one more of them renames none."""
        place = self.zones[:1] if self.zonal else ()
        letters = (zone.rpartition("-")[2] for zone in place)
        return "-".join((self.pool, self.kind, self.machine.instance_type, *letters))

    @property
    def name(self) -> str:
        """Its name in GKE: ours, known before it exists, for a ComputeClass names its node pools."""
        return fitted(self.title if self.title[0].isalpha() else f"p-{self.title}", LONGEST_CLUSTER_NAME)


def groups(pool: str, spec: PoolSpec, choice: Choice) -> tuple[Group, ...]:
    """The node pools of a GPU pool, in the order they are tried. The first of them keeps the warm nodes."""
    zonal = per_zone(spec)
    found = [
        Group(kind=kind, machine=machine, zones=zones, pool=pool, zonal=zonal)
        for kind in spec.capacity
        for machine in machines(spec, choice, kind)
        for zones in _divided(machine, choice.zones, zonal=zonal)
    ]
    if not found or spec.min_nodes == 0:
        return tuple(found)
    first = found[0]
    warm = replace(first, min_nodes=spec.min_nodes, zones=evenly(first.zones, spec.min_nodes, spec.max_nodes))
    return (warm, *found[1:])


def per_zone(spec: PoolSpec) -> bool:
    """Whether each zone has node pools of its own.

    A serving pool spans zones even on a ladder: its pods are meant to be apart.
    """
    return spec.compact or (len(spec.capacity) > 1 and spec.purpose != "serving")


def together(spec: PoolSpec, mode: str) -> str:
    """Node label whose value the pods of one job share besides their zone, so that all are of one kind of capacity.

    Autopilot takes pod affinity by region and zone alone: its overview as quoted in tektoncd/pipeline issue 3798, of 2021.
    No newer list was found, and a run that is refused is worse than one on two kinds of capacity.
    """
    if mode == "auto":
        return ZONE
    return NODE_POOL if len(spec.capacity) > 1 or per_zone(spec) else ZONE


def machines(spec: PoolSpec, choice: Choice, kind: str) -> tuple[MachineType, ...]:
    """Machine types to buy as `kind`: all that the file names, else the cheapest of each series.

    Machines of one series come from one stock: another size of it helps little when the stock is empty.
    """
    sold = [machine for machine in choice.machine_types if sells(machine, kind)]
    if spec.machine_types:
        return tuple(sold)
    series = {machine.instance_type.rpartition("-")[0]: machine for machine in reversed(sold)}
    cheapest = [machine for machine in sold if machine in series.values()]
    room = MOST_GROUPS // (len(spec.capacity) * (len(choice.zones) if per_zone(spec) else 1))
    return tuple(cheapest[: max(room, 1)])


def sells(machine: MachineType, kind: str) -> bool:
    """Whether a machine type can be had as `kind`."""
    return kind == "reserved" or SOLD_AS.get(kind) in machine.usage_classes


def evenly(zones: tuple[str, ...], least: int, most: int) -> tuple[str, ...]:
    """As many of the zones as can begin with the same number of nodes, at least `least` and at most `most` together.

    GKE counts the nodes that a node pool begins with for each zone.
    """
    fitting = (count for count in range(len(zones), 0, -1) if -(-least // count) * count <= most)
    return zones[: next(fitting, 1)]


def _divided(machine: MachineType, zones: tuple[str, ...], *, zonal: bool) -> Iterator[tuple[str, ...]]:
    """The zones of each node pool: those that offer the machine, apart or together."""
    here = tuple(zone for zone in zones if zone in catalog.offered(machine, zone.rpartition("-")[0]))
    if zonal:
        yield from ((zone,) for zone in here)
    elif here:
        yield here
