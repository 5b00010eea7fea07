"""What each process is doing right now, in memory that it shares with its agent.

A process stamps its phase and step (`Watch.phase`, less than a microsecond); a thread of it stamps a heartbeat. The agent
reads both whenever it looks, asks nobody, and waits for nobody: see `sentry` for what it makes of them.
"""

import faulthandler
import mmap
import os
import signal
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, cast

PHASES: Final = ("start", "save", "evaluate", "data", "wait", "forward", "backward", "optimizer", "end")
"""What a process may be doing, in the order in which it is done after as many steps. `wait`: for the others, to vote."""

FILE: Final = "SPRINGTIDE_WATCH_FILE"
"""Environment variable of a process, from its agent: the shared memory, as a path."""

HEARTBEAT_SECONDS: Final = 0.25

_NUMBER: Final = {phase: number for number, phase in enumerate(PHASES)}
_WORDS: Final = 16
"""Of 8 bytes, one process's record: heartbeat, step, phase, since when, then nanoseconds spent in each phase."""
_HEARTBEAT, _STEP, _PHASE, _SINCE, _SPENT = range(5)


class Watch:
    """A process's own record.

    Args:
        memory: shared with the agent; by default memory of this process's own, which nobody looks at.
        rank: which record of it is this process's.
    """

    __slots__ = ("_spent", "_words", "phase")

    phase: Callable[[str, int], None]
    """`phase(phase, step)`: from now on this process is in this phase (one of `PHASES`), with so many steps done before."""

    def __init__(self, memory: mmap.mmap | None = None, rank: int = 0) -> None:
        memory = memory or mmap.mmap(-1, _WORDS * 8 * (rank + 1))
        self._words = memoryview(memory).cast("Q")[rank * _WORDS : (rank + 1) * _WORDS]
        self._spent = [0] * len(PHASES)
        self.phase = _stamp(memory, (rank * _WORDS + _STEP) * 8, self._spent)
        self.phase("start", 0)
        self.beat()

    @classmethod
    def joined(cls) -> "Watch":
        """The record that the agent made for this process, with a heart that beats, and stacks shown when it asks."""
        try:
            with Path(os.environ[FILE]).open("r+b") as file:
                watch = cls(mmap.mmap(file.fileno(), 0), int(os.environ["LOCAL_RANK"]))
        except (KeyError, FileNotFoundError):
            # there is no agent, or none any more: `StopFlag` sees to that
            return cls()
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        threading.Thread(target=watch.live, name="heartbeat", daemon=True).start()
        return watch

    def beat(self) -> None:
        """Says that this process lives, and how its time was spent."""
        for number, spent in enumerate(self._spent):
            self._words[_SPENT + number] = spent
        self._words[_HEARTBEAT] = time.monotonic_ns()

    def live(self) -> None:
        """Beats for ever."""
        while True:
            self.beat()
            time.sleep(HEARTBEAT_SECONDS)


def _stamp(memory: mmap.mmap, offset: int, spent: list[int]) -> Callable[[str, int], None]:
    """What `Watch.phase` does: a function with all it needs at hand, since every step calls it several times."""
    now, pack = time.monotonic_ns, struct.Struct("QQQ").pack_into
    since, number = now(), 0

    def phase(phase: str, step: int) -> None:
        nonlocal since, number
        moment = now()
        spent[number] += moment - since
        since, number = moment, _NUMBER[phase]
        pack(memory, offset, step, number, moment)

    return phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One process as it was when the agent looked. Times are `time.monotonic_ns`."""

    heartbeat: int
    """0 before its first."""
    step: int
    phase: str
    since: int
    """When the phase began."""
    spent: dict[str, int]
    """Nanoseconds in each phase so far, without the one that lasts."""

    @property
    def position(self) -> tuple[int, int]:
        """Of two processes of a run, the one with the smaller position keeps the other waiting."""
        return self.step, _NUMBER[self.phase]


@dataclass(slots=True)
class Board:
    """The agent's side: the records of all processes of a node."""

    processes: int
    _file: BinaryIO = field(init=False)
    _memory: mmap.mmap = field(init=False)
    _words: memoryview = field(init=False)

    def __post_init__(self) -> None:
        size = self.processes * _WORDS * 8
        self._file = _memory_file()
        self._file.truncate(size)
        self._memory = mmap.mmap(self._file.fileno(), size)
        self._words = memoryview(self._memory).cast("Q")

    def env(self) -> dict[str, str]:
        """What a process needs to find its record."""
        name = self._file.name
        return {FILE: name if isinstance(name, str) else f"/proc/{os.getpid()}/fd/{name}"}

    def close(self) -> None:
        """Lets go of the memory."""
        self._words.release()
        self._memory.close()
        self._file.close()

    def read(self) -> list[Record]:
        """All records, by local rank."""
        return [self._record(rank) for rank in range(self.processes)]

    def _record(self, rank: int) -> Record:
        words = self._words[rank * _WORDS : (rank + 1) * _WORDS]
        return Record(
            heartbeat=words[_HEARTBEAT],
            step=words[_STEP],
            phase=PHASES[words[_PHASE]],
            since=words[_SINCE],
            spent={phase: words[_SPENT + number] for phase, number in _NUMBER.items()},
        )


def _memory_file() -> BinaryIO:
    """Memory without a name of its own: nothing is left behind, however the agent ends. A file, where there is no such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("springtide-watch"), "r+b")
    return cast("BinaryIO", tempfile.NamedTemporaryFile("r+b"))
