"""Which process is frozen, stuck or slow: judgements on what `watch` has seen. Only numbers go in, so all of it is testable.

| word | what is seen | what is done |
|---|---|---|
| frozen | no heartbeat, and no time on a CPU either | killed within 3 s; all start again |
| stuck | heartbeats, but one phase for longer than `stuck_seconds` | stacks are shown; killed; all start again |
| slow | work of a step takes it far longer than the others, again and again | told |
| nobody | the whole machine stood still: the agent itself was late | nothing |
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from springtide_workloads.train.watch import Record

FROZEN_SECONDS: Final = 2.0
"""Without heartbeat and without CPU time. Heartbeats come every 0.25 s; the rest of the 3 s is for looking and killing."""
FROZEN_START_SECONDS: Final = 60.0
"""The same while a process starts: a big library on a slow disk keeps Python's lock, and the heart with it, for long."""
STUCK_SECONDS: Final = 240.0
"""Default for a phase of a step: less than collectives wait (`ranks.TIMEOUT`), or those that wait would end first, unnamed."""
STUCK_START_FACTOR: Final = 6.0
"""How many times longer the start, a save or an evaluation may take: it compiles, downloads, uploads."""
WAITING_FACTOR: Final = 2.0
"""How many times longer a process may wait for others: whoever keeps it waiting is found first."""
LATE_SECONDS: Final = 0.75
"""An agent that looks so late was not running itself: nobody's heartbeat counts for that time."""

WINDOW_STEPS: Final = 20
"""Steps of every rank over which its pace is taken."""
WINDOW_SECONDS: Final = 5.0
"""And the least time."""
SLOW_Z: Final = 6.0
"""How many robust standard deviations above the median of the others a rank must be to count as slow …"""
SLOW_RATIO: Final = 1.3
"""… and how many times their median …"""
SLOW_WINDOWS: Final = 3
"""… in so many windows one after the other."""
SPREAD_FLOOR: Final = 0.02
"""Least spread between equal ranks, as a part of the median."""

OWN_PHASES: Final = ("data", "forward", "optimizer")
"""Phases that a rank spends on its own work. A backward pass ends in a sum over all ranks: everybody waits for the slow one."""

_LONG: Final = frozenset({"start", "save", "evaluate", "end"})
_WAITING: Final = frozenset({"wait"})
_NS: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A process that keeps the others from going on."""

    rank: int
    """Local rank."""
    word: str
    """`frozen` or `stuck`."""
    phase: str
    step: int
    seconds: float
    alone: bool = True
    """Whether the others are elsewhere; where all are in one place, none of them is to blame."""

    def text(self, rank: int) -> str:
        """For people; `rank` is the one that they know it by."""
        who = f"rank {rank} was" if self.alone else "all ranks of this node were"
        return f"{who} {self.word} in phase {self.phase} of step {self.step} for {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What the kernel says of a process."""

    ticks: int
    """Time on a CPU so far, in the kernel's own unit."""
    state: str
    """One letter: R, S, D, T (stopped), t (held by a debugger), Z."""


