"""What an engine sees of the requests it computes, and what a server sees of an engine."""

from typing import Protocol, TypeVar

from springtide_workloads.serve.line import Line

Asked_co = TypeVar("Asked_co", covariant=True)
Piece_contra = TypeVar("Piece_contra", contravariant=True)
Asked = TypeVar("Asked")
Piece = TypeVar("Piece")


class Work(Protocol[Asked_co, Piece_contra]):
    """One accepted request, on the engine's thread. Whoever takes one ends it or fails it, also when it is gone."""

    @property
    def asked(self) -> Asked_co:
        """What is asked for."""
        ...

    @property
    def cost(self) -> float:
        """What it was thought to take when it was accepted, in the unit of its engine."""
        ...

    @property
    def deadline(self) -> float | None:
        """`time.monotonic()` at which its client gives up; None when nobody said."""
        ...

    @property
    def gone(self) -> bool:
        """Whether nobody waits for it any more: stop at the next step."""
        ...

    def begin(self) -> None:
        """Say that its computation begins; its time in the queue ends."""
        ...

    def emit(self, piece: Piece_contra) -> None:
        """Hand over a piece of the answer. They arrive in order; the first one is the first token."""
        ...

    def end(self) -> None:
        """Say that the answer is whole."""
        ...

    def fail(self, error: BaseException) -> None:
        """Say that there is no answer, or no more of it. A `Refusal` is what the client gets; anything else is a 500."""
        ...


class Engine(Protocol[Asked, Piece]):
    """What computes. Both methods are called on a thread of its own, one after the other."""

    def load(self) -> None:
        """Make ready to compute.

        Raises:
            WorkloadError: it cannot; the server ends with the error's exit code.
        """
        ...

    def run(self, line: Line[Asked, Piece]) -> None:
        """Compute what comes out of the line until it is closed. One request's exception never takes others with it."""
        ...
