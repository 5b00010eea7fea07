"""HTTP: a plain ASGI application."""

import asyncio
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

import msgspec

from springtide_workloads.contract import COMPLETIONS_PATH, LIVE_PATH, READY_PATH
from springtide_workloads.serve.bodies import MAX_BODY_BYTES, Choice, CompletionAnswer, Refusal, Usage, parse
from springtide_workloads.serve.engine import Engine
from springtide_workloads.serve.keys import Keys
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.model import Continuation
from springtide_workloads.tell import tell

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Phase(Enum):
    """Where a server is in its life."""

    LOADING = auto()
    SERVING = auto()
    PROPAGATING = auto()
    """Told to stop: not ready any more, and every request is still answered while load balancers learn of it."""
    DRAINING = auto()
    """The listener closes; what still comes in over an open connection is answered too."""


class App:
    """Answers requests as the phase allows."""

    def __init__(self, engine: Engine, metrics: Metrics, keys: Keys | None = None) -> None:
        self.engine = engine
        self.metrics = metrics
        self._keys = keys
        self._phase = Phase.LOADING
        self._routes = {
            ("GET", LIVE_PATH): self._live,
            ("GET", READY_PATH): self._ready,
            ("POST", COMPLETIONS_PATH): self._completion,
        }

    @property
    def phase(self) -> Phase:
        """Where the server is in its life; the readiness probe and its metric follow."""
        return self._phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._phase = phase
        self.metrics.ready.set(int(phase is Phase.SERVING))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        route = self._routes.get((scope["method"], scope["path"]))
        try:
            self._admit(scope)
            if route is None:
                raise self._no_route(scope["method"], scope["path"])
            status, body, headers = HTTPStatus.OK, await route(receive), {}
        except Refusal as refusal:
            status, body, headers = HTTPStatus(refusal.status), refusal.body, refusal.headers
        except _Gone:
            return
        if scope["path"] == COMPLETIONS_PATH:
            self.metrics.requests.labels(code=str(int(status))).inc()
        if self._phase in {Phase.PROPAGATING, Phase.DRAINING}:
            # a client that keeps its connection would find it closed under its next request
            headers = headers | {"connection": "close"}
        await _answer(send, status, msgspec.json.encode(body), headers)

    def _admit(self, scope: Scope) -> None:
        """Refuse whoever has no key. A probe has none; and without one nobody learns which paths there are."""
        if self._keys is None or scope["path"] in {LIVE_PATH, READY_PATH} or self._keys.admit(scope["headers"]):
            return
        raise Refusal(401, "this server answers requests with a key: send it as Authorization: Bearer <key>")

    async def _live(self, _receive: Receive) -> Any:
        return {"status": "live"}

    async def _ready(self, _receive: Receive) -> Any:
        if self._phase is not Phase.SERVING or not self.engine.alive:
            raise Refusal(503, f"not ready: {self._phase.name.lower()}")
        return {"status": "ready"}

    async def _completion(self, receive: Receive) -> Any:
        body = await _read(receive)
        if self._phase is Phase.LOADING:
            raise Refusal(503, "not ready: loading", retry_after=1)
        request = parse(body)
        started = time.monotonic()
        continuation = await _unless_gone(self._submitted(request), receive)
        self.metrics.seconds.observe(time.monotonic() - started)
        self.metrics.tokens.labels(kind="prompt").inc(continuation.prompt_tokens)
        self.metrics.tokens.labels(kind="completion").inc(len(continuation.data))
        return _completion_answer(continuation, self.engine.loaded.result().about.run)

    async def _submitted(self, request: Any) -> Continuation:
        try:
            return await self.engine.submit(request)
        except Refusal:
            raise
        except Exception as error:
            tell(f"a request failed:\n{''.join(traceback.format_exception(error))}")
            raise Refusal(500, "the model failed on this request; the server's log says why") from error

    def _no_route(self, method: str, path: str) -> Refusal:
        paths = {known for _, known in self._routes}
        if path in paths:
            return Refusal(405, f"{path} does not take {method}")
        return Refusal(404, f"there is no {path}: use one of {', '.join(sorted(paths))}")


class _Gone(Exception):  # noqa: N818  the client left; nobody is to blame
    """There is nobody to answer any more."""


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            raise Refusal(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
        if not message.get("more_body", False):
            return body


async def _unless_gone(work: Awaitable[Continuation], receive: Receive) -> Continuation:
    """The result of the work, which is given up when the client goes away before."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(receive())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _Gone
        return working.result()
    finally:
        leaving.cancel()
        working.cancel()


async def _answer(send: Send, status: HTTPStatus, body: bytes, headers: dict[str, str]) -> None:
    fields = {"content-type": "application/json", "content-length": str(len(body))} | headers
    encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": int(status), "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def _completion_answer(continuation: Continuation, model: str) -> CompletionAnswer:
    read, written = continuation.prompt_tokens, len(continuation.data)
    return CompletionAnswer(
        id=f"cmpl-{secrets.token_hex(12)}",
        model=model,
        created=int(time.time()),
        choices=[Choice(text=continuation.text, finish_reason="length")],
        usage=Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written),
    )
