"""One run's artifacts: a folder on disk or a prefix of an object store, through the same few verbs."""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import LocalStore, ObjectStore, from_url

from springtide_workloads.errors import StorageError

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion  # names that exist for type checkers only

Data = bytes | memoryview
"""What may be written; a view is not copied as a whole."""

CHUNK_BYTES: Final = 16 * 2**20
"""Bytes of one part of a large upload, and of one write to disk."""
UPLOADS: Final = 4
"""Parts of one object on their way at a time."""
_PARTS: Final = 10_000
"""Parts that S3 takes of one object."""

_PATIENCE: Final[dict[str, Any]] = {
    "client_options": {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=60)},
    "retry_config": {"max_retries": 8, "retry_timeout": timedelta(seconds=120)},
}
"""When a request to an object store is given up, and for how long it is repeated."""


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
                LocalStore(self._root, automatic_cleanup=True, mkdir=True)
                if self._root
                else from_url(self.url, **({} if parts.scheme == "memory" else _patience()))
            )

    def read(self, path: str) -> bytes | None:
        """The object's bytes; None when there is no such object."""
        with self._explained("read", path):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except FileNotFoundError:
                return None

    def read_ranges(self, path: str, spans: Sequence[tuple[int, int]]) -> list[memoryview] | None:
        """Bytes from start to end of each span, neighbours in one request; None when there is no such object."""
        starts, ends = zip(*spans, strict=True)
        with self._explained("read", path):
            try:
                found = obstore.get_ranges(self._store, path, starts=starts, ends=ends)
            except FileNotFoundError:
                return None
            return [memoryview(each) for each in found]

    def write(self, path: str, data: Data) -> None:
        """Puts an object, in place of any of that name."""
        with self._explained("write", path):
            if self._root:
                _write_local(self._root, path, data, os.replace)
            else:
                chunk = max(CHUNK_BYTES, len(data) // (_PARTS - 1) + 1)
                obstore.put(self._store, path, data, chunk_size=chunk, max_concurrency=UPLOADS)

    def create(self, path: str, data: Data) -> bool:
        """Puts an object unless one of that name exists; says whether it did."""
        with self._explained("create", path):
            try:
                if self._root:
                    _write_local(self._root, path, data, _link)
                else:
                    obstore.put(self._store, path, data, mode="create")
            except (AlreadyExistsError, FileExistsError):
                return False
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
        return sorted(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of all objects below `prefix`, at any depth, by path."""
        with self._explained("list", prefix):
            return {item["path"]: item["size"] for batch in obstore.list(self._store, prefix=prefix) for item in batch}

    def delete(self, paths: list[str]) -> None:
        """Removes objects, in this order; one that is gone already is no mistake."""
        with self._explained("delete", ", ".join(paths)):
            for path in paths:
                with suppress(FileNotFoundError):
                    obstore.delete(self._store, path)

    def move(self, path: str, to: str) -> None:
        """Renames an object."""
        with self._explained("rename", path):
            obstore.rename(self._store, path, to)

    @contextmanager
    def _explained(self, verb: str, path: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            reason = str(error).splitlines()[0]
            target = f"{self.url}/{path}".rstrip("/")
            raise StorageError(f"cannot {verb} {target}: {reason}") from error


def _patience() -> dict[str, Any]:
    # settings of a client given in code replace those of the environment
    allowed = any(os.environ.get(name, "").lower() == "true" for name in ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP"))
    return _PATIENCE | {"client_options": _PATIENCE["client_options"] | {"allow_http": allowed}}


def _write_local(root: Path, path: str, data: Data, publish: Callable[[Path, Path], None]) -> None:
    """Writes beside the target, and gives it the target's name when every byte is on the disk."""
    target = root / path
    beside = target.with_name(f"{target.name}.part-{secrets.token_hex(4)}")
    _make_folder(target.parent)
    try:
        _write_durably(beside, data)
        publish(beside, target)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    _fsync(target.parent)


def _link(beside: Path, target: Path) -> None:
    """Gives a second name, which fails where the name is taken, and takes away the first."""
    os.link(beside, target)
    beside.unlink()


def _make_folder(folder: Path) -> None:
    """Makes a folder and those above it, so that they outlive a power cut."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        _fsync(each.parent)


def _write_durably(path: Path, data: Data) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest[:CHUNK_BYTES]) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