def life(pid: int) -> Life | None:
    """What the kernel says of a process; None when it is gone, or where there is no /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # the name stands in brackets and may hold anything
    state, *rest = text.rpartition(")")[2].split()
    return Life(ticks=int(rest[10]) + int(rest[11]), state=state)


@dataclass(slots=True)
class Freezes:
    """Finds processes that stand still.

    Args:
        seconds: without heartbeat and CPU time.
    """

    seconds: float = FROZEN_SECONDS
    _looked: int | None = None
    _excused: int = 0
    """Before this moment, nobody's silence counts."""
    _ticks: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By rank: CPU time of its process, and when it last had more of it."""

    def look(self, now: int, records: Sequence[Record], lives: Mapping[int, Life]) -> Finding | None:
        """The process that has stood still the longest, when it is long enough.

        Args:
            now: `time.monotonic_ns`.
            records: by local rank.
            lives: of the processes that run, by local rank.
        """
        if self._looked is not None and now - self._looked > LATE_SECONDS * _NS:
            self._excused = now
        self._looked = now
        found = [self._silence(now, rank, records[rank], alive) for rank, alive in lives.items()]
        return max((each for each in found if each), key=lambda each: each.seconds, default=None)

    def _silence(self, now: int, rank: int, record: Record, alive: Life) -> Finding | None:
        ticks, then = self._ticks.get(rank, (-1, now))
        if alive.ticks != ticks or alive.state == "t":
            then = now
        self._ticks[rank] = alive.ticks, then
        if not record.heartbeat:
            return None
        # a stopped process has a heartbeat up to the last one; one that computes under Python's lock has CPU time
        last = max(record.heartbeat, then if alive.state != "T" else 0, self._excused)
        seconds = (now - last) / _NS
        starts = record.phase == "start" and alive.state != "T"
        if seconds < (FROZEN_START_SECONDS if starts else self.seconds):
            return None
        return Finding(rank=rank, word="frozen", phase=record.phase, step=record.step, seconds=seconds)


def stuck(now: int, records: Sequence[Record], *, seconds: float) -> Finding | None:
    """The process that keeps all others waiting, when one phase of it has lasted too long.

    Those that wait for it have come further, so the one furthest behind is to blame.
    """
    lasting = {rank: (now - record.since) / _NS for rank, record in enumerate(records) if record.since}
    if not lasting:
        return None
    first = min(lasting, key=lambda rank: (*records[rank].position, -lasting[rank]))
    record = records[first]
    if lasting[first] < seconds * allowance(record.phase):
        return None
    return Finding(
        rank=first, word="stuck", phase=record.phase, step=record.step, seconds=lasting[first],
        alone=len(records) == 1 or any(each.position != record.position for each in records),
    )  # fmt: skip


def allowance(phase: str) -> float:
    """How many times longer than a step's phase this one may last."""
    return STUCK_START_FACTOR if phase in _LONG else WAITING_FACTOR if phase in _WAITING else 1.0


@dataclass(slots=True)
class Paces:
    """Finds ranks that are slower than the others, by their own work of a step."""

    _before: Sequence[Record] = ()
    _at: int = 0
    _slow: dict[int, int] = field(default_factory=dict)
    """By rank: windows in a row in which it was slow."""

    def look(self, now: int, records: Sequence[Record]) -> dict[int, float] | None:
        """Seconds of own work a step, by local rank, of a window that ends now; None while it goes on."""
        if not self._before or any(new.step < old.step for new, old in zip(records, self._before, strict=True)):
            self._before, self._at = list(records), now
            return None
        steps = [new.step - old.step for new, old in zip(records, self._before, strict=True)]
        if min(steps) < WINDOW_STEPS or now - self._at < WINDOW_SECONDS * _NS:
            return None
        pairs = zip(records, self._before, steps, strict=True)
        paces = {rank: (own(new) - own(old)) / _NS / count for rank, (new, old, count) in enumerate(pairs)}
        self._before, self._at = list(records), now
        return paces

    def judge(self, paces: Mapping[int, float]) -> dict[int, float]:
        """Ranks slow for some windows now, each told once a spell: how many times slower than the others' median."""
        slow = slower(paces)
        self._slow = {rank: self._slow.get(rank, 0) + 1 for rank in slow}
        return {rank: ratio for rank, ratio in slow.items() if self._slow[rank] == SLOW_WINDOWS}


def own(record: Record) -> int:
    """Nanoseconds of a rank's own work so far."""
    return sum(record.spent[phase] for phase in OWN_PHASES)


def slower(paces: Mapping[int, float]) -> dict[int, float]:
    """Ranks whose pace stands out: how many times slower each is than the median of the others.

    The spread is the median absolute deviation of the others, as a standard deviation, and at least a part of their median:
    two ranks have no spread at all.
    """
    found = {}
    for rank, pace in paces.items():
        others = [other for each, other in paces.items() if each != rank]
        if not others or not (median := statistics.median(others)):
            continue
        deviation = 1.4826 * statistics.median(abs(other - median) for other in others)
        spread = max(deviation, SPREAD_FLOOR * median)
        if pace > SLOW_RATIO * median and (pace - median) / spread > SLOW_Z:
            found[rank] = pace / median
    return found
