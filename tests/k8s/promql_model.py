"""As much of Prometheus as our expressions use: what one gives over some series, and what is wrong with its shape."""

import math
import operator
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser as promql

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
COUNTED = ("_total", "_bucket", "_sum", "_count")
MATH: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b if b else math.copysign(math.inf, a) if a else math.nan,
}
MATCHES: dict[str, Callable[[str, str], bool]] = {
    "MatchOp.Equal": operator.eq,
    "MatchOp.NotEqual": operator.ne,
    "MatchOp.Re": lambda text, pattern: re.fullmatch(pattern, text) is not None,
}
COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "==": operator.eq,
}
SUMS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "max": max,
    "min": min,
    "avg": lambda each: sum(each) / len(each),
    "count": lambda each: float(len(each)),
}


class Ambiguous(Exception):  # noqa: N818  Prometheus' own word for an expression that it refuses to answer
    """Several series on one side fit one on the other."""


@dataclass(frozen=True)
class Series:
    """One series now: a gauge's value, or how fast a counter rises."""

    name: str
    labels: dict[str, str]
    value: float


def evaluate(expression: str, data: list[Series]) -> Vector:
    """What the expression gives; a scalar has no labels."""
    found: Vector = _of(promql.parse(expression), data)
    return found


def _of(node: Any, data: list[Series]) -> Any:
    return _NODES[type(node)](node, data)


def _select(node: Any, data: list[Series]) -> Vector:
    found = [one for one in data if one.name == node.name and _fits(node, one)]
    return {frozenset({**one.labels, "__name__": one.name}.items()): one.value for one in found}


def _fits(node: Any, one: Series) -> bool:
    return all(MATCHES[str(each.op)](one.labels.get(each.name, ""), each.value) for each in node.matchers.matchers)


def _call(node: Any, data: list[Series]) -> Any:
    return _CALLS[node.func.name](node.args, data)


def _rate(args: list[Any], data: list[Series]) -> Vector:
    return {_unnamed(key): value for key, value in _select(args[0].vector_selector, data).items()}


def _absent(args: list[Any], data: list[Series]) -> Vector:
    equal = [(each.name, each.value) for each in args[0].matchers.matchers if str(each.op) == "MatchOp.Equal"]
    return {} if _of(args[0], data) else {frozenset(equal): 1.0}


def _quantile(args: list[Any], data: list[Series]) -> Vector:
    part = args[0].val
    groups: dict[Labels, dict[float, float]] = {}
    for key, value in _of(args[1], data).items():
        labels = dict(key)
        if (bound := labels.pop("le", None)) is not None:
            groups.setdefault(_unnamed(frozenset(labels.items())), {})[float(bound)] = value
    return {key: _interpolated(part, sorted(buckets.items())) for key, buckets in groups.items()}


def _interpolated(part: float, buckets: list[tuple[float, float]]) -> float:
    """As Prometheus does: linear in a bucket; beyond the highest bound, that bound."""
    total = buckets[-1][1]
    if not total or buckets[-1][0] != math.inf:
        return math.nan
    before, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= part * total:
            return below if bound == math.inf else below + (bound - below) * (part * total - before) / (count - before)
        before, below = count, bound
    return math.nan


def _aggregate(node: Any, data: list[Series]) -> Vector:
    kept: set[str] = set(node.modifier.labels) if node.modifier else set()
    groups: dict[Labels, list[float]] = {}
    for key, value in _of(node.expr, data).items():
        groups.setdefault(frozenset(pair for pair in key if pair[0] in kept), []).append(value)
    return {key: SUMS[str(node.op)](values) for key, values in groups.items()}


def _binary(node: Any, data: list[Series]) -> Any:
    left, right, sign = _of(node.lhs, data), _of(node.rhs, data), str(node.op)
    if sign in ("and", "or", "unless"):
        return _set(sign, left, right, node.modifier)
    if not isinstance(left, dict) and not isinstance(right, dict):
        return MATH[sign](left, right)
    pairs = list(_paired(left, right))
    if sign in COMPARED:
        return {key: a for key, _, a, b in pairs if COMPARED[sign](a, b)}
    return {plain: MATH[sign](a, b) for _, plain, a, b in pairs}


def _paired(left: Any, right: Any) -> Iterator[tuple[Labels, Labels, float, float]]:
    if not isinstance(right, dict):
        yield from ((key, _unnamed(key), value, right) for key, value in left.items())
        return
    for side in (left, right):
        if len({_unnamed(key) for key in side}) < len(side):
            raise Ambiguous
    others = {_unnamed(key): value for key, value in right.items()}
    for key, value in left.items():
        if (plain := _unnamed(key)) in others:
            yield key, plain, value, others[plain]


def _set(sign: str, left: Vector, right: Vector, modifier: Any) -> Vector:
    on = set(modifier.matching.labels) if modifier and modifier.matching else None

    def told(key: Labels) -> Labels:
        return _unnamed(key) if on is None else frozenset(pair for pair in key if pair[0] in on)

    here, there = {told(key) for key in left}, {told(key) for key in right}
    if sign == "or":
        return left | {key: value for key, value in right.items() if told(key) not in here}
    return {key: value for key, value in left.items() if (told(key) in there) == (sign == "and")}


def _unnamed(key: Labels) -> Labels:
    return frozenset(pair for pair in key if pair[0] != "__name__")


_CALLS: dict[str, Callable[[list[Any], list[Series]], Any]] = {
    "rate": _rate,
    "absent": _absent,
    "histogram_quantile": _quantile,
    "vector": lambda args, _: {frozenset(): args[0].val},
}
_NODES: dict[type, Callable[[Any, list[Series]], Any]] = {
    promql.VectorSelector: _select,
    promql.Call: _call,
    promql.AggregateExpr: _aggregate,
    promql.BinaryExpr: _binary,
    promql.ParenExpr: lambda node, data: _of(node.expr, data),
    promql.NumberLiteral: lambda node, _: node.val,
}


def children(node: Any) -> list[Any]:
    """What a node is made of."""
    parts = [getattr(node, part, None) for part in ("lhs", "rhs", "expr", "vector_selector")]
    return [part for part in (*parts, *getattr(node, "args", ())) if part is not None]


def selectors(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every selector below a node, with what is above it, the outermost first."""
    if isinstance(node, promql.VectorSelector):
        yield node, above
    for child in children(node):
        yield from selectors(child, (*above, node))


def misshapen(expression: str, service: str, known: set[str], gauges: Collection[str] = ()) -> list[str]:
    """What is wrong with an expression over one service's series, whatever these say; gauges may be named like counters."""
    found = []
    for node, above in selectors(promql.parse(expression)):
        calls = [each.func.name for each in above if isinstance(each, promql.Call)]
        sums = [each for each in above if isinstance(each, promql.AggregateExpr)]
        matched = [(each.name, str(each.op), each.value) for each in node.matchers.matchers]
        found += [f"{node.name}: nobody tells it"] * (node.name not in known)
        found += [f"{node.name}: of every service"] * (("service", "MatchOp.Equal", service) not in matched)
        found += [f"{node.name}: of each pod"] * (not sums and "absent" not in calls)
        found += [f"{node.name}: sums that lose their service"] * any(
            each.modifier is None or not {"namespace", "service"} <= set(each.modifier.labels) for each in sums
        )
        counter = node.name.endswith(COUNTED) and node.name not in gauges
        found += [f"{node.name}: a count since the pod began"] * (counter != ("rate" in calls))
        found += [f"{node.name}: buckets without bounds"] * (
            node.name.endswith("_bucket") and not any("le" in each.modifier.labels for each in sums if each.modifier)
        )
    return found
