"""Who may write below a run's artifacts URL: one holder at a time, and none that was thought dead comes back unnoticed.

The lease is a row of numbered objects, each created once: `lease/00000007.json` is the seventh epoch, and whoever creates
it holds the lease until somebody creates the eighth. Creating an object that must not exist is the one condition that
disks, S3, Google Cloud Storage and Azure all offer, and it is atomic on each. Beside it the holder keeps
`lease/00000007-renewed.json` fresh; nobody else writes that one.

A waiter takes the next epoch when the holder has released, or when the renewal did not change for `seconds` of the
waiter's own monotonic clock: no two clocks are ever compared. Correctness does not hang on those seconds. A holder that
froze and wakes up finds the next epoch and publishes nothing; and what it might publish in the instant after looking is
ordered below everything of the epoch after it (`checkpoints.catalog`).
"""

import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from springtide_workloads.errors import ConfigError, Interrupted, StorageError
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell

LEASE: Final = "lease"
"""Folder of the lease below the artifacts URL. To become the contract's `Layout.LEASE`."""
LEASE_EPOCH: Final = "SPRINGTIDE_LEASE_EPOCH"
"""Tells workers the epoch that the agent of node 0 holds. To become the contract's `Env.LEASE_EPOCH`."""

SECONDS: Final = 15.0
"""How long a renewal may stay unchanged before the holder counts as gone."""
_RENEWALS: Final = 5
"""Renewals, and looks of a waiter, in that time."""
_TELL_EVERY: Final = 10.0


def _place() -> str:
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    """Start of a process in ticks since boot; empty when there is none, or none that is more than a zombie."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else rest[18]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lease, in words for whoever waits for it, and enough to find a dead process on the same machine."""

    run: str
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    place: str = field(default_factory=_place)
    """Boot and process namespace that the pid belongs to."""
    started: str = field(default_factory=lambda: _start_of(os.getpid()))
    """When the process started, as the kernel counts: process ids are used again."""

    def __str__(self) -> str:
        return f"run {self.run!r} on {self.host} (pid {self.pid})"

    def surely_dead(self) -> bool:
        """Whether the holder was a process of this very machine and namespace, and is no more."""
        return self.place == _place() and _start_of(self.pid) != self.started


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """The right to publish as `epoch`, as long as no later one exists. Cheap to make: any process of the holder may."""

    store: Store
    epoch: int

    def check(self) -> None:
        """Looks whether the right still holds: one small request.

        Raises:
            ConfigError: when somebody else has taken the lease.
        """
        taken = self.store.read(_epoch(self.epoch + 1))
        if taken is not None:
            raise ConfigError(
                f"{self.store.url} was taken over by {_holder(taken)} (epoch {self.epoch + 1}), while this one "
                f"(epoch {self.epoch}) did not answer: nothing more is published from here. Let the other one go on."
            )


@dataclass(slots=True, kw_only=True)
class Lease:
    """A lease that is held and kept fresh by a thread."""

    store: Store
    epoch: int
    holder: Holder
    seconds: float = SECONDS
    _renewals: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _lost: ConfigError | None = None
    _thread: threading.Thread | None = None

    @property
    def fence(self) -> Fence:
        """What a process that publishes has to look at first."""
        return Fence(store=self.store, epoch=self.epoch)

    @property
    def lost(self) -> bool:
        """Whether a renewal has found that somebody else holds the lease. Asks nobody."""
        return self._lost is not None

    def start(self) -> None:
        """Renews from now on, in a thread of its own."""
        self._renew()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Lets the next one in at once. Must be called when nothing is left to publish."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if not self.lost:
            self._renew(released=True)

    def _keep(self) -> None:
        while not self._over.wait(self.seconds / _RENEWALS):
            try:
                self.fence.check()
                self._renew()
            except ConfigError as error:
                self._lost = error
                tell(str(error))
                return
            except StorageError as error:
                # the next renewal may come through; whether it came too late is asked before publishing
                tell(f"the lease could not be renewed: {error}")

    def _renew(self, *, released: bool = False) -> None:
        self._renewals += 1
        value = {"renewals": self._renewals, "renewed": _now(), "released": released}
        self.store.write(_renewal(self.epoch), json.dumps(value).encode())


