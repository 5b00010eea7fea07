"""Requests that wait: by priority, and in each in the order they came. Not safe to use from two threads at a time."""

from collections import OrderedDict
from typing import Any, Final, Generic, TypeVar

from springtide_workloads.contract import PRIORITIES
from springtide_workloads.serve.accepted import Accepted

MEMORY: Final = 32
"""Requests over which it is forgotten how important those were that came out."""

Asked = TypeVar("Asked")
Piece = TypeVar("Piece")


class Waiting(Generic[Asked, Piece]):
    """Adding, taking the next one and taking any one out each take constant time."""

    def __init__(self) -> None:
        # a plain dict would search ever longer for its first key, where keys before it were taken away
        self._queues: list[OrderedDict[Accepted[Asked, Piece], None]] = [OrderedDict() for _ in PRIORITIES]
        self._costs = [0.0 for _ in PRIORITIES]
        self._count = 0
        self._above = [0.0 for _ in PRIORITIES]

    def __len__(self) -> int:
        return self._count

    def __contains__(self, one: Accepted[Asked, Any]) -> bool:
        return one in self._queues[one.priority]

    def add(self, one: Accepted[Asked, Piece]) -> None:
        """Put one behind those of its priority."""
        self._queues[one.priority][one] = None
        self._costs[one.priority] += one.cost
        self._count += 1

    def remove(self, one: Accepted[Asked, Piece]) -> None:
        """Take one out."""
        del self._queues[one.priority][one]
        self._count -= 1
        # sums of floats drift: an empty queue costs nothing
        self._costs[one.priority] = self._costs[one.priority] - one.cost if self._queues[one.priority] else 0.0

    def next(self) -> Accepted[Asked, Piece] | None:
        """Take out the first of the highest priority; None when nobody waits."""
        for queue in reversed(self._queues):
            if queue:
                one = next(iter(queue))
                self.remove(one)
                self._learn(one.priority)
                return one
        return None

    def ahead(self, priority: int = 0) -> float:
        """Cost of those of at least this priority."""
        return sum(self._costs[priority:])

    def share(self, priority: int) -> float:
        """Part of what comes out that is left for this priority and higher ones do not take; more than 0."""
        return max(1 - self._above[priority], 1 / MEMORY)

    def _learn(self, came: int) -> None:
        self._above = [each + ((came > priority) - each) / MEMORY for priority, each in enumerate(self._above)]

    def before(self, priority: int = 0) -> int:
        """How many are of at least this priority."""
        return sum(map(len, self._queues[priority:]))

    def last(self, below: int) -> Accepted[Asked, Piece] | None:
        """The last that came, of the lowest priority that waits, if it is below this one."""
        return next((next(reversed(queue)) for queue in self._queues[:below] if queue), None)
