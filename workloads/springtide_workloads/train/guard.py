"""What the agent does about processes that are frozen, stuck or slow. What they are is judged in `sentry`."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from springtide_workloads.contract import Env, Event, TrainingContract
from springtide_workloads.errors import ConfigError
from springtide_workloads.tell import tell
from springtide_workloads.train.crew import Crew
from springtide_workloads.train.events import EventLog
from springtide_workloads.train.rendezvous import Meeting
from springtide_workloads.train.sentry import STUCK_SECONDS, Finding, Freezes, Paces, life, stuck
from springtide_workloads.train.watch import Board, Record

LOOK_SECONDS: Final = 0.2
"""From one look at the records to the next."""
STACK_SECONDS: Final = 0.4
"""How long each process has to write its stack."""
BEHIND: Final = "behind"
"""Topic under which nodes tell each other where the last of their processes is."""
PACES: Final = "paces"
"""Topic under which nodes tell node 0 how long their ranks work on a step."""


@dataclass(slots=True, kw_only=True)
class Guard:
    """Watches over the processes of one generation."""

    job: TrainingContract
    meeting: Meeting
    events: EventLog
    board: Board = field(init=False)
    stuck_seconds: float = field(init=False)
    _freezes: Freezes = field(default_factory=Freezes)
    _paces: Paces = field(default_factory=Paces)
    _next: float = 0.0

    def __post_init__(self) -> None:
        self.board = Board(self.job.procs_per_node)
        self.stuck_seconds = stuck_seconds()

    def close(self) -> None:
        """The processes are gone."""
        self.board.close()

    def look(self, crew: Crew) -> bool:
        """Looks after them when it is time to; True when other nodes have gone on to another generation."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + LOOK_SECONDS
        now, records = time.monotonic_ns(), self.board.read()
        lives = {rank: alive for rank, pid in crew.running.items() if (alive := life(pid))}
        if found := self._freezes.look(now, records, lives):
            self._remove(crew, found)
        elif len(lives) == len(records):
            self._compare(crew, now, records)
        return self.meeting.moved_on()

    def _compare(self, crew: Crew, now: int, records: list[Record]) -> None:
        found = stuck(now, records, seconds=self.stuck_seconds)
        self._tell_behind(now, records)
        if found and not self._others_behind(found):
            self._show_stacks(crew)
            self._remove(crew, found)
        if paces := self._paces.look(now, records):
            self._tell_slow(paces)

    def _show_stacks(self, crew: Crew) -> None:
        """What every process does now, one after the other: together, their lines would mix."""
        for local, pid in crew.running.items():
            tell(f"rank {self._first + local} is here:")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)
            time.sleep(STACK_SECONDS)

    def _remove(self, crew: Crew, found: Finding) -> None:
        rank = self._first + found.rank
        tell(f"{found.text(rank)}: killing it, so that all can start again")
        self.events.add(
            Event.STUCK, rank=rank, word=found.word, phase=found.phase, step=found.step, seconds=round(found.seconds, 1)
        )
        crew.kill(found.rank)

    def _tell_behind(self, now: int, records: list[Record]) -> None:
        """Tells other nodes where the last process of this one is, once it has been there for long."""
        last = min((each for each in records if each.since), key=lambda each: each.position, default=None)
        if self.job.nodes > 1 and last and (now - last.since) / 1e9 > self.stuck_seconds / 4:
            self.meeting.post(BEHIND, list(last.position))

    def _others_behind(self, found: Finding) -> bool:
        """Whether a process of another node keeps this one waiting; that node's agent sees to it, within its time."""
        if self.job.nodes == 1 or found.seconds > 2 * self.stuck_seconds:
            return False
        mine = self.meeting.posts(BEHIND)
        own = mine.pop(self.meeting.rank, None)
        return own is not None and any(other < own for other in mine.values())

    def _tell_slow(self, paces: dict[int, float]) -> None:
        seconds = {self._first + local: pace for local, pace in paces.items()}
        if self.job.nodes > 1:
            self.meeting.post(PACES, sorted(seconds.items()))
            if self.meeting.rank > 0:
                return
            seconds = {rank: pace for posted in self.meeting.posts(PACES).values() for rank, pace in posted}
        for rank, ratio in self._paces.judge(seconds).items():
            tell(f"rank {rank} is slow: its own work of a step takes {ratio:.1f} times as long as that of the others")
            self.events.add(Event.SLOW, rank=rank, ratio=round(ratio, 2))

    @property
    def _first(self) -> int:
        return self.meeting.rank * self.job.procs_per_node


def stuck_seconds() -> float:
    """How long a phase of a step may last, from the environment.

    Raises:
        ConfigError: when it is no positive number.
    """
    text = os.environ.get(Env.STUCK_SECONDS, str(STUCK_SECONDS))
    with suppress(ValueError):
        if (seconds := float(text)) > 0:
            return seconds
    raise ConfigError(f"{Env.STUCK_SECONDS} is {text!r}: it must be a number of seconds above 0")
