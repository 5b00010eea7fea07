"""Requests that nobody waits for: what warms an engine up, and what benchmarks replay."""

import time
from dataclasses import dataclass, field

from springtide_workloads.serve.generate.request import Generate, Tokens


@dataclass(slots=True, eq=False)
class Played:
    """A request without a client, and what it was given."""

    asked: Generate
    cost: float = 1.0
    deadline: float | None = None
    gone: bool = False
    pieces: list[Tokens] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """`time.perf_counter()` of each piece."""
    error: BaseException | None = None

    def begin(self) -> None:
        """Its computation begins."""

    def emit(self, piece: Tokens) -> None:
        """Keeps a piece."""
        self.pieces.append(piece)
        self.times.append(time.perf_counter())

    def end(self) -> None:
        """It is whole."""

    def fail(self, error: BaseException) -> None:
        """Keeps the error."""
        self.error = error

    @property
    def ids(self) -> tuple[int, ...]:
        """Its tokens so far."""
        return tuple(token for piece in self.pieces for token in piece.ids)
