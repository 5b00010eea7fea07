"""A gateway's life: sockets, knowing where replicas are, and a way out that loses no request.

| when | readiness | a new request | one that was taken |
|---|---|---|---|
| until somebody said where replicas are | 503 | held | held |
| then | 200 | handed on, held where no replica has room | answered |
| SIGTERM + `propagation_seconds` | 503 | the same, and its connection closed after the answer | answered |
| then, for `hold_seconds + drain_seconds` at most | 503 | no connection | answered |
"""

import asyncio
import math
import signal
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from springtide_workloads import heap
from springtide_workloads.contract import GatewayContract
from springtide_workloads.gateway.arms import Arm
from springtide_workloads.gateway.backends import Backends
from springtide_workloads.gateway.line import Line
from springtide_workloads.gateway.metrics import Metrics
from springtide_workloads.gateway.proxy import Proxy, Way
from springtide_workloads.listener import linger, stop_listening
from springtide_workloads.ports import ANY_ADDRESS, bound, serve_metrics
from springtide_workloads.serve.keys import Keys
from springtide_workloads.tell import tell

KEEP_ALIVE_SECONDS: Final = 620
"""How long an idle connection stays open: longer than load balancers keep theirs (Google's: 600 s), so that they close
first."""
BACKLOG: Final = 1024
"""Connections that may wait to be accepted: whoever asked a service that sleeps asks all at once."""
QUIET_SECONDS: Final = 60
"""After which TCP asks whether the other end is still there. A request may be held for longer than load balancers and
firewalls remember a connection on which nothing moves."""


async def serve(contract: GatewayContract, backends: Mapping[Arm, Backends], address: str = ANY_ADDRESS) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was taken and return.

    Args:
        contract: What the component said.
        backends: Who knows the replicas of each arm; the first arm is the service itself.
        address: Where to answer. Default: everywhere.

    Raises:
        ConfigError: when a port is taken, or the keys cannot be read.
    """
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    metrics = Metrics()
    ways = _ways(backends, contract, metrics)
    proxy = Proxy(contract, ways, metrics, None if contract.keys_file is None else Keys(Path(contract.keys_file)))
    listener = _asking(bound(contract.http_port, address))
    runner = await _listening(proxy, contract, listener)
    serve_metrics(metrics.registry, contract.metrics_port, address)
    heap.settle()
    following = asyncio.create_task(_follow_all(backends, ways, proxy))
    stopping = asyncio.create_task(told.wait())
    await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
    proxy.ready, proxy.stopping = False, True
    if stopping.done():
        tell(f"told to stop: takes requests for {contract.propagation_seconds} s more, then finishes what it has")
        await asyncio.sleep(contract.propagation_seconds)
        await _leave(runner, listener)
    following.cancel()
    stopping.cancel()
    await asyncio.wait({following})
    if not following.cancelled():
        following.result()


def _ways(arms: Iterable[Arm], contract: GatewayContract, metrics: Metrics) -> dict[Arm, Way]:
    """The way to each arm. The service's own servers get so many requests at a time; other arms bound themselves."""
    found: dict[Arm, Way] = {}
    for arm in arms:
        numbers = metrics.of(arm.name)
        own = not found
        gauges = [numbers.replicas, *([metrics.replicas] if own else [])]
        line = Line(per_replica=contract.in_flight_per_replica if own else math.inf, gauges=gauges)
        found[arm] = Way(arm=arm, line=line, numbers=numbers)
    return found


async def _listening(proxy: Proxy, contract: GatewayContract, listener: socket.socket) -> web.AppRunner:
    runner = web.AppRunner(
        proxy.application(),
        handle_signals=False,
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        shutdown_timeout=contract.hold_seconds + contract.drain_seconds,
    )
    await runner.setup()
    await web.SockSite(runner, listener, backlog=BACKLOG).start()
    return runner


async def _leave(runner: web.AppRunner, listener: socket.socket) -> None:
    """Let nobody connect, hear out who has, answer what was taken, and close."""
    (site,) = runner.sites
    await stop_listening(listener, site.stop)
    await linger(lambda: runner.server.connections if runner.server else (), busy=lambda: False)
    await runner.cleanup()


def _asking(listener: socket.socket) -> socket.socket:
    """The socket; its connections ask whether the other end is there. They inherit it from it (tcp(7))."""
    options: dict[str, Any] = {"TCP_KEEPIDLE": QUIET_SECONDS, "TCP_KEEPINTVL": QUIET_SECONDS // 4, "TCP_KEEPCNT": 4}
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options.items():
        if hasattr(socket, name):  # Linux names all of them
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return listener


async def _follow_all(backends: Mapping[Arm, Backends], ways: Mapping[Arm, Way], proxy: Proxy) -> None:
    """Keep each line to the replicas that take requests; ready once it is known of every arm which these are."""
    unknown = set(backends)

    async def follow(arm: Arm) -> None:
        async for addresses in backends[arm].watch():
            ways[arm].line.lead_to(addresses)
            if arm in unknown:
                unknown.remove(arm)
                proxy.ready = not unknown and not proxy.stopping
                tell(f"{arm.name}: {len(addresses)} replicas take requests")

    await asyncio.gather(*(follow(arm) for arm in backends))
