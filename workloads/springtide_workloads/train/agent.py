"""Keeps the processes of one node going: starts them together, watches them, and knows when a restart helps.

| what happened to a process | what the agent does |
|---|---|
| told to stop, after a save | ends as `INTERRUPTED`; so does an agent that was told itself |
| killed, frozen, stuck, or lost the others | starts all again; after some without a new checkpoint, `NO_PROGRESS` |
| a bug, a wrong setting, storage that fails | ends with that code: it would happen again |

Restarts are counted in this process; what counts pods and their restarts is the Kubernetes Job. Processes find in their
environment what torchrun would have put there.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch

from springtide_workloads.contract import NO_PROGRESS_RESTARTS, Device, Env, Event, ExitCode, Layout, TrainingContract
from springtide_workloads.errors import EXPECTED, ConfigError, Interrupted, NoProgress, StorageError
from springtide_workloads.export import exported
from springtide_workloads.recipes import Recipe, resolve
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell
from springtide_workloads.train import goodput, parallel, telemetry
from springtide_workloads.train.checkpoints import newest_published, same_recipe
from springtide_workloads.train.crew import Crew, sweep
from springtide_workloads.train.events import EventLog, new_attempt, read_events
from springtide_workloads.train.exits import Codes, OutOfMemory, most_severe, restartable, stopping
from springtide_workloads.train.guard import Guard
from springtide_workloads.train.rendezvous import LEAVE_SECONDS, Meeting
from springtide_workloads.train.stop import AGENT, StopFlag
from springtide_workloads.train.warm import Standby

LOOK_SECONDS: Final = 0.05
"""From one look at the processes to the next."""
ALONE_SECONDS: Final = 2.0
"""How long a process may go on that has lost another: it cannot save without it, but may have an error to show."""
HURRY_SECONDS: Final = 3.0
"""How long node 0 waits for the other agents when its processes did not end well: a pod's grace is short."""
CLEAN_UP_SECONDS: Final = 5.0
"""How long an agent without processes may take to leave when it is told to."""


def run(job: TrainingContract, standby: Standby | None = None) -> ExitCode:
    """Trains on this node until the run is finished, told to stop, or failed for good.

    Args:
        job: this node's part of the run.
        standby: one that imports already. Default None: a new one.

    Raises:
        ConfigError, StorageError, NoProgress: what no process could have got over.
        Interrupted: when the other nodes did not come, or a signal came first.
    """
    stop = StopFlag(leave_after=CLEAN_UP_SECONDS)
    stop.listen()
    os.environ[Env.ATTEMPT] = new_attempt()
    recipe = resolve(job.recipe)
    _fits(job, recipe)
    store = Store(job.artifacts_url)
    if done := exported(store):
        same_recipe(done.recipe, recipe)
        tell(f"run {job.run!r} is finished: step {done.step}, held-out loss {done.held_out_loss:.3f}")
        return ExitCode.DONE
    events = EventLog(store=store, run=job.run)
    _joined(job, store, events)
    patience = Patience(newest=lambda: newest_published(store))
    try:
        with standby or Standby() as warm:
            codes = Agent(job=job, patience=patience, events=events, stop=stop, standby=warm).run()
        code = _spoken(codes, events, told=stop.told)
    except EXPECTED as error:
        events.add(Event.LEFT, code=error.code.name)
        raise
    events.add(Event.LEFT, code=code.name)
    if code is ExitCode.DONE and not job.node_rank:
        _accounted(store, job.usd_per_hour)
    return code


def _accounted(store: Store, usd_per_hour: float | None) -> None:
    """Shows where the finished run's time went."""
    try:
        sys.stdout.write(f"\n{goodput.table(goodput.account(store), usd_per_hour)}")
    except StorageError as error:
        # the run is finished, whether somebody can be told how it went or not
        tell(f"no account of the run: {error}")


def _joined(job: TrainingContract, store: Store, events: EventLog) -> None:
    """Tells the run's diary that this node is there; node 0 answers from now on who asks for the run's numbers."""
    moved = events.catch_up(read_events(store))
    events.add(Event.JOINED, node=job.node_rank, nodes=job.nodes, clock_ms=moved)
    if job.node_rank:
        return
    try:
        telemetry.serve(telemetry.Source.of(store, Path(job.scratch_dir, Layout.STATUS)), job.metrics_port)
    except ConfigError as error:
        # numbers that nobody can read are no reason not to train
        tell(f"no metrics: {error}")


def _spoken(codes: Codes, events: EventLog, *, told: bool) -> ExitCode:
    """What this node says of its processes' codes; told to stop, it was no failure whatever became of them."""
    given_up = restartable(codes) and not told
    code = ExitCode.NO_PROGRESS if given_up else most_severe(codes.values(), told_to_stop=told)
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


