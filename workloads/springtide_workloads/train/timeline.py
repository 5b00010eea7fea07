"""Where the wall time of a run went: six parts, in whole milliseconds, that sum to it by construction.

The time from a run's first event to its end is cut into spans without gap or overlap, and every span is of one part:

| part | time in which |
|---|---|
| `useful` | steps are made for the first time, evaluation and export with them |
| `redone` | steps are made that were made before, or that a kill takes away before they are saved: each counts once |
| `stalled` | training is under way and stands still: it waits for data, for the copy of a save, for other ranks, or is frozen |
| `restoring` | a checkpoint is read back |
| `starting` | every node is there and no step is made yet: imports, rendezvous, compiling, warm-up |
| `waiting` | a node is missing |

What happens at the edges:
- **SIGKILL.** What was done since the last `progress` event is lost with the processes: it is `redone` now, and `useful`
  when it is made again. Where the next restore shows that a part had been saved after all, that many steps, at the known
  time per step, stay `useful`.
- **A pod that is lost says nothing.** It is taken to have died half a report (from one progress event to the next) after
  the last sign of it; from then until its node is taken by another it is `waiting`.
- **Silence of a pod that lives**, longer than two reports, is `stalled`; so is what the agent says a rank was frozen for.
- **Attempts that overlap.** The newest to start or restore is believed: it holds the lease, and what an older one still
  reports does not survive.
- **Clocks.** A process's times never go back (they are held at the latest it told, and how much is kept in `clamped_ms`);
  a pod whose clock is behind the log puts it forward and says so in `joined`, which is counted there too.
- **The end** is `exported`, or `failed` when nothing follows; else the run lives, until `until` or its last event.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple

from springtide_workloads.contract import Event
from springtide_workloads.train.sessions import Session, Told, causes, ending, put_right, sessions_of


class Part(StrEnum):
    """What a span of time was spent on."""

    USEFUL = "useful"
    REDONE = "redone"
    STALLED = "stalled"
    RESTORING = "restoring"
    STARTING = "starting"
    WAITING = "waiting"


class Span(NamedTuple):
    """Milliseconds since 1970, from `start` to before `end`."""

    start: int
    end: int
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodput:
    """A run's account."""

    start: int
    """First event, in milliseconds since 1970; 0 for a log without any."""
    end: int
    spans: tuple[Span, ...]
    """From `start` to `end` without gap or overlap, oldest first."""
    useful_steps: int
    """Different steps known to be made; never more than the last step."""
    redone_steps: int
    """Steps made again, those since a last report estimated by the time per step."""
    restarts: Mapping[str, int]
    """Restarts of processes in place, by cause."""
    interruptions: int
    """How often the run was told to stop and saved in time."""
    losses: int
    """How often work was taken away without a save."""
    training_ms: int
    """Time in which steps could be lost: useful, redone and stalled."""
    clamped_ms: int
    """By how much clocks that went back were put forward, in all."""
    ended: bool
    """Whether the run is over: exported, or failed for good."""

    @property
    def wall_ms(self) -> int:
        """Milliseconds from the first event to the end."""
        return self.end - self.start

    @property
    def parts(self) -> dict[Part, int]:
        """Milliseconds of each part; their sum is the wall time."""
        sums = dict.fromkeys(Part, 0)
        for span in self.spans:
            sums[span.part] += span.end - span.start
        return sums

    @property
    def ratio(self) -> float:
        """Useful part of the wall time; 0 for a log without any."""
        return self.parts[Part.USEFUL] / self.wall_ms if self.wall_ms else 0.0


class Timeline:
    """The accounting. Pure: the same events give the same account."""

    @staticmethod
    def of(events: Sequence[Mapping[str, Any]], until: int | None = None) -> Goodput:
        """The account of a run from its events.

        Args:
            events: as `read_events` gives them.
            until: milliseconds since 1970 at which a run that lives is looked at. Default its last event.
        """
        told, clamped = put_right(events)
        if not told:
            return _NOTHING
        told, end, ended = ending(told, until)
        sessions = sessions_of(told, end)
        ledger = _Ledger(told[0].ms)
        nodes = _Nodes(told, sessions)
        for number, session in enumerate(sessions):
            nodes.gap(ledger, session.opened.ms, session.opened)
            following = sessions[number + 1] if number + 1 < len(sessions) else None
            _account(ledger, session, None if following is None else following.step)
        nodes.gap(ledger, end, None)
        return _summed(ledger, told, sessions, end=end, ended=ended, clamped=clamped)


_NOTHING: Final = Goodput(
    start=0, end=0, spans=(), useful_steps=0, redone_steps=0, restarts={}, interruptions=0, losses=0,
    training_ms=0, clamped_ms=0, ended=False,
)  # fmt: skip


@dataclass(slots=True)
class _Ledger:
    """Spans so far. `at` is where the next begins: nothing can be left out or counted twice."""

    at: int
    spans: list[Span] = field(default_factory=list)
    known: int = 0
    """Highest step that is accounted for and not lost."""
    redone_steps: int = 0
    ms_per_step: float | None = None

    def add(self, part: Part, ms: int) -> None:
        """The next so many milliseconds."""
        if ms <= 0:
            return
        start, self.at = self.at, self.at + ms
        if self.spans and self.spans[-1].part is part:
            start = self.spans.pop().start
        self.spans.append(Span(start, self.at, part))


