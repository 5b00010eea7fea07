"""One request: taken, held until a replica has room for it, handed on."""

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from aiohttp import ClientSession, hdrs, web
from aiohttp.http import SERVER_SOFTWARE

from springtide_workloads.contract import (
    ARM_HEADER,
    HOLD_HEADER,
    LIVE_PATH,
    READY_PATH,
    REFUSED_HEADER,
    TIMEOUT_HEADER,
    GatewayContract,
)
from springtide_workloads.gateway.arms import Arm, assigned, sticky_key
from springtide_workloads.gateway.budget import Budget, Seat
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
from springtide_workloads.gateway.metrics import ArmNumbers, Metrics
from springtide_workloads.gateway.refusal import Broken, NoReplica, Reason, Refused
from springtide_workloads.serve.keys import Keys

MAX_BODY_BYTES: Final = 16 << 20
"""Longest body of a request. It is held in memory, since a replica may have to get it again."""
BODY_SECONDS: Final = 60
"""In which a body must arrive, so that nobody takes up room with one that never does."""
UNAVAILABLE_ANSWERS: Final = 4
"""Answers 503 that a request may meet before the next one goes to its client."""
BROKEN_ANSWERS: Final = 2
"""Replicas that may break off over a request that may be repeated: it might be what they die of."""
REST_SECONDS: Final = 0.25
"""How long a replica gets nothing that did not take a request; twice as long each time the same request is not taken."""
MOST_REST_SECONDS: Final = 4.0
ABSENT_SECONDS: Final = 5.0
"""How long another arm may have no address before its requests go to one that has replicas. An arm that sleeps has the
addresses of its gateways, which wake it."""
_ELSEWHERE: Final = frozenset({Reason.NO_REPLICA, Reason.TOO_MANY, Reason.MEMORY})
"""Refusals of another arm's gateway after which the request may go to an arm that has room."""
_ARM: Final = "springtide_arm"
"""Under which a request keeps the name of its arm, for the head of its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way to one arm."""

    arm: Arm
    line: Line
    numbers: ArmNumbers


