"""Requests that wait for a slot of a replica, first come first served.

Between two changes of the replicas this is a queue with as many servers as there are slots: the next request takes the slot
that is free first. So a heap of the slots' times is all its state, and a request costs about a microsecond.
"""

import math
from array import array
from bisect import bisect_right
from heapq import heapify, heappush, heapreplace

from springtide.simulate.trace import Trace

Slot = tuple[float, int, int]
"""Free from when on, of which replica, and the last request it took (-1 for none)."""


class Line:
    """The requests of a trace and the slots that compute them.

    Attributes:
        waits: Seconds that each request waited, in the order of the trace, as far as its turn came; nan for one that
            was refused.
        served_seconds: Sum of the service times of those that got a slot.
    """

    def __init__(self, trace: Trace, *, hold_seconds: float = math.inf) -> None:
        self._trace, self._hold = trace, hold_seconds
        self._slots: list[Slot] = []
        self._leaving: list[float] = []
        self._ended = 0.0
        self.waits: array[float] = array("d")
        self.served_seconds = 0.0
        self.refused = 0

    @property
    def done(self) -> bool:
        """Whether every request has had its turn."""
        return len(self.waits) == len(self._trace)

    @property
    def slots(self) -> int:
        """How many requests can be computed at a time."""
        return len(self._slots)

    def advance(self, until: float) -> None:
        """Let every request begin, or be refused, that does so before `until`."""
        slots, waits, hold = self._slots, self.waits, self._hold
        arrivals, services = self._trace.arrivals, self._trace.services
        served = 0.0
        for index in range(len(waits), len(arrivals)):
            arrival = arrivals[index]
            free, replica, _ = slots[0] if slots else _NEVER
            start = arrival if arrival > free else free  # noqa: FURB136  twice as fast as max()
            if start - arrival > hold:
                if arrival + hold >= until:
                    break
                waits.append(math.nan)
                self.refused += 1
                continue
            if start >= until:
                break
            service = services[index]
            served += service
            heapreplace(slots, (start + service, replica, index))
            waits.append(start - arrival)
        self.served_seconds += served

    def open(self, replica: int, slots: int, now: float) -> None:
        """A replica takes requests from now on."""
        for _ in range(slots):
            heappush(self._slots, (now, replica, -1))

    def close(self, replica: int, now: float, limit: float) -> list[tuple[float, int]]:
        """A replica takes no more, and is gone at `limit`: when what it has would end, and which requests those are."""
        own = [(free, index) for free, number, index in self._slots if number == replica and free > now]
        ends = [min(free, limit) for free, number, index in self._slots if number == replica and index >= 0]
        self._ended = max([self._ended, *ends])
        self._slots[:] = [slot for slot in self._slots if slot[1] != replica]
        heapify(self._slots)
        self.served_seconds -= sum(end - limit for end, _ in own if end > limit)
        self._leaving = [*(end for end in self._leaving if end > now), *(min(end, limit) for end, _ in own)]
        return own

    def in_flight(self, now: float) -> int:
        """Requests that replicas compute which take more."""
        return sum(free > now for free, _, _ in self._slots)

    def leaving(self, now: float) -> int:
        """Requests that replicas compute which take no more."""
        return sum(end > now for end in self._leaving)

    def queued(self, now: float) -> int:
        """Requests that have come and wait."""
        return bisect_right(self._trace.arrivals, now, lo=len(self.waits)) - len(self.waits)

    def busy_seconds(self, now: float) -> float:
        """Seconds that slots were busy until now."""
        ahead = sum(free - now for free, _, _ in self._slots if free > now)
        return self.served_seconds - ahead - sum(end - now for end in self._leaving if end > now)

    def end(self) -> float:
        """When the last request is answered that has got a slot."""
        return max([self._ended, *(free for free, _, index in self._slots if index >= 0)])


_NEVER: Slot = (math.inf, -1, -1)
