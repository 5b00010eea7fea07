"""Ports on loopback: given once, kept while they can be, never two for one."""

import errno
import itertools
import random
import socket
from collections.abc import Callable, Iterable, Mapping

LOOPBACK = "127.0.0.1"
_EVERYWHERE = ""
RANGE = range(20000, 30000)
"""Below what systems give to connections that go out (Linux: from 32768, macOS: from 49152): a client that asks again and
again for a server that is down would sooner or later be given that server's port for its own end."""


def free(port: int) -> bool:
    """Whether nobody listens on a port, on loopback or on every address of this machine."""
    return all(_can_be_had(address, port) for address in (LOOPBACK, _EVERYWHERE))


def _can_be_had(address: str, port: int) -> bool:
    with socket.socket() as probe:
        # Connections that just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError):
            return False
    return True


def given(
    names: Iterable[str], before: Mapping[str, int], kept: Callable[[str], bool], is_free: Callable[[int], bool] = free
) -> dict[str, int]:
    """A port for each name.

    Args:
        names: Who needs one.
        before: Which they had.
        kept: Whether the one of that name still listens on it.
        is_free: Whether a port can be had.

    Raises:
        OSError: there are not enough of them.
    """
    ports: dict[str, int] = {}
    lacking = []
    for name in names:
        port = before.get(name)
        if port is not None and port not in ports.values() and (kept(name) or is_free(port)):
            ports[name] = port
        else:
            lacking.append(name)
    # By chance, so that two environments that start at once do not choose alike.
    candidates = (port for port in _shuffled() if port not in ports.values() and is_free(port))
    new = dict(zip(lacking, itertools.islice(candidates, len(lacking)), strict=False))
    if len(new) < len(lacking):
        message = f"too few ports between {RANGE.start} and {RANGE.stop - 1} are free"
        raise OSError(errno.EADDRNOTAVAIL, message)
    return {**ports, **new}


def _shuffled() -> list[int]:
    return random.sample(RANGE, len(RANGE))
