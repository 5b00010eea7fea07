"""The order in which requests get a replica."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import Gauge


@dataclass(slots=True, eq=False)
class Replica:
    """A server that answers requests, and how many of ours it has."""

    address: str
    """Host and port."""
    ready: bool = True
    in_flight: int = 0
    rests_until: float = 0.0
    """Time of the event loop before which it gets nothing."""


class Line:
    """Requests wait in the order they came; the first gets the replica with the fewest in flight.

    No replica gets more than `per_replica` at a time: what it would only queue waits here, where another may take it.
    Each of `gauges` shows how many replicas take requests.
    """

    def __init__(self, *, per_replica: float, gauges: Iterable[Gauge] = ()) -> None:
        self._per_replica = per_replica
        self._gauges = tuple(gauges)
        self._replicas: dict[str, Replica] = {}
        self._waiting: list[tuple[int, asyncio.Future[Replica]]] = []
        self._numbers = itertools.count()
        self.absent_since: float | None = None
        """Time of the event loop since which it is known that no replica takes requests; None while one does."""

    @property
    def leads_somewhere(self) -> bool:
        """Whether there is a replica that takes requests."""
        return any(replica.ready for replica in self._replicas.values())

    def number(self) -> int:
        """The next number. A request keeps its own until it is answered, also when a replica does not take it."""
        return next(self._numbers)

    def lead_to(self, addresses: Iterable[str]) -> None:
        """From now on these replicas take requests, and no others; what others have they finish."""
        ready = set(addresses)
        for address in ready - set(self._replicas):
            self._replicas[address] = Replica(address)
        for replica in self._replicas.values():
            replica.ready = replica.address in ready
        # one that comes back may still have requests of ours
        self._replicas = {key: item for key, item in self._replicas.items() if item.ready or item.in_flight}
        if ready:
            self.absent_since = None
        elif self.absent_since is None:
            self.absent_since = asyncio.get_running_loop().time()
        for gauge in self._gauges:
            gauge.set(len(ready))
        self._lead()

    @asynccontextmanager
    async def place(self, number: int) -> AsyncIterator[Replica]:
        """A place at a replica, for as long as the block takes; waits until it is this number's turn."""
        replica = await self._turn(number)
        try:
            yield replica
        finally:
            self._leave(replica)

    def rest(self, replica: Replica, seconds: float) -> None:
        """Give a replica nothing for a while."""
        loop = asyncio.get_running_loop()
        replica.rests_until = loop.time() + seconds
        loop.call_later(seconds, self._lead)

    async def _turn(self, number: int) -> Replica:
        turn: asyncio.Future[Replica] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (number, turn))
        self._lead()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting = [item for item in self._waiting if item[1] is not turn]
                heapq.heapify(self._waiting)
            else:  # its turn came in the moment it went
                self._leave(turn.result())
            raise

    def _lead(self) -> None:
        while self._waiting and (replica := self._freest()) is not None:
            _, turn = heapq.heappop(self._waiting)
            if turn.done():
                continue
            replica.in_flight += 1
            # of equals, the one that was not asked for longest comes first
            self._replicas[replica.address] = self._replicas.pop(replica.address)
            turn.set_result(replica)

    def _freest(self) -> Replica | None:
        now = asyncio.get_running_loop().time()
        free = (
            item
            for item in self._replicas.values()
            if item.ready and item.in_flight < self._per_replica and item.rests_until <= now
        )
        return min(free, key=lambda item: item.in_flight, default=None)

    def _leave(self, replica: Replica) -> None:
        replica.in_flight -= 1
        if not replica.ready and not replica.in_flight:
            self._replicas.pop(replica.address, None)
        self._lead()
