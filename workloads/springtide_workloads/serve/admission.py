"""How long a request would take from now on, learned from those before it.

A request is let in when its answer can be expected within what its client still waits. How that is expected depends on
how an engine computes: a batch after the other (`BatchPace`), or many requests at a time, which come and go (`FlowPace`).
Both forget: what was slow once is not held against a server for long, and one that has nothing to do takes whatever comes.
"""

from dataclasses import dataclass, field
from typing import Final, Protocol

SHARE: Final = 0.8
"""Part of what a client still waits that an answer may be expected to take; the rest is for what comes otherwise."""
UNSEEN: Final = 0.5
"""Part of a request's own time that one more in its batch is taken to add, until batches of two sizes were seen: whoever
batches expects it to pay."""
MEMORY: Final = 16
"""Observations over which an estimate forgets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may wait."""

    max_wait_seconds: float = 10.0
    """How long a request may be expected to wait for its turn when its client does not say how long it waits."""
    max_waiting: int = 1024
    """Requests that may wait at a time, however fast they would go: what bounds memory."""
    cold_waiting: int = 64
    """The same while nothing was computed yet, so that nobody can say how long anything takes."""


class Pace(Protocol):
    """What is learned of one engine. Called under the line's lock. Costs are in the engine's own unit."""

    def taken(self, cost: float, count: int, now: float) -> None:
        """The engine took so many requests, of so much cost together."""
        ...

    def ended(self, cost: float, seconds: float, *, gone: bool) -> None:
        """One of them ended; it was computed for so many seconds. Of one that is gone, not all was computed."""
        ...

    def expected(self, ahead: float, before: int, cost: float, now: float) -> tuple[float, float] | None:
        """Seconds of waiting, and of computing after that, of a request; None: nobody knows.

        Args:
            ahead: cost of those that go before it.
            before: how many these are.
            cost: its own.
            now: `time.monotonic()`.
        """
        ...


@dataclass(slots=True)
class Curve:
    """Seconds of a batch by its size, `a + b·n`, over the last `MEMORY` batches or so."""

    _seen: int = 0
    _weight: float = 0.0
    _n: float = 0.0
    _s: float = 0.0
    _nn: float = 0.0
    _ns: float = 0.0

    @property
    def known(self) -> bool:
        """Whether anything was observed."""
        return self._weight > 0

    @property
    def unit(self) -> float:
        """Seconds of a unit, on average."""
        return self._s / self._n

    def observe(self, n: float, seconds: float) -> None:
        """Learn from a batch. The very first one, which warms what is cold, is forgotten with the second."""
        keep = 0.0 if self._seen <= 1 else 1 - 1 / min(self._seen, MEMORY)
        self._seen += 1
        self._weight = keep * self._weight + 1
        self._n = keep * self._n + n
        self._s = keep * self._s + seconds
        self._nn = keep * self._nn + n * n
        self._ns = keep * self._ns + n * seconds

    def seconds(self, n: float) -> float:
        """Seconds that a batch of this size takes; until two sizes were seen, a guess by `UNSEEN`."""
        mean_n, mean_s = self._n / self._weight, self._s / self._weight
        spread = self._nn / self._weight - mean_n**2
        proportional = mean_s / mean_n
        slope = UNSEEN * proportional
        if spread > 1e-6 * mean_n**2:
            slope = min(max((self._ns / self._weight - mean_n * mean_s) / spread, 0.0), proportional)
        return max(mean_s + slope * (n - mean_n), 0.0) if n > mean_n or spread > 0 else mean_s


@dataclass(slots=True)
class BatchPace:
    """Of an engine that computes one batch after the other; a request's cost is 1."""

    max_batch: int
    curve: Curve = field(default_factory=Curve)
    _size: int = 0
    _left: int = 0
    _since: float = 0.0

    def taken(self, cost: float, count: int, now: float) -> None:
        """A batch begins, or grows by what came while it waited for more."""
        del cost
        if self._left == 0:
            self._size, self._since = 0, now
        self._size += count
        self._left += count

    def ended(self, cost: float, seconds: float, *, gone: bool) -> None:
        """With its last request, the batch ends; it takes as long when some of them are gone."""
        del cost, gone
        self._left -= 1
        if self._left == 0:
            self.curve.observe(self._size, seconds)

    def expected(self, ahead: float, before: int, cost: float, now: float) -> tuple[float, float] | None:
        """The rest of the batch that is computed now, the full ones ahead, then the own one."""
        del before
        if not self.curve.known:
            return None
        rest = max(self.curve.seconds(self._size) - (now - self._since), 0.0) if self._left else 0.0
        full, beside = divmod(ahead, self.max_batch)
        wait = rest + full * self.curve.seconds(self.max_batch)
        return wait, self.curve.seconds(min(beside + cost, self.max_batch))


@dataclass(slots=True)
class FlowPace:
    """Of an engine that computes up to `slots` requests at a time, each joining and leaving when it likes.

    With so many in it that each gets a unit of cost done in `t` seconds, `in_flight ÷ t` units are done a second
    (Little's law): what `ahead` is divided by.
    """

    slots: int
    curve: Curve = field(default_factory=Curve)
    """Seconds of a request by its cost."""
    _inside: int = 0

    def taken(self, cost: float, count: int, now: float) -> None:
        """Requests join."""
        del cost, now
        self._inside += count

    def ended(self, cost: float, seconds: float, *, gone: bool) -> None:
        """One leaves. Of those that are given up only what is bad news is learned: a whole one would have taken longer."""
        self._inside -= 1
        if not gone or (self.curve.known and seconds > self.curve.seconds(cost)):
            self.curve.observe(cost, seconds)

    def expected(self, ahead: float, before: int, cost: float, now: float) -> tuple[float, float] | None:
        """Nothing while a slot is free; else until what is ahead of it has joined, at the rate at which work is done."""
        del now
        if not self.curve.known:
            return None
        free = self._inside + before < self.slots
        # one of those that are computed ends as often as one like it could begin
        wait = 0.0 if free else (ahead + cost) * self.curve.unit / max(self._inside, 1)
        return wait, self.curve.seconds(cost)
