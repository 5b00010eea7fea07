"""Which checkpoints there are, which is the newest, and which may go.

Names carry the epoch of the lease they were written under. What a later epoch published is newer, whatever its step: a
holder that froze, lost the lease and published in its last instant can never come before its successor. And nobody
deletes what a later epoch has written.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from springtide_workloads.contract import Layout
from springtide_workloads.storage import Store
from springtide_workloads.train.checkpoints.manifest import Manifest

_MANIFEST: Final = re.compile(rf"{Layout.CHECKPOINTS}/step-\d{{8,}}/manifest(-e\d{{8,}})?\.json")
_EPOCH: Final = re.compile(r"-e(\d{8,})[-.]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A manifest that is none."""

    path: str
    damage: str


@dataclass(slots=True, kw_only=True)
class Catalog:
    """The manifests below a run's URL. They never change once published, so each is read once."""

    store: Store
    _known: dict[str, Manifest] = field(default_factory=dict)

    def manifests(self, files: Iterable[str] | None = None) -> list[Manifest | Unreadable]:
        """All that are published, oldest first; unreadable ones before the others.

        Args:
            files: Paths of all objects of the checkpoints, where they were listed already.
        """
        listed = self.store.files(Layout.CHECKPOINTS) if files is None else files
        paths = [path for path in listed if _MANIFEST.fullmatch(path)]
        found = [each for each in map(self._read, paths) if each is not None]
        return sorted(found, key=lambda each: each.age if isinstance(each, Manifest) else (-1, -1))

    def _read(self, path: str) -> Manifest | Unreadable | None:
        if path in self._known:
            return self._known[path]
        data = self.store.read(path)
        if data is None:
            return None
        try:
            self._known[path] = Manifest.from_bytes(data, path)
        except (KeyError, TypeError, ValueError) as error:
            return Unreadable(path=path, damage=f"its manifest cannot be read: {error}")
        return self._known[path]


def steps(store: Store) -> list[int]:
    """Steps that have a checkpoint folder, published or not, ascending."""
    found = (Layout.step_of(folder) for folder in store.folders(Layout.CHECKPOINTS + "/"))
    return sorted(step for step in found if step is not None)


def newest_published(store: Store) -> int | None:
    """Step of the newest manifest that can be read; None before the first. Its files are not read."""
    found = [each for each in Catalog(store=store).manifests() if isinstance(each, Manifest)]
    return found[-1].step if found else None


def manifest_paths(step: int, epoch: int) -> tuple[str, str]:
    """Where a manifest is published, and where when an earlier epoch has published that step at the last instant."""
    return f"{Layout.step(step)}/{Layout.MANIFEST}", f"{Layout.step(step)}/manifest-e{epoch:08d}.json"


def file_path(step: int, *, rank: int, world: int, epoch: int, attempt: str) -> str:
    """A rank's file of one attempt."""
    return f"{Layout.step(step)}/rank-{rank:05d}-of-{world:05d}-e{epoch:08d}-{attempt}.safetensors"


def set_aside(store: Store, path: str, mark: str) -> None:
    """Takes a manifest away from readers, and keeps it for people."""
    store.move(path, f"{path.rpartition('/')[0]}/rejected-{mark}.json")


def whole(found: Iterable[Manifest | Unreadable], sizes: dict[str, int]) -> list[Manifest]:
    """Manifests whose files are all there in their size, oldest first."""
    return [
        each
        for each in found
        if isinstance(each, Manifest) and all(sizes.get(file.path) == file.bytes for file in each.files)
    ]


def useless(sizes: dict[str, int], kept: Iterable[Manifest], epoch: int) -> list[str]:
    """What no kept manifest names and no later epoch has written: old checkpoints, manifests first, and torn attempts."""
    needed = {path for each in kept for path in (each.path, *(file.path for file in each.files))}
    paths = [path for path in sizes if path not in needed and _epoch_of(path) <= epoch]
    return sorted(paths, key=lambda path: (_MANIFEST.fullmatch(path) is None, path))


def _epoch_of(path: str) -> int:
    match = _EPOCH.search(path)
    return int(match[1]) if match else 0
