"""Processes that outlive us: started in sessions of their own, known by pid and beginning, ended with all they started."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import psutil

MARK = "SPRINGTIDE_PROGRAM"
"""Variable that every process of ours carries, and all that it starts: the digest of its program."""
_LAST_LINES = 12
_LAST_BYTES = 2**16
_PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 10.0
"""How long a process may take to end when it is told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run.

    Attributes:
        name: Name of the process and of its log.
        words: Its command line.
        environment: Variables besides ours.
        files: Configuration that it reads when it starts: when their content changes, it is another program.
        patience_seconds: How long it may take to end when it is told to.
    """

    name: str
    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    patience_seconds: float = PATIENCE_SECONDS

    @property
    def digest(self) -> str:
        """What makes it this program: command line, variables, content of its files."""
        said = [self.words, sorted(self.environment.items())]
        whole = hashlib.sha256(json.dumps(said).encode())
        for file in self.files:
            whole.update(file.read_bytes() if file.is_file() else b"")
        return whole.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process that was started.

    Attributes:
        pid: Its number, and that of its session.
        began: When it began, in seconds since 1970: the system gives a number again one day.
        digest: Which program it runs.
    """

    pid: int
    began: float
    digest: str

    @property
    def alive(self) -> bool:
        """Whether it runs, and is the one that was started."""
        return self.process is not None

    @property
    def process(self) -> psutil.Process | None:
        """The process, while it runs."""
        try:
            process = psutil.Process(self.pid)
            # A clock that is put right moves the beginning of every process; what each carries stays.
            same = abs(process.create_time() - self.began) < 1 or _carries(process, self.digest)
            return process if same and not _ended(process) else None
        except psutil.Error:
            return None

    def as_json(self) -> dict[str, object]:
        """As the state file has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, object]) -> Self:
        """From the state file.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        return cls(pid=int(str(said["pid"])), began=float(str(said["began"])), digest=str(said["digest"]))


def start(program: Program, log: Path) -> Started:
    """Start a program in a session of its own; what it says goes to the end of `log`.

    Raises:
        OSError: it cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    digest = program.digest
    number = spawn(program.words, {**os.environ, **program.environment, MARK: digest}, log)
    return Started(pid=number, began=psutil.Process(number).create_time(), digest=digest)


def spawn(words: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
    """Start a process in a session of its own, so that no terminal of ours ends it; what it says goes to the end of `log`.

    Returns:
        Its number.

    Raises:
        OSError: it cannot be started.
    """
    return os.posix_spawnp(
        words[0],
        list(words),
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def stop(started: Started, patience_seconds: float) -> None:
    """End a process and what is left of its session: first kindly, then not.

    Raises:
        PermissionError: it is another user's.
    """
    if started.alive:
        _signal(started.pid, signal.SIGTERM)
        _wait(started, lambda: started.alive, patience_seconds)
    for pid in _left(started):
        _signal(pid, signal.SIGKILL)
    _wait(started, lambda: bool(_left(started)), patience_seconds)


def _wait(started: Started, something_runs: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    _reap(started.pid)
    while something_runs() and time.monotonic() < end:
        time.sleep(_PAUSE_SECONDS)
        _reap(started.pid)


def _reap(pid: int) -> None:
    """Take note of a child that ended; a process that another command started is no child of ours."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _left(started: Started) -> list[int]:
    """What runs in its session. The number alone says little: a later daemon's session may have the same one."""
    return [
        process.pid
        for process in psutil.process_iter()
        if _session(process.pid) == started.pid and (process == started.process or _carries(process, started.digest))
    ]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _ended(process: psutil.Process) -> bool:
    """Whether all of it ended. Killed, its first thread does at once; until the last one did, it keeps its ports and locks."""
    return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1


def _carries(process: psutil.Process, digest: str) -> bool:
    try:
        return process.environ().get(MARK) == digest
    except (psutil.Error, OSError):
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def last_lines(log: Path) -> str:
    """The end of a log, for who asks why its process ended."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line[:300] for line in lines[-_LAST_LINES:])


def memory_bytes(all_started: Iterable[Started]) -> int:
    """Resident memory of processes, in bytes."""
    return sum(process.memory_info().rss for it in all_started if (process := it.process) is not None)
