"""What a run says of itself: the lines of its `events.jsonl`, read where they lie. torch is not needed for that."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from springtide_workloads.contract import Event, Layout

_COMING_AND_GOING = frozenset({Event.JOINED.value, Event.LEFT.value, Event.PROGRESS.value})
_STEPS = re.compile(r"[:,]steps=(\d+)(?:,|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Diary:
    """How far a run has come. None: it has not said."""

    step: int | None = None
    loss: float | None = None
    """On text that it does not train on, in nats a byte, when it was last measured."""
    restarts: int = 0
    """Times that it began anew from its last checkpoint, in place or on another node."""
    last: str = ""
    """The kind of the last line, but for those that only say that agents come, report and go."""


def read(folder: Path) -> Diary:
    """The diary in a run's folder of artifacts; an empty one where there is none yet, or none that can be read."""
    try:
        text = (folder / Layout.EVENTS).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Diary()
    return summary(_events(text))


def summary(events: Iterable[Mapping[str, Any]]) -> Diary:
    """What a run's events come to, oldest first."""
    known = list(events)
    kinds = [str(event.get("event", "")) for event in known]
    # Every beginning is written by the workers, a restart in place also by their agent, before they begin.
    begun = sum(kind in (Event.STARTED, Event.RESTORED) for kind in kinds)
    again = max(begun - 1, kinds.count(Event.RESTARTED), 0)
    happened = [kind for kind in kinds if kind not in _COMING_AND_GOING]
    return Diary(
        step=_last(known, "step", int), loss=_last(known, "held_out_loss", float, int),
        restarts=again, last=happened[-1] if happened else "",
    )  # fmt: skip


def steps_of(recipe: str) -> int | None:
    """How many steps a recipe takes, where it says so itself."""
    found = _STEPS.search(recipe)
    return int(found[1]) if found else None


def _last(events: Iterable[Mapping[str, Any]], key: str, *types: type) -> Any:
    return next((event[key] for event in reversed(list(events)) if isinstance(event.get(key), types)), None)


def _events(text: str) -> Iterator[Mapping[str, Any]]:
    """The whole lines: the last one may be being written just now."""
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
