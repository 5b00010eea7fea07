"""The same requests by two policies over the same step kernel: what joining at each step is worth.

`continuous` lets a request join whenever a slot is free. `static` fills the slots, reads all prompts at once, padded to the
longest, computes until the longest text is done, finished rows among the others as padding, and only then takes the next
ones: how batches are made without a scheduler.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from springtide_workloads.serve.generate.batch import Batch, in_fours
from springtide_workloads.serve.generate.played import Played
from springtide_workloads.serve.generate.request import Generate


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a policy did."""

    tokens: list[tuple[int, ...]]
    """Of each request."""
    seconds: float
    steps: int
    slot_steps: int
    wasted: int
    """Slot-steps that brought nobody on. Exact: the same each time."""
    first_steps: list[int]
    """The step in which each request got its first token, from 1."""
    first_seconds: list[float]
    """When that was, from the start."""


def replay(batch: Batch, requests: Sequence[Generate], *, policy: str) -> Replayed:
    """Computes requests that are all there at the start.

    Args:
        batch: slots and a kernel; nobody else uses them.
        requests: in the order in which they join. Each must fit the cache alone.
        policy: `continuous` or `static`.
    """
    works = [Played(asked) for asked in requests]
    started, before = time.perf_counter(), (batch.count.steps, batch.count.slot_steps, batch.count.wasted)
    first_steps = dict.fromkeys(range(len(works)), 0)
    waiting = list(enumerate(works))
    running: list[tuple[int, Played]] = []
    fill, step_tokens = _POLICIES[policy], batch.step_tokens
    while waiting or batch.members:
        running += fill(batch, waiting)
        batch.step()
        step = batch.count.steps - before[0]
        first_steps |= {number: step for number, work in running if work.pieces}
        running = [each for each in running if not each[1].pieces]
    batch.padded, batch.step_tokens = in_fours, step_tokens
    return Replayed(
        tokens=[work.ids for work in works],
        seconds=time.perf_counter() - started,
        steps=batch.count.steps - before[0],
        slot_steps=batch.count.slot_steps - before[1],
        wasted=batch.count.wasted - before[2],
        first_steps=list(first_steps.values()),
        first_seconds=[work.times[0] - started for work in works],
    )


Waiting = list[tuple[int, Played]]


def _continuous(batch: Batch, waiting: Waiting) -> Waiting:
    joined: Waiting = []
    while waiting and batch.join(waiting[0][1], seed=waiting[0][1].asked.seed or 0):
        joined.append(waiting.pop(0))
    return joined


def _static(batch: Batch, waiting: Waiting) -> Waiting:
    if batch.members:
        return []
    joined = _continuous(batch, waiting)
    batch.padded = lambda rows: max(in_fours(rows), len(joined))
    batch.step_tokens = sum(in_fours(len(work.asked.prompt)) for _, work in joined) * len(joined)
    return joined


_POLICIES: Final[Mapping[str, Callable[[Batch, Waiting], Waiting]]] = {"continuous": _continuous, "static": _static}
