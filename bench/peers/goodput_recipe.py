"""A recipe that notes its steps, in whatever loop it is, when the rate of a step is asked for.

Rank 0 adds a line a step to `GOODPUT_PLACE/steps`: `<time.monotonic> <pid> <steps made before>`; every rank leaves its process
id in `rank-<rank>` there. `GOODPUT_STEP_SECONDS` is by how much longer a forward pass takes: work that these cores need not do.
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from springtide_workloads.data.dataset import Batch
from springtide_workloads.recipes import AdamW, Recipe
from springtide_workloads.recipes.config import cross_entropy
from springtide_workloads.recipes.gpt import gpt_tiny

NOTED: set[int] = set()
"""Processes that have left their id; one that is forked from another leaves its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(AdamW):
    """An optimizer whose rate is asked for once as a step begins."""

    def rate(self, step: int, steps: int) -> float:
        """See `AdamW`."""
        place, rank = Path(os.environ["GOODPUT_PLACE"]), os.environ["RANK"]
        if os.getpid() not in NOTED:
            NOTED.add(os.getpid())
            (place / f"rank-{rank}").write_text(str(os.getpid()))
        if rank == "0":
            with (place / "steps").open("a") as file:
                file.write(f"{time.monotonic()} {os.getpid()} {step}\n")
        # without super(): a dataclass with slots is another class than the one that is written here
        return AdamW.rate(self, step, steps)


def slowly(model: nn.Module, batch: Batch) -> Tensor:
    """The loss, later."""
    if model.training:
        time.sleep(float(os.environ["GOODPUT_STEP_SECONDS"]))
    return cross_entropy(model, batch)


def noted(*, name: str, steps: int = 1_000_000, save_every: int = 50) -> Recipe:
    """A small GPT that is not evaluated before its end."""
    recipe = gpt_tiny(
        name=name, steps=steps, batch=8, context=64, width=64, layers=2, save_every=save_every, eval_every=steps
    )
    return replace(recipe, loss=slowly, optimizer=Noted(lr=recipe.optimizer.lr))
