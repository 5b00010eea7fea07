"""One run's artifacts: a folder on disk or a prefix of an object store, through the same few verbs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import LocalStore, ObjectStore, from_url

from springtide_workloads.errors import StorageError

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion  # names that exist for type checkers only


class Store:
    """Objects below one URL. Every write is atomic: a reader sees the whole object or none.

    Credentials, regions and endpoints come from where each cloud's own tools look for them.

    Raises:
        StorageError: from every method, once the store's own retries are used up.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self._root = Path(unquote(parts.path)) if parts.scheme == "file" else None
        with self._explained("open", ""):
            self._store: ObjectStore = (
                LocalStore(self._root, automatic_cleanup=True, mkdir=True) if self._root else from_url(self.url)
            )

    def read(self, path: str) -> bytes | None:
        """The object's bytes; None when there is no such object."""
        with self._explained("read", path):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except FileNotFoundError:
                return None

    def write(self, path: str, data: bytes) -> None:
        """Puts an object, in place of any of that name."""
        with self._explained("write", path):
            obstore.put(self._store, path, data)
            self._to_disk(path)

    def create(self, path: str, data: bytes) -> bool:
        """Puts an object unless one of that name exists; says whether it did."""
        with self._explained("create", path):
            try:
                obstore.put(self._store, path, data, mode="create")
            except AlreadyExistsError:
                return False
            self._to_disk(path)
            return True

    def append(self, path: str, line: str) -> None:
        """Adds a line of text. Several processes may append to one object; no line is lost or torn."""
        data = line.encode() + b"\n"
        with self._explained("append to", path):
            if self._root:
                _append_local(self._root / path, data)
            else:
                _append_remote(self._store, path, data)

    def folders(self, prefix: str) -> list[str]:
        """Names, with the prefix, of what lies directly below `prefix` and has something below it."""
        with self._explained("list", prefix):
            return sorted(obstore.list_with_delimiter(self._store, prefix=prefix)["common_prefixes"])

    def files(self, prefix: str) -> list[str]:
        """Paths of all objects below `prefix`, at any depth."""
        with self._explained("list", prefix):
            return sorted(item["path"] for batch in obstore.list(self._store, prefix=prefix) for item in batch)

    def delete(self, paths: list[str]) -> None:
        """Removes objects; one that is gone already is no mistake."""
        with self._explained("delete", ", ".join(paths)):
            for path in paths:
                try:
                    obstore.delete(self._store, path)
                except FileNotFoundError:
                    continue

    def move(self, path: str, to: str) -> None:
        """Renames an object."""
        with self._explained("rename", path):
            obstore.rename(self._store, path, to)

    def _to_disk(self, path: str) -> None:
        if self._root is None:
            return
        for each in (self._root / path, (self._root / path).parent):
            _fsync(each)

    @contextmanager
    def _explained(self, verb: str, path: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            reason = str(error).splitlines()[0]
            target = f"{self.url}/{path}".rstrip("/")
            raise StorageError(f"cannot {verb} {target}: {reason}") from error


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _append_local(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _append_remote(store: ObjectStore, path: str, data: bytes) -> None:
    """Object stores cannot append: replace the object on condition that nobody else did meanwhile."""
    while True:
        before, condition = _present(store, path)
        try:
            obstore.put(store, path, before + data, mode=condition)
        except (AlreadyExistsError, PreconditionError):
            continue
        return


def _present(store: ObjectStore, path: str) -> tuple[bytes, "PutMode"]:
    """What the object holds, and the condition that it still does."""
    try:
        found = obstore.get(store, path)
    except FileNotFoundError:
        return b"", "create"
    version: UpdateVersion = {}
    if found.meta["e_tag"] is not None:
        version["e_tag"] = found.meta["e_tag"]
    if found.meta["version"] is not None:
        version["version"] = found.meta["version"]
    return bytes(found.bytes()), version
