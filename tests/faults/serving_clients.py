"""Clients of a server under stress: each keeps account of what became of what it sent."""

import http.client
import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.workloads.processes import Launcher, Process, free_port, until

from springtide_workloads.contract import Device, ServingContract

ROOT = Path(__file__).parents[2]


@dataclass
class Server:
    """A running server."""

    process: Process
    port: int
    metrics_port: int

    def get(self, path: str) -> int:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def predict(self, n: int, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("POST", "/v1/predict", json.dumps({"n": n}), named)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


def started(launch: Launcher, predictor: str, *, prefix: tuple[str, ...] = (), **changes: Any) -> Server:
    """A server that is ready; the predictor is one of `tests.faults.predictors`."""
    settings: dict[str, Any] = {
        "model_url": ROOT.as_uri(),
        "predictor": f"tests.faults.predictors.{predictor}",
        "device": Device.CPU,
        "http_port": free_port(),
        "metrics_port": free_port(),
        "grace_seconds": 60,
        "propagation_seconds": 0,
        "drain_seconds": 10,
    }
    contract = ServingContract(**settings | changes)
    env = contract.to_env() | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "workloads")])}
    process = launch.module("springtide_workloads.serve", env=env, prefix=prefix)
    server = Server(process, contract.http_port, contract.metrics_port)
    until(lambda: server.get("/health/ready") == 200, while_alive=process)
    return server


@dataclass
class Account:
    """What became of requests: a status, `refused` where nothing was sent, or `lost` where nobody knows."""

    fates: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, fate: str) -> None:
        with self._lock:
            self.fates[fate] += 1


@dataclass
class Client:
    """Asks again and again until nobody listens any more, over one connection or a fresh one each time."""

    port: int
    keeps: bool
    account: Account

    def run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while True:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                try:
                    connection.connect()
                except OSError:
                    self.account.note("refused")
                    return
            try:
                connection.request("POST", "/v1/predict", '{"n": 1}')
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.account.note(f"lost: {error!r}")
                return
            self.account.note(str(answer.status))
            if answer.will_close or not self.keeps:
                connection.close()
                connection = None
            time.sleep(0.02)


@contextmanager
def asking(port: int, keep: int, fresh: int) -> Iterator[Account]:
    """Clients that ask until nobody listens; all of them are done at the end."""
    account = Account()
    clients = [Client(port, keeps, account) for keeps in (*[True] * keep, *[False] * fresh)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    yield account
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@dataclass
class Load:
    """Requests at fixed times, whatever becomes of those before: arrivals do not wait for answers."""

    port: int
    headers: bytes = b"x-request-timeout-ms: 1000\r\n"
    answers: list[tuple[int, float, bool]] = field(default_factory=list)
    """Status, seconds, and whether it said when to ask again."""

    def run(self, rate: float, seconds: float) -> None:
        threads = []
        begun = time.monotonic()
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            threads.append(threading.Thread(target=self._ask))
            threads[-1].start()
        for thread in threads:
            thread.join(60)

    def _ask(self) -> None:
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(
                b"POST /v1/predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\n%bcontent-length: 8\r\n\r\n"
                % self.headers
                + b'{"n": 1}'
            )
            text = b""
            while data := connection.recv(65536):
                text += data
        self.answers.append((int(text[9:12]), time.monotonic() - begun, b"retry-after" in text.lower()))
