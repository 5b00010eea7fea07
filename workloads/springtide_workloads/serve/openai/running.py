"""The requests of one answer, computed beside each other and read together."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Self

from springtide_workloads.serve.accepted import Accepted
from springtide_workloads.serve.generate.request import Generate, Tokens
from springtide_workloads.serve.http import Request
from springtide_workloads.serve.line import Line
from springtide_workloads.serve.openai.asking import Question, TextEngine

TextLine = Line[Generate, Tokens]
Running = Accepted[Generate, Tokens]


async def pieces(
    line: TextLine, engine: TextEngine, questions: Sequence[Question], request: Request, silence: float | None = None
) -> AsyncGenerator[tuple[int, Tokens] | None, None]:
    """Pieces of the answers and whose they are, as they come. When the iterator is closed, nobody waits for the rest.

    Args:
        line: what computes them.
        engine: what knows what they cost.
        questions: all of them are accepted, or none is.
        request: whose they are.
        silence: seconds without a piece after which None comes, and again. Default: never.

    Raises:
        Refusal: they are not accepted, or one of them has no whole answer.
    """
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(await _entered(line, engine, each, request)) for each in questions]
        if silence is None and len(running) == 1:
            async for piece in running[0]:
                yield 0, piece
            return
        inbox = _Inbox(silence)
        stack.callback(inbox.close)
        for at, each in enumerate(running):
            inbox.read(at, each)
        async for news in inbox:
            yield news


async def _entered(line: TextLine, engine: TextEngine, question: Question, request: Request) -> Running:
    asked = question.asked
    return await line.enter(asked, cost=engine.cost(asked), deadline=request.deadline, priority=request.priority)


_News = tuple[int, Tokens] | None


class _Inbox:
    """Where the pieces of several answers come in, and a tick when none does."""

    def __init__(self, silence: float | None) -> None:
        self._news: asyncio.Queue[_News | Exception] = asyncio.Queue()
        self._readers: set[asyncio.Task[None]] = set()
        self._open = 0
        self._silence = silence
        self._heard = False
        self._timer: asyncio.TimerHandle | None = None
        self._wait()

    def read(self, at: int, running: Running) -> None:
        """Reads an answer until it ends."""
        self._open += 1
        self._readers.add(asyncio.create_task(self._read(at, running)))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _News:
        news = await self._news.get()
        if isinstance(news, Exception):
            raise news
        self._heard = news is not None
        return news

    def close(self) -> None:
        """Reads no more."""
        if self._timer is not None:
            self._timer.cancel()
        for each in self._readers:
            each.cancel()

    async def _read(self, at: int, running: Running) -> None:
        try:
            async for piece in running:
                self._news.put_nowait((at, piece))
        except Exception as error:  # noqa: BLE001  it is raised where the answer is read
            self._news.put_nowait(error)
            return
        self._open -= 1
        if self._open == 0:
            self._news.put_nowait(StopAsyncIteration())

    def _wait(self) -> None:
        if self._silence is not None:
            self._timer = asyncio.get_running_loop().call_later(self._silence, self._tick)

    def _tick(self) -> None:
        if not self._heard:
            self._news.put_nowait(None)
        self._heard = False
        self._wait()
