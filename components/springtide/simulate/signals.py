"""What autoscalers read: the numbers of servers and gateways, as a trigger of the plan aggregates them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from springtide.simulate.mistake import UsageError
from springtide_workloads.contract import GatewayMetric, Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A service as its autoscalers see it now."""

    ready: int
    """Servers that take requests."""
    in_flight: int
    """Requests that they compute."""
    leaving: int
    """Requests that servers compute which take no others any more."""
    queued: int
    """Requests that no server has yet."""
    gateways: int
    """Gateways that hold them; 0 where the servers do."""


Read = Callable[[Moment], float | None]
"""A number now; None where it cannot be read."""

_Sum = Callable[[Moment], tuple[int, int]]
"""A number's sum over those that say it, and how many say it."""


def _computed(now: Moment) -> tuple[int, int]:
    return now.in_flight, now.ready


def _waiting(now: Moment) -> tuple[int, int]:
    return 0 if now.gateways else now.queued, now.ready


_OURS: dict[str, _Sum] = {
    Metric.IN_FLIGHT.value: _computed,
    Metric.QUEUED.value: _waiting,
    GatewayMetric.REQUESTS.value: lambda now: (now.in_flight + now.leaving + now.queued, now.gateways),
}
"""By the names that our servers and gateways have for them."""
_OTHERS: dict[str, _Sum] = {"in_flight": _computed, "queued": _waiting}
"""By the names of the plan's triggers, since servers that are not ours have names of their own."""
_AGGREGATIONS: dict[str, Callable[[int, int], float]] = {
    "average": lambda total, count: total / count,
    "sum": lambda total, _: float(total),
    "max": lambda total, count: float(math.ceil(total / count)),
    "min": lambda total, count: float(total // count),
}
"""KEDA's names. Requests are spread evenly over the servers, so the largest and smallest differ by one at most."""


def reading(trigger: Mapping[str, Any]) -> Read:
    """What a trigger of type metrics-api reads.

    Raises:
        UsageError: it is another type, or another number than a server or gateway of ours says.
    """
    given = trigger.get("metadata", {})
    place, aggregation = given.get("valueLocation"), str(given.get("aggregationType", "average"))
    spread = given.get("aggregateFromKubeServiceEndpoints") == "true"
    sums = _sum(str(trigger.get("name")), place)
    if trigger.get("type") != "metrics-api" or sums is None or aggregation not in _AGGREGATIONS or not spread:
        shown = f"type {trigger.get('type')}, value {place}, aggregation {aggregation}"
        raise UsageError(
            f"trigger {trigger.get('name', '?')} ({shown}) cannot be simulated: "
            f"metrics-api over the endpoints of a service can, with one of {', '.join(_OURS)}"
        )
    aggregate = _AGGREGATIONS[aggregation]

    def read(now: Moment) -> float | None:
        total, count = sums(now)
        return aggregate(total, count) if count else None

    return read


def _sum(name: str, place: str | None) -> _Sum | None:
    """What a trigger of this name sums, that reads this number."""
    ours = place is None or place.startswith("springtide_")
    return _OURS.get(str(place)) if ours else _OTHERS.get(name)