def _account(ledger: _Ledger, session: Session, next_step: int | None) -> None:
    """Writes a session's time down; `next_step` is where the one after it begins."""
    step, first = session.step, ledger.at
    stalled = 0
    for mark in session.reports:
        took = min(mark.ms, session.end) - ledger.at
        if took < 0 or mark.step is None:
            continue
        stands = min(took, mark.stalled_ms)
        _work(ledger, took - stands, step, max(step, mark.step))
        ledger.add(Part.STALLED, stands)
        stalled, step = stalled + stands, max(step, mark.step)
    if step > session.step:
        ledger.ms_per_step = max(0.001, (ledger.at - first - stalled) / (step - session.step))
    _rest(ledger, session, step, next_step)


def _work(ledger: _Ledger, ms: int, step: int, reached: int) -> None:
    """Time of the steps after `step` up to `reached`, shared between those made before and new ones."""
    again = max(0, min(reached, ledger.known) - step)
    redone = ms * again // (reached - step) if reached > step else ms * (step < ledger.known)
    ledger.add(Part.REDONE, redone)
    ledger.add(Part.USEFUL, ms - redone)
    ledger.redone_steps += again
    ledger.known = max(ledger.known, reached)


def _rest(ledger: _Ledger, session: Session, step: int, next_step: int | None) -> None:
    """Time after a session's last report."""
    left = max(0, session.end - ledger.at)
    stands = min(left, max(session.end - max(session.silent_from, ledger.at), session.frozen_ms))
    if session.lost:
        _lost(ledger, left - stands, step, session.saved if next_step is None else next_step)
    else:
        _work(ledger, left - stands, step, step)
    ledger.add(Part.STALLED, stands)


def _lost(ledger: _Ledger, ms: int, step: int, survived: int) -> None:
    """Work that nobody reported: as much of it is useful as a checkpoint turns out to hold."""
    kept = max(0, survived - max(step, ledger.known))
    useful = 0 if not kept else ms if ledger.ms_per_step is None else min(ms, round(kept * ledger.ms_per_step))
    ledger.add(Part.USEFUL, useful)
    ledger.add(Part.REDONE, ms - useful)
    ledger.known = max(ledger.known, survived)
    if ledger.ms_per_step is not None:
        ledger.redone_steps += round((ms - useful) / ledger.ms_per_step)


@dataclass(slots=True)
class _Life:
    """One attempt: from its first event until it leaves, or is known to be gone."""

    node: int
    first: int
    last: int
    end: int | None = None


class _Nodes:
    """Which nodes are there when no steps are made."""

    def __init__(self, told: Sequence[Told], sessions: Sequence[Session]) -> None:
        self._lives = _lives(told, sessions)
        self._wanted = [(each.ms, int(each.event.get("nodes", 1))) for each in told if each.kind == Event.JOINED.value]

    def gap(self, ledger: _Ledger, end: int, opened: Told | None) -> None:
        """Writes down the time up to `end`, where `opened` begins a session or the run ends."""
        restoring = 0
        if opened is not None and opened.kind == Event.RESTORED.value:
            restoring = min(max(0, end - ledger.at), opened.milliseconds("seconds"))
        for start, stop in self._pieces(ledger.at, end - restoring):
            ledger.add(Part.STARTING if self._complete(start) else Part.WAITING, stop - start)
        ledger.add(Part.RESTORING, restoring)

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Cuts at every instant that a node comes or goes, or another number is wanted."""
        changes = {ms for life in self._lives for ms in (life.first, life.end) if ms is not None}
        changes |= {ms for ms, _ in self._wanted}
        cuts = [start, *sorted(ms for ms in changes if start < ms < end), end]
        return pairwise(cuts)

    def _complete(self, ms: int) -> bool:
        there = {life.node for life in self._lives if life.first <= ms and (life.end is None or ms < life.end)}
        number = bisect_right(self._wanted, ms, key=lambda wanted: wanted[0])
        return len(there) >= (self._wanted[number - 1][1] if number else 1)


def _lives(told: Sequence[Told], sessions: Sequence[Session]) -> list[_Life]:
    lives: dict[Any, _Life] = {}
    for each in told:
        name = each.event.get("attempt")
        life = lives.get(name)
        if life is None:
            node = each.event.get("node", 0)
            life = lives[name] = _Life(node if isinstance(node, int) else 0, each.ms, each.ms)
        if life.end is None:
            life.last = each.ms
        if each.kind in {Event.LEFT.value, Event.INTERRUPTED.value} and life.end is None:
            life.end = each.ms
    found = sorted(lives.values(), key=lambda life: life.first)
    for number, life in enumerate(found):
        successor = next((other for other in found[number + 1 :] if other.node == life.node), None)
        if life.end is None and successor is not None:
            life.end = _gone(life, successor, sessions)
    return found


def _gone(life: _Life, successor: _Life, sessions: Sequence[Session]) -> int:
    """When a node died that did not say so: it was there while steps were made, and not when another took its place."""
    trained = [session.end for session in sessions if life.first <= session.opened.ms < successor.first]
    return min(max([life.last, *trained]), successor.first)


def _summed(  # noqa: PLR0913  each is one thing found out above
    ledger: _Ledger, told: Sequence[Told], sessions: Sequence[Session], *, end: int, ended: bool, clamped: int
) -> Goodput:
    kinds = Counter(each.kind for each in told)
    # a pod may end before the save it was told to make
    behind = sum(after.step < before.reached for before, after in pairwise(sessions) if not before.lost)
    training = {Part.USEFUL, Part.REDONE, Part.STALLED}
    return Goodput(
        start=told[0].ms,
        end=end,
        spans=tuple(ledger.spans),
        useful_steps=ledger.known,
        redone_steps=ledger.redone_steps,
        restarts=dict(causes(told)),
        interruptions=kinds[Event.INTERRUPTED.value],
        losses=sum(session.lost for session in sessions) + behind,
        training_ms=sum(span.end - span.start for span in ledger.spans if span.part in training),
        clamped_ms=clamped,
        ended=ended,
    )
