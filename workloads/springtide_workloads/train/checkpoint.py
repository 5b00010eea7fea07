"""Checkpoints that are whole or do not exist.

Each rank writes its share of the tensors to a file whose name no other attempt uses; when all are on disk the main rank
publishes one manifest with their sizes and digests, created once and never rewritten. A reader believes manifests only,
checks every digest, and falls back to the checkpoint before when one is wrong. The same holds on disk and on object
stores, since neither a rename of folders nor a lock is needed.
"""

import hashlib
import json
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes

from springtide_workloads.contract import Event, Layout
from springtide_workloads.errors import ConfigError
from springtide_workloads.recipes import Recipe
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell
from springtide_workloads.train.events import EventLog
from springtide_workloads.train.ranks import Ranks
from springtide_workloads.train.state import Tensors, TrainState, load_rng, rng_tensors

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a checkpoint."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A checkpoint's table of contents; its presence is what publishes the checkpoint."""

    step: int
    position: int
    world: int
    """Ranks that wrote it; any number may read it."""
    recipe: dict[str, Any]
    files: tuple[Entry, ...]
    format: int = FORMAT

    def to_bytes(self) -> bytes:
        """The manifest as it is stored."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of `to_bytes`; ValueError, TypeError or KeyError for anything else."""
        fields = json.loads(data)
        return cls(**fields | {"files": tuple(Entry(**each) for each in fields["files"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """The checkpoints of one run. Its public methods are called by all ranks together."""

    store: Store
    ranks: Ranks
    recipe: Recipe
    events: EventLog

    def save(self, state: TrainState) -> float:
        """Publishes the state, deletes checkpoints beyond `recipe.keep`, and returns the seconds it took.

        Raises:
            StorageError: on every rank, when any of them could not write.
            ConfigError: on every rank, when somebody else writes to the same URL.
        """
        started = time.monotonic()
        attempt = self.ranks.once(lambda: secrets.token_hex(4))
        files = self.ranks.each(lambda: self._write_share(state, attempt))
        self.ranks.once(lambda: self._publish(state, tuple(files)))
        seconds = time.monotonic() - started
        self.ranks.once(lambda: self.events.add(Event.SAVED, step=state.step, seconds=round(seconds, 3)))
        self.ranks.once(self._retire)
        return seconds

    def restore(self, state: TrainState) -> bool:
        """Takes the newest good checkpoint into `state`; says whether there was one.

        A damaged one is set aside, loudly, and the one before it tried.

        Raises:
            ConfigError: when the run was started with another recipe.
        """
        while (found := self.ranks.once(self._newest)) is not None:
            damage = self._take(found, state)
            if damage is None:
                return True
            self.ranks.once(lambda: self._set_aside(found.step, damage))  # noqa: B023  called at once
        return False

    def _take(self, found: Manifest, state: TrainState) -> str | None:
        """Loads a checkpoint if every rank can read all of it; else the state is untouched, and the damage is told."""
        same_recipe(found.recipe, self.recipe)
        tensors: Tensors = {}
        damages = self.ranks.each(lambda: _read_all(self.store, found, into=tensors))
        if any(damages):
            return next(damage for damage in damages if damage)
        state.load(tensors)
        load_rng(tensors, self.ranks.rank)
        state.step, state.position = found.step, found.position
        return None

    def _write_share(self, state: TrainState, attempt: str) -> Entry:
        """Writes every `world`-th tensor, and this rank's random state."""
        everything = state.tensors()
        mine = {name: everything[name] for name in sorted(everything)[self.ranks.rank :: self.ranks.world]}
        data = to_bytes({n: t.cpu().contiguous() for n, t in (mine | rng_tensors(self.ranks.rank)).items()})
        path = f"{Layout.step(state.step)}/rank-{self.ranks.rank:05d}-of-{self.ranks.world:05d}-{attempt}.safetensors"
        self.store.write(path, data)
        return Entry(path=path, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def _publish(self, state: TrainState, files: tuple[Entry, ...]) -> None:
        manifest = Manifest(
            step=state.step,
            position=state.position,
            world=self.ranks.world,
            recipe=self.recipe.to_json(),
            files=files,
        ).to_bytes()
        path = _manifest(state.step)
        # a store that answers a repeated request may say "exists" about what this very call has put there
        if not self.store.create(path, manifest) and self.store.read(path) != manifest:
            raise ConfigError(
                f"{self.store.url}/{path} was published by somebody else: two runs write to one URL. "
                "Stop one of them, or give each its own SPRINGTIDE_ARTIFACTS_URL."
            )

    def _newest(self) -> Manifest | None:
        for step in reversed(steps(self.store)):
            data = self.store.read(_manifest(step))
            if data is None:
                continue
            try:
                return Manifest.from_bytes(data)
            except (KeyError, TypeError, ValueError) as error:
                self._set_aside(step, f"its manifest cannot be read: {error}")
        return None

    def _set_aside(self, step: int, damage: str) -> None:
        tell(f"checkpoint of step {step} is damaged, going back to the one before: {damage}")
        self.events.add(Event.REJECTED, step=step, damage=damage)
        self.store.move(_manifest(step), f"{Layout.step(step)}/rejected-{secrets.token_hex(4)}.json")

    def _retire(self) -> None:
        """Deletes what no kept manifest names: old checkpoints, manifests first, and remains of torn attempts."""
        kept = [step for step in steps(self.store) if self.store.read(_manifest(step))][-self.recipe.keep :]
        manifests = [Manifest.from_bytes(self.store.read(_manifest(step)) or b"") for step in kept]
        needed = {entry.path for manifest in manifests for entry in manifest.files} | {_manifest(step) for step in kept}
        useless = [path for path in self.store.files(Layout.CHECKPOINTS) if path not in needed]
        self.store.delete(sorted(useless, key=lambda path: not path.endswith(Layout.MANIFEST)))


def steps(store: Store) -> list[int]:
    """Steps that have a checkpoint folder, published or not, ascending."""
    found = (Layout.step_of(folder) for folder in store.folders(Layout.CHECKPOINTS + "/"))
    return sorted(step for step in found if step is not None)


def newest_published(store: Store) -> int | None:
    """Step of the newest manifest; None before the first. Its files are not read."""
    return next((step for step in reversed(steps(store)) if store.read(_manifest(step))), None)


def _manifest(step: int) -> str:
    return f"{Layout.step(step)}/{Layout.MANIFEST}"


def _read_all(store: Store, manifest: Manifest, *, into: Tensors) -> str | None:
    """Reads all files of a checkpoint into a dictionary; returns what is wrong with the first one that is damaged."""
    for entry in manifest.files:
        data = store.read(entry.path)
        if data is None:
            return f"{entry.path} is missing"
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            return f"{entry.path} has {len(data)} bytes that do not match the digest of the {entry.bytes} written"
        into.update(from_bytes(data))
    return None


def same_recipe(then: dict[str, Any], recipe: Recipe) -> None:
    """Checks that a run goes on with the recipe it was started with.

    Raises:
        ConfigError: naming what differs.
    """
    now = recipe.to_json()
    changed = sorted(key for key in (then.keys() | now.keys()) - {"name"} if then.get(key) != now.get(key))
    if not changed:
        return
    raise ConfigError(
        f"the run was started as {then.get('name')!r} and is asked to go on as {recipe.name!r}, which differs in "
        f"{', '.join(changed)}. "
        "A run keeps its recipe: give the changed one a new run name and artifacts URL."
    )
