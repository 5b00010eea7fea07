"""A disk that stops the process at a chosen call: whatever a kill may leave behind, at every boundary there is."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import obstore
import torch

from springtide_workloads import storage
from springtide_workloads.train.checkpoints import Checkpoints
from springtide_workloads.train.events import EventLog
from springtide_workloads.train.ranks import Ranks
from springtide_workloads.train.state import TrainState

CALLS: Final = {
    "os": ("open", "write", "fsync", "replace", "link"),
    "obstore": ("put", "delete", "rename"),
}
"""Everything of a store that changes what is on the disk, or waits until it has changed."""


@dataclass
class Boundaries:
    """Counts calls that change the disk, and ends this process, like a kill, at the chosen one."""

    at: int
    """Which call; a negative number: none."""
    count: int = 0

    def around(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(*args: Any, **named: Any) -> Any:
            self.count += 1
            if self.count - 1 == self.at:
                if name == "write":
                    call(args[0], memoryview(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **named)

        return counted


class _Module:
    """A module, some of its functions counted."""

    def __init__(self, module: Any, names: tuple[str, ...], boundaries: Boundaries) -> None:
        self._module = module
        self._counted = {name: boundaries.around(getattr(module, name), name) for name in names}

    def __getattr__(self, name: str) -> Any:
        return self._counted.get(name) or getattr(self._module, name)


@contextmanager
def dying(at: int) -> Iterator[Boundaries]:
    """Inside, this process does not get past the disk's call number `at`."""
    boundaries = Boundaries(at)
    storage.os = _Module(os, CALLS["os"], boundaries)  # type: ignore[attr-defined, assignment]
    storage.obstore = _Module(obstore, CALLS["obstore"], boundaries)  # type: ignore[attr-defined, assignment]
    try:
        yield boundaries
    finally:
        storage.os, storage.obstore = os, obstore  # type: ignore[attr-defined]


class Plan:
    """What of a recipe checkpoints ask for."""

    keep = 1

    def to_json(self) -> dict[str, Any]:
        return {"name": "torn"}


def checkpoints(ranks: Ranks, place: str) -> Checkpoints:
    store, recipe = storage.Store(place), Plan()
    events = EventLog(store=store, run="torn")
    return Checkpoints(store=store, ranks=ranks, recipe=recipe, events=events)  # type: ignore[arg-type]


def state_of(step: int) -> TrainState:
    """A state in which every number is the step: a mixture of two is seen at once."""
    model = torch.nn.Linear(5, 3)
    state = TrainState(model=model, optimizer=torch.optim.AdamW(model.parameters()), step=step, position=step)
    state.make_room({"optimizer/weight/exp_avg", "optimizer/bias/exp_avg"})
    for tensor in state.tensors().values():
        tensor.data.fill_(step)
    return state


def saved_and_killed(ranks: Ranks, place: str, victim: int, at: int) -> tuple[int, int]:
    """Restores, and saves the step after; the victim dies at a boundary.

    Returns:
        The step that was found, 0 for none, and the number of boundaries, on a rank that lived.
    """
    before = found(ranks, place) or 0
    made = checkpoints(ranks, place)
    with dying(at if ranks.rank == victim else -1) as boundaries:
        made.save(state_of(before + 1))
        # a rank whose companion was killed hears of it from gloo
        with suppress(RuntimeError):
            made.close()
    return before, boundaries.count


def found(ranks: Ranks, place: str) -> int | None:
    """The step that a restore finds, every number of it checked; None when there is none."""
    state = state_of(-1)
    if not checkpoints(ranks, place).restore(state):
        return None
    values = {float(value) for tensor in state.tensors().values() for value in tensor.detach().flatten()}
    assert values == {float(state.step)}, f"a mixture: {values} in the checkpoint of step {state.step}"
    assert state.position == state.step
    return state.step
