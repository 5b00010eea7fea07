"""Batches fetched ahead of the loop by a thread, so that neither disk nor object store stops a step or a signal."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from springtide_workloads.data.dataset import Batch, Dataset

CLOSE_SECONDS: Final = 2.0
"""How long `close` waits for a read under way; one that hangs is left to end with the process."""


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


class Feed:
    """This rank's part of each batch, in order, from `position` on.

    One thread fetches, at most `prefetch` batches ahead. An error of it comes out of `get`, where it would have been met,
    after the batches that were fetched before it.
    """

    def __init__(  # noqa: PLR0913  what says which samples
        self,
        dataset: Dataset,
        *,
        batch: int,
        rank: int,
        world: int,
        position: int,
        prefetch: int = 2,
        part: range | None = None,
    ) -> None:
        """Starts fetching.

        Args:
            dataset: where samples come from.
            batch: samples a step, over all ranks.
            rank: this process.
            world: processes.
            position: samples behind the run.
            prefetch: batches that wait at most; at least 1.
            part: which samples of each batch are this rank's. Default None: the `rank`-th of `world` equal parts, or as
                equal as they can be.
        """
        self._dataset = dataset
        self._batch = batch
        self._position = position
        self._prefetch = prefetch
        share = range(batch * rank // world, batch * (rank + 1) // world) if part is None else part
        self._part = np.array(share, dtype=np.uint64)
        self._waiting: deque[Batch | _Failure] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._fetch, name="feed", daemon=True)
        self._thread.start()

    def ready(self) -> bool:
        """Whether `get` returns, or raises, at once."""
        return bool(self._waiting)

    def wait(self, seconds: float) -> bool:
        """Waits for that at most so long; says whether it is so."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._waiting), seconds)

    def get(self) -> Batch:
        """The next batch; waits for it.

        Raises:
            StorageError: when its samples cannot be read.
        """
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
            if not self._waiting:
                raise RuntimeError("the feed is closed")
            found = self._waiting[0]
            if isinstance(found, _Failure):  # stays: whoever asks again is told again
                raise found.error
            self._changed.notify_all()
            self._waiting.popleft()
            return found

    def close(self) -> None:
        """Ends the thread and drops what it fetched."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(CLOSE_SECONDS)

    def _fetch(self) -> None:
        position = self._position
        while self._has_room():
            try:
                found: Batch | _Failure = self._dataset.take(self._part + np.uint64(position))
            except BaseException as error:  # noqa: BLE001  a thread's error belongs to whoever waits for its work
                found = _Failure(error)
            with self._changed:
                if self._closed:
                    return
                self._waiting.append(found)
                self._changed.notify_all()
            if isinstance(found, _Failure):
                return
            position += self._batch

    def _has_room(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._prefetch)
            return not self._closed
