"""What the tests of OpenAI's endpoints share: a model that is a function of seed and count, and a server without sockets."""

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from springtide_workloads.contract import Layout
from springtide_workloads.export import Export
from springtide_workloads.serve.generate.request import Finish, Generate, Logprobs, Tokens
from springtide_workloads.serve.generate.stops import Watch
from springtide_workloads.serve.http import Events, Plain, Refusal, Request, Routes
from springtide_workloads.serve.line import Line
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.openai import MODEL_PATH, Templates, TextLimits, routes
from springtide_workloads.storage import Store

CONTEXT = 400

TEXT = "Grüße, 世界! 🌊 and more. ".encode()


def drawn(asked: Generate, at: int) -> int:
    """The token at a place of an answer: of greedy requests from a fixed text, else from the seed and the count alone."""
    if asked.temperature == 0:
        return TEXT[at % len(TEXT)]
    return hashlib.sha256(f"{asked.seed}/{at}".encode()).digest()[0]


def answered(asked: Generate) -> bytes:
    """All that the fake model draws for a request, stop sequences left out of account."""
    return bytes(drawn(asked, at) for at in range(asked.skip, asked.skip + asked.max_tokens))


class FakeModel:
    """An engine whose tokens are counter-based, like the real one's, and that computes when it is let."""

    def __init__(self) -> None:
        self.names: Sequence[str] = ("tiny", "other")
        self.asked: list[Generate] = []
        self.let = threading.Event()
        self.let.set()
        self.break_after: int | None = None
        self.gone: list[Generate] = []

    def context(self, name: str = "") -> int:
        if name and name not in self.names:
            raise Refusal(404, f"there is no model {name}", field="model")
        return CONTEXT

    def check(self, asked: Generate) -> None:
        if not asked.prompt or len(asked.prompt) + asked.max_tokens > self.context(asked.model):
            raise Refusal(422, "prompt: it does not fit", field="prompt")
        if max(asked.prompt) > 255:
            raise Refusal(422, "prompt: a token id must be from 0 to 255", field="prompt")

    def cost(self, asked: Generate) -> float:
        return asked.max_tokens + len(asked.prompt) / 8

    def load(self) -> None:
        """Nothing."""

    def run(self, line: Line[Generate, Tokens]) -> None:
        while not line.closed:
            for work in line.take(1, None):
                self.asked.append(work.asked)
                self.let.wait(30)
                work.begin()
                self._compute(work)

    def _compute(self, work: Any) -> None:
        asked: Generate = work.asked
        watch, kept, cached = Watch(asked.stop), [], 1
        for count in range(1, asked.max_tokens + 1):
            if work.gone:
                self.gone.append(asked)
                break
            if self.break_after is not None and count > self.break_after:
                work.fail(Refusal(503, "this server stops", retry_after=1, reason="stopped"))
                return
            kept.append(drawn(asked, asked.skip + count - 1))
            settled = watch.feed(kept[-1])
            last = Finish.LENGTH if count == asked.max_tokens else None
            last = Finish.STOP if settled.stopped else last
            ready = len(kept) if last is Finish.LENGTH else len(settled.data)
            if ready or last:
                told = (
                    None if asked.logprobs is None else [Logprobs(chosen=-1.0, top=((104, -1.0), (195, -2.0)))] * ready
                )
                work.emit(Tokens(ids=tuple(kept[:ready]), finish=last, logprobs=tuple(told or ()), cached=cached))
                kept, cached = kept[ready:], 0
            if last is Finish.STOP:
                break
        work.end()


@dataclass
class Api:
    """A server without sockets."""

    routes: Routes
    model: FakeModel
    line: Line[Generate, Tokens]
    metrics: Metrics
    limits: TextLimits = field(default_factory=TextLimits)

    async def handled(self, path: str, body: object, **request: Any) -> Plain | Events:
        key = ("GET" if body is None else "POST", path)
        handler = self.routes.get(key) or self.routes[key[0], MODEL_PATH]
        data = b"" if body is None else json.dumps(body).encode()
        return await handler(Request(method=key[0], path=path, headers={}, body=data, **request))

    async def ask(self, path: str, body: object = None, **request: Any) -> Any:
        answer = await self.handled(path, body, **request)
        assert isinstance(answer, Plain)
        return json.loads(answer.body)

    async def complete(self, **body: Any) -> Any:
        return await self.ask("/v1/completions", {"prompt": "a", "max_tokens": 8, "temperature": 0} | body)

    async def chat(self, *messages: tuple[str, str], **body: Any) -> Any:
        told = [{"role": role, "content": content} for role, content in messages or (("user", "Hi"),)]
        return await self.ask("/v1/chat/completions", {"messages": told, "max_tokens": 8, "temperature": 0} | body)

    async def refused(self, path: str, body: object = None) -> Refusal:
        try:
            answer = await self.handled(path, body)
            if isinstance(answer, Events):
                _ = [each async for each in answer.events]
        except Refusal as refusal:
            return refusal
        raise AssertionError(f"was not refused: {body}")

    async def events(self, path: str = "/v1/completions", **body: Any) -> AsyncIterator[bytes]:
        asked = {"prompt": "a"} if path == "/v1/completions" else {"messages": [{"role": "user", "content": "Hi"}]}
        answer = await self.handled(path, asked | {"max_tokens": 8, "temperature": 0, "stream": True} | body)
        assert isinstance(answer, Events)
        async with aclosing(answer.events) as found:  # type: ignore[type-var]
            async for each in found:
                yield each

    async def stream(self, path: str = "/v1/completions", **body: Any) -> list[Any]:
        """Chunks of a whole stream, `[DONE]` seen and left out."""
        *chunks, done = [each async for each in self.events(path, **body)]
        assert done == b"data: [DONE]\n\n"
        return [data(each) for each in chunks]


def data(event: bytes) -> Any:
    """What an event says."""
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert event.count(b"\n") == 2
    return json.loads(event[6:])


def export_at(place: Path, **more: Any) -> Store:
    """Artifacts whose export says something and has no weights."""
    about = Export(run="tiny", recipe={}, model={}, step=1, held_out_loss=1.0, bigram_loss=None, sha256="")
    config = json.loads(about.to_bytes()) | more
    path = place / Layout.EXPORT_CONFIG
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    return Store(place.as_uri())


def serving(place: Path, talk: Callable[[Api], Awaitable[None]], **limits: Any) -> None:
    """Runs a conversation with a fake model behind the real line."""

    async def run() -> None:
        model, metrics = FakeModel(), Metrics()
        line: Line[Generate, Tokens] = Line(metrics)
        store = export_at(place)
        made = routes(line, model, Templates(store, {"other": store}), TextLimits(**limits))
        api = Api(made, model, line, metrics)
        thread = threading.Thread(target=model.run, args=(line,), daemon=True)
        thread.start()
        try:
            await asyncio.wait_for(talk(api), 60)
        finally:
            model.let.set()
            line.close()
            thread.join(30)

    asyncio.run(run())
