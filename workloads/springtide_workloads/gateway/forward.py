"""One sending of a request to one replica, and its answer handed back as it comes."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
    hdrs,
    web,
)
from yarl import URL

from springtide_workloads.contract import HOLD_HEADER, REPEAT_HEADER, TIMEOUT_HEADER
from springtide_workloads.gateway.headers import answer_headers, request_headers
from springtide_workloads.gateway.metrics import ArmNumbers
from springtide_workloads.gateway.refusal import Broken, Reason, Refused

CONNECT_SECONDS: Final = 5
_IDEMPOTENT: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS, hdrs.METH_PUT, hdrs.METH_DELETE})


class NotTakenError(Exception):
    """A replica did not take a request; it may be sent again."""


class UnavailableError(NotTakenError):
    """The replica was there to say so: 503, as one does that is about to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request with its body, as often as it must be sent."""

    request: web.Request
    body: bytes
    until: float | None
    """Time of the event loop at which its client gives up."""
    arrived: float
    """Time of the event loop at which it came."""
    numbers: ArmNumbers
    """Of the arm that was chosen for it."""
    hold_until: float | None = None
    """Time of the event loop at which it is given to another arm, if no replica has it by then."""

    @property
    def repeatable(self) -> bool:
        """Whether it may be computed twice: its method says so (RFC 9110, section 9.2.2), or its client, by a key."""
        return self.request.method in _IDEMPOTENT or REPEAT_HEADER in self.request.headers


def session() -> ClientSession:
    """A client that opens a connection for each request.

    A server may close a connection that it kept just as the next request is on its way, and nobody knows then whether the
    request was taken. A new connection to a pod costs less than a millisecond and knows no such moment.
    """
    return ClientSession(
        connector=TCPConnector(limit=0, force_close=True, use_dns_cache=False),
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        cookie_jar=DummyCookieJar(),
        skip_auto_headers=(hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT),
        auto_decompress=False,
        trust_env=False,
    )


@asynccontextmanager
async def sent(client: ClientSession, asked: Asked, address: str) -> AsyncIterator[ClientResponse]:
    """The replica's answer, once its head is there; when the block ends, so does the connection.

    Raises:
        NotTakenError: the replica could not be reached.
        Broken: it broke off after it was reached.
        Refused: 504 where its client would not wait for it.
    """
    request = asked.request
    times = {TIMEOUT_HEADER: _left(asked.until), HOLD_HEADER: _left(asked.hold_until)}
    sending = client.request(
        request.method,
        URL(f"http://{address}{request.raw_path}", encoded=True),
        headers=request_headers(request.headers, client=request.remote, times=times),
        data=io.BytesIO(asked.body) if asked.body else None,
        allow_redirects=False,
    )
    try:
        async with asyncio.timeout_at(asked.until):
            answer = await sending
    except (ClientConnectorError, ConnectionTimeoutError) as error:
        raise NotTakenError(str(error)) from error
    except TimeoutError as error:
        raise too_late() from error
    except ClientError as error:
        raise Broken(f"the replica broke off before it answered: {error!r}") from error
    try:
        yield answer
    finally:
        answer.close()


def _left(until: float | None) -> float | None:
    return None if until is None else until - asyncio.get_running_loop().time()


async def handed_back(request: web.Request, answer: ClientResponse) -> tuple[web.StreamResponse, Reason | None]:
    """The answer as the client got it, each piece as soon as it came; and why it is not whole, if it is not."""
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=answer_headers(answer.headers))
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
    except ClientError:
        transport = request.transport
        if transport is None or transport.is_closing():
            return response, Reason.CLIENT
        # without the end that was announced, so that nobody takes a part for the whole
        transport.close()
        return response, Reason.BROKEN
    return response, None


def too_late() -> Refused:
    """What a client gets whose own time is over."""
    return Refused(HTTPStatus.GATEWAY_TIMEOUT, Reason.TIMEOUT, "the time that the request gave is over")