class Proxy:
    """Holds requests, hands them on, and counts them."""

    def __init__(
        self, contract: GatewayContract, ways: Mapping[Arm, Way], metrics: Metrics, keys: Keys | None = None
    ) -> None:
        self._hold_seconds, self._drain_seconds = contract.hold_seconds, contract.drain_seconds
        self._ways = ways
        self._own = next(iter(ways))
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
        try:
            self._admit(request)
            way = self._chosen(request, self._ways)
            with self._waking(way), way.numbers.asked():
                return await self._hand_on(request, way)
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

    def _chosen(self, request: web.Request, among: Mapping[Arm, Way]) -> Way:
        """The way for whoever asks; the answer will say which."""
        arm = assigned(sticky_key(request.headers, request.remote), among)
        request[_ARM] = arm.name
        return among[arm]

    def _waking(self, way: Way) -> AbstractContextManager[object]:
        """Count a request among those that wake the service. What wakes another arm, that arm counts itself."""
        return self._metrics.requests.track_inprogress() if way.arm is self._own else nullcontext()

    async def _hand_on(self, request: web.Request, way: Way) -> web.StreamResponse:
        """The answer of the arm that was chosen; of another one, where that has no replica in time."""
        arrived = _now()
        until = _said_time(request, TIMEOUT_HEADER, arrived)
        with self._budget.seat() as seat:
            body = await _body(request, seat, until)
            asked = Asked(request=request, body=body, until=until, arrived=arrived, numbers=way.numbers)
            patience, number = self._patience(asked), way.line.number()
            while True:
                by = min(patience, self._absent_by(way))
                try:
                    return await self._by(way, self._held_until(asked, patience), seat, by, number)
                except NoReplica:
                    if others := self._others(way):
                        return await self._moved(way, self._chosen(request, others), asked, seat)
                    if _now() >= patience:
                        raise

    async def _moved(self, way: Way, other: Way, asked: Asked, seat: Seat) -> web.StreamResponse:
        """The answer of another arm than the one that was chosen, whose replica is there."""
        way.numbers.moved.inc()
        by = _now() + self._drain_seconds
        with self._waking(other):
            return await self._by(other, self._held_until(asked, by), seat, by, other.line.number())

    def _held_until(self, asked: Asked, by: float) -> Asked:
        """The request as it is handed on: where there are several arms, another gateway must not hold it for longer."""
        return asked if len(self._ways) == 1 else replace(asked, hold_until=by)

    def _absent_by(self, way: Way) -> float:
        """Time of the event loop at which other arms are asked; the service itself is waited for as long as may be."""
        if way.arm is self._own:
            return math.inf
        since = way.line.absent_since
        return (_now() if since is None or not self._others(way) else since) + ABSENT_SECONDS

    def _others(self, way: Way) -> dict[Arm, Way]:
        """Arms with a part of the requests and a replica at this moment, but for one."""
        found = {arm: other for arm, other in self._ways.items() if arm.weight and other.line.leads_somewhere}
        return {arm: other for arm, other in found.items() if other is not way}

    def _patience(self, asked: Asked) -> float:
        """Time of the event loop until which a request waits for a replica of its arm.

        Where there are others, the half of the time that its client gives it is left for them.
        """
        by = _now() + self._hold_seconds
        allowed = _said_time(asked.request, HOLD_HEADER, asked.arrived)
        half = None if asked.until is None or len(self._ways) == 1 else (asked.arrived + asked.until) / 2
        return min(time for time in (by, allowed, half) if time is not None)

    async def _by(self, way: Way, asked: Asked, seat: Seat, by: float, number: int) -> web.StreamResponse:
        """The answer of one arm.

        Raises:
            NoReplica: none of its replicas took the request by then.
        """
        met = Counter[type[Exception]]()
        for attempt in itertools.count():
            async with self._place(way.line, number, seat, by, asked.until) as replica:
                if attempt == 0:
                    self._metrics.waited.observe(_now() - asked.arrived)
                try:
                    return await self._send(
                        way, asked, replica, seat, patient=met[UnavailableError] < UNAVAILABLE_ANSWERS
                    )
                except (NotTakenError, Broken) as error:
                    met[type(error)] += 1
                    if met[Broken] > (BROKEN_ANSWERS if asked.repeatable else 0):
                        raise
                    way.line.rest(replica, min(REST_SECONDS * 2.0**attempt, MOST_REST_SECONDS))
        raise AssertionError  # counting does not end

    @asynccontextmanager
    async def _place(
        self, line: Line, number: int, seat: Seat, by: float, until: float | None
    ) -> AsyncIterator[Replica]:
        """A place at a replica. The request counts as held until it has one, and again where it was not taken.

        Raises:
            NoReplica: no replica had one in time.
            Refused: 504 where the client would not wait so long.
        """
        place, began = line.place(number), _now()
        try:
            async with asyncio.timeout_at(by if until is None else min(by, until)):
                replica = await place.__aenter__()
        except TimeoutError as error:
            if until is not None and until <= by:
                raise too_late() from error
            raise NoReplica(f"no replica took the request within {max(by - began, 0):.0f} s") from error
        seat.waits(False)
        try:
            yield replica
        finally:
            seat.waits(True)
            await place.__aexit__(None, None, None)

    async def _send(self, way: Way, asked: Asked, replica: Replica, seat: Seat, *, patient: bool) -> web.StreamResponse:
        async with sent(self._client, asked, replica.address) as answer:
            refused = answer.headers.get(REFUSED_HEADER)
            if refused in _ELSEWHERE and self._others(way):
                raise NoReplica(f"the gateway of {way.arm.name} could not hold the request: {refused}")
            if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and refused is None and patient:
                raise UnavailableError
            seat.forget()
            self._metrics.answers.labels(code=str(answer.status)).inc()
            asked.numbers.answered(answer.status)
            asked.numbers.seconds.observe(_now() - asked.arrived)
            response, broken = await handed_back(asked.request, answer)
        if broken is not None:
            self._metrics.lost[broken].inc()
            asked.numbers.broke(broken)
        return response

    async def _say_live(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def _say_ready(self, _request: web.Request) -> web.Response:
        if not self.ready:
            return web.json_response({"status": "not ready"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
        return web.json_response({"status": "ready"})

    async def _sign(self, request: web.Request, response: web.StreamResponse) -> None:
        """The head of an answer as it goes out: without our library's name, and the last of its connection at the end."""
        if response.headers.get(hdrs.SERVER) == SERVER_SOFTWARE:
            del response.headers[hdrs.SERVER]
        if len(self._ways) > 1 and _ARM in request:
            response.headers[ARM_HEADER] = request[_ARM]
        if self.stopping:
            # a client that keeps its connection would find it closed under its next request
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"

    async def _with_client(self, _app: web.Application) -> AsyncIterator[None]:
        async with session() as self._client:
            yield


def _now() -> float:
    return asyncio.get_running_loop().time()


def _said_time(request: web.Request, header: str, arrived: float) -> float | None:
    """Time of the event loop that is as many milliseconds after its arrival as a request says, if it says so.

    Raises:
        Refused: 400 for what is no number.
    """
    said = request.headers.get(header)
    if said is None:
        return None
    if not said.isascii() or not said.isdigit():
        message = f"{header} is {said!r}: it must be a whole number of milliseconds"
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
