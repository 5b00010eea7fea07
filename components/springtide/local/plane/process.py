"""Processes that outlive us: started in sessions of their own, known by pid and beginning, ended with all they started."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import psutil

_LAST_LINES = 12
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
            same = abs(process.create_time() - self.began) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None

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
    number = spawn(program.words, {**os.environ, **program.environment}, log)
    return Started(pid=number, began=psutil.Process(number).create_time(), digest=program.digest)


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
    """End a process and what is left of its session: first kindly, then not."""
    if started.alive:
        _signal(started.pid, signal.SIGTERM)
        _wait(started, patience_seconds)
    if started.alive or _left(started):
        _signal_session(started, signal.SIGKILL)
        _wait(started, patience_seconds)


def _wait(started: Started, seconds: float) -> None:
    end = time.monotonic() + seconds
    while started.alive and time.monotonic() < end:
        _reap(started.pid)
        time.sleep(_PAUSE_SECONDS)
    _reap(started.pid)


def _reap(pid: int) -> None:
    """Take note of a child that ended; a process that another command started is no child of ours."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _left(started: Started) -> list[psutil.Process]:
    """Processes of its session, if the session can still be its own: no later process has taken its number."""
    if psutil.pid_exists(started.pid) and not started.alive:
        return []
    return [process for process in psutil.process_iter() if _session(process.pid) == started.pid]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _signal_session(started: Started, number: signal.Signals) -> None:
    for process in _left(started):
        _signal(process.pid, number)
    if started.alive:
        _signal(started.pid, number)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def last_lines(log: Path) -> str:
    """The end of a log, for who asks why its process ended."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line[:300] for line in lines[-_LAST_LINES:])


def memory_bytes(all_started: Iterable[Started]) -> int:
    """Resident memory of processes, in bytes."""
    return sum(process.memory_info().rss for it in all_started if (process := it.process) is not None)
