"""The table that joins provider paths to what is known about their values. It is data: `tables/*.csv`.

Columns: `type` (a type token, `aws:*` for all of a provider, or an SDK object such as `core.v1.PodSpec`), `path`
(relative to it, `*` for list indexes and map keys), `member` (of an API model), `rule` (where the model says too
little: see `formats.rule`; `-` for a path that is listed as unchecked), `why` (the rule's source, or the reason).

A path that ends in `/**` means a place and all that lies below. Such a row is unchecked, or its rule is `like:` and
the place of another type whose rows hold here too: `like:gcp:container/nodePool:NodePool/nodeConfig`.
"""

import csv
import importlib.resources
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from springtide.offline.validate import formats, model
from springtide.offline.validate.constraint import Constraint
from springtide.offline.validate.shape import Node

UNCHECKED = "-"
BELOW = "/**"
_LIKE = "like:"


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


def lines() -> Iterator[Row]:
    """Every line of every table, as it is written."""
    folder = importlib.resources.files(__package__) / "tables"
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        for line in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
            yield Row(**line)


@cache
def rows() -> Mapping[tuple[str, str], Row]:
    """What every table says, by type and path, with the rows that are meant by `like:` in their places."""
    written = {(row.type, row.path): row for row in lines()}
    copied = [row for line in written.values() if line.rule.startswith(_LIKE) for row in _copies(line, written)]
    own = {key: row for key, row in written.items() if not row.rule.startswith(_LIKE)}
    return {(row.type, row.path): row for row in copied} | own


def _copies(line: Row, written: Mapping[tuple[str, str], Row]) -> Iterator[Row]:
    """The rows of the place that `line` is like."""
    kind, _, place = line.rule.removeprefix(_LIKE).rpartition(":")
    name, _, inside = place.partition("/")
    for row in written.values():
        if row.type == f"{kind}:{name}" and f"{row.path}/".startswith(f"/{inside}/"):
            rest = row.path.removeprefix(f"/{inside}")
            yield replace(row, type=line.type, path=line.path.removesuffix(BELOW) + rest)


def entry(token: str, node: Node) -> Entry | None:
    """What is known about a place of a resource of type `token`; None when the table does not list it."""
    return _entry(token, node.pattern, node.owner, node.local)


@cache
def required(token: str) -> Mapping[str, tuple[str, ...]]:
    """Pattern of an object → its members that the API demands once the object is given.

    Top-level members are left out: the provider names and defaults those by itself.
    """
    found: dict[str, tuple[str, ...]] = {}
    for row in _by_type()[token]:
        parent, _, name = row.path.rpartition("/")
        if parent and row.member and any(item.required for item in _read(row).constraints):
            found[parent] = (*found.get(parent, ()), name)
    return found


@cache
def _by_type() -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows().values():
        found[row.type].append(row)
    return found


@cache
def _entry(token: str, pattern: str, owner: str, local: str) -> Entry | None:
    provider = f"{token.partition(':')[0]}:*"
    for key in ((token, pattern), (owner, local), (provider, pattern), *_enclosing(token, pattern)):
        row = rows().get(key)
        if row is not None:
            return _read(row)
    return None


def _enclosing(token: str, pattern: str) -> Iterator[tuple[str, str]]:
    """Keys of the rows that speak of a place and all below it, the nearest first."""
    while pattern:
        yield token, f"{pattern}{BELOW}"
        pattern = pattern.rpartition("/")[0]


def _read(row: Row) -> Entry:
    try:
        return Entry(row.constraints(), row.why)
    except model.UnknownMember as unknown:
        return Entry((), str(unknown))
