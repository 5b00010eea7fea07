"""A run's diary: one JSON object a line in `events.jsonl`, only ever added to."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from springtide_workloads.contract import Event, Layout
from springtide_workloads.storage import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """Adds events; every process of a run may."""

    store: Store
    run: str

    def add(self, event: Event, **details: Any) -> None:
        """Appends one event.

        Raises:
            StorageError: when the line cannot be written.
        """
        head = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "run": self.run, "event": event.value}
        self.store.append(Layout.EVENTS, json.dumps(head | details))


def read_events(store: Store) -> list[dict[str, Any]]:
    """All events so far, oldest first."""
    text = store.read(Layout.EVENTS) or b""
    return [json.loads(line) for line in text.splitlines()]
