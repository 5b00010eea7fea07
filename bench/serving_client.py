"""An open-loop HTTP client: requests leave when the clock says so, however the server is doing.

What is sent late would hide a slow server, so each request keeps when it was meant to leave and when it left.
"""

import asyncio
import gc
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import httptools
from bench.serving_work import PATH

HEADERS: Final = "host: 127.0.0.1\r\ncontent-type: application/json\r\nx-request-timeout-ms: 1000\r\n"
"""What every client tells every server."""
LAG_SECONDS: Final = 0.005
"""A run whose requests left later than this (99th percentile) says nothing about the server."""
ANSWERED: Final = "answered"


@dataclass(slots=True, kw_only=True)
class Asked:
    """One request and what became of it. Times are the loop's, in seconds."""

    x: int
    intended: float
    sent: float = 0.0
    done: float = 0.0
    reused: bool = False
    """Whether it went over a connection that had carried one before."""
    fate: str = ""
    """`answered`, `status 429`, `refused`, `broken`, or `late` when the client gave up."""
    body: bytes = b""

    @property
    def seconds(self) -> float:
        """From when it was meant to leave to its answer."""
        return self.done - self.intended

    @property
    def on_the_way(self) -> float:
        """From when it left to its answer."""
        return self.done - self.sent


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.used = False
        self.keep = True
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._answer: asyncio.Future[tuple[int, bytes, float]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  for the type checker
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.keep = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc if isinstance(exc, OSError) else ConnectionResetError("closed"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        self.keep = self.keep and self._parser.should_keep_alive()
        now = asyncio.get_running_loop().time()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), self._body, now))
        self._body = b""

    def ask(self, request: bytes) -> "asyncio.Future[tuple[int, bytes, float]]":
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport is None or not self.keep:
            self._answer.set_exception(ConnectionResetError("closed"))
        else:
            self._transport.write(request)
        return self._answer

    def close(self) -> None:
        self.keep = False
        if self._transport is not None:
            self._transport.close()


@dataclass(slots=True, kw_only=True)
class Client:
    """Asks one server, over connections that it keeps or over a fresh one each time."""

    port: int
    fresh: bool = False
    patience: float = 1.0
    """Seconds after which it gives up and closes the connection, as a client with a time-out does."""
    _idle: list[_Connection] = field(default_factory=list)

    async def ask(self, asked: Asked) -> Asked:
        """Sends a request and notes what became of it."""
        loop = asyncio.get_running_loop()
        asked.sent = loop.time()
        connection = None
        try:
            async with asyncio.timeout_at(asked.intended + self.patience):
                connection = self._kept() or await self._opened()
                asked.reused, connection.used = connection.used, True
                status, asked.body, asked.done = await connection.ask(self._request(asked.x))
                asked.fate = ANSWERED if status == 200 else f"status {status}"  # noqa: PLR2004
        except TimeoutError:
            asked.fate = "late"
        except ConnectionRefusedError:
            asked.fate = "refused"
        except OSError:
            asked.fate = "broken"
        asked.done = asked.done or loop.time()
        self._put_back(connection, whole=bool(asked.body))
        return asked

    def close(self) -> None:
        """Closes what it kept."""
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> _Connection | None:
        while self._idle:
            if (connection := self._idle.pop()).keep:
                return connection
        return None

    async def _opened(self) -> _Connection:
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", self.port)
        return connection

    def _put_back(self, connection: _Connection | None, *, whole: bool) -> None:
        if connection is None:
            return
        if whole and connection.keep and not self.fresh:
            self._idle.append(connection)
        else:
            connection.close()

    def _request(self, x: int) -> bytes:
        body = f'{{"x":{x}}}'
        last = "connection: close\r\n" if self.fresh else ""
        return f"POST {PATH} HTTP/1.1\r\n{HEADERS}{last}content-length: {len(body)}\r\n\r\n{body}".encode()


def clock(rate: float, seconds: float) -> list[float]:
    """Arrivals at equal distances."""
    return [number / rate for number in range(int(rate * seconds))]


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """Arrivals of many clients who know nothing of each other; the same ones for the same seed."""
    return list(_until(seconds, rate, random.Random(seed)))  # noqa: S311  arrivals, not secrets


def _until(seconds: float, rate: float, chance: random.Random) -> Iterator[float]:
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)


async def send(client: Client, arrivals: Sequence[float], *, began: float | None = None) -> list[Asked]:
    """Sends a request at each of the times after `began` (now), and waits until the fate of all is known."""
    loop = asyncio.get_running_loop()
    began = loop.time() + 0.05 if began is None else began
    gc.collect()
    gc.disable()  # a pause here would be taken for the server's
    try:
        tasks = []
        for number, at in enumerate(arrivals):
            if (wait := began + at - loop.time()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(client.ask(Asked(x=number, intended=began + at))))
        return list(await asyncio.gather(*tasks))
    finally:
        gc.enable()
        client.close()


def lag(asked: Sequence[Asked]) -> float:
    """99th percentile of how late requests left, in seconds."""
    return percentile([each.sent - each.intended for each in asked], 0.99)


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that this part of all are not above; nan of none."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else float("nan")
