"""Being told to stop: a flag that a signal sets and the training loop asks for.

As long as there is nothing to lose, a signal ends the process at once; from `work_begins` on it only sets the flag. Either
way it is heard by a thread of its own, so also while the main thread waits inside a call into C++.
"""

import os
import select
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Final

from springtide_workloads.contract import ExitCode
from springtide_workloads.tell import tell

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""What tells a process to stop; the agent hands any of them on to its processes as SIGTERM."""


AGENT: Final = "SPRINGTIDE_AGENT_PID"
"""Environment variable of a process: its agent."""

_ORPHAN_SECONDS: Final = 1.0
"""From one look whether the agent lives to the next, as long as there is nothing to lose; the loop looks every step."""


def own_agent() -> int:
    """The agent of this process, also when it has died already."""
    return int(os.environ.get(AGENT, os.getppid()))


class StopFlag:
    """Set by a signal, or by the death of the agent: a process without one would train on, unseen and uncounted.

    Args:
        agent: id of the agent's process. Default None: nobody's death matters.
        leave_after: seconds until a signal that comes while nothing is at stake ends the process. Default 0: at once. The
            agent takes some, to clean up by itself first.
    """

    def __init__(self, *, agent: int | None = None, leave_after: float = 0.0) -> None:
        self._signalled = False
        self._at_stake = threading.Event()
        self._leave_after = leave_after
        self._agent = agent

    def listen(self) -> None:
        """From now on signals are heard, also those that came while whoever started this process held them back."""
        read, write = os.pipe()
        os.set_blocking(write, False)
        for number in SIGNALS:
            signal.signal(number, self._set)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        threading.Thread(target=self._hear, args=(read,), name="stop", daemon=True).start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def work_begins(self) -> None:
        """From now on there is something to lose: a signal only sets the flag; the ranks decide together when to act on it."""
        self._at_stake.set()
        # one that came a moment before is either acted on in `_hear` or found in the flag by the next vote

    def work_ends(self) -> None:
        """Nothing is at stake any more: a signal ends the process again, after `leave_after`."""
        self._at_stake.clear()

    def deafen(self) -> None:
        """The decision is taken: a signal must not kill this process in its last moments, after a good save."""
        self._at_stake.set()
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    @property
    def asked(self) -> bool:
        """Whether this process was told to stop."""
        return self._signalled or self._orphaned

    @property
    def _orphaned(self) -> bool:
        return self._agent is not None and os.getppid() != self._agent

    @property
    def told(self) -> bool:
        """Whether a signal came; the agent asks for this one, since nobody's death is its business."""
        return self._signalled

    def _set(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = True

    def _hear(self, read: int) -> None:
        while True:
            ready, _, _ = select.select([read], [], [], _ORPHAN_SECONDS)
            self._signalled |= bool(ready and set(os.read(read, 64)) & set(SIGNALS))
            if self.asked and not self._at_stake.wait(self._leave_after):
                tell(f"told to stop with nothing to lose: exit {ExitCode.INTERRUPTED:d} (INTERRUPTED)")
                with suppress(ValueError, OSError):
                    sys.stdout.flush()
                os._exit(ExitCode.INTERRUPTED)


def leave_when_told() -> None:
    """Until processes run there is nothing to save: from now on a signal ends this one as `INTERRUPTED`.

    For the first seconds of a container, before `StopFlag` listens. Without a handler the kernel would not deliver SIGTERM
    to a container's first process at all.
    """
    for number in SIGNALS:
        signal.signal(number, _leave)


def _leave(_number: int, _frame: FrameType | None) -> None:
    tell(f"told to stop before any process was started: exit {ExitCode.INTERRUPTED:d} (INTERRUPTED)")
    sys.exit(ExitCode.INTERRUPTED)
