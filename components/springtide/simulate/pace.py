"""How fast replicas may change: stabilisation windows and policies of the HorizontalPodAutoscaler.

Facts: kubernetes/kubernetes pkg/controller/podautoscaler/horizontal.go (normalizeDesiredReplicas,
stabilizeRecommendationWithBehaviors, convertDesiredReplicasWithBehaviorRate).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from springtide.simulate.hpa_object import DOWN_WINDOW_SECONDS, Behavior, HpaObject, Policy, Rules

_FACTOR, _LEAST_JUMP = 2, 4
"""Without a stated behavior a count at most doubles, or comes to four."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A count and when it was said."""

    at: float
    count: int


@dataclass(slots=True, kw_only=True)
class Pace:
    """What an autoscaler remembers."""

    said: list[Mark] = field(default_factory=list)
    """What metrics asked for, before any limit."""
    added: list[Mark] = field(default_factory=list)
    removed: list[Mark] = field(default_factory=list)

    def begin(self, now: float, current: int) -> None:
        """Remember how it all began."""
        if not self.said:
            self.said.append(Mark(now, current))

    def limited(self, now: float, current: int, wanted: int, hpa: HpaObject) -> int:
        """The count that windows, policies and bounds leave of what metrics ask for."""
        if hpa.behavior is None:
            return _plainly(self._highest(now, wanted), current, hpa)
        steady = self._steady(now, current, wanted, hpa.behavior)
        return self._within(now, current, steady, hpa, hpa.behavior)

    def changed(self, now: float, old: int, new: int, behavior: Behavior | None) -> None:
        """Remember a change that was made."""
        if behavior is None:
            return
        events, rules = (self.added, behavior.up) if new > old else (self.removed, behavior.down)
        longest = max((policy.period_seconds for policy in rules.policies), default=0)
        events[:] = [*_since(events, now - longest, inclusive=True), Mark(now, abs(new - old))]

    def _highest(self, now: float, wanted: int) -> int:
        recent = _since(self.said, now - DOWN_WINDOW_SECONDS, inclusive=True)
        self.said[:] = [*recent, Mark(now, wanted)]
        return max(mark.count for mark in self.said)

    def _steady(self, now: float, current: int, wanted: int, behavior: Behavior) -> int:
        up, down = behavior.up.window_seconds, behavior.down.window_seconds
        least = min([wanted, *(mark.count for mark in _since(self.said, now - up))])
        most = max([wanted, *(mark.count for mark in _since(self.said, now - down))])
        self.said[:] = [*_since(self.said, now - max(up, down), inclusive=True), Mark(now, wanted)]
        return min(max(current, least), most)

    def _within(self, now: float, current: int, wanted: int, hpa: HpaObject, behavior: Behavior) -> int:
        if wanted > current:
            limit = max(_limit(self._up(now, current, behavior.up), behavior.up, min, max, current), current)
            return min(wanted, hpa.most, limit)
        if wanted < current:
            limit = min(_limit(self._down(now, current, behavior.down), behavior.down, max, min, current), current)
            return max(wanted, hpa.least, limit)
        return wanted

    def _start(self, now: float, current: int, policy: Policy) -> int:
        """Replicas at the start of a policy's period."""
        cutoff = now - policy.period_seconds
        added, removed = (sum(mark.count for mark in _since(events, cutoff)) for events in (self.added, self.removed))
        return current - added + removed

    def _up(self, now: float, current: int, rules: Rules) -> Iterable[int]:
        for policy in rules.policies:
            start = self._start(now, current, policy)
            yield math.ceil(start * (1 + policy.value / 100)) if policy.percent else start + policy.value

    def _down(self, now: float, current: int, rules: Rules) -> Iterable[int]:
        for policy in rules.policies:
            start = self._start(now, current, policy)
            yield int(start * (1 - policy.value / 100)) if policy.percent else start - policy.value


def _since(marks: Iterable[Mark], cutoff: float, *, inclusive: bool = False) -> list[Mark]:
    return [mark for mark in marks if mark.at > cutoff or (inclusive and mark.at == cutoff)]


def _limit(
    allowed: Iterable[int],
    rules: Rules,
    nearest: Callable[[Iterable[int]], int],
    farthest: Callable[[Iterable[int]], int],
    current: int,
) -> int:
    """The count that the selected policy allows."""
    if rules.select == "Disabled":
        return current
    return (nearest if rules.select == "Min" else farthest)(list(allowed))


def _plainly(wanted: int, current: int, hpa: HpaObject) -> int:
    """The limits of an object that states no behavior."""
    if wanted < hpa.least:
        return hpa.least
    return min(wanted, hpa.most, max(_FACTOR * current, _LEAST_JUMP))
