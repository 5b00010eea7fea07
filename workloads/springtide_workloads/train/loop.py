"""The training loop, top to bottom."""

import math
import time
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from springtide_workloads.contract import Event, TrainingContract
from springtide_workloads.data.dataset import Batch
from springtide_workloads.data.feed import Feed
from springtide_workloads.errors import Interrupted
from springtide_workloads.recipes import Recipe
from springtide_workloads.train.checkpoints import Pending
from springtide_workloads.train.events import read_events
from springtide_workloads.train.export import export, whole_tensors
from springtide_workloads.train.interval import FIRST_STEPS
from springtide_workloads.train.ranks import Ranks
from springtide_workloads.train.setup import Run
from springtide_workloads.train.stop import StopFlag
from springtide_workloads.train.timeline import Timeline
from springtide_workloads.train.watch import Watch

LOOK_SECONDS: Final = 0.2
"""How long a rank waits for its data before it asks the others again whether any of them was told to stop."""


def train(job: TrainingContract, recipe: Recipe, ranks: Ranks, stop: StopFlag, watch: Watch) -> None:
    """Trains from the newest checkpoint of the run to the recipe's last step, then exports. Called by all ranks.

    Raises:
        Interrupted: on all ranks, after a save, when any of them was told to stop.
        FloatingPointError: on all ranks, when the loss is no number any more; nothing is saved then.
    """
    run = _Training.open(job, recipe, ranks, stop, watch)
    try:
        run.begin()
        while run.state.step < recipe.steps:
            run.step(run.next_batch())
            if run.every(recipe.log_every):
                run.tell_loss()
            if run.save_due():
                run.save()
            if run.every(recipe.eval_every) and run.state.step < recipe.steps:
                run.evaluate()
        run.finish()
    except Interrupted:
        run.leave()
        raise


