"""Row `wake_lost`: requests lost through zero to one, while a machine boots and a model loads.

A hundred requests by the clock, spread evenly over the cold start of a service that has no replica. Ours: they go to our
gateway, a process of its own, whose number wakes the service as KEDA reads it, and from then on the cold start runs. Peer: KEDA
without a gateway. A Service without endpoints refuses connections (kube-proxy rejects them), so the same clients ask a TCP
port on which nobody listens until the replica does. Nothing in the cluster counts refused connections, so nothing would wake
it either; here somebody does, as the first request comes, in favour of the peer. Its clients give up at once, or try three
times again, after 0.5, 1 and 2 seconds. The replica is a pretend one in this process, and the cold start is waited for,
without Kubernetes or KEDA.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

from springtide_workloads.contract import GATEWAY_COMMAND, READY_PATH, GatewayContract, GatewayMetric

HOST: Final = "127.0.0.1"
REQUESTS: Final = 100
COLD_START_SECONDS: Final = 60.0
QUICK_COLD_START_SECONDS: Final = 6.0
RETRIES: Final = {"no retry": (), "3 retries": (0.5, 1.0, 2.0)}
"""Pauses in seconds before a client asks again."""
WORK_SECONDS: Final = 0.02
POLLING_SECONDS: Final = 2.0
"""Between two readings of the number that wakes the service, as our component sets it for KEDA."""
SLACK_SECONDS: Final = 60
_PATIENCE: Final = ClientTimeout(total=COLD_START_SECONDS + SLACK_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What became of one request."""

    fate: str
    """`answered`, or why not."""
    seconds: float


def rows(quick: bool) -> Iterator[dict[str, Any]]:
    """One row for each kind of client that the peer has."""
    cold = QUICK_COLD_START_SECONDS if quick else COLD_START_SECONDS
    ours = asyncio.run(_through_gateway(cold))
    for shown, pauses in RETRIES.items():
        theirs = asyncio.run(_straight(cold, pauses))
        lost = _lost(ours), _lost(theirs)
        yield {
            "row": "wake_lost",
            "ours": lost[0],
            "peer": lost[1],
            "peer_name": f"KEDA without a gateway, {shown}",
            "ratio": round(lost[0] / lost[1], 3) if lost[1] else None,
            "unit": "requests lost",
            "of": REQUESTS,
            "cold_start_seconds": cold,
            "ours_fates": _fates(ours),
            "peer_fates": _fates(theirs),
            "ours_longest_wait_seconds": round(max(each.seconds for each in ours), 2),
            "model": "peer: a TCP port on which nobody listens until the replica does; woken by the first request all the"
            " same. Replica and cold start are pretended; no Kubernetes, no KEDA",
        }


async def _through_gateway(cold: float) -> list[Asked]:
    replica, http, metrics = _free_port(), _free_port(), _free_port()
    hold = int(cold + SLACK_SECONDS)
    contract = GatewayContract(
        service="chat-servers",
        namespace="springtide",
        in_flight_per_replica=8,
        hold_seconds=hold,
        http_port=http,
        metrics_port=metrics,
        grace_seconds=hold + 20,
        propagation_seconds=0,
        drain_seconds=20,
    )
    command = [sys.executable, *GATEWAY_COMMAND[1:], "--address", HOST, "--replica", f"{HOST}:{replica}"]
    gateway = subprocess.Popen(command, env=os.environ | contract.to_env(), stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        async with _client() as client:
            await _answers(client, f"http://{HOST}:{http}{READY_PATH}")
            waking = asyncio.create_task(_woken(client, f"http://{HOST}:{metrics}/metrics", replica, cold))
            asked = await _clients(client, http, cold, pauses=())
            stop = await waking
            await stop()
            return asked
    finally:
        gateway.terminate()
        gateway.wait()


async def _straight(cold: float, pauses: Sequence[float]) -> list[Asked]:
    port = _free_port()

    async def appears() -> web.AppRunner:
        await asyncio.sleep(cold)
        return await _replica(port)

    async with _client() as client:
        waking = asyncio.create_task(appears())
        asked = await _clients(client, port, cold, pauses)
        await (await waking).cleanup()
    return asked


async def _woken(client: ClientSession, numbers: str, port: int, cold: float) -> Callable[[], Awaitable[None]]:
    """What KEDA, a machine and a model do; how to stop the replica."""
    await _wakes(client, numbers)
    await asyncio.sleep(cold)
    return (await _replica(port)).cleanup


async def _wakes(client: ClientSession, numbers: str) -> None:
    """Returns once the gateway's number says that somebody asked, as often as it is read."""
    while True:
        async with client.get(numbers) as answer:
            lines = (await answer.text()).splitlines()
        values = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{GatewayMetric.REQUESTS} ")]
        if any(float(value) > 0 for value in values):
            return
        await asyncio.sleep(POLLING_SECONDS)


async def _clients(client: ClientSession, port: int, cold: float, pauses: Sequence[float]) -> list[Asked]:
    """All requests, by the clock."""
    asking = [_asks(client, port, cold * number / REQUESTS, pauses) for number in range(REQUESTS)]
    return list(await asyncio.gather(*asking))


async def _asks(client: ClientSession, port: int, after: float, pauses: Sequence[float]) -> Asked:
    await asyncio.sleep(after)
    began = time.monotonic()
    for pause in (*pauses, None):
        fate = await _fate(client, port)
        if fate == "answered" or pause is None:
            break
        await asyncio.sleep(pause)
    return Asked(fate=fate, seconds=time.monotonic() - began)


async def _fate(client: ClientSession, port: int) -> str:
    try:
        async with client.post(f"http://{HOST}:{port}/v1/predict", data=b"{}") as answer:
            await answer.read()
            return "answered" if answer.ok else str(answer.status)
    except ClientError as error:
        return type(error).__name__
    except TimeoutError:
        return "timeout"


async def _replica(port: int) -> web.AppRunner:
    """A server that is ready at once and takes its time for work."""

    async def ready(_request: web.Request) -> web.Response:
        return web.Response()

    async def work(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(WORK_SECONDS)
        return web.Response(text="{}")

    app = web.Application()
    app.router.add_get(READY_PATH, ready)
    app.router.add_post("/v1/predict", work)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, backlog=1024, reuse_address=True).start()
    return runner


@asynccontextmanager
async def _client() -> AsyncIterator[ClientSession]:
    async with ClientSession(connector=TCPConnector(limit=0, force_close=True), timeout=_PATIENCE) as client:
        yield client


async def _answers(client: ClientSession, url: str) -> None:
    async with asyncio.timeout(SLACK_SECONDS):
        while True:
            with contextlib.suppress(ClientError):
                async with client.get(url) as answer:
                    if answer.ok:
                        return
            await asyncio.sleep(0.05)


def _lost(asked: Sequence[Asked]) -> int:
    return sum(each.fate != "answered" for each in asked)


def _fates(asked: Sequence[Asked]) -> dict[str, int]:
    return dict(Counter(each.fate for each in asked))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a cold start of 6 s")
    for row in rows(parser.parse_args().quick):
        print(json.dumps(row), flush=True)
