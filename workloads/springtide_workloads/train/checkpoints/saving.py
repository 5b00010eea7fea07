"""Saving without stopping, restoring without believing: the checkpoints of one run."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from torch import Tensor

from springtide_workloads.contract import Event
from springtide_workloads.errors import ConfigError, StorageError, WorkloadError
from springtide_workloads.recipes import Recipe
from springtide_workloads.storage import Store
from springtide_workloads.train.checkpoints import reading
from springtide_workloads.train.checkpoints.boxes import Claim, Piece, Shard, claims, deal, shards
from springtide_workloads.train.checkpoints.catalog import (
    file_path,
    manifest_paths,
)
from springtide_workloads.train.checkpoints.manifest import File, Manifest, Whole
from springtide_workloads.train.checkpoints.recipe import same_recipe
from springtide_workloads.train.checkpoints.retiring import Shelf
from springtide_workloads.train.checkpoints.staging import DTYPE_NAMES, Staging
from springtide_workloads.train.events import EventLog
from springtide_workloads.train.lease import Fence
from springtide_workloads.train.ranks import TIMEOUT, Ranks
from springtide_workloads.train.state import RANDOM, RankStreams, Streams, TrainState

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Pending:
    """A save that was begun: copied, and on its way."""

    step: int
    stall_seconds: float
    """How long training stood still for it: waiting for the save before, then copying."""
    waited_seconds: float
    """The part of the stall that was waiting for the save before."""
    bytes: int
    """Size of this rank's file."""
    phase: str = "write"
    """What its thread does now: write, publish, retire, or done."""
    seconds: float = 0.0
    """From the call until it was published; 0 before."""
    error: Exception | None = None
    _published: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    def finished(self) -> bool:
        """Whether its thread has ended, well or not. Asks no other rank and never waits."""
        return self._over.is_set()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """What the thread of one save needs; nothing here changes while training goes on."""

    pending: Pending
    staging: Staging
    position: int
    numbers: dict[str, Any]
    tensors: dict[str, Whole]
    """Shapes and types of the tensors that this rank has a block of."""
    started: float


