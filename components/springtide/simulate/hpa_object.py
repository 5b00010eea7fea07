"""A HorizontalPodAutoscaler as data, with the defaults that the API server fills in.

Facts: kubernetes/api autoscaling/v2 types and pkg/apis/autoscaling/v2/defaults.go; the page Horizontal Pod Autoscaling of
the Kubernetes documentation, section Default Behavior.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from springtide.simulate.mistake import UsageError
from springtide.simulate.quantity import milli, number

SYNC_SECONDS = 15.0
"""`--horizontal-pod-autoscaler-sync-period`."""
TOLERANCE = 0.1
"""`--horizontal-pod-autoscaler-tolerance`."""
DOWN_WINDOW_SECONDS = 300
"""`--horizontal-pod-autoscaler-downscale-stabilization`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """By how much a count may change in a period."""

    percent: bool
    """Whether `value` is in percent of the replicas at the period's start; else it is in pods."""
    value: int
    period_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How fast a count may move in one direction."""

    window_seconds: int
    policies: tuple[Policy, ...]
    select: str = "Max"
    """Which policy counts: `Max`, the one that allows most; `Min`; `Disabled`, no move at all."""
    tolerance: float = TOLERANCE


UP = Rules(
    window_seconds=0,
    policies=(
        Policy(percent=True, value=100, period_seconds=15),
        Policy(percent=False, value=4, period_seconds=15),
    ),
)
DOWN = Rules(window_seconds=DOWN_WINDOW_SECONDS, policies=(Policy(percent=True, value=100, period_seconds=15),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """Both directions."""

    up: Rules = UP
    down: Rules = DOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number to hold, and at what."""

    kind: str
    """`Resource`, `Pods`, `External` or `Object`."""
    name: str
    target: str
    """`Utilization` in percent, `AverageValue` a pod or `Value` in all, these two in thousandths."""
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HpaObject:
    """What the autoscaler holds, and within which bounds."""

    least: int
    most: int
    metrics: tuple[Metric, ...]
    behavior: Behavior | None = None
    """None where the object says nothing: older limits hold then."""

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "HpaObject":
        """Read an object's `spec`.

        Raises:
            UsageError: a metric is of a kind that is not simulated.
        """
        return cls(
            least=int(spec.get("minReplicas", 1)),
            most=int(spec["maxReplicas"]),
            metrics=tuple(_metric(item) for item in spec.get("metrics", ())),
            behavior=behavior(spec.get("behavior")),
        )


def behavior(given: Mapping[str, Any] | None) -> Behavior | None:
    """The `behavior` of an object with its defaults; None where there is none."""
    if given is None:
        return None
    return Behavior(up=_rules(given.get("scaleUp"), UP), down=_rules(given.get("scaleDown"), DOWN))


def _rules(given: Mapping[str, Any] | None, default: Rules) -> Rules:
    given = given or {}
    policies = given.get("policies")
    return Rules(
        window_seconds=int(given.get("stabilizationWindowSeconds", default.window_seconds)),
        policies=default.policies if policies is None else _policies(policies),
        select=str(given.get("selectPolicy", default.select)),
        tolerance=number(given.get("tolerance", default.tolerance)),
    )


def _policies(given: Sequence[Mapping[str, Any]]) -> tuple[Policy, ...]:
    return tuple(
        Policy(percent=item["type"] == "Percent", value=int(item["value"]), period_seconds=int(item["periodSeconds"]))
        for item in given
    )


_FIELDS = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}


def _metric(given: Mapping[str, Any]) -> Metric:
    kind = str(given.get("type"))
    inner = given.get(kind[:1].lower() + kind[1:], {})
    target = inner.get("target", {})
    field = _FIELDS.get(str(target.get("type")))
    if kind not in ("Resource", "Pods", "External", "Object") or field is None or field not in target:
        raise UsageError(f"a metric of type {kind} with the target {dict(target)} cannot be simulated")
    raw = target[field]
    value = int(raw) if field == "averageUtilization" else milli(raw)
    named = inner.get("name") or inner.get("metric", {}).get("name", "")
    return Metric(kind=kind, name=str(named), target=str(target["type"]), value=value)
