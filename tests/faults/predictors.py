"""Predictors for servers that are put under stress."""

import time
from collections.abc import Iterator

import msgspec

from springtide_workloads.serve.predictor import Predictor


class Number(msgspec.Struct):
    n: int


class Serial(Predictor):
    """Takes a while for each request, one after the other."""

    ms: float = 20.0

    def predict(self, batch: list[Number]) -> list[Number]:
        time.sleep(self.ms / 1000 * len(batch))
        return batch


class Slowly(Predictor):
    """Counts, a number at a time."""

    ms: float = 50.0

    def stream(self, request: Number) -> Iterator[Number]:
        for n in range(request.n):
            time.sleep(self.ms / 1000)
            yield Number(n)


class Deadly(Predictor):
    """Ends the thread that it is computed on when it is asked for 13, and never returns when it is asked for 14."""

    def predict(self, batch: list[Number]) -> list[Number]:
        if batch[0].n == 13:
            raise SystemExit("thirteen")
        while batch[0].n == 14:
            time.sleep(1)
        return batch
