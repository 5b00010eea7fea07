"""What a rehearsal saw: which pools woke, for whom, for how long and how much, what never ran and why. Pure.

Observations go in, one after the other; a report comes out. Nothing here asks an API server.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from springtide.local.render.substitution import Substitution

PENDING = "Pending"
_OVER = frozenset({"Succeeded", "Failed"})

Prices = Callable[[str, str], float | None]
"""From a machine type and a kind of capacity to its list price, in USD an hour, or to one that it never exceeds; None
where neither is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node at one moment."""

    name: str
    pool: str
    machine_type: str
    capacity: str
    zone: str
    always: bool = False
    """Whether it is there however little there is to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod at one moment."""

    name: str
    workload: str
    """What made it: the name of a Job or a Deployment."""
    pool: str
    """Pool that it asks for; empty where it asks for none."""
    phase: str
    node: str = ""
    ends: bool = False
    """Whether it ends by itself: a run does, a server does not."""
    made: bool = True
    """Whether it is there: what makes it may not be allowed to, and stands here in its place."""
    messages: tuple[str, ...] = ()
    """What the scheduler and Karpenter say about it, in their words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What there was at one moment."""

    seconds: float
    """Since the first object was applied."""
    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReport:
    """What became of one pool."""

    woke: bool
    woke_for: tuple[str, ...]
    """Workloads whose pods ran on nodes that it made."""
    peak_nodes: int
    """Most nodes at once, those that are always there among them."""
    machine_types: tuple[str, ...]
    capacities: tuple[str, ...]
    peak_usd_per_hour: float | None
    """Most that its nodes cost at once; None where one of them has no price."""

    def as_json(self) -> dict[str, Any]:
        """The pool as a report's JSON holds it."""
        return {
            "woke": self.woke,
            "peak_nodes": self.peak_nodes,
            "machine_types": list(self.machine_types),
            "peak_usd_per_hour": self.peak_usd_per_hour,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A pod that was still pending when it was last seen."""

    pod: str
    workload: str
    pool: str
    seconds: float
    """How long it waited."""
    why: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The pod as a report's JSON holds it."""
        return {
            "pod": self.pod,
            "workload": self.workload,
            "pool": self.pool,
            "seconds": self.seconds,
            "why": list(self.why),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A moment at which the number of some pool's nodes, or of running pods, changed."""

    seconds: float
    nodes: Mapping[str, int]
    """Pool → its nodes; pools without one are left out."""
    running: int
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The report of a rehearsal."""

    environment: str
    substituted: tuple[Substitution, ...]
    pools: Mapping[str, PoolReport]
    pending: tuple[Waiting, ...]
    final_nodes: int
    """Nodes at the end, without those that are always there."""
    seconds: Mapping[str, float | None]
    """`first_node`, `all_running`, `work_done`, `zero_nodes` and `total`; None for what did not come."""
    steps: tuple[Step, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether every pod ran and every node went."""
        return not self.pending and self.final_nodes == 0

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON value."""
        return {
            "environment": self.environment,
            "substituted": [item.to_json() for item in self.substituted],
            "pools": {name: pool.as_json() for name, pool in sorted(self.pools.items())},
            "pending": [item.as_json() for item in self.pending],
            "final_nodes": self.final_nodes,
            "seconds": dict(self.seconds),
        }


def report(
    environment: str,
    substituted: Iterable[Substitution],
    pools: Iterable[str],
    snapshots: Sequence[Snapshot],
    prices: Prices,
) -> Rehearsal:
    """What a rehearsal came to.

    Args:
        environment: Name of the environment.
        substituted: What was not as in the cloud.
        pools: Names of all pools that are to be told of, also of those that never woke.
        snapshots: What was seen, in the order of time; the last one is how it ended.
        prices: What a machine costs.
    """
    seen = {node.pool for snapshot in snapshots for node in snapshot.nodes}
    return Rehearsal(
        environment=environment,
        substituted=tuple(substituted),
        pools={name: _pool(name, snapshots, prices) for name in sorted({*pools, *seen})},
        pending=tuple(_pending(snapshots)),
        final_nodes=len(_made(snapshots[-1])) if snapshots else 0,
        seconds=_seconds(snapshots),
        steps=tuple(_steps(snapshots)),
    )


def _pool(name: str, snapshots: Sequence[Snapshot], prices: Prices) -> PoolReport:
    of_pool = [[node for node in snapshot.nodes if node.pool == name] for snapshot in snapshots]
    nodes = {node.name: node for some in of_pool for node in some}
    made = {node.name for node in nodes.values() if not node.always}
    ran = {pod.workload: None for snapshot in snapshots for pod in snapshot.pods if pod.node in made}
    return PoolReport(
        woke=bool(made),
        woke_for=tuple(ran),
        peak_nodes=max(map(len, of_pool), default=0),
        machine_types=tuple(sorted({node.machine_type for node in nodes.values()})),
        capacities=tuple(sorted({node.capacity for node in nodes.values()})),
        peak_usd_per_hour=_dearest([_usd(some, prices) for some in of_pool]),
    )


def _usd(nodes: Iterable[Node], prices: Prices) -> float | None:
    found = [prices(node.machine_type, node.capacity) for node in nodes]
    known = [usd for usd in found if usd is not None]
    return round(sum(known), 4) if len(known) == len(found) else None


def _dearest(costs: Sequence[float | None]) -> float | None:
    known = [usd for usd in costs if usd is not None]
    return max(known, default=0.0) if len(known) == len(costs) else None


def _pending(snapshots: Sequence[Snapshot]) -> Iterator[Waiting]:
    last = {pod.name: pod for snapshot in snapshots for pod in snapshot.pods}
    made = {pod.workload for pod in last.values() if pod.made}
    for name, pod in last.items():
        if pod.phase != PENDING or (not pod.made and pod.workload in made):
            continue
        times = [(it.seconds, own) for it in snapshots for own in it.pods if own.name == name]
        why = dict.fromkeys(message for _, own in times for message in own.messages)
        yield Waiting(
            pod=name,
            workload=pod.workload,
            pool=pod.pool,
            seconds=round(times[-1][0] - times[0][0], 1),
            why=tuple(why),
        )


def _seconds(snapshots: Sequence[Snapshot]) -> dict[str, float | None]:
    first = next((index for index, it in enumerate(snapshots) if _made(it)), None)
    woken = snapshots[first:] if first is not None else []
    moments = {
        "first_node": next((it.seconds for it in woken), None),
        "all_running": next(
            (it.seconds for it in snapshots if it.pods and all(pod.phase != PENDING for pod in it.pods)), None
        ),
        "work_done": _work_done(snapshots),
        "zero_nodes": _zero(woken),
        "total": snapshots[-1].seconds if snapshots else 0.0,
    }
    return {name: None if value is None else round(value, 1) for name, value in moments.items()}


def _work_done(snapshots: Sequence[Snapshot]) -> float | None:
    """When the last pod had ended or was taken away; None where there never was one, or one is left."""
    busy = [index for index, it in enumerate(snapshots) if any(pod.phase not in _OVER for pod in it.pods)]
    return None if not busy or busy[-1] + 1 >= len(snapshots) else snapshots[busy[-1] + 1].seconds


def _zero(woken: Sequence[Snapshot]) -> float | None:
    """When the last node that was made had gone; None where one is left."""
    there = [index for index, it in enumerate(woken) if _made(it)]
    return None if not there or there[-1] + 1 >= len(woken) else woken[there[-1] + 1].seconds


def _made(snapshot: Snapshot) -> list[Node]:
    return [node for node in snapshot.nodes if not node.always]


def _steps(snapshots: Sequence[Snapshot]) -> Iterator[Step]:
    before: Step | None = None
    for snapshot in snapshots:
        pools = sorted(node.pool for node in snapshot.nodes)
        phases = [pod.phase for pod in snapshot.pods]
        now = Step(
            seconds=round(snapshot.seconds, 1),
            nodes={name: pools.count(name) for name in dict.fromkeys(pools)},
            running=phases.count("Running"),
            pending=phases.count(PENDING),
        )
        if before is None or (now.nodes, now.running, now.pending) != (before.nodes, before.running, before.pending):
            yield now
            before = now
