"""Shards of an object store on a node's own disk, shared by all processes of the node.

A shard lies under its own digest. It is written aside under an exclusive lock, checked, and renamed: whoever sees the
name sees the whole shard. Whoever maps a shard holds a shared lock on it, and nothing locked is evicted. Locks are the
kernel's: they go with the process that held them, however it ends.
"""

import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from springtide_workloads.data.manifest import Manifest, Shard
from springtide_workloads.data.shards import Tokens, mapped
from springtide_workloads.errors import StorageError

FOLDER: Final = "shards"
"""Below the scratch directory."""

ROOM_SECONDS: Final = 120.0
"""How long a shard waits for room that other processes of the node hold before that is an error."""

BUDGET_LOCK: Final = "budget.lock"
LOOK_EVERY_SECONDS: Final = 0.05
SPARE_PART: Final = 0.1
"""Of the free disk is left alone when no budget is given."""


class Reads(Protocol):
    """What a cache needs of a store."""

    def read(self, path: str) -> bytes | None:
        """An object's bytes; None when there is none."""


def free_budget(scratch: Path) -> int:
    """Bytes that a cache below `scratch` may take: what it has, and nine tenths of what is free."""
    folder = scratch / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return _used(folder) + int(shutil.disk_usage(folder).free * (1 - SPARE_PART))


class ShardCache:
    """Brings shards of `store` below `scratch` when they are asked for, and keeps `budget` bytes of them at most.

    The least recently opened shards go first. A shard that some process has mapped stays.
    """

    def __init__(self, store: Reads, scratch: Path, budget: int, manifest: Manifest) -> None:
        self.folder = scratch / FOLDER
        self.folder.mkdir(parents=True, exist_ok=True)
        self._store = store
        self._budget = budget
        self._manifest = manifest
        self._closed = threading.Event()
        self._next: list[Shard] = []
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def open(self, shard: Shard) -> Tokens:
        """Maps a shard, fetched first when no process of this node has fetched it.

        Raises:
            StorageError: when it cannot be fetched, is not what the manifest says, or finds no room.
        """
        while True:
            tokens = self._present(shard)
            if tokens is not None:
                return tokens
            with self._explained(shard), _locked(self._lock(shard)):
                if not self._path(shard).exists():
                    self._fetch(shard, wait=ROOM_SECONDS)

    def ahead(self, shards: Sequence[Shard]) -> None:
        """Fetches shards in the background, as far as there is room; an earlier wish is forgotten."""
        with self._wake:
            self._next = list(shards)
            self._wake.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._read_ahead, name="shards ahead", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Ends the reading ahead; what is mapped stays readable."""
        with self._wake:
            self._closed.set()
            self._wake.notify()

    def _path(self, shard: Shard) -> Path:
        return self.folder / f"{shard.sha256}.bin"

    def _lock(self, shard: Shard) -> Path:
        return self.folder / f"{shard.sha256}.lock"

    def _present(self, shard: Shard) -> Tokens | None:
        """The shard, mapped under a shared lock; None when it is not there."""
        path = self._path(shard)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if not os.fstat(descriptor).st_nlink:
                return None  # evicted between the two calls
            with suppress(FileNotFoundError):
                os.utime(path)
            return mapped(descriptor, self._manifest, shard)
        finally:
            os.close(descriptor)

    def _fetch(self, shard: Shard, *, wait: float) -> bool:
        """Brings a shard that this process has the lock of. False: there was no room within `wait` seconds."""
        part = self._path(shard).with_suffix(".part")
        with self._aside(part) as file:
            try:
                if not self._room(file.fileno(), self._manifest.size_of(shard), wait=wait):
                    part.unlink()
                    return False
                file.write(self._bytes_of(shard))
                file.flush()
                os.fsync(file.fileno())
                part.rename(self._path(shard))
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        return True

    def _aside(self, part: Path) -> BinaryIO:
        """An empty file of ours alone. Under the lock of the budget, so that nobody evicts it before it is locked."""
        with _locked(self.folder / BUDGET_LOCK):
            file = part.open("wb")
            fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def _bytes_of(self, shard: Shard) -> bytes:
        data = self._store.read(shard.path)
        if data is None:
            raise StorageError(f"shard {shard.path} is in the manifest and not in the store: pack the data again")
        found = hashlib.sha256(data).hexdigest()
        if found != shard.sha256:
            raise StorageError(
                f"shard {shard.path} has the digest {found} and the manifest says {shard.sha256}: "
                "it was damaged or changed; run `springtide-data verify`, then pack the data again"
            )
        return data

    def _room(self, descriptor: int, size: int, *, wait: float) -> bool:
        """Makes room and takes it at once, so that two processes never count on the same bytes."""
        deadline = time.monotonic() + wait
        while True:
            with _locked(self.folder / BUDGET_LOCK):
                if self._evict(self._budget - size):
                    os.posix_fallocate(descriptor, 0, size)
                    return True
            if time.monotonic() >= deadline:
                if wait:
                    raise StorageError(
                        f"no room for {size} bytes: other shards in use fill the budget of {self._budget} bytes; "
                        "give the data a larger cache or smaller blocks"
                    )
                return False
            time.sleep(LOOK_EVERY_SECONDS)

    def _evict(self, most: int) -> bool:
        """Drops unused shards, oldest first, until at most `most` bytes lie here. False: too many are in use."""
        used = _used(self.folder)
        for path in sorted(_data_files(self.folder), key=_age):
            if used <= most:
                break
            used -= _dropped(path)
        return used <= most

    def _read_ahead(self) -> None:
        while not self._closed.is_set():
            with self._wake:
                self._wake.wait_for(lambda: self._next or self._closed.is_set())
                shards, self._next = self._next, []
            for shard in shards:
                if self._next or self._closed.is_set() or not self._fetched_ahead(shard):
                    break

    def _fetched_ahead(self, shard: Shard) -> bool:
        """Fetches a shard unless it is there or on its way. False: there is no room, or the store fails."""
        try:
            with self._explained(shard), _locked(self._lock(shard), wait=False) as mine:
                if not mine or self._path(shard).exists():
                    return True
                return self._fetch(shard, wait=0)
        except StorageError:
            return False  # whoever needs the shard meets the same error, and tells it

    @contextmanager
    def _explained(self, shard: Shard) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(f"cannot keep shard {shard.path} in {self.folder}: {error}") from error


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds a lock among processes; without `wait` says whether it could be had."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _data_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in {".bin", ".part"}]


def _used(folder: Path) -> int:
    return sum(_size(path) for path in _data_files(folder))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _dropped(path: Path) -> int:
    """Removes a file that nobody has locked; its bytes, 0 when it stays."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = os.fstat(descriptor).st_size
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return 0
    else:
        return size
    finally:
        os.close(descriptor)
