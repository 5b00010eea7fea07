"""A service under a trace, second by second: requests, autoscalers and machines on one clock."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from springtide.simulate.fleet import Fleet, Replica
from springtide.simulate.keda_object import KedaObject
from springtide.simulate.line import Line
from springtide.simulate.mistake import UsageError
from springtide.simulate.ratio import Pod, set_aside
from springtide.simulate.scaling import Eyes, loops
from springtide.simulate.service import Service
from springtide.simulate.signals import Moment
from springtide.simulate.trace import Trace

METRICS_SECONDS = 15.0
"""How often CPU use is measured, and over how long: metrics-server's `--metric-resolution`."""
GIVE_UP_SECONDS = 86_400.0
"""After the last arrival: what has not had its turn by then never will."""


@dataclass(frozen=True, slots=True)
class Step:
    """The service from a moment on."""

    at: float
    wanted: int
    ready: int
    nodes: int


@dataclass(slots=True, kw_only=True)
class Run:
    """What happened."""

    trace: Trace
    service: Service
    line: Line
    seconds: float = 0.0
    """From the first arrival to the last answer, and the tail."""
    steps: list[Step] = field(default_factory=list)
    cut: set[int] = field(default_factory=set)
    """Requests whose replica had to go before they were answered."""
    changes: list[int] = field(default_factory=list)
    """By how much the wanted replicas changed, each time."""
    node_seconds: float = 0.0
    replica_seconds: float = 0.0
    zero_seconds: float = 0.0
    """How long no replica was wanted."""
    wanted_most: int = 0


def replay(service: Service, trace: Trace, *, tail_seconds: float = 0.0) -> Run:
    """Let the trace happen to the service.

    Raises:
        UsageError: the service's pool has no room for a single replica, or its autoscaler holds what is not simulated.
    """
    if service.machines is not None and service.machines.most * service.machines.replicas_each < 1:
        raise UsageError(f"service {service.name}: its pool has no room for a replica")
    return _Stage(service, trace).play(tail_seconds)


class _Stage:
    """All that moves during a run."""

    def __init__(self, service: Service, trace: Trace) -> None:
        self._service = service
        self._line = Line(trace, hold_seconds=service.hold_seconds)
        self._run = Run(trace=trace, service=service, line=self._line)
        self._fleet = Fleet(
            service.machines, load_seconds=service.load_seconds, on_ready=self._opened, on_leave=self._closed
        )
        self._loops = loops(service.autoscaler, Eyes(moment=self._moment, pods=self._pods))
        self._wanted = 0
        self._measured, self._busy, self._use = 0.0, 0.0, 0.0

    def play(self, tail_seconds: float) -> Run:
        scaler = self._service.autoscaler
        self._wanted = scaler.asleep if isinstance(scaler, KedaObject) else self._service.least
        self._fleet.begin(self._wanted)
        self._fleet.happen(0.0)
        self._note(0.0)
        last, now = self._run.trace.seconds + GIVE_UP_SECONDS, 0.0
        while True:
            upcoming = min(self._fleet.next_event, *(loop.due for loop in self._loops), math.inf)
            self._line.advance(upcoming)
            end = self._line.end() + tail_seconds if self._line.done else last
            if upcoming > end or upcoming == math.inf:
                break
            now = upcoming
            self._happen(now)
        return self._closing(max(end if end < math.inf else now, now, self._run.trace.seconds))

    def _happen(self, now: float) -> None:
        self._fleet.happen(now)
        for loop in self._loops:
            if loop.due <= now:
                loop.due += loop.period
                self._set(loop.act(now, self._wanted), now)
        self._note(now)

    def _set(self, wanted: int, now: float) -> None:
        if wanted == self._wanted:
            return
        self._run.changes.append(wanted - self._wanted)
        self._wanted = wanted
        self._fleet.scale(wanted, now)
        self._fleet.happen(now)

    def _note(self, now: float) -> None:
        step = Step(now, self._wanted, self._fleet.ready(now), self._fleet.live_nodes())
        steps = self._run.steps
        if not steps or (step.wanted, step.ready, step.nodes) != (steps[-1].wanted, steps[-1].ready, steps[-1].nodes):
            steps.append(step)

    def _opened(self, replica: Replica, now: float) -> None:
        self._line.open(replica.number, self._service.slots, now)

    def _closed(self, replica: Replica, now: float) -> float:
        """A replica leaves: it ends what it has within its deadlines; the rest is cut off."""
        limit = now + self._service.propagation_seconds + self._service.drain_seconds
        own = self._line.close(replica.number, now, limit)
        self._run.cut.update(index for end, index in own if end > limit)
        last = max((end for end, _ in own), default=now)
        return min(max(last, now + self._service.propagation_seconds), limit)

    def _moment(self, now: float) -> Moment:
        return Moment(
            ready=self._fleet.ready(now),
            in_flight=self._line.in_flight(now),
            leaving=self._line.leaving(now),
            queued=self._line.queued(now),
            gateways=self._service.gateways,
        )

    def _pods(self, now: float) -> Sequence[Pod]:
        """Pods with their CPU use: all slots busy is all that is requested."""
        self._measure(now)
        return [self._pod(replica, now) for replica in self._fleet.replicas]

    def _pod(self, replica: Replica, now: float) -> Pod:
        if replica.started > now:
            return Pod(pending=True)
        ready = replica.ready <= now
        aside = set_aside(
            now,
            started=replica.started,
            ready=ready,
            changed=replica.ready if ready else replica.started,
            measured=now,
            window=METRICS_SECONDS,
        )
        return Pod(usage=round(1000 * self._use) if ready else 0, unready=aside)

    def _measure(self, now: float) -> None:
        """The mean use of a slot since the last time."""
        busy, slots = self._line.busy_seconds(now), self._line.slots
        if now > self._measured and slots:
            self._use = min((busy - self._busy) / (now - self._measured) / slots, 1.0)
        self._measured, self._busy = now, busy

    def _closing(self, end: float) -> Run:
        run = self._run
        self._fleet.close(end)
        run.seconds, run.node_seconds = end, self._fleet.node_seconds(end)
        run.replica_seconds = self._fleet.replica_seconds
        ends = [*(step.at for step in run.steps[1:]), end]
        pairs = [*zip(run.steps, ends, strict=True)]
        run.zero_seconds = sum(until - step.at for step, until in pairs if step.wanted == 0)
        run.wanted_most = max(step.wanted for step in run.steps)
        return run
