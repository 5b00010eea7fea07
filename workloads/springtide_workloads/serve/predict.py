"""`POST /v1/predict`: a predictor's requests and answers as JSON."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from springtide_workloads.contract import PREDICT_PATH
from springtide_workloads.errors import ConfigError
from springtide_workloads.serve.decode import decoded
from springtide_workloads.serve.http import About, Answer, Events, Plain, Refusal, Request, Routes, described, event
from springtide_workloads.serve.line import Line
from springtide_workloads.serve.resolve import Resolved
from springtide_workloads.tell import tell


def routes(resolved: Resolved, line: Line[Any, Any]) -> Routes:
    """The predictor's one route.

    Raises:
        ConfigError: its annotations name a type that cannot be read from JSON.
    """
    try:
        decoder = msgspec.json.Decoder(resolved.takes)
    except TypeError as error:
        raise ConfigError(f"{type(resolved.predictor).__name__} takes what JSON cannot hold: {error}") from error
    summary = (type(resolved.predictor).__doc__ or "Asks the model.").strip().splitlines()[0]
    about = About(summary=summary, takes=resolved.takes, gives=resolved.gives, streams=resolved.streams)

    @described(about)
    async def whole(request: Request) -> Answer:
        asked = decoded(decoder, request.body)
        async with await line.enter(asked, deadline=request.deadline, priority=request.priority) as accepted:
            return Plain(body=_encoded(await accepted.only()))

    @described(about)
    async def pieces(request: Request) -> Answer:
        asked = decoded(decoder, request.body)
        accepted = await line.enter(asked, deadline=request.deadline, priority=request.priority)

        async def events() -> AsyncIterator[bytes]:
            async with accepted:
                async for piece in accepted:
                    yield event(_encoded(piece))

        return Events(events=events())

    return {("POST", PREDICT_PATH): pieces if resolved.streams else whole}


def _encoded(answer: Any) -> bytes:
    try:
        return msgspec.json.encode(answer)
    except (TypeError, ValueError) as error:
        tell(f"an answer cannot be written as JSON: {error}")
        raise Refusal(500, "the model's answer cannot be written as JSON; the server's log says why") from error
