"""What a run's events tell: which processes made steps, from when to when, and how it ended for them."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

from springtide_workloads.contract import Event
from springtide_workloads.train.events import ms_of
from springtide_workloads.train.progress import PROGRESS_SECONDS, STALLS

STUCK: Final = "stuck"  # contract: Event.STUCK, as train/guard.py tells it: word, seconds

UNHEARD_MS: Final = round(PROGRESS_SECONDS * 1000)
"""From report to report, where a session died before its second."""

_OPENS: Final = frozenset({Event.STARTED.value, Event.RESTORED.value})
_CLOSES: Final = frozenset({Event.INTERRUPTED.value, Event.EXPORTED.value})
_REPORTS: Final = frozenset({Event.PROGRESS.value}) | _CLOSES
_STEPS: Final = _REPORTS | {Event.SAVED.value, Event.EVALUATED.value}
_DEATHS: Final = frozenset({Event.RESTARTED.value, Event.FAILED.value, Event.LEFT.value})
"""What an agent says at the instant that its processes are gone."""
_BREAKS: Final = _DEATHS | _OPENS | {Event.JOINED.value}


class Told(NamedTuple):
    """One event, its time put right."""

    ms: int
    kind: str
    event: Mapping[str, Any]

    @property
    def step(self) -> int | None:
        """The step it happened after; None when it does not say."""
        step = self.event.get("step")
        return step if isinstance(step, int) and step >= 0 else None

    def milliseconds(self, name: str) -> int:
        """A duration of the event, never negative; 0 when it does not say."""
        seconds = self.event.get(name)
        return max(0, round(seconds * 1000)) if isinstance(seconds, int | float) else 0

    @property
    def stalled_ms(self) -> int:
        """What an event says of standing still since the one before: phases of a report, or the stall of a save."""
        phases = self.event.get("seconds")
        if isinstance(phases, Mapping):
            return round(sum(max(0.0, float(phases.get(phase, 0.0))) for phase in STALLS) * 1000)
        return self.milliseconds("stalled")


@dataclass(slots=True, kw_only=True)
class Session:
    """Steps of one set of processes, from `started` or `restored` until they end or are gone."""

    opened: Told
    step: int
    marks: list[Told] = field(default_factory=list)
    """Events of this session that tell a step."""
    end: int = 0
    frozen_ms: int = 0
    """Standing still at the end, as the agent saw it."""
    lost: bool = False
    silent_from: int = 0
    """From here on nobody knows whether steps were made: counted as standing still."""

    @property
    def reports(self) -> list[Told]:
        """Marks that time is accounted by; without any report, whatever tells a step."""
        reports = [mark for mark in self.marks if mark.kind in _REPORTS]
        return reports if any(mark.kind == Event.PROGRESS.value for mark in reports) else self.marks

    @property
    def quiet_ms(self) -> int:
        """From report to report, as it usually was."""
        times = [self.opened.ms, *(mark.ms for mark in self.reports)]
        return max(1, statistics.median_high(b - a for a, b in pairwise(times))) if len(times) > 1 else UNHEARD_MS

    @property
    def reached(self) -> int:
        """Last step that it told of."""
        return max((mark.step for mark in self.marks if mark.step), default=self.step)

    @property
    def saved(self) -> int:
        """Newest step that is saved: where the next session begins, as far as is known."""
        return max((m.step for m in self.marks if m.step and m.kind == Event.SAVED.value), default=self.step)


def put_right(events: Iterable[Mapping[str, Any]]) -> tuple[list[Told], int]:
    """Events in the order of their times, where no process's time goes back; and by how much that changed them."""
    latest: dict[Any, int] = {}
    told, clamped = [], 0
    # each process counts its lines, and wrote them in that order
    for event in sorted(events, key=lambda each: each.get("n", 0)):
        ms = ms_of(event)
        if ms is None:
            continue
        writer = event.get("writer")
        held = ms if writer is None else max(ms, latest.get(writer, ms))
        latest[writer] = held
        clamped += held - ms + (event.get("clock_ms", 0) if event.get("event") == Event.JOINED.value else 0)
        told.append(Told(held, str(event.get("event")), event))
    return sorted(told, key=lambda each: each.ms), clamped


def ending(told: list[Told], until: int | None) -> tuple[list[Told], int, bool]:
    """What belongs to the run, when it ends, and whether it is over."""
    for number, each in enumerate(told):
        if each.kind == Event.EXPORTED.value:
            return told[: number + 1], each.ms, True
    last = [each for each in told if each.kind != Event.LEFT.value]
    if last and last[-1].kind == Event.FAILED.value:
        return [each for each in told if each.ms <= last[-1].ms], last[-1].ms, True
    return told, max(told[-1].ms, told[-1].ms if until is None else until), False


def sessions_of(told: list[Told], end: int) -> list[Session]:
    """Every set of processes that made steps, one after another; the last of a run that lives goes up to its `end`."""
    openings = [number for number, each in enumerate(told) if each.kind in _OPENS]
    bounds = [*openings[1:], len(told)] if openings else []
    return [_session(told, first, bound, end) for first, bound in zip(openings, bounds, strict=True)]


def causes(told: Iterable[Told]) -> Counter[str]:
    """Restarts in place, by what the agent said before: `killed` when it said nothing."""
    counts: Counter[str] = Counter()
    word = "killed"
    for each in told:
        if each.kind == STUCK:
            word = str(each.event.get("word", STUCK))
        if each.kind == Event.RESTARTED.value:
            counts[str(each.event.get("cause", word))] += 1
            word = "killed"
    return counts


def _session(told: list[Told], first: int, bound: int, end: int) -> Session:
    opened = told[first]
    session = Session(opened=opened, step=opened.step or 0)
    last = first
    for number in range(first + 1, bound):
        each = told[number]
        if each.event.get("writer") != opened.event.get("writer"):
            continue
        if each.kind in _STEPS and each.step is not None:
            session.marks.append(each)
            last = number
        if each.kind in _CLOSES:
            session.end = session.silent_from = each.ms
            return session
    ended_by = next((each for each in told[last + 1 : bound + 1] if each.kind in _BREAKS), None)
    _break(session, told[last].ms, ended_by, end)
    if ended_by is not None and ended_by.kind in _DEATHS:
        stuck = [each for each in told[first:bound] if each.kind == STUCK and each.ms <= ended_by.ms]
        session.frozen_ms = stuck[-1].milliseconds("seconds") + ended_by.ms - stuck[-1].ms if stuck else 0
    return session


def _break(session: Session, heard: int, ended_by: Told | None, end: int) -> None:
    """How a session ends that did not say so itself."""
    session.lost = ended_by is not None
    if ended_by is not None and ended_by.kind not in _DEATHS:
        session.end = session.silent_from = min(ended_by.ms, heard + session.quiet_ms // 2)
        return
    session.end = end if ended_by is None else ended_by.ms
    session.silent_from = min(session.end, heard + 2 * session.quiet_ms)
