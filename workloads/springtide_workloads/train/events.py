"""A run's diary: one JSON object a line, only ever added to.

On disk all processes add to `events.jsonl`. Object stores cannot append, so there every process keeps objects of its own
below `events/`, and what is read is all of them together. A line is written by a thread, at once or with the next few;
it is never lost after that, and the training loop never waits for it.
"""

import atexit
import json
import os
import secrets
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from springtide_workloads.contract import Env, Event, Layout
from springtide_workloads.errors import StorageError
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell

FLUSH_SECONDS: Final = 2.0
"""How long a line that is not urgent may wait for others."""
PATIENT: Final = frozenset({Event.PROGRESS.value, Event.EVALUATED.value})
"""Events that wait for others; any other is written at once."""
LAST_WORDS: Final = frozenset({Event.LEFT.value, Event.INTERRUPTED.value, Event.FAILED.value, Event.EXPORTED.value})
"""Events after which a process may end: adding one waits until it is written."""
LAST_WORDS_SECONDS: Final = 5.0
"""How long that may take; the grace of a pod is spent on the checkpoint and not on the diary."""
SEGMENT_BYTES: Final = 256 * 1024
"""Size after which a process begins another object, so that adding a line never rewrites more."""

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MS: Final = timedelta(milliseconds=1)


def new_attempt() -> str:
    """An id for this start of an agent; it hands it to its processes as `SPRINGTIDE_ATTEMPT`."""
    return secrets.token_hex(4)


class Clock:
    """UTC in milliseconds that never goes back while the process lives, whatever is done to the machine's clock."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()
        self.shifted_ms = 0
        """By how much this clock was put forward."""

    def ms(self) -> int:
        """Milliseconds since 1970."""
        return (time.monotonic_ns() + self._offset) // 1_000_000

    def forward(self, ms: int) -> None:
        """Puts the clock forward."""
        self._offset += ms * 1_000_000
        self.shifted_ms += ms


class EventLog:
    """Adds events; every process of a run may.

    Every line says `time` (UTC, milliseconds), `run`, `event`, `attempt` (the start of an agent that it belongs to),
    `writer` (this process) and `n` (its lines, counted), and whatever the event is about.
    A log that cannot be written is told on stderr and tried again; it never ends a run.
    """

    def __init__(
        self, *, store: Store, run: str, attempt: str | None = None, flush_seconds: float = FLUSH_SECONDS
    ) -> None:
        self.store = store
        self.run = run
        self.attempt = os.environ.get(Env.ATTEMPT) if attempt is None else attempt
        self.clock = Clock()
        self.writer = secrets.token_hex(4)
        self._sink = _sink(store, self.writer)
        self._flush_seconds = flush_seconds
        self._lines: list[str] = []
        self._count = 0
        self._hurry = self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        _OPEN.add(self)

    def add(self, event: str, **details: Any) -> None:
        """Adds one event and returns at once; after the last words of a process, when they are written."""
        kind = str(event)
        with self._changed:
            head = {
                "time": text_of(self.clock.ms()), "run": self.run, "event": kind,
                "attempt": self.attempt, "writer": self.writer, "n": self._count,
            }  # fmt: skip
            self._lines.append(json.dumps(head | details))
            self._count += 1
            self._hurry |= kind not in PATIENT
            self._begin()
            self._changed.notify_all()
        if kind in LAST_WORDS:
            self.flush(LAST_WORDS_SECONDS)

    def catch_up(self, history: Sequence[dict[str, Any]]) -> int:
        """Puts this clock past everything in the log, so that a machine whose clock is behind does not write into the past.

        Returns:
            The milliseconds it was put forward, at best 0. The agent writes them into its `joined` event as `clock_ms`;
            processes of its attempt find them there and go by the same clock.
        """
        agents = [
            event
            for event in history
            if event.get("attempt") == self.attempt and event.get("event") == Event.JOINED.value
        ]
        self.clock.forward(int(agents[-1].get("clock_ms", 0)) if agents and self.attempt is not None else 0)
        newest = max((ms for event in history if (ms := ms_of(event)) is not None), default=0)
        self.clock.forward(max(0, newest - self.clock.ms()))
        return self.clock.shifted_ms

    def flush(self, timeout: float = LAST_WORDS_SECONDS) -> bool:
        """Waits until everything added is written; False when that takes longer than `timeout` seconds."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            return not self._lines if self._closed else self._changed.wait_for(lambda: not self._lines, timeout)

    def close(self) -> None:
        """Writes what is left and ends the thread. A process that ends by itself does so for all its logs."""
        if self._closed:
            return
        if not self.flush():
            tell(f"{len(self._lines)} lines of the event log could not be written")
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(self._flush_seconds)

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_out, name="events", daemon=True)
            self._thread.start()

    def _write_out(self) -> None:
        failed = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closed)
                self._changed.wait_for(lambda: self._hurry or self._closed, self._flush_seconds)
                if self._closed:
                    return
                lines, self._hurry = list(self._lines), False
            written = self._written(lines, told=failed)
            with self._changed:
                if written:
                    del self._lines[: len(lines)]
                    self._changed.notify_all()
                else:
                    # not `_hurry`: a store that fails is not asked again and again
                    self._changed.wait_for(lambda: self._closed, self._flush_seconds)
            failed = not written

    def _written(self, lines: Sequence[str], *, told: bool) -> bool:
        try:
            self._sink(lines)
        except StorageError as error:
            if not told:
                tell(f"the event log is kept in memory for now: {error}")
            return False
        return True


