"""Everything that a run needs before its first step, opened in the order in which it can fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import nn

from springtide_workloads.contract import Layout, TrainingContract
from springtide_workloads.data.dataset import Batch, Dataset
from springtide_workloads.data.feed import Feed
from springtide_workloads.models.exported import load_weights, weights_at
from springtide_workloads.recipes import Recipe
from springtide_workloads.storage import Store
from springtide_workloads.train.checkpoints import Checkpoints
from springtide_workloads.train.events import EventLog
from springtide_workloads.train.interval import Pacer
from springtide_workloads.train.lease import Lease, acquire
from springtide_workloads.train.phases import Phases
from springtide_workloads.train.progress import Progress, Reporter
from springtide_workloads.train.ranks import Ranks
from springtide_workloads.train.state import RankStreams, TrainState
from springtide_workloads.train.stepper import Stepper, stepper
from springtide_workloads.train.stop import StopFlag
from springtide_workloads.train.watch import Watch


@dataclass(slots=True, kw_only=True)
class Run:
    """What the steps of one process share."""

    job: TrainingContract
    recipe: Recipe
    ranks: Ranks
    stop: StopFlag
    store: Store
    events: EventLog
    data: Dataset
    held_out: Sequence[Batch]
    baseline: float | None
    """Loss to beat, in nats a token; None where the data knows none."""
    stepper: Stepper
    state: TrainState
    checkpoints: Checkpoints
    phases: Phases
    reporter: Reporter
    progress: Progress
    pacer: Pacer
    lease: Lease | None
    """The right to write to the run's artifacts; the main rank holds it for all."""
    feed: Feed | None = None
    """The batches from the restored position on; None before that is known."""

    @classmethod
    def open(cls, job: TrainingContract, recipe: Recipe, ranks: Ranks, stop: StopFlag, watch: Watch) -> Self:
        """Called by all ranks. Nothing is at stake yet: a signal ends the process at once.

        Raises:
            ConfigError, StorageError: on all ranks.
        """
        store = Store(job.artifacts_url)
        events = EventLog(store=store, run=job.run)
        lease = _lease(store, job, ranks, stop)
        data = recipe.data.build(job.data_url, Path(job.scratch_dir))
        tokens = recipe.batch * data.tokens_per_sample
        reporter = Reporter(events=events, status=Path(job.scratch_dir, Layout.STATUS), tokens_per_step=tokens)
        phases = Phases(watch, reporter.meter)
        made = stepper(
            _model(recipe), recipe, rank=ranks.rank, world=ranks.world, device=ranks.device, phase=phases.enter
        )
        # ranks that compute one layer together draw the same numbers
        torch.manual_seed(recipe.seed + 1 + made.place[0])
        fence = None if lease is None else lease.fence
        return cls(
            job=job, recipe=recipe, ranks=ranks, stop=stop, store=store, events=events, data=data,
            held_out=data.held_out(), baseline=ranks.once(lambda: data.baseline), stepper=made,
            state=TrainState(
                model=made.model, optimizer=made.optimizer, streams=RankStreams(rank=made.place[0])
            ),
            checkpoints=Checkpoints(store=store, ranks=ranks, recipe=recipe, events=events, fence=fence),
            phases=phases, reporter=reporter, pacer=Pacer(next_step=0), lease=lease,
            progress=Progress(steps=recipe.steps, tokens_per_step=tokens, speaks=ranks.main),
        )  # fmt: skip

    def close(self) -> None:
        """Ends what runs beside the steps, when nothing is left to publish: whoever waits for the lease may write then.

        A run that fails does not come here: its processes end, and its lease with them.
        """
        if self.feed is not None:
            self.feed.close()
        self.data.close()
        if self.lease is not None:
            self.lease.release()
        self.events.close()


def _lease(store: Store, job: TrainingContract, ranks: Ranks, stop: StopFlag) -> Lease | None:
    """Waits until nobody else writes to the run's artifacts. The main rank's thread waits; the others look in."""
    taken: list[Lease] = []
    ranks.once_slowly(lambda: taken.append(acquire(store, run=job.run, stopped=lambda: stop.asked)))
    return taken[0] if taken else None


def _model(recipe: Recipe) -> nn.Module:
    """The model with the weights it begins with, equal on all ranks."""
    torch.manual_seed(recipe.seed)
    model = recipe.model.build()
    if recipe.start is not None:
        load_weights(model, weights_at(recipe.start), source=recipe.start)
    return model
