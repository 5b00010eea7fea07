"""The server as a process: it loads, answers, and leaves without losing a request."""

import http.client
import json
import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.workloads.processes import FIRST_PROCESS, Launcher, Process, free_port, has_namespaces, until
from tests.workloads.serving_scenes import Frozen

from springtide_workloads.contract import PREDICT_PATH, Device, ExitCode, Layout, Metric, ServingContract
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.models.exported import read
from springtide_workloads.storage import Store

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(300)]

PROPAGATION_SECONDS = 3


def contract(place: Path) -> ServingContract:
    return ServingContract(
        model_url=place.as_uri(),
        device=Device.CPU,
        http_port=free_port(),
        metrics_port=free_port(),
        grace_seconds=60,
        propagation_seconds=PROPAGATION_SECONDS,
        drain_seconds=30,
    )


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def status(port: int, path: str) -> int:
    try:
        return get(port, path)[0]
    except OSError:
        return 0


def started(launch: Launcher, place: Path, prefix: tuple[str, ...] = ()) -> tuple[Process, ServingContract]:
    settings = contract(place)
    process = launch.serve(settings, prefix=prefix)
    until(lambda: status(settings.http_port, "/health/ready") == 200, while_alive=process)
    return process, settings


def complete(port: int, tokens: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v1/completions", json.dumps({"prompt": "The", "max_tokens": tokens}))
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@dataclass
class Client:
    """Sends one request after another over a connection that it keeps, until load balancers would send it elsewhere."""

    port: int
    over: threading.Event
    statuses: list[int] = field(default_factory=list)
    reconnects: int = 0

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = json.dumps({"prompt": "The", "max_tokens": 2})
        while not self.over.is_set():
            connection.request("POST", "/v1/completions", body)
            answer = connection.getresponse()
            answer.read()
            self.statuses.append(answer.status)
            self.reconnects += answer.will_close
        connection.close()


ways = [
    pytest.param((), id="child"),
    pytest.param(
        FIRST_PROCESS,
        id="first process",
        marks=pytest.mark.skipif(not has_namespaces(), reason="this machine lets nobody make process namespaces"),
    ),
]


@pytest.mark.parametrize("prefix", ways)
def test_nothing_sent_while_load_balancers_learn_is_lost(
    launch: Launcher, finished: Path, prefix: tuple[str, ...]
) -> None:
    process, settings = started(launch, finished, prefix)
    over = threading.Event()
    clients = [Client(settings.http_port, over) for _ in range(8)]
    with ThreadPoolExecutor(len(clients) + 1) as pool:
        running = [pool.submit(client.run) for client in clients]
        until(lambda: all(len(client.statuses) > 3 for client in clients))
        process.told(signal.SIGTERM)
        told = time.monotonic()
        until(lambda: status(settings.http_port, "/health/ready") == 503)
        # the last of them goes out just before the window ends and is computed beyond it
        time.sleep(told + PROPAGATION_SECONDS - 0.3 - time.monotonic())
        long = pool.submit(complete, settings.http_port, 60)
        over.set()
        assert [one.result() for one in running] == [None] * len(clients)
        assert long.result() == 200
    assert process.wait() == ExitCode.DONE, process.text()
    assert {code for client in clients for code in client.statuses} == {200}
    assert all(client.reconnects for client in clients)


def test_metrics_have_the_contracts_names_on_their_own_port(launch: Launcher, finished: Path) -> None:
    _, settings = started(launch, finished)
    assert complete(settings.http_port, 5) == 200
    code, text = get(settings.metrics_port, "/metrics")
    lines = text.decode().splitlines()
    assert code == 200
    assert {name for name in Metric if not any(line.startswith(name) for line in lines)} == set()
    assert "springtide_ready 1.0" in lines
    assert 'springtide_tokens_total{kind="completion"} 5.0' in lines


def test_the_collector_leaves_alone_what_was_loaded(launch: Launcher, tmp_path: Path) -> None:
    settings = replace(contract(tmp_path), predictor=f"{Frozen.__module__}.{Frozen.__name__}")
    process = launch.serve(settings)
    until(lambda: status(settings.http_port, "/health/ready") == 200, while_alive=process)
    connection = http.client.HTTPConnection("127.0.0.1", settings.http_port, timeout=60)
    connection.request("POST", PREDICT_PATH, json.dumps({"n": 1}))
    assert json.loads(connection.getresponse().read())["n"] > Frozen.kept
    connection.close()


def test_a_server_told_to_stop_before_it_is_ready_leaves_at_once(launch: Launcher, finished: Path) -> None:
    process = launch.serve(contract(finished))
    time.sleep(0.3)
    began = time.monotonic()
    process.told(signal.SIGTERM)
    # while Python itself starts there is no handler yet: then the signal kills, and nothing was accepted either
    assert process.wait() in (ExitCode.DONE, -signal.SIGTERM), process.text()
    assert time.monotonic() - began < 20


def test_a_server_without_a_finished_model_ends_as_storage_and_says_so(launch: Launcher, tmp_path: Path) -> None:
    code, text = launch.serve(contract(tmp_path)).ends()
    assert code == ExitCode.STORAGE
    assert "there is no finished model" in text
    assert "Traceback" not in text


def test_a_port_that_is_taken_ends_as_config(launch: Launcher, finished: Path) -> None:
    settings = contract(finished)
    with socket.socket() as other:
        other.bind(("0.0.0.0", settings.http_port))
        other.listen()
        code, text = launch.serve(settings).ends()
    assert code == ExitCode.CONFIG
    assert f"cannot listen on port {settings.http_port}" in text
    assert "Traceback" not in text


def test_wrong_settings_end_as_config(launch: Launcher, finished: Path) -> None:
    env = contract(finished).to_env() | {"SPRINGTIDE_DRAIN_SECONDS": "1000"}
    code, text = launch.module("springtide_workloads.serve", env=env).ends()
    assert code == ExitCode.CONFIG
    assert "at most SPRINGTIDE_GRACE_SECONDS, which is 60" in text


def test_weights_that_are_damaged_are_never_served(finished: Path, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    shutil.copytree(finished, place)
    weights = place / Layout.EXPORT_WEIGHTS
    *start, last = weights.read_bytes()
    weights.write_bytes(bytes([*start, last ^ 1]))
    with pytest.raises(StorageError, match="does not match the digest"):
        read(Store(place.as_uri())).build()


def test_a_kind_of_model_that_this_server_does_not_know_is_a_setting_to_change(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "copy")
    config = tmp_path / "copy" / Layout.EXPORT_CONFIG
    config.write_text(config.read_text().replace('"kind": "gpt"', '"kind": "mamba"'))
    with pytest.raises(ConfigError, match="of kind 'mamba', which this image does not have"):
        read(Store((tmp_path / "copy").as_uri())).build()


def test_an_export_of_another_format_is_told_and_not_guessed(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "copy")
    (tmp_path / "copy" / Layout.EXPORT_CONFIG).write_text('{"something": "else"}')
    with pytest.raises(StorageError, match=r"config.json cannot be read"):
        read(Store((tmp_path / "copy").as_uri())).build()


def test_serving_here_takes_another_port_when_its_own_is_taken_and_says_what_to_try(
    launch: Launcher, local_training: tuple[Process, Path], finished: Path
) -> None:
    assert finished.exists()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        runs = str(local_training[1])
        process = launch.module("springtide_workloads.local", "serve", "--dir", runs, "--port", str(taken))
        until(lambda: "curl -s http://127.0.0.1:" in process.text(), while_alive=process)
    assert f"port {taken} is taken" in process.text()
    port = int(process.text().split("curl -s http://127.0.0.1:")[1].split("/")[0])
    assert complete(port, 3) == 200
    process.told(signal.SIGTERM)
    assert process.wait() == ExitCode.DONE, process.text()


def test_serving_here_without_a_model_says_what_to_run_first(launch: Launcher, tmp_path: Path) -> None:
    code, text = launch.module("springtide_workloads.local", "serve", "--dir", str(tmp_path)).ends()
    assert code == ExitCode.CONFIG
    assert "run `make train` first" in text
