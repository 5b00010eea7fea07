"""The engine of a predictor: batches with a bound on what waiting for a fuller one may cost."""

import time
from collections.abc import Sequence
from typing import Any, TypeVar

from springtide_workloads.serve.accepted import Accepted
from springtide_workloads.serve.admission import BatchPace
from springtide_workloads.serve.line import Line
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.predictor import ModelSource
from springtide_workloads.serve.resolve import Resolved

Asked = TypeVar("Asked")
Job = Accepted[Any, Any]


class WrongAnswersError(Exception):
    """`predict` did not return one answer for each request."""


class Batches:
    """Hands a predictor what waits, up to `max_batch` at a time. One batch is computed after the other."""

    def __init__(self, resolved: Resolved, source: ModelSource, metrics: Metrics) -> None:
        self._predictor = resolved.predictor
        self._source = source
        self._metrics = metrics
        self._streams = resolved.streams
        self.most = 1 if resolved.streams else resolved.predictor.max_batch
        self.pace = BatchPace(self.most)

    def load(self) -> None:
        """Set the predictor up."""
        self._predictor.setup(self._source)

    def run(self, line: Line[Any, Any]) -> None:
        """Compute until the line is closed."""
        compute = self._stream if self._streams else self._answer
        while not line.closed:
            batch = self._gathered(line)
            if not batch:
                continue
            self._metrics.batch.observe(len(batch))
            for each in batch:
                each.begin()
            compute(batch)

    def _gathered(self, line: Line[Any, Any]) -> list[Job]:
        """What waits, and what joins it before somebody's time for that is over."""
        batch = line.take(self.most, None)
        while batch and len(batch) < self.most:
            left = self._patience(batch)
            more = line.take(self.most - len(batch), left) if left > 0 else []
            if not more:
                break
            batch += more
        return batch

    def _patience(self, batch: Sequence[Job]) -> float:
        """Seconds that the batch may still wait: until the first of it waited for the delay, or would come too late."""
        delay = self._predictor.max_delay_ms / 1000
        if delay == 0:
            return 0.0
        now = time.monotonic()
        left = min(each.entered for each in batch) + delay - now
        deadlines = [each.deadline for each in batch if each.deadline is not None]
        if not deadlines:
            return left
        # the batch may grow while it waits: the time of a full one is kept free
        taking = self.pace.curve.seconds(self.most) if self.pace.curve.known else delay
        return min(left, min(deadlines) - taking - delay - now)

    def _answer(self, batch: Sequence[Job]) -> None:
        try:
            answers = self._predict([each.asked for each in batch])
        except Exception as error:  # noqa: BLE001  whatever a user's code raises is that request's answer
            self._apart(batch, error)
            return
        for each, answer in zip(batch, answers, strict=True):
            each.whole(answer)

    def _apart(self, batch: Sequence[Job], error: Exception) -> None:
        """After a batch raised: each alone, so that those fail that cannot be computed, and no other."""
        if len(batch) == 1:
            batch[0].fail(error)
            return
        for each in batch:
            if each.gone:
                each.end()
            else:
                self._answer([each])

    def _predict(self, asked: list[Any]) -> list[Any]:
        answers = self._predictor.predict(asked)
        if not isinstance(answers, list | tuple) or len(answers) != len(asked):
            got = f"{len(answers)} answers" if isinstance(answers, list | tuple) else f"a {type(answers).__name__}"
            raise WrongAnswersError(f"predict returned {got} for {len(asked)} requests: return a list, one for each")
        return list(answers)

    def _stream(self, batch: Sequence[Job]) -> None:
        for each in batch:
            try:
                self._pieces(each)
            except Exception as error:  # noqa: BLE001  as above
                each.fail(error)
            else:
                each.end()

    def _pieces(self, job: Job) -> None:
        pieces = self._predictor.stream(job.asked)
        for piece in pieces:
            if job.gone:
                pieces.close() if hasattr(pieces, "close") else None
                break
            job.emit(piece)
