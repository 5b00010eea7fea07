"""Ports that a workload opens: the one it answers on, and the one its numbers are read from."""

import socket
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server

from springtide_workloads.errors import ConfigError

ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104  a container is reached from outside; what may reach it is the network policy's


def bound(port: int, address: str = ANY_ADDRESS) -> socket.socket:
    """A socket that has the port.

    Its connections send small pieces at once: asyncio sees to that where a socket names its protocol, and only there. Else
    the second of an answer's two writes, and each token of a stream, would wait for the client's acknowledgement: 40 ms.

    Raises:
        ConfigError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise _taken(port, error) from error
    return listener


def serve_metrics(registry: CollectorRegistry, port: int, address: str = ANY_ADDRESS) -> None:
    """Answer whoever asks for the numbers, from a thread of its own, until the process ends.

    Raises:
        ConfigError: the port is taken.
    """
    try:
        start_http_server(port, address, registry)
    except OSError as error:
        raise _taken(port, error) from error


def _taken(port: int, error: OSError) -> ConfigError:
    return ConfigError(f"cannot listen on port {port}: {error.strerror}. Stop what uses it, or choose another port.")