def acquire(store: Store, *, run: str, seconds: float = SECONDS, stopped: Callable[[], bool] = lambda: False) -> Lease:
    """Waits until nobody else holds the lease of `store`, and takes it. A line every 10 s names the holder.

    Args:
        store: The run's artifacts.
        run: Name of the run, for whoever waits later.
        seconds: How long a holder may stay silent before it counts as gone.
        stopped: Asked while waiting; True ends the wait.

    Raises:
        Interrupted: when `stopped` said so.
        StorageError: when the store fails.
    """
    holder = Holder(run=run)
    claim = asdict(holder) | {"seconds": seconds, "since": _now(), "mark": secrets.token_hex(8)}
    while True:
        before = newest_epoch(store)
        if before:
            _until_free(store, before, seconds, stopped)
        path, data = _epoch(before + 1), json.dumps(claim).encode()
        # a store that answers a repeated request may say "exists" about what this very call has put there
        if store.create(path, data) or store.read(path) == data:
            lease = Lease(store=store, epoch=before + 1, holder=holder, seconds=seconds)
            lease.start()
            return lease


@contextmanager
def held(
    store: Store, *, run: str, seconds: float = SECONDS, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Lease]:
    """Holds the lease of `store` for the length of a `with` block; arguments and errors as for `acquire`."""
    lease = acquire(store, run=run, seconds=seconds, stopped=stopped)
    try:
        yield lease
    finally:
        # a lease that cannot be released expires
        with suppress(StorageError):
            lease.release()


def newest_epoch(store: Store) -> int:
    """The epoch that holds the lease, or held it last; 0 before the first."""
    numbers = (re.fullmatch(rf"{LEASE}/(\d{{8,}})\.json", path) for path in store.files(LEASE))
    return max((int(match[1]) for match in numbers if match), default=0)


def _until_free(store: Store, epoch: int, seconds: float, stopped: Callable[[], bool]) -> None:
    """Returns when the holder of `epoch` has released, is dead, or stayed silent; or another epoch has come."""
    seen, since = store.read(_renewal(epoch)), time.monotonic()
    told = since - _TELL_EVERY
    about = store.read(_epoch(epoch)) or b"{}"
    while not _is_free(about, seen):
        now = time.monotonic()
        if now - since >= seconds:
            tell(f"{_holder(about)} did not renew its lease for {seconds:g} s and counts as gone")
            return
        if now - told >= _TELL_EVERY:
            told = now
            tell(f"waiting for {_holder(about)}, which holds {store.url} (epoch {epoch}), to save and to end")
        if stopped():
            raise Interrupted(f"told to stop while waiting for {_holder(about)}")
        time.sleep(min(1.0, seconds / _RENEWALS))
        renewal = store.read(_renewal(epoch))
        if renewal != seen:
            seen, since = renewal, time.monotonic()


def _is_free(about: bytes, renewal: bytes | None) -> bool:
    released = bool(_plain(renewal or b"{}").get("released"))
    holder = _read_holder(about)
    return released or (holder is not None and holder.surely_dead())


def _holder(about: bytes) -> str:
    return str(_read_holder(about) or "somebody unknown")


def _read_holder(about: bytes) -> Holder | None:
    data = _plain(about)
    with suppress(KeyError):
        return Holder(**{key: data[key] for key in Holder.__dataclass_fields__})
    return None


def _plain(data: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else: a damaged lease expires like an unattended one."""
    with suppress(ValueError):
        value = json.loads(data)
        return value if isinstance(value, dict) else {}
    return {}


def _epoch(number: int) -> str:
    return f"{LEASE}/{number:08d}.json"


def _renewal(number: int) -> str:
    return f"{LEASE}/{number:08d}-renewed.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
