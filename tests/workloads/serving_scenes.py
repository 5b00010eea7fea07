"""A server's application with predictors of its own, asked as a web server would ask it."""

import asyncio
import gc
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from springtide_workloads.contract import Device, Metric
from springtide_workloads.serve.admission import Limits
from springtide_workloads.serve.app import App, Phase
from springtide_workloads.serve.batching import Batches
from springtide_workloads.serve.line import Line
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.openapi import pages
from springtide_workloads.serve.predict import routes
from springtide_workloads.serve.predictor import ModelSource, Predictor
from springtide_workloads.serve.protocol import CONNECTION, Connection
from springtide_workloads.serve.resolve import resolve
from springtide_workloads.serve.runner import Runner
from springtide_workloads.storage import Store


class Inner(msgspec.Struct):
    x: float


class Question(msgspec.Struct, forbid_unknown_fields=True):
    n: int
    inner: list[Inner] = []


class Reply(msgspec.Struct):
    n: int


class Doubles(Predictor):
    """Doubles a number."""

    ms: float = 0.0
    max_batch = 8

    def predict(self, batch: list[Question]) -> list[Reply]:
        time.sleep(self.ms / 1000)
        return [Reply(2 * each.n) for each in batch]


class Frozen(Predictor):
    """Says how many objects collections leave alone, of those that it has loaded."""

    kept = 100_000

    def setup(self, model: ModelSource) -> None:
        del model
        self.loaded = [[n] for n in range(self.kept)]

    def predict(self, batch: list[Question]) -> list[Reply]:
        return [Reply(gc.get_freeze_count()) for _ in batch]


class Counts(Predictor):
    """Counts up to a number."""

    def stream(self, request: Question) -> Iterator[Reply]:
        for n in range(request.n):
            if n == 3:
                raise ZeroDivisionError("three")
            yield Reply(n)


class Held(Predictor):
    """Computes when it is let."""

    let = threading.Event()
    batches: list[list[int]] = []  # noqa: RUF012  a test looks into it

    def predict(self, batch: list[Question]) -> list[Reply]:
        self.let.wait(30)
        self.batches.append([each.n for each in batch])
        return [Reply(each.n) for each in batch]


class Fragile(Predictor):
    """Breaks on some numbers, in each way that there is."""

    max_batch = 8
    max_delay_ms = 20.0

    def predict(self, batch: list[Question]) -> list[Any]:
        numbers = [each.n for each in batch]
        if 13 in numbers:
            raise ZeroDivisionError("thirteen")
        if 99 in numbers:
            raise SystemExit("ninety-nine")
        if 14 in numbers:
            return []
        return [object() if n == 15 else Reply(n) for n in numbers]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    chunks: list[bytes]

    @property
    def body(self) -> Any:
        return json.loads(b"".join(self.chunks))


@dataclass
class Asked:
    """An application and what it was asked."""

    app: App
    line: Line[Any, Any]
    metrics: Metrics
    runner: Runner
    connections: list[Connection] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent: list[Any] = []
        messages = [{"type": "http.request", "body": data}]

        async def receive() -> Any:
            return messages.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        self.connections.append(Connection())
        scope = {"type": "http", "method": method, "path": path, "headers": fields, CONNECTION: self.connections[-1]}
        await self.app(scope, receive, send)
        if not sent:
            return Answer(0, {}, [])
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], found, [each["body"] for each in sent[1:]])

    async def predict(self, n: int = 1, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", "/v1/predict", {"n": n}, named)

    def value(self, metric: Metric, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(metric, labels)


def serving(
    talk: Callable[[Asked], Awaitable[None]],
    predictor: str,
    *,
    limits: Limits | None = None,
    stuck_seconds: float = 300,
) -> None:
    """Runs a conversation with a server whose predictor is one of this module, such as `Doubles:ms=5`."""

    async def run() -> None:
        metrics = Metrics()
        resolved = resolve(f"{__name__}.{predictor}")
        source = ModelSource(store=Store(Path(__file__).parent.as_uri()), device=Device.CPU, scratch=Path(__file__))
        engine = Batches(resolved, source, metrics)
        line: Line[Any, Any] = Line(metrics, limits=limits, pace=engine.pace)
        runner = Runner(engine, line, stuck_seconds=stuck_seconds)
        found = routes(resolved, line)
        app = App({**found, **pages(found, title="tests", keys=False)}, metrics, trouble=lambda: runner.trouble)
        runner.start()
        await runner.loaded
        app.phase = Phase.SERVING
        try:
            await asyncio.wait_for(talk(Asked(app, line, metrics, runner)), 60)
        finally:
            line.close()

    asyncio.run(run())


async def eventually(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  another thread's state has no event to wait for
        await asyncio.sleep(0.005)