@dataclass(slots=True, kw_only=True)
class Agent:
    """One node's processes, from generation to generation."""

    job: TrainingContract
    patience: Patience
    events: EventLog
    stop: StopFlag
    standby: Standby
    meeting: Meeting = field(init=False)
    memory: OutOfMemory = field(default_factory=OutOfMemory)

    def __post_init__(self) -> None:
        self.meeting = Meeting(job=self.job, rank=self.job.node_rank or 0, heed=self.heed)

    def run(self) -> Codes:
        """Exit codes of the last generation's processes that failed, by rank.

        Raises:
            Interrupted: when told to stop while there is no process, or when other nodes do not come.
        """
        self.standby.begin()
        try:
            while True:
                self.meeting.join()
                codes = self._generation()
                if codes is not None and not self._again(codes):
                    self.meeting.leave(HURRY_SECONDS if codes else LEAVE_SECONDS)
                    return codes
        finally:
            self.standby.end()
            sweep()
            # what is left is to say how it ended; Python takes its handlers away before it is gone
            self.stop.deafen()

    def heed(self) -> None:
        """Raises Interrupted when this agent was told to stop and there is nothing to save."""
        if self.stop.told:
            raise Interrupted("told to stop while no process was running")

    def _generation(self) -> Codes | None:
        """Runs the processes of one generation to their end; None when the others have gone on to another one."""
        crew, guard = Crew(self.standby), Guard(job=self.job, meeting=self.meeting, events=self.events)
        crew.start([self._env(rank) | guard.board.env() for rank in range(self.job.procs_per_node)], self.heed)
        self.stop.work_begins()
        try:
            moved_on = self._watched(crew, guard)
        finally:
            codes = crew.dismiss()
            guard.close()
            self.stop.work_ends()
        named = {self._rank(local): code for local, code in codes.items() if code}
        return None if moved_on and not stopping(named.values()) else named

    def _watched(self, crew: Crew, guard: Guard) -> bool:
        """Watches until all have ended or their time is over; True when other nodes have gone on to another generation."""
        ends, told = float("inf"), False
        while crew.running and time.monotonic() < ends:
            time.sleep(LOOK_SECONDS)
            crew.poll()
            if self.stop.told and not told:
                told, ends = True, min(ends, time.monotonic() + self.job.shutdown_seconds)
                # one that stands still must hear it too
                crew.tell(signal.SIGTERM, signal.SIGCONT)
            elif ends == float("inf") and any(crew.codes.values()):
                ends = time.monotonic() + self._leave(crew)
            if guard.look(crew) and not self.stop.told:
                return True
        return False

    def _leave(self, crew: Crew) -> float:
        """One has ended, and not well: how many seconds the others have."""
        if not stopping(code for code in crew.codes.values() if code):
            return ALONE_SECONDS
        crew.tell(signal.SIGTERM)
        return float(self.job.shutdown_seconds)

    def _again(self, codes: Codes) -> bool:
        """Whether to start all again, counted and told."""
        if self.stop.told or not restartable(codes):
            return False
        self.memory.explain(codes)
        if not self.patience.lasts():
            return False
        tell(f"processes ended {codes}; starting all again")
        self.events.add(Event.RESTARTED, codes=codes, restarts=self.patience.restarts)
        return True

    def _rank(self, local: int) -> int:
        return self.meeting.rank * self.job.procs_per_node + local

    def _env(self, local: int) -> dict[str, str]:
        own = {
            AGENT: os.getpid(),
            "RANK": self._rank(local),
            "LOCAL_RANK": local,
            "GROUP_RANK": self.meeting.rank,
            "WORLD_SIZE": self.job.world_size,
            "LOCAL_WORLD_SIZE": self.job.procs_per_node,
            "GROUP_WORLD_SIZE": self.job.nodes,
            "MASTER_ADDR": self.job.master_addr,
            "MASTER_PORT": self.job.master_port,
            "TORCHELASTIC_RUN_ID": self.meeting.generation_id,
            # never the same twice: processes of user code may begin their keys with it
            "TORCHELASTIC_RESTART_COUNT": self.meeting.generation - 1,
            "TORCHELASTIC_USE_AGENT_STORE": True,
        }
        return os.environ | {name: str(value) for name, value in own.items()}


def _fits(job: TrainingContract, recipe: Recipe) -> None:
    """Refuses what every process would stumble over, before any is started.

    Raises:
        ConfigError: naming the settings.
    """
    if job.node_rank is None:
        raise ConfigError("PET_NODE_RANK is missing: it must be this node's index; Kubernetes sets it from the pod")
    parallel.check(recipe, job.world_size, torch.device(job.device.value))
    if job.device is Device.CUDA and torch.cuda.device_count() < job.procs_per_node:
        raise ConfigError(
            f"SPRINGTIDE_DEVICE is cuda with {job.procs_per_node} processes, and torch sees "
            f"{torch.cuda.device_count()} GPUs here: check the node's driver, or set cpu"
        )
