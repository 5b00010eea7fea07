"""The training loop, top to bottom."""

import math
import sys
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own name for it

from springtide_workloads.contract import Event, TrainingContract
from springtide_workloads.data import corpus
from springtide_workloads.data.batches import Batches, held_out_windows
from springtide_workloads.data.bigram import bigram_loss
from springtide_workloads.errors import Interrupted
from springtide_workloads.recipes import Recipe
from springtide_workloads.storage import Store
from springtide_workloads.train.checkpoint import Checkpoints
from springtide_workloads.train.events import EventLog
from springtide_workloads.train.export import export
from springtide_workloads.train.progress import Progress
from springtide_workloads.train.ranks import Ranks
from springtide_workloads.train.state import TrainState
from springtide_workloads.train.stop import StopFlag

EVALUATION_WINDOWS: Final = 32
"""Held-out windows in one forward pass; between two of them the run can be told to stop."""


def train(job: TrainingContract, recipe: Recipe, ranks: Ranks, stop: StopFlag) -> None:
    """Trains until the recipe's last step and exports, starting from the newest checkpoint of the run.

    Raises:
        Interrupted: on all ranks, after a save, when any of them was told to stop.
    """
    store = Store(job.artifacts_url)
    events = EventLog(store=store, run=job.run)
    text = corpus.load(job.data_url, at_least=recipe.model.context + 1)
    baseline = bigram_loss(text.train, text.held_out, context=recipe.model.context)

    torch.manual_seed(recipe.seed)
    model = recipe.model.build().to(ranks.device)
    torch.manual_seed(recipe.seed + 1 + ranks.rank)
    state = TrainState(model=model, optimizer=recipe.optimizer.build(model))
    checkpoints = Checkpoints(store=store, ranks=ranks, recipe=recipe, events=events)
    progress = Progress(
        steps=recipe.steps, tokens_per_step=recipe.batch * recipe.model.context, speaks=ranks.main
    )
    if checkpoints.restore(state):
        ranks.once(lambda: events.add(Event.RESTORED, step=state.step, world=ranks.world))
        progress.say(state.step, f"goes on from {store.url}")
    else:
        ranks.once(lambda: events.add(Event.STARTED, recipe=recipe.name, world=ranks.world))
        progress.say(0, f"starts on {text.source}, {text.train.size:,} bytes; to beat: {baseline:.3f} by bigrams")

    ...
