"""What people watching a run see."""

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(slots=True, kw_only=True)
class Progress:
    """Prints a line now and then; ranks that are not `speaks` stay silent."""

    steps: int
    tokens_per_step: int
    speaks: bool
    out: TextIO = field(default_factory=lambda: sys.stdout)
    _since: tuple[int, float] | None = field(default=None, init=False)

    def start(self, step: int) -> None:
        """Begins to measure speed; steps before it do not count."""
        self._since = (step, time.monotonic())

    def trained(self, step: int, loss: float) -> None:
        """Loss on the batch of this step, speed since the last such line, and how long the rest will take."""
        now = time.monotonic()
        first, then = self._since or (step, now)
        self._since = (step, now)
        speed = (step - first) / (now - then) if step > first and now > then else 0.0
        rate = f"{speed * self.tokens_per_step / 1000:.1f}k tokens/s" if speed else "-"
        eta = f"eta {_clock((self.steps - step) / speed)}" if speed else ""
        self.say(step, f"loss {loss:.3f}   {rate}   {eta}")

    def say(self, step: int, text: str) -> None:
        """A line about this step."""
        if self.speaks:
            print(f"step {step:>{len(str(self.steps))}}/{self.steps}   {text}".rstrip(), file=self.out, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
