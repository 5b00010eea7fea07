"""The loops that set how many replicas there are: each looks at the service at its own pace."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from springtide.simulate.hpa import Hpa
from springtide.simulate.hpa_object import SYNC_SECONDS, HpaObject, Metric
from springtide.simulate.keda import Keda
from springtide.simulate.keda_object import KedaObject
from springtide.simulate.mistake import UsageError
from springtide.simulate.ratio import Pod, Tolerances, by_average, by_utilization, by_value
from springtide.simulate.signals import Moment


@dataclass(slots=True, kw_only=True)
class Loop:
    """Something that looks again and again."""

    period: float
    act: Callable[[float, int], int]
    """Takes the moment and the replicas that are wanted; says how many are wanted from now on."""
    due: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """What loops can see of the service."""

    moment: Callable[[float], Moment]
    pods: Callable[[float], Sequence[Pod]]


def loops(autoscaler: HpaObject | KedaObject | None, eyes: Eyes) -> list[Loop]:
    """The loops of an autoscaler, those first that act first where two are due at once.

    Raises:
        UsageError: it holds a number that is not simulated.
    """
    if autoscaler is None:
        return []
    return _of_keda(autoscaler, eyes) if isinstance(autoscaler, KedaObject) else _of_hpa(autoscaler, eyes)


def _of_hpa(spec: HpaObject, eyes: Eyes) -> list[Loop]:
    hpa, tolerances = Hpa(spec=spec), Tolerances.of(spec.behavior)
    for metric in spec.metrics:
        if (metric.kind, metric.name, metric.target) != ("Resource", "cpu", "Utilization"):
            raise UsageError(
                f"metric {metric.name} ({metric.kind}, {metric.target}): of its own kind only CPU use is simulated"
            )

    def sync(now: float, current: int) -> int:
        pods = eyes.pods(now)
        return hpa.sync(now, current, [by_utilization(current, pods, item.value, tolerances) for item in spec.metrics])

    return [Loop(period=SYNC_SECONDS, act=sync, due=SYNC_SECONDS)]


def _of_keda(spec: KedaObject, eyes: Eyes) -> list[Loop]:
    keda, hpa, tolerances = Keda(spec=spec), Hpa(spec=spec.hpa), Tolerances.of(spec.hpa.behavior)

    def poll(now: float, current: int) -> int:
        return keda.poll(now, current, eyes.moment(now))

    def sync(now: float, current: int) -> int:
        if current == 0:
            return hpa.sync(now, current, [])
        moment = eyes.moment(now)
        values = keda.values(moment, current)
        pairs = zip(spec.hpa.metrics, values, strict=True)
        return hpa.sync(now, current, [_wanted(item, value, current, moment, tolerances) for item, value in pairs])

    return [
        Loop(period=spec.polling_seconds, act=poll),
        Loop(period=SYNC_SECONDS, act=sync, due=SYNC_SECONDS),
    ]


def _wanted(metric: Metric, value: float | None, current: int, now: Moment, tolerances: Tolerances) -> int | None:
    if value is None:
        return None
    thousandths = int(value * 1000)
    if metric.target == "Value":
        return by_value(current, now.ready, thousandths, metric.value, tolerances)
    return by_average(current, thousandths, metric.value, tolerances)
