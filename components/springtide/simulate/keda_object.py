"""A KEDA ScaledObject as data, and the HorizontalPodAutoscaler that KEDA makes of it.

Facts: kedacore/keda at 8b4f083: apis/keda/v1alpha1/{scaledobject,withtriggers}_types.go, controllers/keda/hpa.go,
pkg/scaling/executor/scale_executor.go.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from springtide.simulate.formula import compile_formula
from springtide.simulate.hpa_object import HpaObject, Metric, behavior
from springtide.simulate.quantity import milli
from springtide.simulate.signals import Read, reading

POLLING_SECONDS = 30
COOLDOWN_SECONDS = 300
MOST_REPLICAS = 100
"""KEDA's defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One number, and from where on the workload is active."""

    name: str
    target: str
    """`AverageValue` (default) or `Value`."""
    value: int
    """Thousandths."""
    activation: float
    read: Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What is done when a number cannot be read several times in a row."""

    failures: int
    replicas: int
    behavior: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite:
    """One number made of all triggers'."""

    compute: Callable[[Mapping[str, float]], float]
    target: str
    value: int
    activation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KedaObject:
    """What moves a workload between nothing and something, and what it hands to the HorizontalPodAutoscaler."""

    least: int
    idle: int | None
    polling_seconds: float
    cooldown_seconds: float
    initial_cooldown_seconds: float
    triggers: tuple[Trigger, ...]
    composite: Composite | None
    fallback: Fallback | None
    hpa: HpaObject

    @property
    def asleep(self) -> int:
        """Replicas while nothing is to be done."""
        return self.least if self.idle is None else self.idle

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "KedaObject":
        """Read an object's `spec`.

        Raises:
            UsageError: a trigger or the formula is none that can be simulated.
        """
        advanced = spec.get("advanced", {})
        triggers = tuple(_trigger(index, item) for index, item in enumerate(spec["triggers"]))
        composite = _composite(advanced.get("scalingModifiers"), triggers)
        least, idle = int(spec.get("minReplicaCount", 0)), spec.get("idleReplicaCount")
        held = triggers if composite is None else (composite,)
        metrics = tuple(Metric(kind="External", name="", target=item.target, value=item.value) for item in held)
        return cls(
            least=least,
            idle=None if idle is None else int(idle),
            polling_seconds=float(spec.get("pollingInterval", POLLING_SECONDS)),
            cooldown_seconds=float(spec.get("cooldownPeriod", COOLDOWN_SECONDS)),
            initial_cooldown_seconds=float(spec.get("initialCooldownPeriod", 0)),
            triggers=triggers,
            composite=composite,
            fallback=_fallback(spec.get("fallback")),
            hpa=HpaObject(
                least=least if least > 0 else 1,
                most=int(spec.get("maxReplicaCount", MOST_REPLICAS)),
                metrics=metrics,
                behavior=behavior(advanced.get("horizontalPodAutoscalerConfig", {}).get("behavior")),
            ),
        )


def _trigger(index: int, given: Mapping[str, Any]) -> Trigger:
    metadata = given.get("metadata", {})
    return Trigger(
        name=str(given.get("name", f"s{index}")),
        target=str(given.get("metricType", "AverageValue")),
        value=milli(metadata.get("targetValue", 0)),
        activation=float(metadata.get("activationTargetValue", 0)),
        read=reading(given),
    )


def _composite(given: Mapping[str, Any] | None, triggers: tuple[Trigger, ...]) -> Composite | None:
    if not given or not given.get("formula"):
        return None
    return Composite(
        compute=compile_formula(str(given["formula"]), frozenset(trigger.name for trigger in triggers)),
        target=str(given.get("metricType", "AverageValue")),
        value=milli(given["target"]),
        activation=float(given.get("activationTarget", 0)),
    )


def _fallback(given: Mapping[str, Any] | None) -> Fallback | None:
    if given is None:
        return None
    return Fallback(
        failures=int(given["failureThreshold"]),
        replicas=int(given["replicas"]),
        behavior=str(given.get("behavior", "static")),
    )
