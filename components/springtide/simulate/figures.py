"""What a run comes to: hours, money, waits, and how restless the autoscaler was."""

import itertools
import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from springtide.simulate.optimum import served_at_once
from springtide.simulate.replay import Run

HOUR = 3600.0
BINS = 240
"""Points of a picture at most."""
LEAST_BIN_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long requests waited for a slot, in seconds."""

    p50: float
    p95: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """A stretch of time."""

    at: float
    arrivals_per_second: float
    wanted: int
    ready: int
    wait_p99: float | None
    """Of the requests that came in it; None where none came, or none had its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All figures of a run."""

    seconds: float
    requests: int
    answered: int
    refused: int
    """Waited longer than a gateway holds."""
    cut: int
    """Lost when their replica had to go before their end."""
    unanswered: int
    """Never had their turn."""
    within_deadline: int
    """Answered within the deadline, from arrival to the end of the answer."""
    waits: Waits
    queued_most: int
    node_hours: float
    gpu_hours: float
    """Of all accelerators that are paid for."""
    replica_hours: float
    best_replica_hours: float
    """What someone would need who knows the future, has replicas in no time, and lets nobody wait."""
    busy: float
    """Share of the replicas' slots that was busy while they were there, loading included."""
    usd: dict[str, float | None]
    """Cost of the machines, by how they are bought; None where there is no price."""
    scalings: int
    """How often the wanted replicas changed."""
    flaps: int
    """How often they turned from growing to shrinking, or back."""
    zero_seconds: float
    replicas_most: int
    bins: tuple[Bin, ...]

    @property
    def regret(self) -> float | None:
        """Replica hours for each of the best possible; None where nothing was needed."""
        return self.replica_hours / self.best_replica_hours if self.best_replica_hours else None


def figures(run: Run, deadline_seconds: float) -> Figures:
    """Sum a run up."""
    service, line = run.service, run.line
    served = [wait for wait in line.waits if wait == wait]  # noqa: PLR0124  nan: refused
    node_hours = run.node_seconds / HOUR
    slot_seconds = run.replica_seconds * service.slots
    return Figures(
        seconds=run.seconds,
        requests=len(run.trace),
        answered=len(served) - len(run.cut),
        refused=line.refused,
        cut=len(run.cut),
        unanswered=len(run.trace) - len(line.waits),
        within_deadline=_within(run, deadline_seconds),
        waits=_waits(served),
        queued_most=_queued_most(run),
        node_hours=node_hours,
        gpu_hours=node_hours * service.gpus_per_node,
        replica_hours=run.replica_seconds / HOUR,
        best_replica_hours=served_at_once(run.trace, service.slots) / HOUR,
        busy=line.served_seconds / slot_seconds if slot_seconds else 0.0,
        usd={
            price.capacity: None if price.usd_per_hour is None else node_hours * price.usd_per_hour
            for price in service.prices
        },
        scalings=len(run.changes),
        flaps=flaps(run.changes),
        zero_seconds=run.zero_seconds,
        replicas_most=run.wanted_most,
        bins=tuple(_bins(run)),
    )


def flaps(changes: Sequence[int]) -> int:
    """How often changes turn from growing to shrinking, or back."""
    return sum((one > 0) != (other > 0) for one, other in itertools.pairwise(changes))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all does not pass; 0 of none."""
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1] if ordered else 0.0


def _waits(served: list[float]) -> Waits:
    ordered = sorted(served)
    return Waits(
        p50=percentile(ordered, 0.5), p95=percentile(ordered, 0.95), p99=percentile(ordered, 0.99),
        most=percentile(ordered, 1.0),
    )  # fmt: skip


def _within(run: Run, deadline: float) -> int:
    services, cut = run.trace.services, run.cut
    pairs = zip(run.line.waits, services, strict=False)
    return sum(wait + service <= deadline for wait, service in pairs) - sum(
        run.line.waits[index] + services[index] <= deadline for index in cut
    )


def _queued_most(run: Run) -> int:
    """The longest queue: requests that had come, less those whose turn it had been."""
    arrivals, waits, hold = run.trace.arrivals, run.line.waits, run.service.hold_seconds
    most, turn = 0, 0
    for came, arrival in enumerate(arrivals, 1):
        while turn < came and turn < len(waits) and _left(arrivals, waits, hold, turn) <= arrival:
            turn += 1
        most = max(most, came - turn)
    return most


def _left(arrivals: "array[float]", waits: "array[float]", hold: float, index: int) -> float:
    """When a request left the queue."""
    wait = waits[index]
    return arrivals[index] + (wait if wait == wait else hold)  # noqa: PLR0124  nan: refused


def _bins(run: Run) -> Iterator[Bin]:
    width = max(run.seconds / BINS, LEAST_BIN_SECONDS)
    first, step = 0, 0
    arrivals, waits, steps = run.trace.arrivals, run.line.waits, run.steps
    for number in range(max(math.ceil(run.seconds / width), 1)):
        until = (number + 1) * width
        last = first
        while last < len(arrivals) and arrivals[last] < until:
            last += 1
        while step + 1 < len(steps) and steps[step + 1].at < until:
            step += 1
        known = sorted(_known(waits[first:last]))
        yield Bin(
            at=number * width,
            arrivals_per_second=(last - first) / width,
            wanted=steps[step].wanted,
            ready=steps[step].ready,
            wait_p99=percentile(known, 0.99) if known else None,
        )
        first = last


def _known(waits: Iterable[float]) -> Iterator[float]:
    return (wait for wait in waits if wait == wait)  # noqa: PLR0124  nan: refused
