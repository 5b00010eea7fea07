"""From what happened to an exit code."""

import re
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch.distributed as dist

from springtide_workloads.contract import SEVERITY, ExitCode
from springtide_workloads.errors import EXPECTED
from springtide_workloads.tell import tell

PEER_LOST: Final = 79
"""How a process ends that lost the others: no cause of its own. Between worker and agent only, never the container's."""

Codes = dict[int, int]
"""Exit code of each rank that failed; a negative one is the signal that killed it, as `subprocess` has it."""


def code_of(error: BaseException) -> int:
    """Exit code of a process that ends with this error. Anything that is not expected is a bug."""
    if isinstance(error, EXPECTED):
        return int(error.code)
    if isinstance(error, dist.DistError) or _from_a_collective(error):
        return PEER_LOST
    return int(ExitCode.BUG)


def _from_a_collective(error: BaseException) -> bool:
    # gloo reports a peer that went away as a plain RuntimeError; its text begins with the source file in gloo
    return isinstance(error, RuntimeError) and "gloo/" in str(error)


def explain(error: BaseException) -> None:
    """Shows an error on stderr: as text when it is expected, with its traceback when it is a bug."""
    if isinstance(error, EXPECTED):
        tell(str(error))
    elif code_of(error) == PEER_LOST:
        tell(f"lost the other processes: {str(error).splitlines()[0]}")
    else:
        sys.excepthook(type(error), error, error.__traceback__)


def restartable(codes: Codes) -> bool:
    """Whether starting all processes again may help: nothing but kills and their consequences happened."""
    return bool(codes) and all(code < 0 or code == PEER_LOST for code in codes.values())


def stopping(codes: Iterable[int]) -> bool:
    """Whether processes that ended so were told to stop: nothing else happened to any of them, and something did."""
    seen = set(codes)
    return bool(seen) and seen <= {ExitCode.INTERRUPTED}


def most_severe(codes: Iterable[int], *, told_to_stop: bool) -> ExitCode:
    """What speaks for the container, of all its processes' codes.

    Killed processes and those that lost their peers count as `INTERRUPTED`; so does having been told to stop, since
    `DONE` would mark this node's work as done.
    """
    seen = [_spoken(code) for code in codes] + [ExitCode.INTERRUPTED if told_to_stop else ExitCode.DONE]
    return max(seen, key=SEVERITY.index)


def _spoken(code: int) -> ExitCode:
    if code < 0 or code == PEER_LOST:
        return ExitCode.INTERRUPTED
    return ExitCode(code) if code in set(ExitCode) else ExitCode.BUG


CGROUP: Final = Path("/sys/fs/cgroup")
"""Where the kernel counts what it killed for memory."""


def kills_for_memory(cgroup: Path = CGROUP, own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Processes of this container that the kernel has killed for want of memory; None where it does not say."""
    try:
        name = re.search(r"^0::/(.*)$", own.read_text(), re.MULTILINE)
        folder = cgroup / name[1] if name and (cgroup / name[1] / "memory.events").exists() else cgroup
        count = re.search(r"^oom_kill (\d+)$", (folder / "memory.events").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(count[1]) if count else None


@dataclass(slots=True)
class OutOfMemory:
    """Tells a process killed for memory from one killed for another reason: both end by SIGKILL."""

    count: Callable[[], int | None] = kills_for_memory
    _before: int | None = field(init=False)

    def __post_init__(self) -> None:
        self._before = self.count()

    def happened(self, codes: Codes) -> bool:
        """Whether memory is why one of them was killed, since this was asked last."""
        before, self._before = self._before, self.count()
        killed = -signal.SIGKILL in codes.values()
        return killed and before is not None and self._before is not None and self._before > before

    def explain(self, codes: Codes) -> None:
        """Tells people what to do, when it happened."""
        if self.happened(codes):
            tell(
                "a process was killed because the container's memory was full: give the job more memory (memory_gib), or "
                "take a smaller batch, fewer processes a node, or checkpoint_activations"
            )
