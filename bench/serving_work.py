"""The work that every server of `bench/serving.py` does: products of one matrix, so many a batch and so many an item.

A batch of n takes a + b·n: what a model reads once a batch, and what it computes for each item. Answers are whole numbers,
so servers can be compared exactly. How many products there are is measured once and told to all servers by `BENCH_WORK`.

Usage: python -m bench.serving_work calibrate | time BASE ITEM (pin it to the core that servers have)
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Self

import numpy as np

SIZE: Final = 128
VARIABLE: Final = "BENCH_WORK"
KNOBS: Final = "BENCH_KNOBS"
PATH: Final = "/v1/predict"
_MATRIX: Final = np.random.default_rng(20261123).integers(0, 9, (SIZE, SIZE)).astype(np.float64)
_TRACE: Final = int((_MATRIX @ _MATRIX).trace())
_PRIME: Final = 1_000_003


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """So many products a batch and so many an item."""

    base: int
    item: int

    @classmethod
    def told(cls) -> Self:
        """What this server's environment says."""
        base, item = os.environ[VARIABLE].split(",")
        return cls(base=int(base), item=int(item))

    @property
    def text(self) -> str:
        """What a server's environment says."""
        return f"{self.base},{self.item}"

    def batch(self, xs: Sequence[int]) -> list[int]:
        """Answers in order."""
        trace = _TRACE
        for _ in range(self.base + self.item * len(xs)):
            trace = int((_MATRIX @ _MATRIX).trace())
        return [answer(x, trace) for x in xs]

    def one(self, x: int) -> int:
        """A batch of one."""
        return self.batch([x])[0]

    def seconds(self, items: int = 1, for_seconds: float = 0.5) -> float:
        """Median time of a batch, of as many as fit."""
        times: list[float] = []
        end = time.perf_counter() + for_seconds
        while not times or time.perf_counter() < end:
            started = time.perf_counter()
            self.batch(range(items))
            times.append(time.perf_counter() - started)
        return median(times)


def answer(x: int, trace: int = _TRACE) -> int:
    """What every server must say."""
    return (x * 7919 + trace) % _PRIME


def knobs() -> dict[str, float]:
    """What this server is to set; empty for its defaults."""
    return dict(json.loads(os.environ.get(KNOBS, "{}")))


def product_seconds() -> float:
    """What one product takes here."""
    many = Work(base=0, item=100)
    many.one(0)
    return many.seconds(for_seconds=2.0) / 100


if __name__ == "__main__":
    if sys.argv[1] == "calibrate":
        print(product_seconds())
    else:
        print(Work(base=int(sys.argv[2]), item=int(sys.argv[3])).seconds(int(sys.argv[4]), 3.0))
