"""What people see while they wait: what is being done, how many of how many, for how long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console

_TOLD_AFTER_SECONDS = 0.5
"""A step that took less is not worth a line."""


class Progress(Protocol):
    """Somebody who is told what happens; tests give one that remembers."""

    def say(self, text: str) -> None:
        """A line for who waits."""
        ...

    def doing(self, text: str) -> None:
        """What is being done just now; it takes the place of what was said so before."""
        ...


class Terminal:
    """Tells a person: a spinner with the time so far on a terminal, plain lines elsewhere.

    Attributes:
        console: Where they look.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status = console.status("", spinner="dots")
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """A line for who waits, with the seconds since the beginning."""
        self.console.print(f"[dim]{self._elapsed():>6}[/]  {text}", highlight=False)

    def doing(self, text: str) -> None:
        """What is being done just now."""
        if self.console.is_terminal:
            self._status.update(f"{text} [dim]{self._elapsed()}[/]")
            self._status.start()

    def done(self) -> None:
        """Nothing is being done any more."""
        self._status.stop()

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:.0f} s"


@contextmanager
def step(progress: Progress, text: str) -> Iterator[None]:
    """One thing that takes a while: announced, and told with its seconds when it is done and took some."""
    progress.doing(text)
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    if took > _TOLD_AFTER_SECONDS:
        progress.say(f"{text}: {took:.1f} s")
