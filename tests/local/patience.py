"""What tests of a real control plane share: nobody who is told, and time until something is so."""

import time
from collections.abc import Callable


class Silent:
    """Nobody is told."""

    def say(self, text: str) -> None:
        """Nothing."""

    def doing(self, text: str) -> None:
        """Nothing."""


def until(true: Callable[[], object], seconds: float, what: Callable[[], object] | str = "") -> None:
    """Ask again and again until something is so.

    Args:
        true: Whether it is.
        seconds: How long it may take, on a machine with other things to do.
        what: What to tell when it never is: words, or who knows how things stand then.
    """
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            told = what if isinstance(what, str) else what()
            raise AssertionError(f"not so within {seconds:.0f} s: {told}")
        time.sleep(0.25)
