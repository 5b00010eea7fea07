"""Token shards in memory: mapped from a folder, and windows gathered from them by the batch."""

import hashlib
import mmap
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from springtide_workloads.data.manifest import MANIFEST, Manifest, Shard
from springtide_workloads.data.order import Places
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.storage import Store

MAPPED: Final = 512
"""Shards that a process keeps mapped; each holds a file descriptor, of which 1024 are a common limit."""

Tokens = NDArray[Any]


class Source(Protocol):
    """Where shards come from."""

    def open(self, shard: Shard) -> Tokens:
        """A shard's tokens, mapped read-only. They stay readable as long as somebody refers to them."""

    def ahead(self, shards: Sequence[Shard]) -> None:
        """Says which shards come next; returns at once."""

    def close(self) -> None:
        """Ends what runs in the background."""


class Folder:
    """Shards of a file:// data set, mapped where they lie. Their sizes are checked; digests are `verify`'s work."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self._root = root
        self._manifest = manifest

    def open(self, shard: Shard) -> Tokens:
        """Maps a shard.

        Raises:
            StorageError: when the file is not there or not of the manifest's size.
        """
        path = self._root / shard.path
        try:
            with path.open("rb") as file:
                return mapped(file.fileno(), self._manifest, shard)
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot read {path}: {error}") from error

    def ahead(self, shards: Sequence[Shard]) -> None:
        """Nothing to do: the operating system reads what is touched."""

    def close(self) -> None:
        """Nothing runs."""


def mapped(descriptor: int, manifest: Manifest, shard: Shard) -> Tokens:
    """The tokens of an open file. The mapping keeps the descriptor's lock, if it has one, for as long as it lives.

    Raises:
        ValueError: when the file's size is not the manifest's.
    """
    size, due = os.fstat(descriptor).st_size, manifest.size_of(shard)
    if size != due:
        raise ValueError(f"it has {size} bytes and the manifest says {due}: pack the data again")
    return np.frombuffer(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ), dtype=manifest.item)


def read_manifest(store: Store) -> Manifest:
    """The manifest of the data set at the store's URL.

    Raises:
        ConfigError: when there is none, or it is wrong.
        StorageError: when it cannot be read.
    """
    text = store.read(MANIFEST)
    if text is None:
        raise ConfigError(
            f"there is no {MANIFEST} in {store.url}: a finished data set has one. "
            "Point SPRINGTIDE_DATA_URL at it, or run `springtide-data pack` to its end."
        )
    return Manifest.parse(text, source=f"{store.url}/{MANIFEST}")


def digest(data: bytes | memoryview) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def window_count(shard: Shard, *, length: int, stride: int) -> int:
    """Windows of a shard; what is left at its end is shorter than a stride and never read."""
    return max(0, (shard.tokens - length) // stride + 1)


class Windows:
    """Windows of `length` tokens of numbered shards; window `w` of a shard starts at token `w * stride`.

    Any thread may gather. No window crosses a shard, and none spans documents of two shards.
    """

    def __init__(  # noqa: PLR0913  which windows of what, and how much of it at a time
        self,
        source: Source,
        manifest: Manifest,
        shards: Sequence[Shard],
        *,
        length: int,
        stride: int,
        room: int | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            source: where the shards come from.
            manifest: describes them.
            shards: those that numbers mean.
            length: tokens of a window.
            stride: tokens from a window to the next.
            room: bytes of shards that may be mapped at a time. Default None: all.
        """
        self._source = source
        self._room = sum(map(manifest.size_of, shards)) if room is None else room
        self._shards = shards
        self._item = manifest.item
        self._row = np.dtype((np.void, length * self._item.itemsize))
        self._length = length
        self._stride = stride
        self._open: OrderedDict[int, Tokens] = OrderedDict()
        self._mapped = 0
        self._lock = threading.Lock()

    def gather(self, places: Places) -> NDArray[np.int64]:
        """The windows at `places`, `[places, length]`."""
        alone = len(self._shards) == 1
        rows = self._view(0)[places.windows] if alone else self._gathered(places)
        return rows.view(self._item).reshape(len(rows), self._length).astype(np.int64)

    def _gathered(self, places: Places) -> Tokens:
        rows = np.empty(len(places.shards), dtype=self._row)
        by_shard = np.argsort(places.shards, kind="stable")
        edges = np.flatnonzero(np.diff(places.shards[by_shard])) + 1
        for here in np.split(by_shard, edges) if len(rows) else ():
            rows[here] = self._view(int(places.shards[here[0]]))[places.windows[here]]
        return rows

    def keep_only(self, numbers: set[int]) -> None:
        """Lets go of all other shards, so that a cache may drop them."""
        with self._lock:
            for number in [each for each in self._open if each not in numbers]:
                self._drop(number)

    def _view(self, number: int) -> Tokens:
        with self._lock:
            found = self._open.get(number)
            if found is not None:
                self._open.move_to_end(number)
                return found
            self._let_go(self._size(number))
        # outside the lock: a shard that has to be fetched keeps nobody from those that are there
        shard = self._shards[number]
        tokens = self._source.open(shard)
        # a window is one opaque item, the next begins inside it: numpy then copies it whole, thrice as fast as by token
        view: Tokens = np.ndarray(
            window_count(shard, length=self._length, stride=self._stride),
            dtype=self._row,
            buffer=tokens,
            strides=(self._stride * self._item.itemsize,),
        )
        with self._lock:
            if number not in self._open:
                self._mapped += self._size(number)
            self._open[number] = view
        return view

    def _let_go(self, size: int) -> None:
        """Drops what was not used for the longest time, until a shard of `size` bytes more may be mapped."""
        while self._open and (len(self._open) >= MAPPED or self._mapped + size > self._room):
            self._drop(next(iter(self._open)))

    def _drop(self, number: int) -> None:
        self._mapped -= self._size(number)
        del self._open[number]

    def _size(self, number: int) -> int:
        return self._shards[number].tokens * self._item.itemsize
