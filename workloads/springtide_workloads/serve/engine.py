"""The bounded queue and the one thread that computes."""

import asyncio
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from springtide_workloads.serve.bodies import CompletionRequest, Refusal
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.model import Continuation, Model

QUEUE_LIMIT: Final = 64
"""Requests that may wait. More would only wait until their clients have gone."""


@dataclass(slots=True, kw_only=True)
class _Job:
    request: CompletionRequest
    answer: "asyncio.Future[Continuation]"
    given_up: threading.Event = field(default_factory=threading.Event)


class Engine:
    """Computes requests in the order they came. All but the computing happens on the event loop's thread."""

    def __init__(self, load: Callable[[], Model], metrics: Metrics, *, queue_limit: int = QUEUE_LIMIT) -> None:
        self._load = load
        self._metrics = metrics
        self._limit = queue_limit
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._waiting = 0
        self._seconds = 1.0
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.loaded: asyncio.Future[Model] = self._loop.create_future()
        """The model, once it is loaded and has answered once; or why it could not be."""

    def start(self) -> None:
        """Begins to load, then to compute."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether requests are computed: the model is loaded and the thread runs."""
        return self._thread.is_alive() and self.loaded.done() and not self.loaded.exception()

    async def submit(self, request: CompletionRequest) -> Continuation:
        """Waits for its turn and computes; when cancelled, the computing stops at the next token.

        Raises:
            Refusal: 429 when the queue is full, with the seconds after which to try again.
        """
        if self._waiting >= self._limit:
            wait = math.ceil(self._waiting * self._seconds)
            raise Refusal(429, f"{self._waiting} requests are waiting already", retry_after=max(1, wait))
        job = _Job(request=request, answer=self._loop.create_future())
        self._queued(+1)
        self._jobs.put(job)
        try:
            return await job.answer
        finally:
            job.given_up.set()

    def _queued(self, change: int) -> None:
        self._waiting += change
        self._metrics.queued.set(self._waiting)

    def _run(self) -> None:
        try:
            model = self._load()
        except Exception as error:  # noqa: BLE001  whatever it is, whoever waits for the model must learn of it
            self._loop.call_soon_threadsafe(self.loaded.set_exception, error)
            return
        self._loop.call_soon_threadsafe(self.loaded.set_result, model)
        while True:
            job = self._jobs.get()
            self._loop.call_soon_threadsafe(self._queued, -1)
            with self._metrics.in_flight.track_inprogress():
                self._compute(model, job)

    def _compute(self, model: Model, job: _Job) -> None:
        started, asked = time.monotonic(), job.request
        try:
            answer = model.continue_text(
                asked.prompt,
                tokens=asked.max_tokens,
                temperature=asked.temperature,
                seed=asked.seed,
                given_up=job.given_up.is_set,
            )
        except Exception as error:  # noqa: BLE001  a request that fails must not take the others with it
            self._loop.call_soon_threadsafe(_fail, job.answer, error)
            return
        # a running mean that forgets old requests over about ten new ones
        self._seconds += 0.1 * (time.monotonic() - started - self._seconds)
        self._loop.call_soon_threadsafe(_settle, job.answer, answer)


def _settle(future: "asyncio.Future[Continuation]", answer: Continuation) -> None:
    if not future.done():
        future.set_result(answer)


def _fail(future: "asyncio.Future[Continuation]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
