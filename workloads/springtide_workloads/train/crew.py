"""The processes of one node in one generation: started together, and gone together."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from springtide_workloads.train.exits import Codes
from springtide_workloads.train.warm import Standby

LAST_SECONDS: Final = 10.0
"""How long a killed process is waited for; one that a driver holds in the kernel (state D) may stay longer."""
_POLL_SECONDS: Final = 0.01


@dataclass(slots=True)
class Crew:
    """Processes of the agent, by local rank. Nothing of them outlives `dismiss`."""

    standby: Standby
    pids: list[int] = field(default_factory=list)
    codes: Codes = field(default_factory=dict)
    """Of those that have ended; a negative one is the signal that killed it."""

    def start(self, environments: Sequence[dict[str, str]], heed: Callable[[], None]) -> None:
        """Starts one process for each environment.

        Args:
            environments: by local rank.
            heed: called while waiting; may raise, and then nothing is left behind.
        """
        try:
            for env in environments:
                self.pids.append(self.standby.process(env, heed))
        except BaseException:
            self.dismiss()
            raise

    @property
    def running(self) -> dict[int, int]:
        """Ids of the processes that have not ended, by local rank."""
        return {rank: pid for rank, pid in enumerate(self.pids) if rank not in self.codes}

    def poll(self) -> None:
        """Learns who has ended. Orphans of processes come to the agent too, and the standby is one of its children."""
        ranks = {pid: rank for rank, pid in enumerate(self.pids)}
        for pid, code in _ended():
            if pid in ranks:
                self.codes[ranks[pid]] = code
            else:
                self.standby.died(pid)

    def tell(self, *numbers: int) -> None:
        """Sends signals to all that run."""
        for pid in self.running.values():
            for number in numbers:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def kill(self, rank: int) -> None:
        """Ends a process with all that it has started."""
        pid = self.pids[rank]
        for send in (os.killpg, os.kill) if rank not in self.codes else (os.killpg,):
            with suppress(ProcessLookupError, PermissionError):
                send(pid, signal.SIGKILL)

    def dismiss(self) -> Codes:
        """Ends all that is left of it at once; the codes of those that ended by themselves."""
        self.poll()
        codes = dict(self.codes)
        for rank in range(len(self.pids)):
            self.kill(rank)
        deadline = time.monotonic() + LAST_SECONDS
        while self.running and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            self.poll()
        return codes


def sweep() -> None:
    """Ends whatever is left below this process: also a process that the standby was about to hand over."""
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    deadline = time.monotonic() + LAST_SECONDS
    while time.monotonic() < deadline and own.exists() and (left := own.read_text().split()):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        for _ in _ended():
            pass
        time.sleep(_POLL_SECONDS)


def _ended() -> Iterator[tuple[int, int]]:
    """Children of this process that have ended, with their codes."""
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found[0], os.waitstatus_to_exitcode(found[1])
