"""The same steps in a loop of plain torch, or of another trainer: `python -m bench.peers.steps_bare [bare|accelerate|lightning]`.

Same model, data, order, optimizer, schedule and clipping as `steps_recipe.timed`; it says the loss of the last step.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from springtide_workloads.data.dataset import Batch
from springtide_workloads.recipes import Recipe, resolve


def batches(recipe: Recipe) -> Iterator[Batch]:
    """The batches of all steps, in their order."""
    data = recipe.data.build(None, Path(tempfile.mkdtemp()))
    for step in range(recipe.steps):
        yield data.take(np.arange(step * recipe.batch, (step + 1) * recipe.batch, dtype=np.uint64))


def made(recipe: Recipe) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The model with the weights that it begins with, and its optimizer."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    model = recipe.model.build()
    return model, recipe.optimizer.build(model)


def rated(recipe: Recipe, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Sets the rate of a step."""
    for group in optimizer.param_groups:
        group["lr"] = recipe.optimizer.rate(step, recipe.steps)


def bare(recipe: Recipe) -> Tensor:
    """What a textbook has."""
    model, optimizer = made(recipe)
    loss = torch.zeros(())
    for step, batch in enumerate(batches(recipe)):
        optimizer.zero_grad()
        loss = recipe.loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        rated(recipe, optimizer, step)
        optimizer.step()
    return loss


def accelerated(recipe: Recipe) -> Tensor:
    """As Hugging Face's accelerate documents it."""
    from accelerate import Accelerator  # noqa: PLC0415  in an environment of its own

    accelerator = Accelerator(cpu=True)
    model, optimizer = accelerator.prepare(*made(recipe))
    loss = torch.zeros(())
    for step, batch in enumerate(batches(recipe)):
        optimizer.zero_grad()
        loss = recipe.loss(model, batch)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), recipe.clip)
        rated(recipe, optimizer, step)
        optimizer.step()
    return loss


def lightning(recipe: Recipe) -> Tensor:
    """As Lightning documents it, without logger, checkpoints and progress bar."""
    import lightning as pl  # noqa: PLC0415  in an environment of its own

    last: list[Tensor] = []

    class Module(pl.LightningModule):  # type: ignore[misc]  # it has no types here
        def __init__(self) -> None:
            super().__init__()
            self.model, self.made = made(recipe)

        def training_step(self, batch: Any, step: int) -> Tensor:
            rated(recipe, self.made, step)
            loss = recipe.loss(self.model, tuple(batch))
            last[:] = [loss.detach()]
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return self.made

    quiet: dict[str, Any] = {
        "logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False,
    }  # fmt: skip
    trainer = pl.Trainer(accelerator="cpu", devices=1, max_steps=recipe.steps, gradient_clip_val=recipe.clip, **quiet)
    samples: Any = list(batches(recipe))
    trainer.fit(Module(), DataLoader(samples, batch_size=None))
    return last[0]


ARMS: dict[str, Callable[[Recipe], Tensor]] = {"bare": bare, "accelerate": accelerated, "lightning": lightning}

if __name__ == "__main__":
    sys.stdout.write(f"{ARMS[sys.argv[1]](resolve(os.environ['STEPS_RECIPE'])).item()!r}\n")
