"""Being told to stop: a flag that a signal sets and the training loop asks for."""

import os
import signal
import sys
from threading import Thread
from types import FrameType
from typing import Final

from springtide_workloads.contract import ExitCode
from springtide_workloads.tell import tell

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""What the elastic agent forwards to its processes."""


class StopFlag:
    """Set by a signal, or by the death of the agent: a process without one would train on, unseen and uncounted."""

    def __init__(self) -> None:
        self._signalled = False
        self._agent = os.getppid()

    def listen(self) -> None:
        """From now on a signal only sets the flag; the ranks decide together when to act on it."""
        for number in SIGNALS:
            signal.signal(number, self._set)

    def deafen(self) -> None:
        """The decision is taken: a signal must not kill this process in its last moments, after a good save."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    @property
    def asked(self) -> bool:
        """Whether this process was told to stop."""
        return self._signalled or os.getppid() != self._agent

    def _set(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = True


class EarlyExit:
    """While armed, a signal ends this process at once as `INTERRUPTED`: nothing runs yet that could lose work.

    A thread of its own watches, since Python runs signal handlers in the main thread only, and that one may sit in a
    rendezvous, which is a single call into C++, until the last node has come. Without a handler the kernel would not
    deliver SIGTERM to a container's first process at all.
    """

    def __init__(self) -> None:
        self.armed = True
        for number in SIGNALS:
            signal.signal(number, _exit)
        self._told, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        Thread(target=self._watch, name="early-exit", daemon=True).start()

    def _watch(self) -> None:
        while number := os.read(self._told, 1):
            if self.armed and number[0] in SIGNALS:
                tell(f"told to stop before any process was started: exit {ExitCode.INTERRUPTED:d} (INTERRUPTED)")
                os._exit(ExitCode.INTERRUPTED)


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(ExitCode.INTERRUPTED)
