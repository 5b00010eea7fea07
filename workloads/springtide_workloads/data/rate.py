"""How far a long work is, a line at a time, for people and log files alike."""

import time
from typing import Final

from springtide_workloads.tell import tell

EVERY_SECONDS: Final = 2.0
_MIB: Final = 1 << 20


class Rate:
    """Tells of bytes done, of how many, how fast, and how long it will take yet."""

    def __init__(self, verb: str, total: int) -> None:
        self._verb = verb
        self._total = total
        self._done = 0
        self.start(0)

    def start(self, done: int) -> None:
        """Begins to count time; `done` bytes were done before."""
        self._first = self._done = done
        self._since = self._told = time.monotonic()

    def add(self, count: int) -> None:
        """So many bytes more are done."""
        self.at(self._done + count)

    def at(self, done: int) -> None:
        """So many bytes are done in all."""
        self._done = done
        if time.monotonic() - self._told >= EVERY_SECONDS:
            self._told = time.monotonic()
            tell(self._line())

    def end(self) -> None:
        """Tells of the whole work."""
        seconds = time.monotonic() - self._since
        tell(f"{self._verb} {self._total / _MIB:,.1f} MiB in {seconds:.1f} s")

    def _line(self) -> str:
        speed = (self._done - self._first) / max(1e-9, time.monotonic() - self._since)
        left = f"{(self._total - self._done) / speed:,.0f} s left" if speed else "no estimate yet"
        part = self._done / max(1, self._total)
        return (
            f"{self._verb} {self._done / _MIB:,.1f} of {self._total / _MIB:,.1f} MiB ({part:.0%}), "
            f"{speed / _MIB:,.1f} MiB/s, {left}"
        )
