"""From pieces to an answer: as a whole, or as server-sent events."""

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from msgspec import UNSET

from springtide_workloads.serve.generate.request import Tokens
from springtide_workloads.serve.http import Answer, Events, Plain, Refusal, Request, event
from springtide_workloads.serve.openai.answers import Cached, Usage, encoded
from springtide_workloads.serve.openai.asking import Question, TextEngine, TextLimits
from springtide_workloads.serve.openai.bodies import Body
from springtide_workloads.serve.openai.choice import Choice, Said, joined
from springtide_workloads.serve.openai.running import TextLine, pieces
from springtide_workloads.serve.openai.shapes import Head, Shape

DONE: Final = event(b"[DONE]")
WAITING: Final = b": waiting\n\n"
"""A comment, which clients pass over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One answer on its way out."""

    questions: Sequence[Question]
    choices: Sequence[Choice]
    shape: Shape
    head: Head

    def whole(self, told: Sequence[list[Said]]) -> bytes:
        """All of it, as JSON."""
        said = [(choice, joined(parts)) for choice, parts in zip(self.choices, told, strict=True)]
        return encoded(self.shape.whole(self.head, said, self.usage))

    def chunk(self, at: int, piece: Tokens, *, with_usage: bool) -> bytes | None:
        """An event of a piece; None when it completes no character."""
        said = self.choices[at].take(piece)
        if said is None:
            return None
        usage = None if with_usage else UNSET
        return event(encoded(self.shape.chunk(self.head, self.choices[at], said, usage)))

    def last(self) -> bytes:
        """The event of the usage."""
        return event(encoded(self.shape.last(self.head, self.usage)))

    def broken_off(self, refusal: Refusal) -> bytes:
        """The last event of a stream that does not end: what went wrong, and where each answer stands.

        It is an error and no chunk, and no `[DONE]` follows, so that nobody takes a part for the whole. OpenAI's client raises
        it as `APIError`, with all of this in its `body`.
        """
        stand = [
            {"index": each.index, "seed": each.seed, "tokens": each.tokens, "finish_reason": each.finish}
            for each in self.choices
        ]
        error: dict[str, Any] = refusal.body["error"]
        return event(encoded({"error": error | {"springtide": {"choices": stand}}}))

    def check_whole(self) -> None:
        """Raises `Refusal` when an answer ended without an end."""
        if any(each.finish is None for each in self.choices):
            raise Refusal(500, "the model gave no whole answer; the server's log says why")

    @property
    def usage(self) -> Usage:
        """What was read and written. A prompt that is answered several times was read once."""
        firsts = [(each, self.choices[at]) for at, each in enumerate(self.questions) if each.first]
        read = sum(len(question.asked.prompt) for question, _ in firsts)
        written = sum(each.computed for each in self.choices)
        cached = Cached(cached_tokens=sum(choice.cached for _, choice in firsts))
        return Usage(
            prompt_tokens=read,
            completion_tokens=written,
            total_tokens=read + written,
            prompt_tokens_details=cached,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where questions are answered."""

    line: TextLine
    engine: TextEngine
    limits: TextLimits

    async def answer(self, request: Request, body: Body, questions: Sequence[Question], shape: Shape) -> Answer:
        """The answer to a request.

        Raises:
            Refusal: there is none.
        """
        head = Head(
            id=f"{shape.prefix}{secrets.token_hex(12)}",
            created=int(time.time()),
            model=body.model or self.engine.names[0],
        )
        telling = Telling(questions=questions, choices=[Choice(each) for each in questions], shape=shape, head=head)
        if body.stream:
            with_usage = body.stream_options is not None and bool(body.stream_options.include_usage)
            return Events(events=self._events(request, telling, with_usage=with_usage))
        return await self._whole(request, telling)

    async def _whole(self, request: Request, telling: Telling) -> Plain:
        told: list[list[Said]] = [[] for _ in telling.choices]
        async with aclosing(pieces(self.line, self.engine, telling.questions, request)) as found:
            async for news in found:
                if news is not None and (said := telling.choices[news[0]].take(news[1])) is not None:
                    told[news[0]].append(said)
        telling.check_whole()
        return Plain(body=telling.whole(told))

    async def _events(self, request: Request, telling: Telling, *, with_usage: bool) -> AsyncIterator[bytes]:
        """Events of a stream. A refusal before the first of them has a status of its own: whoever sends them sees to it."""
        begun = False
        found = pieces(self.line, self.engine, telling.questions, request, self.limits.waiting_seconds)
        try:
            async with aclosing(found):
                async for news in found:
                    chunk = WAITING if news is None else telling.chunk(*news, with_usage=with_usage)
                    if chunk is not None:
                        begun = True
                        yield chunk
            telling.check_whole()
        except Refusal as refusal:
            if not begun:
                raise
            yield telling.broken_off(refusal)
            return
        if with_usage:
            yield telling.last()
        yield DONE
