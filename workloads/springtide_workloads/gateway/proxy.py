"""One request: taken, held until a replica has room for it, handed on."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from aiohttp import ClientSession, hdrs, web
from aiohttp.http import SERVER_SOFTWARE

from springtide_workloads.contract import LIVE_PATH, READY_PATH, TIMEOUT_HEADER, GatewayContract
from springtide_workloads.gateway.budget import RETRY_SECONDS, Budget, Seat
from springtide_workloads.gateway.forward import (
    Asked,
    NotTakenError,
    UnavailableError,
    handed_back,
    sent,
    session,
    too_late,
)
from springtide_workloads.gateway.line import Line, Replica
from springtide_workloads.gateway.metrics import Metrics
from springtide_workloads.gateway.refusal import Reason, Refused
from springtide_workloads.serve.keys import Keys

MAX_BODY_BYTES: Final = 16 << 20
"""Longest body of a request. It is held in memory, since a replica may have to get it again."""
BODY_SECONDS: Final = 60
"""In which a body must arrive, so that nobody takes up room with one that never does."""
UNAVAILABLE_ANSWERS: Final = 4
"""Answers 503 that a request may meet before the next one goes to its client."""
REST_SECONDS: Final = 0.25
"""How long a replica gets nothing that did not take a request; twice as long each time the same request is not taken."""
MOST_REST_SECONDS: Final = 4.0


class Proxy:
    """Holds requests, hands them on, and counts them."""

    def __init__(self, contract: GatewayContract, line: Line, metrics: Metrics, keys: Keys | None = None) -> None:
        self._hold_seconds = contract.hold_seconds
        self._line = line
        self._metrics = metrics
        self._keys = keys
        self._budget = Budget(requests=contract.held_requests, body_bytes=contract.held_mib << 20, metrics=metrics)
        self._client: ClientSession
        self.ready = False
        """Whether somebody has said where replicas are, be there any or none, and we are not told to stop."""
        self.stopping = False

    def application(self) -> web.Application:
        """What an HTTP server is given."""
        app = web.Application()
        app.router.add_get(LIVE_PATH, self._say_live)
        app.router.add_get(READY_PATH, self._say_ready)
        app.router.add_route("*", "/{path:.*}", self._answer)
        app.on_response_prepare.append(self._sign)
        app.cleanup_ctx.append(self._with_client)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """A replica's answer, or our own where none gave one."""
        with self._metrics.requests.track_inprogress():
            try:
                self._admit(request)
                return await self._hand_on(request)
            except Refused as refused:
                self._metrics.lost[refused.reason].inc()
                return refused.response()
            except asyncio.CancelledError:
                self._metrics.lost[Reason.CLIENT if request.transport is None else Reason.STOPPED].inc()
                raise

    def _admit(self, request: web.Request) -> None:
        """Refuse whoever has no key, before it wakes a machine."""
        if self._keys is not None and not self._keys.admit(request.raw_headers):
            message = "this service answers requests with a key: send it as Authorization: Bearer <key>"
            raise Refused(HTTPStatus.UNAUTHORIZED, Reason.KEY, message)

    async def _hand_on(self, request: web.Request) -> web.StreamResponse:
        number, arrived = self._line.number(), _now()
        until = _client_deadline(request, arrived)
        with self._budget.seat() as seat:
            body = await _body(request, seat, until)
            asked = Asked(request=request, body=body, until=until)
            replica_by, unavailable = _now() + self._hold_seconds, 0
            for attempt in itertools.count():
                async with self._place(number, seat, replica_by, until) as replica:
                    if attempt == 0:
                        self._metrics.waited.observe(_now() - arrived)
                    try:
                        return await self._send(asked, replica, seat, patient=unavailable < UNAVAILABLE_ANSWERS)
                    except NotTakenError as error:
                        unavailable += isinstance(error, UnavailableError)
                        self._line.rest(replica, min(REST_SECONDS * 2.0**attempt, MOST_REST_SECONDS))
        raise AssertionError  # counting does not end

    @asynccontextmanager
    async def _place(self, number: int, seat: Seat, by: float, until: float | None) -> AsyncIterator[Replica]:
        """A place at a replica. The request counts as held until it has one, and again where it was not taken.

        Raises:
            Refused: 503 where no replica had one in time, 504 where the client would not wait so long.
        """
        place = self._line.place(number)
        try:
            async with asyncio.timeout_at(by if until is None else min(by, until)):
                replica = await place.__aenter__()
        except TimeoutError as error:
            if until is not None and until <= by:
                raise too_late() from error
            message = f"no replica took the request within {self._hold_seconds} s"
            refused = (HTTPStatus.SERVICE_UNAVAILABLE, Reason.NO_REPLICA, message)
            raise Refused(*refused, retry_after=RETRY_SECONDS) from error
        seat.waits(False)
        try:
            yield replica
        finally:
            seat.waits(True)
            await place.__aexit__(None, None, None)

    async def _send(self, asked: Asked, replica: Replica, seat: Seat, *, patient: bool) -> web.StreamResponse:
        async with sent(self._client, asked, replica.address) as answer:
            if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and patient:
                raise UnavailableError
            seat.forget()
            self._metrics.answers.labels(code=str(answer.status)).inc()
            response, broken = await handed_back(asked.request, answer)
        if broken is not None:
            self._metrics.lost[broken].inc()
        return response

    async def _say_live(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def _say_ready(self, _request: web.Request) -> web.Response:
        if not self.ready:
            return web.json_response({"status": "not ready"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
        return web.json_response({"status": "ready"})

    async def _sign(self, _request: web.Request, response: web.StreamResponse) -> None:
        """The head of an answer as it goes out: without our library's name, and the last of its connection at the end."""
        if response.headers.get(hdrs.SERVER) == SERVER_SOFTWARE:
            del response.headers[hdrs.SERVER]
        if self.stopping:
            # a client that keeps its connection would find it closed under its next request
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"

    async def _with_client(self, _app: web.Application) -> AsyncIterator[None]:
        async with session() as self._client:
            yield


def _now() -> float:
    return asyncio.get_running_loop().time()


def _client_deadline(request: web.Request, arrived: float) -> float | None:
    """Time of the event loop at which the client gives up, if it says so.

    Raises:
        Refused: 400 for what is no number.
    """
    said = request.headers.get(TIMEOUT_HEADER)
    if said is None:
        return None
    if not said.isascii() or not said.isdigit():
        message = f"{TIMEOUT_HEADER} is {said!r}: it must be a whole number of milliseconds"
        raise Refused(HTTPStatus.BAD_REQUEST, Reason.MALFORMED, message)
    return arrived + int(said) / 1000


async def _body(request: web.Request, seat: Seat, until: float | None) -> bytes:
    """The whole body, for which there is room.

    Raises:
        Refused: 413 where it is longer than one may be, 503 where there is no room, 408 where it does not arrive.
    """
    pieces, length, by = [], 0, _now() + BODY_SECONDS
    try:
        async with asyncio.timeout_at(by if until is None else min(by, until)):
            async for piece in request.content.iter_any():
                if (length := length + len(piece)) > MAX_BODY_BYTES:
                    message = f"the body is longer than {MAX_BODY_BYTES} bytes"
                    raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Reason.TOO_LARGE, message)
                seat.keep(len(piece))
                pieces.append(piece)
    except TimeoutError as error:
        message = "the body did not arrive in time"
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, Reason.SLOW_BODY, message) from error
    return b"".join(pieces)
