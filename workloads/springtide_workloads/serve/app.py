"""ASGI: from a connection's messages to a handler's request and answer, as the phase of the server's life allows."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

import msgspec

from springtide_workloads.contract import LIVE_PATH, PRIORITIES, PRIORITY_HEADER, READY_PATH, TIMEOUT_HEADER
from springtide_workloads.serve.http import NORMAL, Answer, Events, Handler, Plain, Refusal, Request, Routes, event
from springtide_workloads.serve.keys import Keys
from springtide_workloads.serve.metrics import REFUSALS, Metrics
from springtide_workloads.serve.protocol import CONNECTION, Connection
from springtide_workloads.tell import tell

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY_BYTES: Final = 1 << 20


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

    def __init__(
        self,
        routes: Routes,
        metrics: Metrics,
        *,
        keys: Keys | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
        trouble: Callable[[], str | None] = lambda: None,
    ) -> None:
        """An application that loads.

        Args:
            routes: what it answers besides the probes.
            metrics: where its numbers go.
            keys: who may ask. Default: everybody.
            max_body_bytes: a longer body gets 413.
            trouble: why nothing is computed, None while all is well; the probes ask it.
        """
        self.metrics = metrics
        self.open = 0
        """Requests that are being answered, probes left out."""
        self._keys = keys
        self._most = max_body_bytes
        self._trouble = trouble
        self._phase = Phase.LOADING
        self._leaving = False
        self._routes = dict(routes)
        self._probes: dict[tuple[str, str], Callable[[], Plain]] = {
            ("GET", LIVE_PATH): self._live,
            ("GET", READY_PATH): self._ready,
        }
        self._codes = {code: metrics.requests.labels(code=str(code)) for code in (200, 429)}
        metrics.ready.set_function(lambda: int(self.ready))

    @property
    def phase(self) -> Phase:
        """Where the server is in its life; the readiness probe and its metric follow."""
        return self._phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._phase = phase
        self._leaving = phase in {Phase.PROPAGATING, Phase.DRAINING}

    @property
    def ready(self) -> bool:
        """Whether the readiness probe passes."""
        return self._phase is Phase.SERVING and self._trouble() is None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        asked = (scope["method"], scope["path"])
        probe = self._probes.get(asked)
        if probe is not None:
            await self._send_plain(send, _answered(probe))
            return
        self.open += 1
        connection: Connection = scope.get(CONNECTION) or Connection()
        connection.task = asyncio.current_task()
        try:
            await self._respond(scope, receive, send, self._routes.get(asked) or self._named(*asked) or self._nowhere)
        except _Gone:
            return
        except asyncio.CancelledError:
            # who cancels because the client left is its connection; else the server ends
            if not connection.gone:
                raise
        finally:
            connection.task = None
            self.open -= 1

    async def _respond(self, scope: Scope, receive: Receive, send: Send, handler: Handler) -> None:
        begun = time.monotonic()
        first = b""
        try:
            request = await self._request(scope, receive)
            begun = time.monotonic()
            answer: Answer = await handler(request)
            if isinstance(answer, Events):
                # an answer whose first piece fails has a status of its own still
                first = await anext(answer.events, b"")
        except Refusal as refusal:
            if refusal.reason in REFUSALS:
                self.metrics.refused.labels(reason=refusal.reason).inc()
            answer = refusal.plain()
        except Exception as error:  # noqa: BLE001  one request's bug must not show the client more than that
            tell(f"a request failed:\n{''.join(traceback.format_exception(error))}")
            answer = Refusal(500, "the server failed on this request; its log says why").plain()
        status = answer.status if isinstance(answer, Plain) else 200
        self.metrics.seconds.observe(time.monotonic() - begun)
        counter = self._codes.get(status) or self.metrics.requests.labels(code=str(int(status)))
        counter.inc()
        if isinstance(answer, Plain):
            await self._send_plain(send, answer)
        else:
            await self._send_events(send, answer, first)

    async def _request(self, scope: Scope, receive: Receive) -> Request:
        """The request, whole; refused where it may not be asked."""
        if self._keys is not None and not self._keys.admit(scope["headers"]):
            # without a key nobody learns which paths there are
            words = "this server answers requests with a key: send it as Authorization: Bearer <key>"
            raise Refusal(401, words, reason="key")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        deadline = _deadline(headers, _begun(scope))
        priority = _priority(headers)
        body = await self._body(headers, receive)
        if self._phase is Phase.LOADING:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "not ready: loading", retry_after=1)
        return Request(
            method=scope["method"],
            path=scope["path"],
            headers=headers,
            body=body,
            deadline=deadline,
            priority=priority,
        )

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        """The whole body. One that is announced as too long is not waited for."""
        length = headers.get("content-length")
        if length is not None and int(length) > self._most:
            raise self._too_long()
        message = await receive()
        body = message.get("body", b"")
        if message.get("more_body", False):
            parts = [body]
            size = len(body)
            while message.get("more_body", False) and size <= self._most:
                message = await receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
            body = b"".join(parts)
        if message["type"] == "http.disconnect":
            raise _Gone
        if len(body) > self._most:
            raise self._too_long()
        return bytes(body)

    def _named(self, method: str, path: str) -> Handler | None:
        """The handler of a path that ends in a name, such as `/v1/models/{id}`."""
        above, _, name = path.rpartition("/")
        return self._routes.get((method, f"{above}/{{id}}")) if name else None

    def _too_long(self) -> Refusal:
        return Refusal(413, f"the body is longer than {self._most} bytes", reason="body")

    async def _nowhere(self, request: Request) -> Answer:
        paths = {known for _, known in (*self._routes, *self._probes)}
        if request.path in paths or f"{request.path.rpartition('/')[0]}/{{id}}" in paths:
            raise Refusal(405, f"{request.path} does not take {request.method}")
        raise Refusal(404, f"there is no {request.path}: use one of {', '.join(sorted(paths))}")

    def _live(self) -> Plain:
        if (trouble := self._trouble()) is not None:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"not live: {trouble}")
        return Plain.json({"status": "live"})

    def _ready(self) -> Plain:
        if not self.ready:
            why = self._trouble() or self._phase.name.lower()
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"not ready: {why}")
        return Plain.json({"status": "ready"})

    def _fields(self, headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
        fields = [(name.encode(), value.encode()) for name, value in headers]
        # a client that keeps its connection would find it closed under its next request
        return [*fields, (b"connection", b"close")] if self._leaving else fields

    async def _send_plain(self, send: Send, answer: Plain) -> None:
        fields = self._fields(answer.headers.items())
        fields.append((b"content-length", str(len(answer.body)).encode()))
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and not self._leaving:
            fields.append((b"connection", b"close"))  # the rest of the body is not read
        await send({"type": "http.response.start", "status": int(answer.status), "headers": fields})
        await send({"type": "http.response.body", "body": answer.body})

    async def _send_events(self, send: Send, answer: Events, first: bytes) -> None:
        fields = self._fields(answer.headers.items())
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        last, given = b"", 0
        try:
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for each in answer.events:
                given += 1
                await send({"type": "http.response.body", "body": each, "more_body": True})
        except Refusal as refusal:
            last = event(msgspec.json.encode(refusal.body | {"events": given + 1}))
        except Exception as error:  # noqa: BLE001  as above
            tell(f"a request failed:\n{''.join(traceback.format_exception(error))}")
            last = event(msgspec.json.encode(Refusal(500, "the server failed on this request").body))
        finally:
            if (close := getattr(answer.events, "aclose", None)) is not None:
                await close()
        await send({"type": "http.response.body", "body": last})


class _Gone(Exception):  # noqa: N818  the client left; nobody is to blame
    """There is nobody to answer any more."""


def _answered(probe: Callable[[], Plain]) -> Plain:
    try:
        return probe()
    except Refusal as refusal:
        return refusal.plain()


def _begun(scope: Scope) -> float:
    """When the first byte of a request came, as far as anybody knows."""
    connection = scope.get(CONNECTION)
    return time.monotonic() if connection is None or connection.begun is None else connection.begun


def _deadline(headers: dict[str, str], begun: float) -> float | None:
    text = headers.get(TIMEOUT_HEADER)
    if text is None:
        return None
    try:
        seconds = float(text) / 1000
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise Refusal(400, f"{TIMEOUT_HEADER} is {text!r}: it must be milliseconds, more than 0", field=TIMEOUT_HEADER)
    return begun + seconds


_PRIORITIES: Final = {name: index for index, name in enumerate(PRIORITIES)}


def _priority(headers: dict[str, str]) -> int:
    text = headers.get(PRIORITY_HEADER)
    if text is None:
        return NORMAL
    if text not in _PRIORITIES:
        words = f"{PRIORITY_HEADER} is {text!r}: use one of {', '.join(PRIORITIES)}"
        raise Refusal(400, words, field=PRIORITY_HEADER)
    return _PRIORITIES[text]