class Checkpoints:
    """The checkpoints of one run. Made by all ranks together; its public methods but `finished` are called so, too.

    Args:
        store: The run's artifacts.
        ranks: All processes of the run.
        recipe: What the run was started with; `recipe.keep` newest checkpoints are kept.
        events: The run's diary.
        fence: The right to publish. Default None: nobody else is expected to write to the URL. Only the main rank's is used.
    """

    def __init__(
        self, *, store: Store, ranks: Ranks, recipe: Recipe, events: EventLog, fence: Fence | None = None
    ) -> None:
        self.store = store
        self.recipe = recipe
        self.events = events
        self._ranks = ranks
        # the thread's collectives must not meet those of training
        self._threads = replace(ranks, control=ranks.group())
        self._fence = fence
        self._epoch = ranks.once(lambda: 0 if fence is None else fence.epoch)
        self._shelf = Shelf(
            store=store, events=events, keep=recipe.keep, epoch=self._epoch, may_delete=self._check_fence
        )
        self._claims: list[Claim] = []
        self._pieces: list[Piece] = []
        self._spare: Tensor | None = None
        self._pending: Pending | None = None

    def save(self, state: TrainState) -> Pending:
        """Copies the state and returns; a thread digests, writes and publishes the copy, then retires older ones.

        One save is in flight at a time: a second one waits for the first, and tells the wait as part of its stall.

        Raises:
            StorageError: on every rank, when the save before this one failed on any of them.
            ConfigError: on every rank, when that one was published by somebody else, or the lease was lost.
        """
        started = time.monotonic()
        self.close()
        waited = time.monotonic() - started
        found = shards(_everything(state, self._streams(state)))
        staging = self._stage(found)
        staging.copy(found)
        pending = Pending(
            step=state.step,
            stall_seconds=time.monotonic() - started,
            waited_seconds=waited,
            bytes=staging.buffer.numel(),
        )
        attempt = _Attempt(
            pending=pending,
            staging=staging,
            position=state.position,
            numbers=state.numbers(),
            tensors={n: Whole(dtype=DTYPE_NAMES[s.local.dtype], shape=s.whole) for n, s in found.items()},
            started=started,
        )
        self._pending = pending
        threading.Thread(target=self._work, args=(attempt,), name="checkpoint", daemon=True).start()
        return pending

    def wait(self) -> Pending | None:
        """Returns when the last save is published, with that save; None when there was none. Older ones may still go.

        Raises:
            StorageError, ConfigError: on every rank, when the save failed on any of them. Told once.
        """
        return self._settled(lambda pending: pending._published)  # noqa: SLF001  two halves of one thing

    def close(self) -> Pending | None:
        """Like `wait`, and no thread works any more: for the end of a run that is not in a hurry."""
        return self._settled(lambda pending: pending._over)  # noqa: SLF001  as above

    def _settled(self, event: Callable[[Pending], threading.Event]) -> Pending | None:
        pending = self._pending
        if pending is None:
            return None
        # the thread's own waiting for other ranks ends after TIMEOUT, phase by phase
        if not event(pending).wait(3 * TIMEOUT.total_seconds()):
            raise StorageError(
                f"rank {self._ranks.rank}: the save of step {pending.step} hangs in phase {pending.phase!r}: "
                f"look at {self.store.url} and at the network to it"
            )
        if pending.error is not None:
            self._pending = None
            raise pending.error
        return pending

    def finished(self) -> bool:
        """Whether no save is in flight on this rank. Never waits; what failed is raised by the next `save` or `wait`."""
        return self._pending is None or self._pending.finished()

    def restore(self, state: TrainState) -> bool:
        """Takes the newest good checkpoint into `state`; says whether there was one.

        Every byte is verified before the state is touched: all ranks share that out. Then each reads what its own shards
        need, verifying again. A damaged checkpoint is set aside, loudly, and the one before it tried.

        Raises:
            ConfigError: when the run was started with another recipe, or the model has other tensors.
            StorageError: on every rank, when the store failed.
        """
        self.close()
        while (found := self._ranks.once(self._shelf.newest)) is not None:
            same_recipe(found.recipe, self.recipe)
            damaged = self._shelf.damage(self._ranks, found)
            if damaged is None:
                self._take(found, state)
                self._shelf.proved = found.path
                return True
            self._shelf.reject(self._ranks, found, damaged)
        return False

    def _stage(self, found: Mapping[str, Shard]) -> Staging:
        """The buffer for this rank's share; who writes what is agreed when the tensors are others than last time."""
        mine = claims(found)
        if self._ranks.any(mine != self._claims):
            self._pieces = deal(self._ranks.each(lambda: mine))[self._ranks.rank]
            self._claims = mine
        staging = Staging.make(self._pieces, found, spare=self._spare)
        self._spare = staging.buffer
        return staging

    def _work(self, attempt: _Attempt) -> None:
        pending = attempt.pending
        try:
            mark = self._threads.once(lambda: secrets.token_hex(4))
            files = self._threads.each(lambda: self._named(pending, lambda: self._write(attempt, mark)))
            pending.phase = "publish"
            wholes = self._threads.each(lambda: attempt.tensors)
            tensors = {name: each for found in wholes for name, each in found.items()}
            self._threads.once(lambda: self._named(pending, lambda: self._publish(attempt, tensors, tuple(files))))
            pending.seconds = time.monotonic() - attempt.started
            pending.phase = "retire"
            pending._published.set()  # noqa: SLF001  two halves of one thing
            self._shelf.retire(self._threads)
            pending.phase = "done"
        except Exception as error:  # noqa: BLE001  it belongs to whoever waits for the save
            # beside the store's own errors mostly gloo's, about ranks that are gone: those mean another start, as anywhere
            pending.error = error
        finally:
            pending._published.set()  # noqa: SLF001  as above
            pending._over.set()  # noqa: SLF001  as above

    def _named(self, pending: Pending, work: Callable[[], T]) -> T:
        """Says in an error whose it is. What nobody expected must not leave the other ranks waiting either."""
        try:
            return work()
        except ConfigError:
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, WorkloadError) else f"{type(error).__name__}: {error}"
            raise StorageError(
                f"rank {self._ranks.rank} failed in phase {pending.phase!r} of saving step {pending.step}: {reason}"
            ) from error

    def _write(self, attempt: _Attempt, mark: str) -> File:
        path = file_path(
            attempt.pending.step, rank=self._ranks.rank, world=self._ranks.world, epoch=self._epoch, attempt=mark
        )
        digests = attempt.staging.digests()
        self.store.write(path, attempt.staging.data())
        return attempt.staging.described(path, digests)

    def _publish(self, attempt: _Attempt, tensors: dict[str, Whole], files: tuple[File, ...]) -> None:
        step = attempt.pending.step
        manifest = Manifest(
            step=step,
            position=attempt.position,
            epoch=self._epoch,
            world=self._ranks.world,
            recipe=self.recipe.to_json(),
            numbers=attempt.numbers,
            tensors=tensors,
            files=files,
        ).to_bytes()
        self._check_fence()
        plain, own = manifest_paths(step, self._epoch)
        if not self._created(plain, manifest) and not (self._is_older(plain) and self._created(own, manifest)):
            raise ConfigError(
                f"{self.store.url}/{plain} was published by somebody else: two runs write to one URL. "
                "Stop one of them, or give each its own SPRINGTIDE_ARTIFACTS_URL."
            )
        seconds = round(time.monotonic() - attempt.started, 3)
        self.events.add(Event.SAVED, step=step, seconds=seconds, stall=round(attempt.pending.stall_seconds, 4))

    def _created(self, path: str, data: bytes) -> bool:
        # a store that answers a repeated request may say "exists" about what this very call has put there
        return self.store.create(path, data) or self.store.read(path) == data

    def _is_older(self, path: str) -> bool:
        """Whether the manifest there is of an epoch before this one, published after this one had begun."""
        found = [each for each in self._shelf.catalog.manifests([path]) if isinstance(each, Manifest)]
        return any(each.epoch < self._epoch for each in found)

    def _check_fence(self) -> None:
        if self._fence is not None:
            self._fence.check()

    def _take(self, found: Manifest, state: TrainState) -> None:
        streams = self._streams(state)
        state.make_room(set(found.tensors))
        random = {name: tensor for name, tensor in _random(streams).items() if name in found.tensors}
        targets = shards(state.tensors() | random)
        self._ranks.each(lambda: _fits(found, targets))
        damages = self._ranks.each(lambda: reading.fill(self.store, found, targets))
        if any(damages):
            raise StorageError(
                f"the checkpoint of step {found.step} changed while it was read: {damages}. Start again."
            )
        state.load_numbers(found.numbers)
        streams.load({name.removeprefix(RANDOM): tensor for name, tensor in random.items()})
        state.step, state.position = found.step, found.position

    def _streams(self, state: TrainState) -> Streams:
        return RankStreams(rank=self._ranks.rank) if state.streams is None else state.streams


