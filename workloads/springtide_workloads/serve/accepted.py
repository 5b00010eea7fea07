"""One accepted request: `Work` to the engine's thread, an asynchronous iterator of pieces to the event loop."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Generic, Self, TypeVar

from springtide_workloads.serve.http import Refusal

Asked = TypeVar("Asked")
Piece = TypeVar("Piece")


class News(Enum):
    """What an engine's thread may have to say of a request."""

    PIECE = auto()
    WHOLE = auto()
    """The one piece of an answer, and its end."""
    END = auto()
    ERROR = auto()


class Accepted(Generic[Asked, Piece]):
    """A request between the two threads. Close it, or use it with `async with`: then it is gone when its reader is."""

    __slots__ = (
        "_over",
        "_pieces",
        "_post",
        "_reader",
        "asked",
        "begun",
        "cost",
        "deadline",
        "entered",
        "error",
        "first",
        "gone",
        "last",
        "on_close",
        "priority",
        "satisfied",
        "timer",
        "units",
    )

    def __init__(  # noqa: PLR0913  made in one place, by its line
        self,
        asked: Asked,
        *,
        cost: float,
        deadline: float | None,
        priority: int,
        post: "Callable[[Accepted[Asked, Piece], News, object], None]",
        on_close: "Callable[[Accepted[Asked, Piece]], None]",
    ) -> None:
        self.asked = asked
        self.cost = cost
        self.deadline = deadline
        self.priority = priority
        self.entered = time.monotonic()
        self.begun = self.first = self.last = 0.0
        self.units = 0
        """Tokens, or what its line counts, that were handed over."""
        self.gone = False
        self.satisfied = False
        """Whether its reader has all that it wants."""
        self.error: BaseException | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.on_close = on_close
        self._post = post
        self._pieces: deque[Piece] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._over = False

    # what the engine's thread calls

    def begin(self) -> None:
        """Say that the computation begins."""
        self.begun = time.monotonic()

    def emit(self, piece: Piece) -> None:
        """Hand over a piece."""
        self._post(self, News.PIECE, piece)

    def end(self) -> None:
        """Say that the answer is whole."""
        self._post(self, News.END, None)

    def whole(self, piece: Piece) -> None:
        """Hand over the one piece of an answer and end it: the event loop is woken once for both."""
        self._post(self, News.WHOLE, piece)

    def fail(self, error: BaseException) -> None:
        """Say that there is no more of it."""
        self._post(self, News.ERROR, error)

    # what the event loop calls

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self._over

    def receive(self, piece: Piece) -> None:
        """Keep a piece for the reader."""
        self._pieces.append(piece)
        self._wake()

    def finish(self, error: BaseException | None = None) -> None:
        """Nothing more comes: the answer is whole, or this is why it is not."""
        self._over, self.error = True, error
        if self.timer is not None:
            self.timer.cancel()
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        while not self._pieces:
            if self._over:
                raise StopAsyncIteration if self.error is None else _answerable(self.error)
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            except asyncio.CancelledError:
                self.close()
                raise
        return self._pieces.popleft()

    async def only(self) -> Piece:
        """The one piece of an answer that is given as a whole.

        Raises:
            Refusal: there is none.
        """
        async for piece in self:
            self.satisfied = True
            return piece
        raise Refusal(500, "the model gave no answer; the server's log says why")

    def close(self) -> None:
        """Nobody reads any more. What is still computed is given up at the engine's next step."""
        if not self._over:
            self.gone = True
            self.on_close(self)

    async def aclose(self) -> None:
        """The same, for those who close asynchronous iterators."""
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def _answerable(error: BaseException) -> Refusal:
    """What a client may know of an error."""
    if isinstance(error, Refusal):
        return error
    refusal = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the model failed on this request; the server's log says why")
    refusal.__cause__ = error
    return refusal
