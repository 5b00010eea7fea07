"""Keeps the processes of one node going: torch's elastic agent with our own idea of when a restart helps.

| what happened to a process | what the agent does |
|---|---|
| told to stop, after a save | ends as `INTERRUPTED` |
| killed, or lost the others | starts all again from the newest checkpoint; after some without a new one, `NO_PROGRESS` |
| a bug, a wrong setting, storage that fails | ends with that code: it would happen again |

Restarts are counted in this process; what counts pods and their restarts is the Kubernetes Job.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerSpec, WorkerState
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException

from springtide_workloads.contract import NO_PROGRESS_RESTARTS, Device, Event, ExitCode, TrainingContract
from springtide_workloads.errors import ConfigError, NoProgress
from springtide_workloads.export import exported
from springtide_workloads.recipes import Recipe, resolve
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell
from springtide_workloads.train.checkpoint import newest_published, same_recipe
from springtide_workloads.train.events import EventLog
from springtide_workloads.train.exits import Codes, most_severe, restartable
from springtide_workloads.train.rendezvous import Meeting

_WORKER: Final = ("-u", "-m", "springtide_workloads.train.worker")
_UNLIMITED: Final = 1_000_000


def run(job: TrainingContract) -> ExitCode:
    """Trains on this node until the run is finished, told to stop, or failed for good.

    Raises:
        ConfigError, StorageError, NoProgress: what no process could have got over.
        Interrupted: when the other nodes did not come.
    """
    recipe = resolve(job.recipe)
    _fits(job, recipe)
    store = Store(job.artifacts_url)
    if done := exported(store):
        same_recipe(done.recipe, recipe)
        tell(f"run {job.run!r} is finished: step {done.step}, held-out loss {done.held_out_loss:.3f}")
        return ExitCode.DONE
    events = EventLog(store=store, run=job.run)
    agent = Agent(job, Patience(newest=lambda: newest_published(store)), events)
    try:
        result = agent.run()
    except SignalException:
        return most_severe(agent.codes().values(), told_to_stop=True)
    codes = _codes(result)
    given_up = restartable(codes)
    code = ExitCode.NO_PROGRESS if given_up else most_severe(codes.values(), told_to_stop=False)
    if code not in {ExitCode.DONE, ExitCode.INTERRUPTED}:
        events.add(Event.FAILED, code=code.name, codes=codes)
    if given_up:
        raise NoProgress(f"restarted {NO_PROGRESS_RESTARTS} times without a new checkpoint: processes ended {codes}")
    return code


@dataclass(slots=True, kw_only=True)
class Patience:
    """How often to start again while no new checkpoint appears."""

    newest: Callable[[], int | None]
    """Step of the newest checkpoint."""
    limit: int = NO_PROGRESS_RESTARTS
    restarts: int = 0
    """Restarts since the newest checkpoint."""
    _seen: int | None = None

    def lasts(self) -> bool:
        """Counts one more restart; False when it should not be made."""
        newest = self.newest()
        if newest != self._seen:
            self._seen, self.restarts = newest, 0
        self.restarts += 1
        return self.restarts <= self.limit


class Agent(LocalElasticAgent):
    """Torch's agent for one node."""

    def __init__(self, job: TrainingContract, patience: Patience, events: EventLog) -> None:
        logs = DefaultLogsSpecs(log_dir="/dev/null")
        super().__init__(_spec(job), logs, shutdown_timeout=job.shutdown_seconds)
        self._patience = patience
        self._events = events

    def codes(self) -> Codes:
        """Exit codes of the processes that have ended, by local rank."""
        handlers = getattr(self._pcontext, "subprocess_handlers", {})
        found = {rank: handler.proc.poll() for rank, handler in handlers.items()}
        return {rank: code for rank, code in found.items() if code is not None}

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        """Watches the processes; a failure that a restart cannot mend takes away all restarts that are left."""
        result: RunResult = super()._monitor_workers(worker_group)
        if result.state is not WorkerState.FAILED:
            return result
        codes = _codes(result)
        if restartable(codes) and self._patience.lasts():
            tell(f"processes ended {codes}; starting all again")
            self._events.add(Event.RESTARTED, codes=codes, restarts=self._patience.restarts)
        else:
            self._remaining_restarts = 0
        return result


def _spec(job: TrainingContract) -> WorkerSpec:
    return WorkerSpec(
        role="trainer",
        local_world_size=job.procs_per_node,
        entrypoint=sys.executable,
        args=_WORKER,
        rdzv_handler=Meeting(job=job, rank=0 if job.node_rank is None else job.node_rank),
        max_restarts=_UNLIMITED,
        monitor_interval=0.1,
        master_addr=job.master_addr,
        master_port=job.master_port,
    )


def _codes(result: RunResult) -> Codes:
    return {rank: failure.exitcode for rank, failure in result.failures.items()}


def _fits(job: TrainingContract, recipe: Recipe) -> None:
    """Refuses what every process would stumble over, before any is started.

    Raises:
        ConfigError: naming the setting.
    """
    if job.node_rank is None:
        raise ConfigError("PET_NODE_RANK is missing: it must be this node's index; Kubernetes sets it from the pod")
    if recipe.batch % job.world_size:
        raise ConfigError(
            f"recipe {recipe.name!r} takes {recipe.batch} windows a step, which {job.world_size} processes cannot share "
            "evenly: choose a batch that is a multiple of PET_NNODES times PET_NPROC_PER_NODE"
        )
    if job.device is Device.CUDA and torch.cuda.device_count() < job.procs_per_node:
        raise ConfigError(
            f"SPRINGTIDE_DEVICE is cuda with {job.procs_per_node} processes, and torch sees "
            f"{torch.cuda.device_count()} GPUs here: check the node's driver, or set cpu"
        )
