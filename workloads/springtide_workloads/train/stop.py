"""Being told to stop: a flag that a signal sets and the training loop asks for."""

import os
import signal
import sys
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


def leave_when_told() -> None:
    """Until processes run there is nothing to save: from now on a signal ends this one as `INTERRUPTED`.

    The elastic agent puts its own handlers in place once it has processes. Without any, the kernel would not deliver
    SIGTERM to a container's first process at all.
    """
    for number in SIGNALS:
        signal.signal(number, _leave)


def _leave(_number: int, _frame: FrameType | None) -> None:
    tell(f"told to stop before any process was started: exit {ExitCode.INTERRUPTED:d} (INTERRUPTED)")
    sys.exit(ExitCode.INTERRUPTED)