@dataclass(slots=True, kw_only=True)
class _Training(Run):
    """What happens to a run, in the order of `train`."""

    loss: Tensor = field(default_factory=lambda: torch.zeros(()))
    """Of this rank's part of the last batch."""
    saved: int = 0
    """Step of the newest save; 0 before the first."""
    told: int = 0
    """Step of the newest save that people were told of."""

    def begin(self) -> None:
        """Restores what there is, compiles what is compiled, and tells where the run stands."""
        if self.ranks.main:
            self.learn_from_the_past()
        started = time.monotonic()
        restored = self.checkpoints.restore(self.state)
        took = time.monotonic() - started
        self.saved = self.told = self.phases.step = self.state.step
        self.pacer.next_step = self.state.step + FIRST_STEPS
        self.feed = Feed(
            self.data, batch=self.recipe.batch, rank=self.ranks.rank, world=self.ranks.world,
            position=self.state.position, part=self.stepper.part,
        )  # fmt: skip
        if self.recipe.compile:
            self.stepper.warm_up(self.held_out[0])
        # nothing was at stake so far, and a signal ended the process at once; from here on the ranks agree on when to stop
        self.stop.work_begins()
        event, about = (Event.RESTORED, "goes on") if restored else (Event.STARTED, "starts")
        self.record(event, recipe=self.recipe.name, world=self.ranks.world, seconds=round(took, 3))
        beat = "" if self.baseline is None else f", to beat {self.baseline:.3f} (bigrams)"
        self.progress.say(self.state.step, f"{about}: {self.data.describe()}{beat}")
        self.progress.start(self.state.step)
        if self.ranks.main:
            self.reporter.start(self.state.step)
        self.pacer.started(self.state.step, time.monotonic())

    def learn_from_the_past(self) -> None:
        """Goes on with the clock of the run's earlier processes, and with what they saw of how often work is lost."""
        history = read_events(self.store)
        self.events.catch_up(history)
        known = Timeline.of(history)
        self.pacer.watched, self.pacer.losses = known.training_ms / 1000, known.losses

    def next_batch(self) -> Batch:
        """This rank's part of the next batch, when every rank has its own.

        Ranks wait here for each other's data and not inside a step, where nobody could be told to stop.
        """
        feed = self.feed
        assert feed is not None  # noqa: S101  for mypy: `begin` made it
        while True:
            self.phases.enter("data" if not feed.ready() else "wait")
            told, waits = self.ranks.vote(self.stop.asked, not feed.ready() and not feed.wait(LOOK_SECONDS))
            if told:
                raise Interrupted(f"told to stop after step {self.state.step}")
            if not waits:
                return feed.get()

    def step(self, batch: Batch) -> None:
        """One step of the optimizer on one batch."""
        state, recipe = self.state, self.recipe
        rate = recipe.optimizer.rate(state.step, recipe.steps)
        self.loss = self.stepper.step(batch, lr=rate, number=state.step)
        state.step += 1
        state.position += recipe.batch
        self.phases.step = state.step
        if self.ranks.main:
            self.reporter.stepped(state.step)

    def tell_loss(self) -> None:
        """A line for people, a fact for the metrics."""
        loss = self.checked_loss()
        self.progress.trained(self.state.step, loss)
        self.reporter.know(loss=loss)

    def save_due(self) -> bool:
        """Whether to save after this step: as often as the recipe says, else as often as pays."""
        if self.state.step == self.recipe.steps:
            return True
        if self.recipe.save_every is not None:
            return self.every(self.recipe.save_every)
        return self.pacer.due(self.state.step)

    def save(self) -> None:
        """Copies the state, of good numbers only; a thread publishes the copy while training goes on."""
        self.checked_loss()
        self.phases.enter("save")
        before = self.checkpoints.wait()
        pending = self.checkpoints.save(self.state)
        self.saved = self.state.step
        self.pacer.stalled(pending.stall_seconds)
        if before is not None:
            self.pacer.saved(before.seconds)
            self._tell_saved(before)
        now = time.monotonic()
        self.pacer.follow(self.ranks.once(lambda: self.pacer.plan(self.state.step, now)))

    def _tell_saved(self, done: Pending) -> None:
        if done.step == self.told:
            return
        self.told = done.step
        self.reporter.know(
            checkpoint={
                "step": done.step,
                "seconds": done.seconds,
                "bytes": done.bytes,
                "time_ms": self.events.clock.ms(),
            }
        )
        late = 0 < self.job.save_deadline_seconds < done.seconds
        note = f", later than the {self.job.save_deadline_seconds} s that a notice leaves" if late else ""
        self.progress.say(done.step, f"saved in {done.seconds:.2f} s, a stall of {done.stall_seconds:.3f} s{note}")

    def evaluate(self) -> float:
        """Loss on the held-out data, in nats a token; ranks share the batches as they share those of a step."""
        self.phases.enter("evaluate")
        sums = [0.0, 0.0]
        place, places = self.stepper.place
        self.state.model.eval()
        for first in range(0, len(self.held_out), places):
            self.heed_stop()
            mine = first + place
            # where a model is in shards, a rank without a batch of its own helps the others with theirs
            if mine < len(self.held_out) or self.stepper.lockstep:
                batch = self.held_out[min(mine, len(self.held_out) - 1)]
                rows = len(batch[0]) if mine < len(self.held_out) else 0
                sums[0] += float(self.stepper.loss(batch)) * rows
                sums[1] += rows
        self.state.model.train()
        loss = self.ranks.total(sums[0]) / self.ranks.total(sums[1])
        beat = "" if self.baseline is None else f"   bigrams {self.baseline:.3f}"
        self.progress.say(self.state.step, f"held-out loss {loss:.3f}{beat}")
        self.record(Event.EVALUATED, held_out_loss=loss, bigram_loss=self.baseline)
        return loss

    def finish(self) -> None:
        """Waits for the last save, measures the trained model and exports it: the last act."""
        self._drain()
        loss = self.evaluate()
        self.phases.enter("end")
        tensors = whole_tensors(self.state.model, wanted=self.ranks.main)
        self.ranks.once_slowly(lambda: self._export(tensors, loss))
        self.close()

    def _export(self, tensors: dict[str, Tensor], loss: float) -> None:
        export(
            self.store, tensors, self.recipe,
            run=self.job.run, step=self.state.step, held_out_loss=loss, bigram_loss=self.baseline,
        )  # fmt: skip
        self.events.add(Event.EXPORTED, **self.reporter.said(self.state.step))

    def leave(self) -> None:
        """Told to stop: keeps what was done since the last save, where there is time for it."""
        self.stop.deafen()
        if self.state.step > self.saved and self.job.save_deadline_seconds:
            self.save()
        self._drain()
        self.record(Event.INTERRUPTED, **self.reporter.said(self.state.step))
        kept = "everything up to here is saved" if self.saved == self.state.step else f"step {self.saved} is saved"
        self.progress.say(self.state.step, f"told to stop; {kept}")
        self.close()

    def _drain(self) -> None:
        self.phases.enter("save")
        done = self.checkpoints.wait()
        if done is not None:
            self._tell_saved(done)

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
        self.ranks.once(lambda: self.events.add(event, **{"step": self.state.step} | details))

    def every(self, steps: int) -> bool:
        """Whether something that happens every so many steps happens now."""
        return self.state.step % steps == 0