_OPEN: Final[weakref.WeakSet[EventLog]] = weakref.WeakSet()
"""Logs of this process, for its own reading and for its end."""


@atexit.register
def _close_all() -> None:
    for log in list(_OPEN):
        log.close()


def _sink(store: Store, writer: str) -> "_File | _Segments":
    return _File(store) if urlsplit(store.url).scheme == "file" else _Segments(store, writer)


class _File:
    """One file that all processes add to."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, lines: Sequence[str]) -> None:
        self._store.append(Layout.EVENTS, "\n".join(lines))


class _Segments:
    """Objects of this process alone: adding rewrites the newest, and asks nobody what it holds."""

    def __init__(self, store: Store, writer: str) -> None:
        self._store, self._writer = store, writer
        self._number, self._text = 0, b""

    def __call__(self, lines: Sequence[str]) -> None:
        text = self._text + "".join(f"{line}\n" for line in lines).encode()
        self._store.write(f"{Layout.EVENT_SEGMENTS}/{self._writer}-{self._number:05d}.jsonl", text)
        full = len(text) >= SEGMENT_BYTES
        self._number, self._text = (self._number + 1, b"") if full else (self._number, text)


class EventReader:
    """Reads the whole log again and again; objects that are full are read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._full: dict[str, bytes] = {}

    def read(self) -> list[dict[str, Any]]:
        """All events so far, oldest first, with everything that this process has added.

        Raises:
            StorageError: when the log cannot be read.
        """
        for log in [log for log in _OPEN if log.store.url == self._store.url]:
            log.flush()
        paths = self._store.files(Layout.EVENT_SEGMENTS)
        texts = [self._store.read(Layout.EVENTS) or b"", *(self._segment(path) for path in paths)]
        return ordered(event for text in texts for event in parsed(text))

    def _segment(self, path: str) -> bytes:
        if path not in self._full:
            text = self._store.read(path) or b""
            if len(text) < SEGMENT_BYTES:
                return text
            self._full[path] = text
        return self._full[path]


def read_events(store: Store) -> list[dict[str, Any]]:
    """All events so far, oldest first, with everything that this process has added.

    Raises:
        StorageError: when the log cannot be read.
    """
    return EventReader(store).read()


def parsed(text: bytes) -> Iterator[dict[str, Any]]:
    """Events of the lines that are whole. A line may be torn by a full disk, and the next one written behind its rest."""
    for line in text.splitlines():
        for part in (line, line[max(0, line.rfind(b'{"time"')) :]):
            try:
                event = json.loads(part)
            except ValueError:
                continue
            if isinstance(event, dict) and "event" in event:
                yield event
            break


def ordered(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Oldest first, and each only once: a batch whose writing failed halfway is written again as a whole."""
    seen: dict[Any, dict[str, Any]] = {}
    for event in events:
        seen.setdefault((event["writer"], event.get("n")) if "writer" in event else len(seen), event)
    return sorted(seen.values(), key=lambda event: ms_of(event) or 0)


def ms_of(event: Mapping[str, Any]) -> int | None:
    """When an event happened, in milliseconds since 1970; None when it does not say so."""
    try:
        when = datetime.fromisoformat(event["time"])
        return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - _EPOCH) // _MS
    except (KeyError, TypeError, ValueError):
        return None


def text_of(ms: int) -> str:
    """The time of an event, as the log has it."""
    return (_EPOCH + ms * _MS).isoformat(timespec="milliseconds")
