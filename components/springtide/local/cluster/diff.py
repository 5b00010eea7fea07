"""What an apply changes on a running environment: pairs of objects in, differences out, and how they read."""

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from springtide.local.cluster.refs import Object, Ref
from springtide.offline.diff import ABSENT, PropertyChange, property_changes
from springtide.offline.paths import covers
from springtide.offline.replacement import Action
from springtide.offline.report import printable, shown

MOST_CHANGED_PROPERTIES = 8
"""Changed properties listed for one object; the rest are counted."""
_BOOKKEEPING = frozenset({"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"})
"""Metadata that the server keeps for itself."""
_SECRET = {"$secret": ""}
_CONFIDENTIAL = {"Secret": "/data"}
_SIGNS = {
    Action.REPLACE: ("±", "bold red", "replaced"), Action.DELETE: ("-", "red", "removed"),
    Action.UPDATE: ("~", "yellow", "changed"), Action.CREATE: ("+", "green", "created"),
    Action.KEEP: ("=", "dim", "held as they are"),
}  # fmt: skip
"""Action → its sign, its style and its word; what may hurt comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to one object."""

    action: Action
    """`KEEP`: it differs, and stays as it is all the same."""
    ref: Ref
    changes: tuple[PropertyChange, ...] = ()
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What happens to all objects of an environment."""

    changes: tuple[Change, ...] = ()
    unchanged: tuple[Ref, ...] = ()

    def of(self, action: Action) -> tuple[Ref, ...]:
        """The objects to which this happens."""
        return tuple(item.ref for item in self.changes if item.action is action)

    @property
    def empty(self) -> bool:
        """Whether nothing would be done."""
        return all(item.action is Action.KEEP for item in self.changes)


def property_difference(before: Object, after: Object) -> tuple[PropertyChange, ...]:
    """What differs between two states of one object, but for its status and the server's own bookkeeping.

    Of a Secret it says where, not what.
    """
    found = property_changes(_stated(before), _stated(after))
    return tuple(_discreet(str(after.get("kind", "")), item) for item in found)


def asked_difference(live: Object, wanted: Object) -> tuple[PropertyChange, ...]:
    """What `wanted` asks for that `live` does not have; what it leaves open is as it should be."""
    return property_difference(_within(live, wanted), wanted)


def _stated(item: Object) -> Object:
    meta = {key: value for key, value in item.get("metadata", {}).items() if key not in _BOOKKEEPING}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": meta}


def _within(live: Any, wanted: Any) -> Any:
    """The part of `live` that `wanted` speaks of."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        return {key: _within(live[key], value) for key, value in wanted.items() if key in live}
    if isinstance(live, list) and isinstance(wanted, list) and len(live) == len(wanted):
        return [_within(*pair) for pair in zip(live, wanted, strict=True)]
    return live


def _discreet(kind: str, change: PropertyChange) -> PropertyChange:
    if kind not in _CONFIDENTIAL or not covers(_CONFIDENTIAL[kind], change.path):
        return change
    return replace(change, old=_hidden(change.old), new=_hidden(change.new))


def _hidden(value: Any) -> Any:
    return value if value is ABSENT else _SECRET


def summary(difference: Difference) -> str:
    """`1 replaced, 2 created, 12 unchanged`; what may hurt comes first."""
    counted = Counter(item.action for item in difference.changes)
    parts = [f"{counted[action]} {word}" for action, (_, _, word) in _SIGNS.items() if counted[action]]
    return ", ".join([*(parts or ["nothing changes"]), f"{len(difference.unchanged)} unchanged"])


def render(difference: Difference, *, width: int = 100, color: bool = False) -> str:
    """The difference as text.

    Args:
        difference: What an apply would do.
        width: Columns to use.
        color: Whether the reader's terminal understands colour.
    """
    console = Console(
        file=io.StringIO(), width=width, force_terminal=color, no_color=not color, legacy_windows=False,
        color_system="standard" if color else None, highlight=False, markup=False, emoji=False,
    )  # fmt: skip
    console.print(renderable(difference))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO given above
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def renderable(difference: Difference) -> RenderableType:
    """The difference for a console: a summary, then each object with what changes in it, old → new."""
    ranked = [item for action in _SIGNS for item in difference.changes if item.action is action]
    lines = [line for change in ranked for line in _lines(change)]
    return Group(Text(summary(difference), style="bold"), *lines)


def _lines(change: Change) -> Iterator[Text]:
    sign, style, _ = _SIGNS[change.action]
    line = Text(f"{sign} {printable(change.ref)}", style=style)
    if change.because:
        line.append(f"  ({printable(change.because)})", style="dim")
    yield line
    for item in change.changes[:MOST_CHANGED_PROPERTIES]:
        yield Text(f"    {printable(item.path)}: {shown(item.old)} → {shown(item.new)}", style="default")
    if len(change.changes) > MOST_CHANGED_PROPERTIES:
        yield Text(f"    and {len(change.changes) - MOST_CHANGED_PROPERTIES} more properties", style="dim")


def removals(refs: Sequence[Ref]) -> tuple[Change, ...]:
    """The change of each object that goes."""
    return tuple(Change(action=Action.DELETE, ref=ref) for ref in refs)
