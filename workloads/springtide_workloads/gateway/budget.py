"""What a gateway holds at most: so many requests that wait, so many bytes of their bodies."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from springtide_workloads.gateway.metrics import Metrics
from springtide_workloads.gateway.refusal import RETRY_SECONDS, Reason, Refused


class Budget:
    """Room for requests and for bytes. Nothing is held beyond it, whatever comes."""

    def __init__(self, *, requests: int, body_bytes: int, metrics: Metrics) -> None:
        self._most_requests = requests
        self._most_bytes = body_bytes
        self._metrics = metrics
        self._requests = 0
        self._bytes = 0

    @contextmanager
    def seat(self) -> "Iterator[Seat]":
        """Room for one request, until the block ends.

        Raises:
            Refused: 429 where as many wait as may.
        """
        if self._requests >= self._most_requests:
            message = f"{self._requests} requests are waiting for a replica already"
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, Reason.TOO_MANY, message, retry_after=RETRY_SECONDS)
        seat = Seat(self)
        try:
            yield seat
        finally:
            seat.leave()

    def wait(self, change: int) -> None:
        """So many more requests wait."""
        self._requests += change
        self._metrics.held.set(self._requests)

    def take(self, size: int) -> None:
        """So many more bytes are held.

        Raises:
            Refused: 503 where they would be more than may be.
        """
        if self._bytes + size > self._most_bytes:
            message = f"waiting requests fill the {self._most_bytes} bytes that their bodies may take"
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, Reason.MEMORY, message, retry_after=RETRY_SECONDS)
        self._bytes += size

    def give(self, size: int) -> None:
        """So many bytes fewer are held."""
        self._bytes -= size


class Seat:
    """One request's share: it waits or is with a replica, and its body is kept until it need not be sent again."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._kept = 0
        self._waits = False
        self.waits(True)

    def waits(self, waits: bool) -> None:
        """Whether the request waits for a replica now."""
        self._budget.wait(waits - self._waits)
        self._waits = waits

    def keep(self, size: int) -> None:
        """Keep so many more bytes of the body.

        Raises:
            Refused: 503 where there is no room for them.
        """
        self._budget.take(size)
        self._kept += size

    def forget(self) -> None:
        """The body is not needed any more."""
        self._budget.give(self._kept)
        self._kept = 0

    def leave(self) -> None:
        """The request is over."""
        self.waits(False)
        self.forget()
