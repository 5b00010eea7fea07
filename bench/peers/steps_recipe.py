"""A recipe whose loss notes when it is called: from call to call is one step, in whatever loop it is."""

import os
import time
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from springtide_workloads.data.dataset import Batch
from springtide_workloads.recipes import Recipe
from springtide_workloads.recipes.config import cross_entropy
from springtide_workloads.recipes.gpt import gpt_tiny

STAMPS: list[float] = []


def noted(model: nn.Module, batch: Batch) -> Tensor:
    """The loss; the time goes to memory, and after the last step to the file that `STEPS_FILE` names."""
    if model.training:
        STAMPS.append(time.perf_counter())
        if len(STAMPS) == int(os.environ["STEPS_COUNT"]):
            Path(os.environ["STEPS_FILE"]).write_text(" ".join(map(repr, STAMPS)))
    return cross_entropy(model, batch)


def timed(  # noqa: PLR0913  each argument may be set by name in the recipe's text
    *, name: str, steps: int = 200, width: int = 64, layers: int = 2, context: int = 64, batch: int = 8
) -> Recipe:
    """A GPT without dropout, saved and evaluated after its last step only."""
    recipe = gpt_tiny(
        name=name, steps=steps, width=width, layers=layers, context=context, batch=batch,
        save_every=steps, eval_every=steps,
    )  # fmt: skip
    return replace(recipe, loss=noted, log_every=steps)