def _everything(state: TrainState, streams: Streams) -> dict[str, Tensor]:
    return state.tensors() | _random(streams)


def _random(streams: Streams) -> dict[str, Tensor]:
    return {RANDOM + name: tensor for name, tensor in streams.tensors().items()}


def _fits(found: Manifest, targets: Mapping[str, Shard]) -> None:
    """Checks that a checkpoint has the tensors of this model.

    Raises:
        ConfigError: naming those that differ.
    """
    stored = {name for name in found.tensors if not name.startswith(RANDOM)}
    wanted = {name for name in targets if not name.startswith(RANDOM)}
    shapes = {n: (t.whole, DTYPE_NAMES.get(t.local.dtype)) for n, t in targets.items()}
    other = {n for n in stored & wanted if (found.tensors[n].shape, found.tensors[n].dtype) != shapes[n]}
    if differing := sorted(other | (stored - wanted) | (wanted - stored)):
        raise ConfigError(
            f"the checkpoint of step {found.step} has other tensors than this model: {', '.join(differing[:5])} "
            f"({len(differing)} in all). The code of the model or its optimizer has changed: take a new run name."
        )
    if gaps := reading.uncovered(found, targets):
        raise StorageError(f"the checkpoint of step {found.step} has only parts of {', '.join(gaps[:5])}")
