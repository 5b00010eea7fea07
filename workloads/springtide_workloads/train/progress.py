"""What people watching a run see, and what its event log is told of the steps."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from springtide_workloads.contract import Event
from springtide_workloads.train.events import EventLog

PROGRESS_SECONDS: Final = 10.0
"""From one progress event to the next at first; a step that takes longer has one of its own."""
CALM_SECONDS: Final = 60.0
"""And later: a hundredth of the time that these processes have trained, up to this, so that a month fits in 10 MB."""
STATUS_SECONDS: Final = 2.0
"""From one status file to the next."""

STALLS: Final = frozenset({"data", "save", "wait"})
"""Phases in which no work of the recipe is done; time in any other phase is work."""


class Meter:
    """Seconds spent in each phase of a step: one reading of the clock a stamp."""

    __slots__ = ("_clock", "_seconds", "_then")

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._then = clock()

    def lap(self, phase: str) -> None:
        """All time since the last stamp was spent in this phase."""
        now = self._clock()
        seconds = self._seconds
        seconds[phase] = seconds.get(phase, 0.0) + now - self._then
        self._then = now

    def take(self) -> dict[str, float]:
        """Seconds by phase since this was asked last, to the microsecond."""
        taken = {phase: round(seconds, 6) for phase, seconds in self._seconds.items()}
        self._seconds = {}
        return taken


@dataclass(slots=True, kw_only=True)
class Reporter:
    """Tells the event log every few seconds, and a small file on node-local disk more often, how far the steps are.

    Lives on the rank that speaks for all. Between two reports a step costs it one comparison.
    """

    events: EventLog
    status: Path
    """File that the agent of this node reads for its metrics."""
    tokens_per_step: int
    meter: Meter = field(default_factory=Meter)
    clock: Callable[[], float] = time.monotonic
    _facts: dict[str, Any] = field(default_factory=dict, init=False)
    _started_at: float = field(default=0.0, init=False)
    _event_at: float = field(default=0.0, init=False)
    _status_at: float = field(default=0.0, init=False)
    _since: tuple[int, float] = field(default=(0, 0.0), init=False)

    def start(self, step: int) -> None:
        """Training begins now, after warm-up; what the meter has seen so far is forgotten."""
        self.meter.lap("start")
        self.meter.take()
        now = self.clock()
        self._since, self._started_at = (step, now), now
        self._event_at, self._status_at = now + PROGRESS_SECONDS, now
        self.stepped(step)

    def stepped(self, step: int) -> None:
        """After every step: reports when it is time to."""
        now = self.clock()
        if now < self._status_at:
            return
        self._status_at = now + STATUS_SECONDS
        if now >= self._event_at:
            self._event_at = now + min(CALM_SECONDS, max(PROGRESS_SECONDS, (now - self._started_at) / 100))
            self.events.add(Event.PROGRESS.value, **self.said(step))
        self.write(step, now)

    def said(self, step: int) -> dict[str, Any]:
        """Details of a progress event, or of one that ends the steps: `interrupted` and `exported` carry them too."""
        loss = {"loss": self._facts["loss"]} if "loss" in self._facts else {}
        return {"step": step, "seconds": self.meter.take()} | loss

    def know(self, **facts: Any) -> None:
        """Facts for the reports from now on: `loss`, `slow_rank`, and `checkpoint` with its step, seconds and bytes."""
        self._facts |= facts

    def write(self, step: int, now: float) -> None:
        """Writes the status file, so that a reader sees the old or the new one. A full disk is no reason to stop."""
        before, then = self._since
        rate = (step - before) * self.tokens_per_step / (now - then) if now > then else 0.0
        self._since = (step, now)
        facts = self._facts | {"time_ms": self.events.clock.ms(), "step": step, "tokens_per_second": round(rate, 3)}
        write_status(self.status, facts)


def write_status(path: Path, facts: Mapping[str, Any]) -> None:
    """Replaces the status file; a disk that is full keeps the old one."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        aside.write_text(json.dumps(facts))
        aside.replace(path)
    except OSError:
        return


@dataclass(slots=True, kw_only=True)
class Progress:
    """Prints a line now and then; ranks that are not `speaks` stay silent."""

    steps: int
    tokens_per_step: int
    speaks: bool
    out: TextIO = field(default_factory=lambda: sys.stdout)
    _since: tuple[int, float] | None = field(default=None, init=False)

    def start(self, step: int) -> None:
        """Begins to measure speed; steps before it do not count."""
        self._since = (step, time.monotonic())

    def trained(self, step: int, loss: float) -> None:
        """Loss on the batch of this step, speed since the last such line, and how long the rest will take."""
        now = time.monotonic()
        first, then = self._since or (step, now)
        self._since = (step, now)
        speed = (step - first) / (now - then) if step > first and now > then else 0.0
        rate = f"{speed * self.tokens_per_step / 1000:.1f}k tokens/s" if speed else "-"
        eta = f"eta {_clock((self.steps - step) / speed)}" if speed else ""
        self.say(step, f"loss {loss:.3f}   {rate}   {eta}")

    def say(self, step: int, text: str) -> None:
        """A line about this step."""
        if self.speaks:
            print(f"step {step:>{len(str(self.steps))}}/{self.steps}   {text}".rstrip(), file=self.out, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
