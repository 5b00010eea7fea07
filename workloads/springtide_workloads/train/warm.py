"""A standby that has imported torch already, from which the agent forks its processes: a restart pays for no import.

The standby has no thread of Python's, no GPU and no state but imported modules. It forks twice, so that a process belongs to
the agent, its "subreaper" (man 2 prctl): the agent sees the process's real exit status, the process sees the agent's death,
and the standby's own death is of no consequence: the agent starts another, and meanwhile processes the slow way.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

from springtide_workloads.tell import tell
from springtide_workloads.train.stop import SIGNALS

PRELOADED: Final = (
    "torch",
    "torch.distributed",
    # the first optimizer imports it otherwise: seconds
    "torch._dynamo",
    "springtide_workloads.recipes",
    "springtide_workloads.train.ranks",
    "springtide_workloads.train.loop",
)

WORKER: Final = "springtide_workloads.train.worker"
LOOK_SECONDS: Final = 0.05
"""How often whoever waits for the standby looks whether it was told to stop."""
ADOPTION_SECONDS: Final = 5.0
"""How long a forked process waits to become the agent's; it takes less than a millisecond."""
SECOND_CHANCES: Final = 2
"""Standbys that may die in a row before processes are started the slow way for good."""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


@dataclass(slots=True)
class Standby:
    """The agent's side: one standby, kept alive. To be used by the agent's main thread alone."""

    pid: int | None = None
    """Of the standby that lives; None when there is none."""
    preloaded: tuple[str, ...] = PRELOADED
    deaths: int = 0
    """Standbys that died in a row without having forked anything."""
    _line: socket.socket | None = None
    _rest: bytes = field(default=b"", repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self) -> None:
        """Starts a standby unless one lives, and does not wait for its imports."""
        if self.pid is not None or self.deaths > SECOND_CHANCES or not _adopts():
            return
        ours, theirs = socket.socketpair()
        theirs.set_inheritable(True)
        arguments = ["-u", "-m", __name__, str(theirs.fileno()), str(os.getpid()), *self.preloaded]
        self.pid = spawned(arguments, os.environ)
        theirs.close()
        ours.settimeout(LOOK_SECONDS)
        self._line, self._rest = ours, b""

    def process(self, env: Mapping[str, str], heed: Callable[[], None]) -> int:
        """A new training process of this environment; its id.

        Args:
            env: the whole environment of the process.
            heed: called while waiting for imports; may raise.
        """
        self.begin()
        pid = self._forked(env, heed) if self._line else None
        if pid is None:
            self.begin()
            return spawned(["-u", "-m", WORKER], env)
        self.deaths = 0
        return pid

    def died(self, pid: int) -> None:
        """Tells that a child of the agent has ended; a standby is replaced."""
        if pid == self.pid:
            self._forget()
            self.begin()

    def end(self) -> None:
        """Ends the standby; what it forked goes on."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._forget()

    def _forget(self) -> None:
        if self._line:
            self._line.close()
        self.pid, self._line = None, None
        self.deaths += 1

    def _forked(self, env: Mapping[str, str], heed: Callable[[], None]) -> int | None:
        try:
            self._send(json.dumps(dict(env)).encode() + b"\n", heed)
            return int(self._answer(heed))
        except (OSError, ValueError):
            self.end()
            return None

    def _send(self, text: bytes, heed: Callable[[], None]) -> None:
        # a standby that still imports does not read; what does not fit waits
        assert self._line is not None  # noqa: S101  for mypy: asked by the caller
        while text:
            with suppress(TimeoutError):
                text = text[self._line.send(text) :]
            heed()

    def _answer(self, heed: Callable[[], None]) -> bytes:
        assert self._line is not None  # noqa: S101  as above
        while b"\n" not in self._rest:
            heed()
            with suppress(TimeoutError):
                if not (part := self._line.recv(4096)):
                    raise ConnectionResetError
                self._rest += part
        answer, _, self._rest = self._rest.partition(b"\n")
        return answer


def spawned(arguments: list[str], env: Mapping[str, str]) -> int:
    """A new Python of this environment, in a group of its own; signals wait until it listens."""
    command = [sys.executable, *arguments]
    return os.posix_spawn(sys.executable, command, dict(env), setpgroup=0, setsigmask=SIGNALS)


def _adopts() -> bool:
    """Makes this process the parent of whatever its descendants leave behind; False where the system cannot."""
    return sys.platform == "linux" and _prctl(_PR_SET_CHILD_SUBREAPER, 1) == 0


def _prctl(option: int, value: int) -> int:
    return int(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0))


def main() -> int:
    """The standby's own life; in a process that it forks, that process's."""
    line = socket.socket(fileno=int(sys.argv[1]))
    agent = int(sys.argv[2])
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != agent:
        return 0
    for module in sys.argv[3:]:
        importlib.import_module(module)
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        tell("an imported module has started CUDA, so processes cannot be forked: restarts take longer")
        return 0
    # 3.12 and newer warn of threads; the only one here is OpenBLAS's, which can be forked
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork")
    gc.collect()
    gc.freeze()
    env = _served(line, agent)
    if env is None:
        return 0
    line.close()
    return _work(env)


def _served(line: socket.socket, agent: int) -> dict[str, str] | None:
    """Forks until the agent is gone, then returns None; in a forked process, returns its environment."""
    with line.makefile("rb") as asked:
        for text in asked:
            pid = _forked(agent)
            if pid == 0:
                env: dict[str, str] = json.loads(text)
                return env
            line.sendall(b"%d\n" % pid)
    return None


def _forked(agent: int) -> int:
    """Forks a process that the agent adopts: its id, or 0 in it."""
    read, write = os.pipe()
    between = os.fork()
    if between:
        os.close(write)
        with os.fdopen(read, "rb") as answer:
            pid = int(answer.read())
        os.waitpid(between, 0)
        return pid
    if pid := os.fork():
        os.write(write, b"%d" % pid)
        os._exit(0)
    os.close(read)
    os.close(write)
    os.setsid()
    deadline = time.monotonic() + ADOPTION_SECONDS
    while os.getppid() != agent and time.monotonic() < deadline:
        time.sleep(0.0002)
    return 0


def _work(env: dict[str, str]) -> int:
    atexit._clear()  # noqa: SLF001  what modules asked for in the standby is not this process's
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [WORKER]
    if numpy := sys.modules.get("numpy"):
        # Python's own generator takes a new seed when it is forked; this one would be the same in every process
        numpy.random.seed()
    worker: Any = importlib.import_module(WORKER)
    code = int(worker.main())
    atexit._run_exitfuncs()  # noqa: SLF001  as multiprocessing does for its own forked processes
    sys.stdout.flush()
    sys.stderr.flush()
    # modules that the standby has imported cannot be taken down in order, and nobody waits for it
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
