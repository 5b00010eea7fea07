"""KEDA's loop: between nothing and something by itself, in between as what feeds the HorizontalPodAutoscaler.

Facts: kedacore/keda at 8b4f083: pkg/scaling/executor/scale_scaledobjects.go, pkg/fallback/fallback.go,
pkg/scaling/scale_handler.go.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from springtide.simulate.keda_object import Composite, Fallback, KedaObject, Trigger
from springtide.simulate.signals import Moment


@dataclass(slots=True, kw_only=True)
class Keda:
    """A ScaledObject at work since second 0."""

    spec: KedaObject
    last_active: float | None = None
    failures: dict[str, int] = field(default_factory=dict)
    """Readings in a row that failed, by trigger."""

    def poll(self, now: float, current: int, moment: Moment) -> int:
        """The replicas from now on, as far as KEDA sets them itself."""
        values = [trigger.read(moment) for trigger in self.spec.triggers]
        if self._active(values):
            return self._awake(now, current)
        if None in values and (self.spec.fallback is None or self.spec.fallback.replicas != 0):
            return current
        return self._resting(now, current)

    def values(self, moment: Moment, current: int) -> list[float | None]:
        """What the HorizontalPodAutoscaler reads: a number for each of its metrics."""
        read = [self._safely(trigger, trigger.read(moment), moment, current) for trigger in self.spec.triggers]
        composite = self.spec.composite
        if composite is None:
            return [value for value, _ in read]
        fallen = next((value for value, fell in read if fell), None)
        return [fallen if fallen is not None else self._computed(composite, [value for value, _ in read])]

    def _active(self, values: Sequence[float | None]) -> bool:
        composite = self.spec.composite
        if composite is not None:
            value = self._computed(composite, values)
            return value is not None and value > composite.activation
        pairs = zip(values, self.spec.triggers, strict=True)
        return any(value is not None and value > trigger.activation for value, trigger in pairs)

    def _awake(self, now: float, current: int) -> int:
        self.last_active = now
        spec = self.spec
        if current == 0 or (spec.idle is not None and current < spec.least):
            return spec.least if spec.least > 0 else 1
        return current

    def _resting(self, now: float, current: int) -> int:
        spec = self.spec
        may_rest = current > spec.idle if spec.idle is not None else current > 0 and spec.least == 0
        if may_rest:
            return spec.asleep if self._cooled(now) else current
        return spec.least if spec.idle is None and current < spec.least else current

    def _cooled(self, now: float) -> bool:
        if self.last_active is None:
            return now > self.spec.initial_cooldown_seconds
        return now > self.last_active + self.spec.cooldown_seconds

    def _computed(self, composite: Composite, values: Sequence[float | None]) -> float | None:
        pairs = zip(self.spec.triggers, values, strict=True)
        known = {trigger.name: value for trigger, value in pairs if value is not None}
        return composite.compute(known) if len(known) == len(values) else None

    def _safely(self, trigger: Trigger, value: float | None, moment: Moment, current: int) -> tuple[float | None, bool]:
        """A reading, or what stands for it, and whether it does."""
        if value is not None:
            self.failures[trigger.name] = 0
            return value, False
        self.failures[trigger.name] = self.failures.get(trigger.name, 0) + 1
        fallback = self.spec.fallback
        if fallback is None or self.failures[trigger.name] <= fallback.failures:
            return None, False
        return self._fallen(fallback, trigger, moment, current), True

    def _fallen(self, fallback: Fallback, trigger: Trigger, moment: Moment, current: int) -> float | None:
        replicas = float(_REPLICAS.get(fallback.behavior, _static)(fallback.replicas, current))
        held = trigger if self.spec.composite is None else self.spec.composite
        if held.target == "Value":
            if moment.ready == 0:
                return None
            replicas /= moment.ready
        return replicas * held.value / 1000


def _static(replicas: int, _current: int) -> int:
    return replicas


_REPLICAS: dict[str, Callable[[int, int], int]] = {
    "static": _static,
    "currentReplicas": lambda _, current: current,
    "currentReplicasIfHigher": max,
    "currentReplicasIfLower": min,
}
