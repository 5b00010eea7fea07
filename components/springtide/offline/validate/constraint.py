"""What one value may be, and the verdict on a value that is something else."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from springtide.offline.validate.words import closest_first, nearest, shown

PLACEHOLDER = re.compile("«[^»]*»")
"""What stands in a text for a value that only the cloud knows (the plan's format)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """The limits that one source, an API member or a rule of the table, puts on one value."""

    source: str = ""
    """The API member that says so, `eks:CreateNodegroup.amiType`; empty for a rule of the table."""
    kind: str = "string"
    """Of `string`, `integer`, `number`, `boolean`, `list`, `map`, `structure`."""
    enum: tuple[str, ...] = ()
    pattern: str = ""
    """A regular expression that the whole text must match, as the services themselves apply theirs."""
    low: float | None = None
    """Least number, or least length of a text; an empty list or mapping is an absent one."""
    high: float | None = None
    """Greatest number, or greatest length of a text, a list or a mapping."""
    keys: "Constraint | None" = None
    """On the names of a mapping."""
    required: bool = False
    """Whether the API demands the member where its object is given."""
    words: str = ""
    """What a value must be, for people: `a CIDR block such as 10.0.0.0/16`."""
    test: Callable[[Any], tuple[str, ...]] | None = None
    """Complaints about a value that no pattern can express."""
    sees_around: bool = False
    """Whether `test` can judge a text that holds placeholders."""

    @property
    def judges(self) -> bool:
        """Whether it says more than "a text", "a number" or "a list": only then is a value checked by it."""
        limits = (self.enum, self.pattern, self.keys, self.test, self.kind == "boolean")
        return any(limits) or self.low is not None or self.high is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One complaint: `code` names the kind (`enum`), `told` completes a sentence that begins with the path."""

    code: str
    told: str
    fix: str = ""
    allowed: tuple[Any, ...] = ()


def judge(value: Any, constraint: Constraint) -> tuple[Verdict, ...]:
    """All complaints of the first kind that applies; none when `value` keeps the constraint."""
    for question in _QUESTIONS:
        verdicts = tuple(question(value, constraint))
        if verdicts:
            return verdicts
    return ()


def _kind(value: Any, constraint: Constraint) -> Iterator[Verdict]:
    if not _IS[constraint.kind](value):
        wanted = _NAMES[constraint.kind]
        yield Verdict(code="type", told=f"is {shown(value)}; the API wants {wanted}", fix=f"give {wanted}")


def _enum(value: Any, constraint: Constraint) -> Iterator[Verdict]:
    if constraint.enum and str(value) not in constraint.enum:
        near = nearest(value, constraint.enum)
        few = closest_first(value, constraint.enum)
        among = f"one of {len(constraint.enum):,} values, the closest are " if len(few) < len(constraint.enum) else ""
        told = f"is {shown(value)}; it must be {among}{', '.join(few)}"
        yield Verdict(code="enum", told=told, fix=f"use {near or 'one of the allowed values'}", allowed=few)


def _bounds(value: Any, constraint: Constraint) -> Iterator[Verdict]:
    measured, unit = _measure(value, constraint.kind)
    if measured is None:
        return
    low, high = constraint.low, constraint.high
    if (low is not None and measured < low) or (high is not None and measured > high):
        code, what = ("length", f"has {measured:g} {unit}") if unit else ("range", f"is {measured:g}")
        span = _span(low, high)
        yield Verdict(code=code, told=f"{what}; allowed is {span}{f' {unit}' if unit else ''}", fix=f"keep to {span}")


def _pattern(value: Any, constraint: Constraint) -> Iterator[Verdict]:
    if constraint.pattern and not _compiled(constraint.pattern).fullmatch(str(value)):
        wanted = constraint.words or f"text that matches {constraint.pattern}"
        code = "format" if constraint.words else "pattern"
        yield Verdict(code=code, told=f"is {shown(value)}; it must be {wanted}", fix=f"give {wanted}")


def _keys(value: Any, constraint: Constraint) -> Iterator[Verdict]:
    if constraint.keys is not None:
        for name in value:
            for verdict in judge(name, constraint.keys):
                yield Verdict(
                    code=verdict.code, told=f"has the name {shown(name)}, which {verdict.told}", fix=verdict.fix
                )


def _test(value: Any, constraint: Constraint) -> Iterator[Verdict]:
    for complaint in constraint.test(value) if constraint.test else ():
        yield Verdict(code="format", told=f"is not {constraint.words}: {complaint}", fix=f"give {constraint.words}")


_QUESTIONS = (_kind, _enum, _bounds, _pattern, _keys, _test)


def _measure(value: Any, kind: str) -> tuple[float | None, str]:
    """The figure that bounds apply to, and its unit; a provider may hold an API's number as text."""
    if kind == "string":
        return len(str(value)), "characters"
    if kind in ("list", "map"):
        return (len(value) or None), "entries"
    return (float(value), "") if kind in ("integer", "number") else (None, "")


def _span(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at most {high:,.0f}" if low is None else f"at least {low:,.0f}"
    return f"{low:,.0f} to {high:,.0f}"


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer()


_IS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str | int | float) and not isinstance(value, bool),
    "integer": _is_integer,
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool) or value in ("true", "false"),
    "list": lambda value: isinstance(value, list),
    "map": lambda value: isinstance(value, dict),
    "structure": lambda value: isinstance(value, dict),
}
_NAMES = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "list": "a list", "map": "a mapping", "structure": "an object",
}  # fmt: skip

_JAVA_CLASSES = {
    r"\p{L}": "a-zA-Z\u00aa-\uffff", r"\p{N}": r"\d", r"\p{Z}": r"\s", r"\p{M}": "\u0300-\u036f",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF",
}  # fmt: skip
"""Java's character classes that occur in AWS's patterns, a little wider here where Python has no equal."""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern)
