"""A listening socket that stops listening without breaking a connection, and patience with those that are open."""

import asyncio
import errno
import math
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sized
from typing import Final

_SO_BINDTOIFINDEX: Final = 62
"""Of Linux 5.1, in <asm-generic/socket.h>; since 5.7 it asks for no capability where a socket has no interface yet."""
_NO_INTERFACE: Final = 0x7FFFFFFF
"""Index of a network interface that no machine has."""
_UNACKED: Final = 24
"""Offset in <linux/tcp.h>'s tcp_info of tcpi_unacked: of a listener, the connections that wait to be accepted."""

SETTLE_SECONDS: Final = 0.2
"""After `no_more`, how long handshakes that have begun may take to end: a round trip."""
ACCEPT_SECONDS: Final = 2.0
"""How long connections that nobody has accepted yet may keep the listener open. On a machine that is not starved they take a
turn of the event loop."""
LINGER_SECONDS: Final = 2.0
"""From when the listener closes, how long connections that ask nothing stay open at least: whoever asks over one is answered,
and told to close it. Closed at once, they would break under requests that are on their way: also that of the client who
connected last, and has not sent its first one yet."""
TURN_SECONDS: Final = 0.02
"""How often it is looked whether a wait is over."""


async def stop_listening(
    listener: socket.socket, close: Callable[[], Awaitable[None]], deadline: float = math.inf
) -> None:
    """Close the listener such that whoever has connected by now is known to the server, and nobody else is let in.

    Args:
        listener: the socket.
        close: closes it.
        deadline: `time.monotonic()` before which it must be closed. Default: there is none.
    """
    if no_more(listener):
        left = max(deadline - time.monotonic(), 0.0)
        await asyncio.sleep(min(SETTLE_SECONDS, left / 2))
        # a process that got no turn meanwhile has accepted nobody; who came before would be reset
        await wait_until(lambda: not unaccepted(listener), min(time.monotonic() + ACCEPT_SECONDS, deadline))
    await close()
    # the newest connection becomes known to the server a turn after it was accepted
    await asyncio.sleep(TURN_SECONDS)


async def linger(connections: Callable[[], Sized], busy: Callable[[], object], deadline: float = math.inf) -> None:
    """Wait until nothing is answered any more, and those that ask nothing have had `LINGER_SECONDS` to do so or to leave.

    Args:
        connections: those that are open.
        busy: whether something is being answered.
        deadline: `time.monotonic()` after which nobody is waited for. Default: there is none.
    """
    patient = time.monotonic() + LINGER_SECONDS
    await wait_until(lambda: not busy() and (time.monotonic() >= patient or not connections()), deadline)


async def wait_until(done: Callable[[], object], deadline: float) -> None:
    """Wait for something that no event tells of, until `deadline` of `time.monotonic()` at most."""
    while not done() and time.monotonic() < deadline:  # noqa: ASYNC110  what it waits for changes with every request
        await asyncio.sleep(TURN_SECONDS)


def no_more(listener: socket.socket) -> bool:
    """Let no new connection begin; those that have begun can still be accepted.

    A listening socket that is closed resets what it has not accepted yet, whether or not a request was sent already. So it is
    first bound to an interface that nothing comes in by: whoever connects now is refused, and knows that nothing was sent.
    Handshakes that have begun are looked up before listeners are, and end.

    Returns:
        Whether the kernel does so; outside Linux, and in sandboxes, it may not.
    """
    if sys.platform != "linux":
        return False
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_BINDTOIFINDEX, _NO_INTERFACE)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOPROTOOPT, errno.EINVAL, errno.ENOSYS}:
            raise
        return False
    return True


def unaccepted(listener: socket.socket) -> int:
    """Connections that are made and wait to be accepted; 0 where the system does not tell, and once it is closed."""
    if sys.platform != "linux":
        return 0
    try:
        info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED + 4)
    except OSError:
        return 0
    return int.from_bytes(info[_UNACKED:], sys.byteorder) if len(info) == _UNACKED + 4 else 0
