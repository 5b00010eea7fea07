"""OpenAI's endpoints over an engine that continues text.

    routes(line, engine, Templates(store, further), TextLimits())

gives handlers for `POST /v1/completions`, `POST /v1/chat/completions`, `GET /v1/models` and `GET /v1/models/{id}`; the last
one takes the model from the end of the request's path.
"""

from typing import Final

import msgspec

from springtide_workloads.contract import CHAT_PATH, COMPLETIONS_PATH, MODELS_PATH
from springtide_workloads.serve.decode import decoded
from springtide_workloads.serve.http import About, Answer, Request, Routes, described
from springtide_workloads.serve.openai.answers import Chat, Completion
from springtide_workloads.serve.openai.asking import TextEngine, TextLimits, of_chat, of_completion
from springtide_workloads.serve.openai.bodies import ChatBody, CompletionBody
from springtide_workloads.serve.openai.models import Templates, listing
from springtide_workloads.serve.openai.running import TextLine
from springtide_workloads.serve.openai.shapes import ChatShape, TextShape
from springtide_workloads.serve.openai.telling import Desk

MODEL_PATH: Final = f"{MODELS_PATH}/{{id}}"

__all__ = ["MODEL_PATH", "Templates", "TextEngine", "TextLimits", "TextLine", "routes"]


def routes(line: TextLine, engine: TextEngine, templates: Templates, limits: TextLimits | None = None) -> Routes:
    """Handlers by method and path.

    Args:
        line: what accepts texts to be continued.
        engine: what knows the models; it is asked for nothing before the first request.
        templates: how messages become text.
        limits: what one request may ask for.
    """
    limits = TextLimits() if limits is None else limits
    desk = Desk(line=line, engine=engine, limits=limits)
    completions, chats = msgspec.json.Decoder(CompletionBody), msgspec.json.Decoder(ChatBody)

    @described(About(summary="Continues text.", takes=CompletionBody, gives=Completion, example=_COMPLETION))
    async def complete(request: Request) -> Answer:
        body = decoded(completions, request.body)
        return await desk.answer(request, body, of_completion(body, engine, limits), TextShape())

    @described(About(summary="Answers messages.", takes=ChatBody, gives=Chat, example=_CHAT))
    async def chat(request: Request) -> Answer:
        body = decoded(chats, request.body)
        template = await templates.of(body.model or "")
        return await desk.answer(request, body, of_chat(body, engine, limits, template), ChatShape())

    every, one = listing(engine)
    return {
        ("POST", COMPLETIONS_PATH): complete,
        ("POST", CHAT_PATH): chat,
        ("GET", MODELS_PATH): every,
        ("GET", MODEL_PATH): one,
    }


_COMPLETION: Final = {"prompt": "def ", "max_tokens": 32}
_CHAT: Final = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 32}
