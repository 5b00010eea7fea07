"""How often to save: seldom enough to be cheap, often enough to lose little.

With a stall of δ per save and work lost every M seconds on average, an interval T costs δ/T + T/2M of all time, which is
least at T = √(2δM) (Young 1974, Daly 2006). Both are measured while the run goes: δ as the median of its recent saves,
M from what was lost so far. The cost is flat around its least: half or twice the best interval costs a quarter more
*of that cost*, so an estimate within a factor of 1.5 of M is within 2 %.

What counts for M is work that was lost. An interruption with notice is saved in time, loses nothing, and says nothing
about how often to save; for the same reason the interval need not fit the notice: the last save is as large after one
step as after a thousand. That it fits is a matter of the save's length, which the plan checks.
"""

import math
import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Final

EXPECTED_SECONDS: Final = 4 * 3600.0
"""From loss to loss until some were seen, a stated expectation that weighs as much as one loss. One GPU node is lost far
more seldom, a node on the spot market about as often; saving too often by a factor of two costs less than 1 % of a run."""
SAVING_SHARE: Final = 20
"""Stalls for saving take at most one part in so many of the time."""
LONGEST_SECONDS: Final = 3600.0
"""No more than this is ever put at risk."""
FIRST_STEPS: Final = 20
"""Steps until a save when none was measured yet: early, since only a save tells what saves cost."""
RECENT: Final = 9
"""Saves whose median is believed: one slow save changes nothing."""


def mean_seconds(watched: float, losses: int, expected: float = EXPECTED_SECONDS) -> float:
    """Mean time between losses: posterior of a Gamma prior that has seen one loss in `expected` seconds.

    Args:
        watched: seconds of training so far.
        losses: how often work was lost in them.
        expected: what to expect before anything was seen.
    """
    return (expected + watched) / (1 + losses)


def best_seconds(
    stall: float, between_losses: float, *, durable: float = 0.0, longest: float = LONGEST_SECONDS
) -> float:
    """Seconds of work from save to save.

    Args:
        stall: seconds the loop stands still for a save.
        between_losses: mean seconds from loss to loss.
        durable: seconds until a save is published; the next one does not begin before.
        longest: most work to put at risk, from the beginning of a save until the next one is published; the two bounds below
            win over it.

    Returns:
        √(2 · stall · between_losses), at least `durable` and 19 stalls, so that saving takes at most 1/20 of the time.
    """
    least = max(durable, (SAVING_SHARE - 1) * stall)
    return max(least, min(math.sqrt(2 * stall * between_losses), longest - durable))


@dataclass(slots=True, kw_only=True)
class Pacer:
    """Says at which step to save next. All ranks hold one and answer alike: what is due is a number that travels.

    The rank that speaks for all measures and plans; the others are told `next_step` together with the save.
    """

    next_step: int
    """A save is due after this step. At first `FIRST_STEPS` after where the run begins or goes on."""
    watched: float = 0.0
    """Seconds of training that earlier attempts of this run have seen."""
    losses: int = 0
    """How often work was lost in them."""
    expected: float = EXPECTED_SECONDS
    _stalls: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT), init=False)
    _durable: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT), init=False)
    _since: tuple[int, float] | None = field(default=None, init=False)
    _per_step: float | None = field(default=None, init=False)

    def due(self, step: int) -> bool:
        """Whether a save is due after this step. Costs one comparison."""
        return step >= self.next_step

    def started(self, step: int, now: float) -> None:
        """Steps begin, or go on after a save: `now` in seconds of a clock that only goes forward."""
        self._since = (step, now)

    def stalled(self, seconds: float) -> None:
        """A save made the loop stand still for so long."""
        self._stalls.append(seconds)

    def saved(self, seconds: float) -> None:
        """A save was published so many seconds after it began."""
        self._durable.append(seconds)

    def plan(self, step: int, now: float) -> int:
        """Step of the next save, when one is made after `step`. Only on the rank that speaks for all."""
        if self._since is not None and step > self._since[0]:
            before, then = self._since
            self._per_step = max(1e-9, (now - then) / (step - before))
            self.watched += now - then
        self._since = (step, now)
        self.next_step = step + self._steps()
        return self.next_step

    def follow(self, next_step: int) -> None:
        """What the rank that speaks for all has planned."""
        self.next_step = next_step

    @property
    def seconds(self) -> float:
        """The interval that is best by what is known now."""
        stall = statistics.median(self._stalls) if self._stalls else 0.0
        durable = max(self._durable, default=0.0)
        return best_seconds(stall, mean_seconds(self.watched, self.losses, self.expected), durable=durable)

    def _steps(self) -> int:
        if self._per_step is None or not self._stalls:
            return FIRST_STEPS
        return max(1, round(self.seconds / self._per_step))
