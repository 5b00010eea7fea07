"""The bounded queue between the event loop, where requests are accepted, and the one thread that computes them.

What may wait is bounded by time and not by number: a request is refused at once when its answer cannot be expected within
what its client still waits. Where a more important one would not fit, the least important one that waits makes room.
"""

import asyncio
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from springtide_workloads.serve.accepted import Accepted, News
from springtide_workloads.serve.admission import SHARE, BatchPace, Limits, Pace
from springtide_workloads.serve.http import NORMAL, Refusal, Stopped
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.reasons import busy, failure, room_for_others
from springtide_workloads.serve.waiting import Waiting
from springtide_workloads.tell import tell

Asked = TypeVar("Asked")
Piece = TypeVar("Piece")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting(Generic[Asked, Piece]):
    """How tokens are counted, for engines whose answers are text."""

    prompt: Callable[[Asked], int]
    completion: Callable[[Piece], int]


class Line(Generic[Asked, Piece]):
    """Requests on their way to one engine. Made on the event loop's thread."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        limits: Limits | None = None,
        pace: Pace | None = None,
        counting: Counting[Asked, Piece] | None = None,
    ) -> None:
        """An empty line.

        Args:
            metrics: where its numbers go.
            limits: how much may wait.
            pace: how long things take. Default: that of one request at a time.
            counting: how tokens are counted. Default: they are not.
        """
        self.limits = Limits() if limits is None else limits
        self.pace: Pace = BatchPace(1) if pace is None else pace
        self.closed = False
        self._counting = counting
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._some = threading.Condition(self._lock)
        self._waiting = Waiting[Asked, Piece]()
        self._inside: dict[Accepted[Asked, Piece], float] = {}
        self._heard = 0.0
        self._open: set[Accepted[Asked, Piece]] = set()
        self._news: deque[tuple[Accepted[Asked, Piece], News, Any]] = deque()
        self._waking = False
        self._refusing: Callable[[], Refusal] | None = None
        metrics.queued.set_function(lambda: self.waiting)
        metrics.in_flight.set_function(lambda: self.inside)

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    @property
    def inside(self) -> int:
        """Requests that the engine has."""
        return len(self._inside)

    @property
    def silent(self) -> float:
        """Seconds since the engine last took or said something; 0 while it has nothing to do."""
        return time.monotonic() - self._heard if self._inside else 0.0

    # the event loop's side

    async def enter(
        self, asked: Asked, *, cost: float = 1.0, deadline: float | None = None, priority: int = NORMAL
    ) -> Accepted[Asked, Piece]:
        """Take a request in.

        Args:
            asked: what the engine gets.
            cost: what it takes, in the unit of the engine's pace.
            deadline: `time.monotonic()` at which its client gives up. Default None: `Limits.max_wait_seconds` bounds how
                long it may be expected to wait, and nothing how long it takes.
            priority: index into the contract's `PRIORITIES`.

        Raises:
            Refusal: 429 with Retry-After, when its answer cannot be expected in time; 503 when nothing is computed.
        """
        if self._refusing is not None:
            raise self._refusing()
        new: Accepted[Asked, Piece] = Accepted(
            asked, cost=cost, deadline=deadline, priority=priority, post=self._post, on_close=self._leave
        )
        with self._lock:
            displaced = self._admit(new)
        self._loop.call_soon(self._wake)
        self._open.add(new)
        for each in displaced:
            self._settle(each, room_for_others())
        if deadline is not None:
            new.timer = self._loop.call_at(deadline, self._expire, new)
        return new

    def _wake(self) -> None:
        with self._lock:
            self._some.notify()

    def stop(self, why: Callable[[], Refusal] = Stopped) -> None:
        """Fail every request that has no whole answer yet, and every one that comes."""
        self._refusing = why
        for each in list(self._open):
            each.gone = True
            self._withdraw(each)
            self._settle(each, why())

    def close(self) -> None:
        """Send the engine home."""
        with self._lock:
            self.closed = True
            self._some.notify_all()

    # the engine's side

    def take(self, most: int, wait: float | None) -> list[Accepted[Asked, Piece]]:
        """The next requests: the most important first, of those the one that came first.

        Args:
            most: how many at most.
            wait: seconds to wait for one; 0 does not wait, None waits until there is one.

        Returns:
            None of those that are gone or past their deadline. Empty after the wait, or when the line is closed.
        """
        until = None if wait is None else time.monotonic() + wait
        with self._some:
            while not self.closed:
                self._heard = now = time.monotonic()
                if taken := self._taken(most, now):
                    self.pace.taken(sum(each.cost for each in taken), len(taken), now)
                    return taken
                if until is not None and until <= now:
                    break
                self._some.wait(None if until is None else until - now)
        return []

    def _taken(self, most: int, now: float) -> list[Accepted[Asked, Piece]]:
        taken: list[Accepted[Asked, Piece]] = []
        while len(taken) < most and (each := self._waiting.next()) is not None:
            # the loop's timer answers those whose time is over; here they are only passed by
            if not each.gone and (each.deadline is None or each.deadline > now):
                self._inside[each] = now
                taken.append(each)
        return taken

    def _post(self, of: Accepted[Asked, Piece], news: News, what: object) -> None:
        self._heard = time.monotonic()
        if news is not News.PIECE:
            self._outside(of)
        self._news.append((of, news, what))
        # the flag is set after the news is there, and taken down before it is read: none is left behind
        if not self._waking:
            self._waking = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _outside(self, of: Accepted[Asked, Piece]) -> None:
        with self._lock:
            since = self._inside.pop(of, None)
            if since is not None:
                self.pace.ended(of.cost, time.monotonic() - (of.begun or since), gone=of.gone)

    # how a request leaves

    def _deliver(self) -> None:
        """Hand what the engine said to whoever reads it."""
        self._waking = False
        now = time.monotonic()
        while self._news:
            of, news, what = self._news.popleft()
            if of.over:
                continue
            if news is News.PIECE or news is News.WHOLE:
                self._count(of, what, now)
                of.receive(what)
            if news is not News.PIECE:
                self._settle(of, None if news is News.WHOLE else what)

    def _count(self, of: Accepted[Asked, Piece], piece: Piece, now: float) -> None:
        if not of.first:
            of.first = now
            self._metrics.queue_seconds.observe((of.begun or now) - of.entered)
            if self._counting is not None:
                self._metrics.first_token_seconds.observe(now - of.entered)
                self._metrics.prompt_tokens.inc(self._counting.prompt(of.asked))
        of.last = now
        if self._counting is not None:
            new = self._counting.completion(piece)
            of.units += new
            self._metrics.completion_tokens.inc(new)

    def _settle(self, of: Accepted[Asked, Piece], error: BaseException | None) -> None:
        of.finish(error)
        self._open.discard(of)
        if self._counting is not None and of.units > 1:
            self._metrics.token_seconds.observe((of.last - of.first) / (of.units - 1))
        if error is not None and (reason := failure(error)) is not None:
            self._metrics.failed.labels(reason=reason).inc()
            if not isinstance(error, Refusal):
                tell(f"a request failed:\n{''.join(traceback.format_exception(error))}")

    def _expire(self, of: Accepted[Asked, Piece]) -> None:
        of.gone = True
        self._withdraw(of)
        self._settle(of, Refusal(HTTPStatus.GATEWAY_TIMEOUT, "there is no answer within the time that was given"))

    def _leave(self, of: Accepted[Asked, Piece]) -> None:
        self._withdraw(of)
        self._open.discard(of)
        of.finish()
        if not of.satisfied:
            self._metrics.failed.labels(reason="client").inc()

    def _withdraw(self, of: Accepted[Asked, Piece]) -> None:
        with self._lock:
            if of in self._waiting:
                self._waiting.remove(of)

    # admission

    def _admit(self, new: Accepted[Asked, Piece]) -> list[Accepted[Asked, Piece]]:
        """Let a newcomer wait, or raise its refusal; returns those that make room for it."""
        displaced: list[Accepted[Asked, Piece]] = []
        # whatever was learned: who has nothing to do takes what comes, and learns anew
        if self._inside or self._waiting:
            late = self._lateness(new, self._waiting.ahead(new.priority), self._waiting.before(new.priority))
            if late > 0:
                raise busy(late, new.deadline)
            displaced = self._displaced(new)
        self._waiting.add(new)
        return displaced

    def _lateness(self, of: Accepted[Asked, Piece], ahead: float, before: int, share: float = SHARE) -> float:
        """Seconds by which a request would come too late with so much ahead of it; 0 or less when in time, or unknown."""
        now = time.monotonic()
        expected = self.pace.expected(ahead, before, of.cost, now)
        if expected is None:
            return 0.0
        wait, computing = expected
        # more important ones that come later overtake it
        wait /= self._waiting.share(of.priority)
        if of.deadline is None:
            return wait - (of.entered + self.limits.max_wait_seconds - now)
        return wait + computing - share * (of.deadline - now)

    def _displaced(self, new: Accepted[Asked, Piece]) -> list[Accepted[Asked, Piece]]:
        """Takes out those of lower priority that would now come too late, or whose place is needed: last come first."""
        known = self.pace.expected(0, 0, 1, 0) is not None
        most = self.limits.max_waiting if known else self.limits.cold_waiting
        displaced: list[Accepted[Asked, Piece]] = []
        while (last := self._waiting.last(new.priority)) is not None:
            ahead = self._waiting.ahead() + new.cost - last.cost
            if len(self._waiting) < most and self._lateness(last, ahead, len(self._waiting), 1.0) <= 0:
                break
            self._waiting.remove(last)
            displaced.append(last)
        if len(self._waiting) >= most:
            message = f"{len(self._waiting)} requests are waiting already"
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, message, retry_after=1, reason="queue")
        return displaced
