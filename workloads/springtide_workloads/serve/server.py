"""A server's life: sockets, loading, serving, and a way out that loses no request.

| when | readiness | a new request | an accepted one |
|---|---|---|---|
| until the model is loaded | 503 | 503 | - |
| serving | 200 | computed; 429 when the queue is full | computed |
| SIGTERM + `propagation_seconds` | 503 | computed, and its connection closed | computed |
| then, for `drain_seconds` at most | 503 | no connection | computed |
"""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn
from prometheus_client import start_http_server

from springtide_workloads.contract import ServingContract
from springtide_workloads.errors import ConfigError
from springtide_workloads.serve.app import App, Phase
from springtide_workloads.serve.engine import Engine
from springtide_workloads.serve.keys import Keys
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.model import Model
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell

KEEP_ALIVE_SECONDS: Final = 620
"""How long an idle connection stays open: longer than load balancers keep theirs (Google's: 600 s), so that they close
first."""

ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104  a container is reached from outside; what may reach it is the network policy's


async def serve(contract: ServingContract) -> None:
    """Serves until SIGTERM or SIGINT, then drains and returns.

    Raises:
        ConfigError: when a port is taken, or the keys cannot be read.
        StorageError: when the model cannot be loaded.
    """
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    metrics = Metrics()
    store = Store(contract.model_url)
    engine = Engine(lambda: Model.load(store, contract.device), metrics)
    app = App(engine, metrics, None if contract.keys_file is None else Keys(Path(contract.keys_file)))
    listener = _bound(contract.http_port)
    _serve_metrics(metrics, contract.metrics_port)
    server = _Server(_uvicorn_config(app, contract))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(told.wait())
    engine.start()
    try:
        if await _first(engine.loaded, serving, stopping) is engine.loaded:
            engine.loaded.result()
            app.phase = Phase.SERVING
            tell(f"ready: {contract.model_url} on port {contract.http_port}, metrics on {contract.metrics_port}")
            await _first(serving, stopping)
            app.phase = Phase.PROPAGATING
            tell(f"told to stop: answers for {contract.propagation_seconds} s more, then drains")
            await asyncio.sleep(contract.propagation_seconds)
    finally:
        app.phase = Phase.DRAINING
        server.should_exit = True
        await serving
        stopping.cancel()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to `serve`: uvicorn would close the listener at once and die of the signal in the end."""
        yield


def _uvicorn_config(app: App, contract: ServingContract) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=contract.drain_seconds,
    )


async def _first(*futures: "asyncio.Future[Any]") -> "asyncio.Future[Any]":
    """The one of the futures that is done first; of several, the first that is named."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    return next(future for future in futures if future.done())


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ANY_ADDRESS, port))
    except OSError as error:
        listener.close()
        raise _taken(port, error) from error
    return listener


def _serve_metrics(metrics: Metrics, port: int) -> None:
    try:
        start_http_server(port, ANY_ADDRESS, metrics.registry)
    except OSError as error:
        raise _taken(port, error) from error


def _taken(port: int, error: OSError) -> ConfigError:
    return ConfigError(f"cannot listen on port {port}: {error.strerror}. Stop what uses it, or choose another port.")
