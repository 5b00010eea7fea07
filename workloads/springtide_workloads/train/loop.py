"""The training loop, top to bottom."""

import math
from dataclasses import dataclass, field
from typing import Any, Final, Self

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  PyTorch's own name for it
from torch.nn.parallel import DistributedDataParallel

from springtide_workloads.contract import Event, TrainingContract
from springtide_workloads.data.batches import Batches, held_out_windows
from springtide_workloads.data.bigram import bigram_loss
from springtide_workloads.data.corpus import Corpus, load
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
    """Trains from the newest checkpoint of the run to the recipe's last step, then exports. Called by all ranks.

    Raises:
        Interrupted: on all ranks, after a save, when any of them was told to stop.
        FloatingPointError: on all ranks, when the loss is no number any more; nothing is saved then.
    """
    run = _Run.prepare(job, recipe, ranks, stop)
    run.begin()
    try:
        while run.state.step < recipe.steps:
            run.heed_stop()
            run.step()
            if run.due(recipe.log_every):
                run.progress.trained(run.state.step, run.checked_loss())
            if run.due(recipe.save_every) or run.state.step == recipe.steps:
                run.save()
            if run.due(recipe.eval_every) and run.state.step < recipe.steps:
                run.evaluate()
        run.finish()
    except Interrupted:
        run.leave()
        raise


@dataclass(slots=True, kw_only=True)
class _Run:
    """What the steps of one process share."""

    job: TrainingContract
    recipe: Recipe
    ranks: Ranks
    stop: StopFlag
    store: Store
    events: EventLog
    text: Corpus
    baseline: float
    state: TrainState
    forward: DistributedDataParallel
    batches: Batches
    checkpoints: Checkpoints
    progress: Progress
    loss: Tensor = field(default_factory=lambda: torch.zeros(()))
    saved: int = 0
    """Step of the newest checkpoint; 0 before the first."""

    @classmethod
    def prepare(cls, job: TrainingContract, recipe: Recipe, ranks: Ranks, stop: StopFlag) -> Self:
        store, context = Store(job.artifacts_url), recipe.model.context
        events = EventLog(store=store, run=job.run)
        text = load(job.data_url, at_least=context + 1)
        torch.manual_seed(recipe.seed)
        model = recipe.model.build().to(ranks.device)
        torch.manual_seed(recipe.seed + 1 + ranks.rank)
        return cls(
            job=job, recipe=recipe, ranks=ranks, stop=stop, store=store, events=events, text=text,
            baseline=bigram_loss(text.train, text.held_out, context=context),
            state=TrainState(model=model, optimizer=recipe.optimizer.build(model)),
            forward=ranks.parallel(model),
            batches=Batches(
                text=text.train, context=context, batch=recipe.batch, seed=recipe.seed,
                rank=ranks.rank, world=ranks.world,
            ),
            checkpoints=Checkpoints(store=store, ranks=ranks, recipe=recipe, events=events),
            progress=Progress(steps=recipe.steps, tokens_per_step=recipe.batch * context, speaks=ranks.main),
        )  # fmt: skip

    def begin(self) -> None:
        """Restores what there is and tells where the run stands."""
        restored = self.checkpoints.restore(self.state)
        self.saved = self.state.step
        event, about = (Event.RESTORED, "goes on") if restored else (Event.STARTED, "starts")
        self.record(event, recipe=self.recipe.name, world=self.ranks.world)
        size = f"{self.text.train.size:,} bytes of {self.text.source}"
        self.progress.say(self.state.step, f"{about}: {size}, to beat {self.baseline:.3f} (bigrams)")
        self.progress.start(self.state.step)

    def step(self) -> None:
        """One step of the optimizer on one batch."""
        state, recipe = self.state, self.recipe
        inputs, targets = self.ranks.on_device(*self.batches.at(state.position))
        for group in state.optimizer.param_groups:
            group["lr"] = recipe.optimizer.rate(state.step, recipe.steps)
        with self.precision():
            self.loss = _cross_entropy(self.forward(inputs), targets)
        state.optimizer.zero_grad()
        torch.autograd.backward(self.loss)
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), recipe.clip)
        state.optimizer.step()
        state.step += 1
        state.position += recipe.batch

    def evaluate(self) -> float:
        """Loss on the held-out text, in nats a byte; every rank takes its part of the windows."""
        inputs, targets = held_out_windows(self.text.held_out, self.recipe.model.context)
        total = 0.0
        self.state.model.eval()
        for first in range(0, len(inputs), EVALUATION_WINDOWS * self.ranks.world):
            self.heed_stop()
            start = first + EVALUATION_WINDOWS * self.ranks.rank
            part = slice(start, start + EVALUATION_WINDOWS)
            if len(inputs[part]):
                total += self._held_out_total(inputs[part], targets[part])
        self.state.model.train()
        loss = self.ranks.total(total) / targets.numel()
        self.progress.say(self.state.step, f"held-out loss {loss:.3f}   bigrams {self.baseline:.3f}")
        self.record(Event.EVALUATED, held_out_loss=loss, bigram_loss=self.baseline)
        return loss

    @torch.no_grad()
    def _held_out_total(self, inputs: Tensor, targets: Tensor) -> float:
        inputs, targets = self.ranks.on_device(inputs, targets)
        with self.precision():
            return float(_cross_entropy(self.state.model(inputs), targets).item() * targets.numel())

    def save(self) -> None:
        """Publishes a checkpoint, of good numbers only."""
        self.checked_loss()
        seconds = self.checkpoints.save(self.state)
        self.saved = self.state.step
        late = seconds > self.job.save_deadline_seconds
        note = f", later than the {self.job.save_deadline_seconds} s that a notice leaves" if late else ""
        self.progress.say(self.state.step, f"saved in {seconds:.2f} s{note}")

    def finish(self) -> None:
        """Measures the trained model and exports it: the last act."""
        loss = self.evaluate()
        self.ranks.once(lambda: self._export(loss))

    def _export(self, loss: float) -> None:
        export(
            self.store, self.state.model, self.recipe,
            run=self.job.run, step=self.state.step, held_out_loss=loss, bigram_loss=self.baseline,
        )  # fmt: skip
        self.events.add(Event.EXPORTED, step=self.state.step)

    def leave(self) -> None:
        """Told to stop: keeps what was done since the last checkpoint."""
        self.stop.deafen()
        if self.state.step > self.saved:
            self.save()
        self.record(Event.INTERRUPTED)
        self.progress.say(self.state.step, "told to stop; everything up to here is saved")

    def heed_stop(self) -> None:
        """Raises Interrupted on all ranks when any of them was told to stop."""
        if self.ranks.any(self.stop.asked):
            raise Interrupted(f"told to stop after step {self.state.step}")

    def checked_loss(self) -> float:
        """Mean loss of the last step over all ranks."""
        loss = self.ranks.mean(float(self.loss.item()))
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} after step {self.state.step}: try a lower learning rate")
        return loss

    def record(self, event: Event, **details: Any) -> None:
        """Adds an event, once for all ranks."""
        self.ranks.once(lambda: self.events.add(event, step=self.state.step, **details))

    def due(self, every: int) -> bool:
        """Whether something that happens every so many steps happens now."""
        return self.state.step % every == 0

    def precision(self) -> torch.autocast:
        """The arithmetic of the forward pass."""
        return torch.autocast(self.ranks.device.type, dtype=torch.bfloat16, enabled=self.recipe.bf16)


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log likelihood in nats."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
