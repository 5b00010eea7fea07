"""uvicorn's HTTP over httptools, with what it lacks: an end to requests that never become whole."""

import asyncio
import time
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS: Final = 10.0
"""How long a request's head may take from its first byte to its last."""
BODY_SECONDS: Final = 60.0
"""The same for the whole request."""
HEAD_BYTES: Final = 1 << 16
"""Bytes that a request's head may have: request line and headers."""
_HEAD: Final = b"HTTP/1.1 "
_FINAL: Final = (b"2", b"3", b"4", b"5")
"""First digit of the status of an answer; a 1 announces one that is still to come, and is sent at once."""
CONNECTION: Final = "springtide.connection"
"""Key of a scope: the `Connection` that the request came over."""


class Connection:
    """What an application may know of the connection that its request came over, and tell it."""

    begun: float | None = None
    """`time.monotonic()` when the first byte of the newest request was there."""
    task: "asyncio.Task[Any] | None" = None
    """What answers its request now: it is cancelled when the client goes away."""
    gone: bool = False
    """Whether the client went away."""


class _Together:
    """A transport that sends an answer's head with the first piece of its body: one call of the system instead of two."""

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send a piece; a head waits for the piece after it."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data[: len(_HEAD)] == _HEAD and data[len(_HEAD) : len(_HEAD) + 1] in _FINAL:
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send a head that no piece comes after."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Send what waits, and close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol, Connection):
    """A connection that knows how long its request has been coming in, and gives up its work when it is lost."""

    coming: bool = False
    """Whether a request has begun and is not whole."""
    headed: bool = False
    """Whether its head is whole."""
    head_bytes: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has connected."""
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", _Together(transport))

    def on_response_complete(self) -> None:
        """The last of an answer was handed over."""
        cast("_Together", self.transport).flush()
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        super().data_received(data)
        if self.headed or not self.coming:
            return
        self.head_bytes += len(data)
        if self.head_bytes > HEAD_BYTES:
            self._break_off(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.begun, self.coming, self.headed, self.head_bytes = time.monotonic(), True, False, 0

    def on_headers_complete(self) -> None:
        """The last byte of a head."""
        self.headed = True
        cast("dict[str, Any]", self.scope)[CONNECTION] = self
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self.coming = False
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client went away, or was sent away."""
        self.gone = True
        super().connection_lost(exc)
        if self.task is not None:
            self.task.cancel()

    def hurry(self, now: float) -> None:
        """Break the connection off when its request takes too long to come in."""
        allowed = BODY_SECONDS if self.headed else HEAD_SECONDS
        if self.coming and self.begun is not None and now - self.begun > allowed:
            self._break_off(b"408 Request Timeout")

    def _break_off(self, status: bytes) -> None:
        if not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
                self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()


async def hurry_all(connections: "set[Any]", every: float = 1.0) -> None:
    """Look after the connections until cancelled: one timer for all of them instead of one for each request."""
    while True:
        await asyncio.sleep(every)
        now = time.monotonic()
        for connection in list(connections):
            connection.hurry(now)
