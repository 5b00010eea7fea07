"""A server's life: sockets, loading, serving, and a way out that loses no request.

| when | live | ready | a new request | an accepted one |
|---|---|---|---|---|
| until the model is loaded | 200 | 503 | 503, Retry-After | - |
| serving | 200 | 200 | computed; 429 when no answer can be expected in time | computed |
| SIGTERM or a spot notice, for `propagation_seconds` | 200 | 503 | as before, and its connection closed | computed |
| then, for `drain_seconds` at most: nobody can connect | 200 | 503 | over an open connection: the same | computed |
| shortly before these are over | 200 | 503 | 503, Retry-After | 503; a stream ends with an event that says so |
| the engine's thread ended or hangs | 503 | 503 | 503, Retry-After | 503 |

The exit code is 0 after SIGTERM, SIGINT or a notice, and that of the error when the model cannot be loaded. A request whose
client's time is over gets 504 and is computed no further; one whose client goes away is computed no further either.
Idle connections are closed in the end; before, each has `listener.LINGER_SECONDS` from when nobody can connect any more to ask
once more, and be told by the answer to go.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn

from springtide_workloads import heap
from springtide_workloads.contract import ServingContract
from springtide_workloads.listener import linger, stop_listening, wait_until
from springtide_workloads.ports import bound, serve_metrics
from springtide_workloads.serve import notice
from springtide_workloads.serve.app import App, Phase
from springtide_workloads.serve.assemble import Service, assemble
from springtide_workloads.serve.keys import Keys
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.openapi import pages
from springtide_workloads.serve.protocol import Protocol, hurry_all
from springtide_workloads.serve.runner import Runner
from springtide_workloads.serve.telemetry import export_where_asked
from springtide_workloads.tell import tell

KEEP_ALIVE_SECONDS: Final = 620
"""How long an idle connection stays open: longer than load balancers keep theirs (Google's: 600 s), so that they close
first."""
BACKLOG: Final = 1024
"""Connections that may wait to be accepted."""
LAST_STEP_SECONDS: Final = 5.0
"""How long the thread that computes may take to end. An interpreter that ends under one that is inside torch is aborted."""
LAST_WORDS: Final = 0.2
"""Part of the drain time that is kept for telling those that cannot be answered any more, at most `LAST_WORDS_SECONDS`."""
LAST_WORDS_SECONDS: Final = 1.0


async def serve(contract: ServingContract) -> None:
    """Serve until SIGTERM, SIGINT or a spot notice, then drain and return.

    Raises:
        ConfigError: when a port is taken, the keys cannot be read, or the predictor cannot be made.
        StorageError: when the model cannot be loaded.
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    metrics = Metrics()
    service = assemble(contract, metrics)
    export_where_asked(metrics, service.name)
    runner = Runner(service.engine, service.line, stuck_seconds=service.stuck_seconds)
    app = _app(contract, service, runner, metrics)
    listener = bound(contract.http_port)
    serve_metrics(metrics.registry, contract.metrics_port)
    server = _Server(_uvicorn_config(app))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    hurrying = asyncio.create_task(hurry_all(server.server_state.connections))
    stopping = asyncio.create_task(told.wait())
    runner.start()
    try:
        if await _first(runner.loaded, serving, stopping) is runner.loaded:
            runner.loaded.result()
            heap.settle()
            app.phase = Phase.SERVING
            notice.listen(contract.notice_from, partial(_post, loop, told))
            tell(f"ready: {contract.model_url} on port {contract.http_port}, metrics on {contract.metrics_port}")
            await _first(serving, stopping)
            await _leave(contract, app, service, server, listener)
    finally:
        app.phase = Phase.DRAINING
        server.should_exit = True
        await serving
        service.line.close()
        await asyncio.to_thread(runner.join, LAST_STEP_SECONDS)
        hurrying.cancel()
        stopping.cancel()


def _post(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """Set an event from another thread."""
    with suppress(RuntimeError):  # a server that has ended needs no notice
        loop.call_soon_threadsafe(event.set)


def _app(contract: ServingContract, service: Service, runner: Runner, metrics: Metrics) -> App:
    keys = None if contract.keys_file is None else Keys(Path(contract.keys_file))
    return App(
        {**service.routes, **pages(service.routes, title=service.name, keys=keys is not None)},
        metrics,
        keys=keys,
        max_body_bytes=service.max_body_bytes,
        trouble=lambda: runner.trouble,
    )


async def _leave(
    contract: ServingContract, app: App, service: Service, server: "_Server", listener: socket.socket
) -> None:
    """The way out, until nothing is left to answer or the time for that is over."""
    app.phase = Phase.PROPAGATING
    tell(f"told to stop: answers for {contract.propagation_seconds} s more, then drains")
    await asyncio.sleep(contract.propagation_seconds)
    app.phase = Phase.DRAINING
    over = time.monotonic() + contract.drain_seconds
    last_words = min(LAST_WORDS_SECONDS, LAST_WORDS * contract.drain_seconds)
    await stop_listening(listener, server.close_listeners, over - last_words)
    await linger(lambda: server.server_state.connections, lambda: app.open, over - last_words)
    if app.open:
        tell(f"{app.open} requests cannot be answered in time: they are told so")
        service.line.stop()
        await wait_until(lambda: not app.open, over)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to `serve`: uvicorn would close the listener at once and die of the signal in the end."""
        yield

    async def close_listeners(self) -> None:
        """Let nobody connect; what is open stays."""
        for each in self.servers:
            each.close()


def _uvicorn_config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        # `_leave` has waited already; this is for what it gave up
        timeout_graceful_shutdown=1,
    )


async def _first(*futures: "asyncio.Future[Any]") -> "asyncio.Future[Any]":
    """The one of the futures that is done first; of several, the first that is named."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    return next(future for future in futures if future.done())
