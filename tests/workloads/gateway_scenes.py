"""A gateway as a process, and small servers for it to lead to, on the loopback."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
from tests.workloads.processes import Launcher, Process, free_port
from yarl import URL

from springtide_workloads.contract import GatewayContract

HOST = "127.0.0.1"
SECONDS = 60


def contract(**changes: Any) -> GatewayContract:
    settings: dict[str, Any] = {
        "namespace": "springtide",
        "service": "chat-servers",
        "in_flight_per_replica": 8,
        "hold_seconds": 30,
        "http_port": free_port(),
        "metrics_port": free_port(),
        "grace_seconds": 100,
        "propagation_seconds": 2,
        "drain_seconds": 20,
    }
    return GatewayContract(**settings | changes)


@dataclass
class Server:
    """A model server: it counts, takes its time, and leaves as ours do."""

    port: int = field(default_factory=free_port)
    seconds: float = 0.01
    limit: int | None = None
    """Requests at a time, beyond which it says 429 like a server whose queue is full."""
    ready: bool = True
    says: int = 200
    """Status of every answer to work."""
    begun: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    given_up: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    finished: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)
    """What a stream waits for between its pieces."""
    _leaving: bool = False
    _runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get("/health/ready", self._say_ready)
        app.router.add_post("/stream", self._stream)
        app.router.add_route("*", "/{path:.*}", self._work)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=20)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port, backlog=1024, reuse_address=True).start()

    async def drain(self, propagation: float) -> None:
        """Unready, and answering on until everybody knows; then gone, once what was taken is answered."""
        self.ready, self._leaving = False, True
        await asyncio.sleep(propagation)
        await self.stop()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _say_ready(self, _request: web.Request) -> web.Response:
        return web.Response(status=200 if self.ready else 503)

    async def _work(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.read())
        self.begun.append(request.headers.get("X-Number", ""))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.in_flight -= 1
        self.finished += 1
        answer = web.Response(status=self.says, text=f"{self.port} {request.path_qs}")
        if self._leaving:
            answer.force_close()
        return answer

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        try:
            for i in range(3):
                await answer.write(f"data: {i}\n\n".encode())
                await self.more.wait()
                self.more.clear()
        except (asyncio.CancelledError, ClientError):
            self.given_up += 1
            raise
        return answer


@dataclass
class Scene:
    """A gateway that runs, a client of it, and what it is led to."""

    process: Process
    contract: GatewayContract
    client: ClientSession

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.contract.http_port}"

    async def ask(self, path: str = "/work", number: int = 0, **more: Any) -> tuple[int, str]:
        headers = {"X-Number": str(number), **more.pop("headers", {})}
        async with self.client.post(URL(self.url + path, encoded=True), headers=headers, **more) as answer:
            return answer.status, await answer.text()

    async def status(self, path: str) -> int:
        try:
            async with self.client.get(self.url + path) as answer:
                return answer.status
        except ClientError:
            return 0

    async def numbers(self) -> dict[str, float]:
        """The gateway's own, by name with labels."""
        async with self.client.get(f"http://{HOST}:{self.contract.metrics_port}/metrics") as answer:
            lines = [line for line in (await answer.text()).splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    async def number(self, name: str) -> float:
        return (await self.numbers())[name]

    async def lost(self) -> dict[str, float]:
        """Requests lost, by reason; those of which there were none left out."""
        start = 'springtide_gateway_lost_total{reason="'
        found = {
            name.removeprefix(start)[:-2]: value for name, value in (await self.numbers()).items() if start in name
        }
        return {name: value for name, value in found.items() if value}

    def told_to_stop(self) -> None:
        self.process.told(signal.SIGTERM)

    async def ends(self) -> int:
        return await asyncio.to_thread(self.process.wait)


@asynccontextmanager
async def gateway(
    launch: Launcher, *addresses: str, args: tuple[str, ...] = (), env: dict[str, str] | None = None, **changes: Any
) -> AsyncIterator[Scene]:
    """A gateway that leads to the servers at these addresses, ready, and its client."""
    agreed = contract(**changes)
    named = [word for address in addresses for word in ("--replica", address)]
    process = launch.module("springtide_workloads.gateway", *named, *args, env=agreed.to_env() | (env or {}))
    connector = TCPConnector(limit=0)
    async with ClientSession(connector=connector, timeout=ClientTimeout(total=SECONDS)) as client:
        scene = Scene(process, agreed, client)
        await until(lambda: _is(scene, "/health/ready", 200), while_alive=process)
        try:
            yield scene
        finally:
            if process.popen.poll() is None:
                process.kill_all()


async def _is(scene: Scene, path: str, status: int) -> bool:
    return await scene.status(path) == status


async def until(condition: Callable[[], Awaitable[object]], *, while_alive: Process | None = None) -> None:
    """Waits for a condition, often looking."""
    async with asyncio.timeout(SECONDS):
        while not await condition():
            assert while_alive is None or while_alive.popen.poll() is None, while_alive.text()
            await asyncio.sleep(0.02)


async def held(scene: Scene, count: int) -> None:
    """Waits until so many requests wait."""

    async def enough() -> bool:
        return await scene.number("springtide_gateway_held") == count

    await until(enough)
