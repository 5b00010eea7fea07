"""The HorizontalPodAutoscaler's loop: what it makes of its metrics every 15 seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from springtide.simulate.hpa_object import HpaObject
from springtide.simulate.pace import Pace


@dataclass(slots=True, kw_only=True)
class Hpa:
    """An autoscaler at work."""

    spec: HpaObject
    pace: Pace = field(default_factory=Pace)

    def sync(self, now: float, current: int, proposals: Sequence[int | None]) -> int:
        """The replicas from now on.

        Args:
            now: The moment, in seconds.
            current: Replicas that the workload has been told to have, ready or not.
            proposals: What each metric asks for; None for one that cannot be read.
        """
        self.pace.begin(now, current)
        if current == 0 and self.spec.least != 0:
            return 0  # switched off; whoever set it to zero switches it on again
        wanted = self._bounded(now, current, proposals)
        if wanted != current:
            self.pace.changed(now, current, wanted, self.spec.behavior)
        return wanted

    def _bounded(self, now: float, current: int, proposals: Sequence[int | None]) -> int:
        if not self.spec.least <= current <= self.spec.most:
            return min(max(current, self.spec.least), self.spec.most)
        known = [count for count in proposals if count is not None]
        if not known or (len(known) < len(proposals) and max(known) < current):
            return current
        return self.pace.limited(now, current, max(known), self.spec)
