"""For each row of the table a value that its cloud takes and one that it refuses, and where to put them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.offline.validate.samples import FORMATS, PATTERNS, SHARED

from springtide.offline.plan import Resource
from springtide.offline.validate import formats, inputs, model, table
from springtide.offline.validate.constraint import Constraint

ROOTS = (
    "kubernetes:apps/v1:Deployment", "kubernetes:batch/v1:Job", "kubernetes:core/v1:Service", "kubernetes:core/v1:Namespace",
    "kubernetes:policy/v1:PodDisruptionBudget", "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
    "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "kubernetes:networking.k8s.io/v1:NetworkPolicy",
)  # fmt: skip
"""Kinds whose SDK classes hold every object that the table has rows about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One limit on one path: what breaks it, and what keeps every limit of that path."""

    row: table.Row
    limit: str
    constraint: Constraint
    good: Any
    bad: Any

    def __str__(self) -> str:
        return f"{self.row.type}{self.row.path} {self.limit}"


def cases() -> Iterator[Case]:
    """Every limit that any row puts on a value."""
    for row in table.rows().values():
        limits = _limits(row)
        for limit, (_, bad) in limits.items():
            *_, (good, _) = limits.values()
            constraint = model.member(limit) if limit == row.member else formats.rule(limit)
            yield Case(row=row, limit=limit, constraint=constraint, good=good, bad=bad)


def resource(row: table.Row, value: Any) -> tuple[Resource, str]:
    """A resource that holds `value` where the row says, and the pointer to it."""
    token, path = (
        route(row.type) if row.type.count(".") > 1 and ":" not in row.type else (_ANY.get(row.type, row.type), "")
    )
    steps = f"{path}{row.path}".split("/")[1:]
    record = inputs.record_of(token)
    assert record is not None
    shape = inputs.Shape(frozenset({"object"}), record=record)
    given, pointer = _nested(shape, steps, value)
    return Resource(urn="urn", type=token, name="sample", parent=None, custom=True, inputs=given), pointer


@cache
def route(title: str) -> tuple[str, str]:
    """The shortest way from a kind to the SDK object `title`: type token and path."""
    waiting = deque((token, "", inputs.record_of(token)) for token in ROOTS)
    seen = set()
    while waiting:
        token, path, record = waiting.popleft()
        if record is None or record in seen:
            continue
        if inputs.title(record) == title:
            return token, path
        seen.add(record)
        for name, member in inputs.members(record).items():
            shape, step = member.shape, f"{path}/{name}"
            while shape.item is not None:
                shape, step = shape.item, f"{step}/*"
            waiting.append((token, step, shape.record))
    message = f"no root kind holds {title}"
    raise LookupError(message)


_ANY = {"aws:*": "aws:ec2/vpc:Vpc", "gcp:*": "gcp:filestore/instance:Instance"}
"""A type that has the inputs which all types of a provider share."""


def _nested(shape: inputs.Shape, steps: list[str], value: Any) -> tuple[Any, str]:
    if not steps:
        return value, ""
    first, *rest = steps
    if shape.record is not None and first != "*":
        inside, pointer = _nested(inputs.members(shape.record)[first].shape, rest, value)
        return {first: inside}, f"/{first}{pointer}"
    inside, pointer = _nested(shape.item or inputs.ANYTHING, rest, value)
    return ([inside], f"/0{pointer}") if "list" in shape.kinds else ({"key": inside}, f"/key{pointer}")


def _limits(row: table.Row) -> dict[str, tuple[Any, Any]]:
    """Limit → a good value and a bad one; the last one's good value keeps them all."""
    found: dict[str, tuple[Any, Any]] = {}
    if row.member and model.member(row.member).judges:
        found[row.member] = _example(row.member)
    if row.rule not in ("", table.UNCHECKED):
        kind, _, name = row.rule.partition(":")
        found[row.rule] = FORMATS[name] if kind == "format" else _bounded(formats.rule(row.rule), name)
    return found


def _example(member: str) -> tuple[Any, Any]:
    limit = model.member(member)
    return PATTERNS.get(member) or SHARED.get(limit.pattern) or _bounded(limit)


def _bounded(limit: Constraint, name: str = "") -> tuple[Any, Any]:
    if limit.enum:
        return limit.enum[0], "no-such-value"
    if limit.pattern:
        return f"{name.partition('/')[0]}-0123456789abcdef0", "no-such-id"
    return _KINDS[limit.kind](limit)


def _number(limit: Constraint) -> tuple[int, int]:
    if limit.low is None:
        assert limit.high is not None
        return int(limit.high), int(limit.high) + 1
    return int(limit.low), int(limit.high) + 1 if limit.high is not None else int(limit.low) - 1


def _text(limit: Constraint) -> tuple[str, str]:
    return "x" * int(limit.low or 1), "" if limit.high is None else "x" * (int(limit.high) + 1)


def _list(limit: Constraint) -> tuple[list[Any], list[Any]]:
    assert limit.high is not None
    return ["x"], ["x"] * (int(limit.high) + 1)


def _map(limit: Constraint) -> tuple[dict[str, Any], dict[str, Any]]:
    assert limit.keys is not None
    return {"key": "x"}, {"": "x"}


_KINDS = {
    "boolean": lambda _: (True, "maybe"),
    "integer": _number,
    "list": _list,
    "map": _map,
    "number": _number,
    "string": _text,
}
