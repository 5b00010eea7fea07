"""How many replicas a metric asks for: the arithmetic of the HorizontalPodAutoscaler, without its limits.

Facts: kubernetes/kubernetes pkg/controller/podautoscaler/{replica_calculator,metrics/utilization}.go, and the page
Horizontal Pod Autoscaling of the Kubernetes documentation, section Algorithm details. Values are whole thousandths, as there.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from springtide.simulate.hpa_object import TOLERANCE, Behavior

CPU_INITIALIZATION_SECONDS = 300.0
"""`--horizontal-pod-autoscaler-cpu-initialization-period`."""
READINESS_DELAY_SECONDS = 30.0
"""`--horizontal-pod-autoscaler-initial-readiness-delay`."""
MOST = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How far a ratio may be from 1 without a move, in each direction."""

    up: float = TOLERANCE
    down: float = TOLERANCE

    @classmethod
    def of(cls, behavior: Behavior | None) -> "Tolerances":
        """Those that an object states."""
        return cls() if behavior is None else cls(up=behavior.up.tolerance, down=behavior.down.tolerance)

    def hold(self, ratio: float) -> bool:
        """Whether the ratio is near enough to 1."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod as the autoscaler sees it. Pods that are being deleted are not among them."""

    usage: int | None = None
    """What it uses, in thousandths; None where nobody says."""
    request: int = 1000
    pending: bool = False
    unready: bool = False
    """Set aside until it is ready; see `set_aside`. Only for CPU."""


def set_aside(  # noqa: PLR0913  what the rule looks at
    now: float, *, started: float | None, ready: bool, changed: float, measured: float, window: float
) -> bool:
    """Whether a pod's CPU is not counted yet.

    Args:
        now: The moment, in seconds.
        started: When it was started; None where it was not.
        ready: Whether it is ready.
        changed: When that last changed.
        measured: When its CPU was read.
        window: Over how many seconds that reading goes.
    """
    if started is None:
        return True
    if started + CPU_INITIALIZATION_SECONDS > now:
        return not ready or measured < changed + window
    return not ready and started + READINESS_DELAY_SECONDS > changed


def by_utilization(current: int, pods: Sequence[Pod], percent: int, tolerances: Tolerances) -> int | None:
    """Replicas by the use of a resource, in percent of what is requested; None where nothing can be said."""

    def ratio(counted: Sequence[tuple[int, Pod]]) -> float:
        requests = sum(pod.request for _, pod in counted)
        return sum(usage for usage, _ in counted) * 100 // requests / percent

    return _by_pods(current, pods, ratio, lambda pod: pod.request * max(100, percent) // 100, tolerances)


def by_average_of_pods(current: int, pods: Sequence[Pod], target: int, tolerances: Tolerances) -> int | None:
    """Replicas by the mean of a number of each pod; None where nothing can be said."""

    def ratio(counted: Sequence[tuple[int, Pod]]) -> float:
        return sum(usage for usage, _ in counted) // len(counted) / target

    return _by_pods(current, pods, ratio, lambda _: target, tolerances)


def by_value(current: int, ready: int, value: int, target: int, tolerances: Tolerances) -> int:
    """Replicas by a number compared with its target, multiplied by the replicas that are ready."""
    ratio = value / target
    if current == 0:
        return math.ceil(ratio)
    return current if tolerances.hold(ratio) else min(math.ceil(ratio * ready), MOST)


def by_average(current: int, value: int, target: int, tolerances: Tolerances) -> int:
    """Replicas by a number that all of them share."""
    if tolerances.hold(value / (target * current)):
        return current
    return min(math.ceil(value / target), MOST)


def _by_pods(
    current: int,
    pods: Sequence[Pod],
    ratio_of: Callable[[Sequence[tuple[int, Pod]]], float],
    most_of: Callable[[Pod], int],
    tolerances: Tolerances,
) -> int | None:
    """Replicas by pods' own numbers.

    Pods without a number count as busy (`most_of`) where the others say less, and as idle where they say more; pods that
    are not ready count as idle where the others say more. Nothing changes where that turns the direction.
    """
    waiting = [pod for pod in pods if pod.pending or (pod.usage is not None and pod.unready)]
    missing = [pod for pod in pods if not pod.pending and pod.usage is None]
    counted = [(pod.usage, pod) for pod in pods if pod.usage is not None and not (pod.pending or pod.unready)]
    if not counted:
        return None
    first = ratio_of(counted)
    idle = waiting if first > 1.0 else []
    if not idle and not missing:
        return current if tolerances.hold(first) else math.ceil(first * len(counted))
    filled = [*counted, *_assumed(missing, first, most_of), *((0, pod) for pod in idle)]
    second = ratio_of(filled)
    if tolerances.hold(second) or (first < 1.0 < second) or (second < 1.0 < first):
        return current
    wanted = math.ceil(second * len(filled))
    turned = (second < 1.0 and wanted > current) or (second > 1.0 and wanted < current)
    return current if turned else wanted


def _assumed(missing: Iterable[Pod], ratio: float, most_of: Callable[[Pod], int]) -> list[tuple[int, Pod]]:
    """What pods without a number are taken to use."""
    if ratio == 1.0:
        return []
    return [(most_of(pod) if ratio < 1.0 else 0, pod) for pod in missing]
