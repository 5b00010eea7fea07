"""Ports on loopback: given once, kept while they can be, never two for one."""

import socket
from collections.abc import Callable, Iterable, Mapping

LOOPBACK = "127.0.0.1"


def free(port: int) -> bool:
    """Whether nobody listens on a port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
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
    """
    wanted = list(names)
    ports = {name: before[name] for name in wanted if name in before and (kept(name) or is_free(before[name]))}
    # All are held at once while they are chosen: the system would give a port that was just let go a second time.
    probes = [socket.socket() for name in wanted if name not in ports]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        new = [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
    return {**dict(zip([name for name in wanted if name not in ports], new, strict=True)), **ports}
