"""The table that joins provider paths to what is known about their values. It is data: `tables/*.csv`.

Columns: `type` (a type token, `aws:*` for all of a provider, or an SDK object such as `core.v1.PodSpec`), `path`
(relative to it, `*` for list indexes and map keys), `member` (of an API model), `rule` (where the model says too
little: see `formats.rule`; `-` for a path that is listed as unchecked), `why` (the rule's source, or the reason).
"""

import csv
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from springtide.offline.validate import formats, model
from springtide.offline.validate.constraint import Constraint
from springtide.offline.validate.shape import Node

UNCHECKED = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    type: str
    path: str
    member: str
    rule: str
    why: str

    def constraints(self) -> tuple[Constraint, ...]:
        """What the row asks of a value: the API member's limits first, then the rule's.

        Raises:
            UnknownMember: the installed API model lacks the member.
        """
        members = (model.member(self.member),) if self.member else ()
        rules = (formats.rule(self.rule),) if self.rule not in ("", UNCHECKED) else ()
        return members + rules


@dataclass(frozen=True, slots=True)
class Entry:
    """What the table knows about one path: constraints on its value, or why there are none."""

    constraints: tuple[Constraint, ...] = ()
    why: str = ""

    @property
    def checks(self) -> bool:
        """Whether a value at this path is judged."""
        return any(constraint.judges for constraint in self.constraints)


@cache
def rows() -> Mapping[tuple[str, str], Row]:
    """Every line of every table, by type and path."""
    folder = importlib.resources.files(__package__) / "tables"
    texts = [file.read_text(encoding="utf-8") for file in sorted(folder.iterdir(), key=lambda item: item.name)]
    lines = [Row(**line) for text in texts for line in csv.DictReader(text.splitlines())]
    return {(row.type, row.path): row for row in lines}


def entry(token: str, node: Node) -> Entry | None:
    """What is known about a place of a resource of type `token`; None when the table does not list it."""
    return _entry(token, node.pattern, node.owner, node.local)


@cache
def required(token: str) -> Mapping[str, tuple[str, ...]]:
    """Pattern of an object → its members that the API demands once the object is given.

    Top-level members are left out: the provider names and defaults those by itself.
    """
    found: dict[str, tuple[str, ...]] = {}
    for (kind, path), row in rows().items():
        parent, _, name = path.rpartition("/")
        if kind == token and parent and row.member and any(item.required for item in _read(row).constraints):
            found[parent] = (*found.get(parent, ()), name)
    return found


@cache
def _entry(token: str, pattern: str, owner: str, local: str) -> Entry | None:
    provider = f"{token.partition(':')[0]}:*"
    for key in ((token, pattern), (owner, local), (provider, pattern)):
        row = rows().get(key)
        if row is not None:
            return _read(row)
    return None


def _read(row: Row) -> Entry:
    try:
        return Entry(row.constraints(), row.why)
    except model.UnknownMember as unknown:
        return Entry((), str(unknown))
