"""The server as a process, overloaded, told to go, starved and broken at known places: what it accepted is answered."""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.faults.serving_clients import Load, asking, started
from tests.workloads.processes import FIRST_PROCESS, Launcher, has_namespaces, until

from springtide_workloads.contract import ExitCode

pytestmark = [pytest.mark.faults, pytest.mark.enable_socket, pytest.mark.timeout(200)]

REQUEST = b'POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n{"n": 1}'

ways = [
    pytest.param(0, (), id="child, at once"),
    pytest.param(5, (), id="child, 5 s"),
    pytest.param(
        2,
        FIRST_PROCESS,
        id="first process, 2 s",
        marks=pytest.mark.skipif(not has_namespaces(), reason="this machine lets nobody make process namespaces"),
    ),
]


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path_factory.mktemp("logs"))
    yield launcher
    launcher.close()


@pytest.mark.parametrize(("propagation", "prefix"), ways)
def test_of_forty_clients_none_loses_a_request(launch: Launcher, propagation: int, prefix: tuple[str, ...]) -> None:
    server = started(launch, "Serial:ms=1,max_batch=16", prefix=prefix, propagation_seconds=propagation)
    with asking(server.port, keep=20, fresh=20) as account:
        until(lambda: account.fates["200"] > 200)
        server.process.told(signal.SIGTERM)
        told = time.monotonic()
    assert server.process.wait() == ExitCode.DONE, server.process.text()
    assert time.monotonic() - told < propagation + 12
    # whoever found nobody listening sent nothing, and asks another replica
    assert set(account.fates) == {"200", "refused"}, account.fates
    assert account.fates["refused"] == 40


def test_who_connected_last_may_still_take_a_second_to_ask(launch: Launcher) -> None:
    server = started(launch, "Serial:ms=1", propagation_seconds=3)
    server.process.told(signal.SIGTERM)
    time.sleep(2.7)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        time.sleep(1.5)
        connection.sendall(REQUEST)
        assert b"connection: close" in connection.recv(65536)
    assert server.process.wait() == ExitCode.DONE


def test_an_idle_connection_is_told_to_go_before_it_is_closed(launch: Launcher) -> None:
    server = started(launch, "Serial:ms=1")
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(REQUEST)
        assert b" 200 " in connection.recv(65536)
        server.process.told(signal.SIGTERM)
        time.sleep(1)
        connection.sendall(REQUEST)
        assert b"connection: close" in connection.recv(65536)
    assert server.process.wait() == ExitCode.DONE


def test_streams_that_cannot_end_say_so_in_their_last_event(launch: Launcher) -> None:
    server = started(launch, "Slowly:ms=50", drain_seconds=3)
    with ThreadPoolExecutor(3) as pool:
        running = pool.submit(server.predict, 1000)
        time.sleep(1)
        waiting = pool.submit(server.predict, 1000)
        time.sleep(0.2)
        server.process.told(signal.SIGTERM)
        (status, _, text), (refused, headers, _) = running.result(), waiting.result()
    assert server.process.wait() == ExitCode.DONE, server.process.text()
    events = [json.loads(each.removeprefix(b"data: ")) for each in text.split(b"\n\n") if each]
    numbers = [each["n"] for each in events[:-1]]
    assert status == 200
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 10
    assert events[-1]["error"]["code"] == "stopped"
    assert events[-1]["events"] == len(numbers)
    # one that had no piece yet has a status of its own
    assert (refused, headers["retry-after"]) == (503, "1")


def test_four_times_what_it_can_do_leaves_the_answers_that_it_can_give(launch: Launcher) -> None:
    server = started(launch, "Serial:ms=40")
    load = Load(server.port)
    load.run(rate=100, seconds=5)
    good = [seconds for status, seconds, _ in load.answers if status == 200 and seconds <= 1]
    late = [seconds for status, seconds, _ in load.answers if status == 200 and seconds > 1]
    refused = [said for status, _, said in load.answers if status == 429]
    assert {status for status, _, _ in load.answers} <= {200, 429, 504}
    assert len(good) >= 0.8 * 25 * 5
    assert len(late) <= 0.02 * len(good)
    assert refused
    assert all(refused)


def test_the_more_important_half_is_answered_at_twice_the_load(launch: Launcher) -> None:
    server = started(launch, "Serial:ms=40")
    loads = [
        Load(server.port, b"x-request-timeout-ms: 1000\r\nx-request-priority: %b\r\n" % p) for p in (b"low", b"high")
    ]
    threads = [threading.Thread(target=load.run, args=(22, 5)) for load in loads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    low, high = [[status for status, seconds, _ in load.answers if seconds <= 1] for load in loads]
    assert high.count(200) >= 0.95 * 110
    assert low.count(200) < 0.5 * 110


def test_when_the_engine_dies_the_probes_say_so_and_nobody_waits(launch: Launcher) -> None:
    server = started(launch, "Deadly")
    assert server.predict(13)[0] == 503
    until(lambda: server.get("/health/live") == 503)
    assert server.get("/health/ready") == 503
    assert server.predict(1)[0] == 503
    server.process.told(signal.SIGTERM)
    assert server.process.wait() == ExitCode.DONE
    assert "SystemExit: thirteen" in server.process.text()


def test_a_model_that_hangs_fails_liveness_and_the_server_still_goes(launch: Launcher) -> None:
    server = started(launch, "Deadly:stuck_seconds=1", drain_seconds=2)
    assert server.predict(14, x_request_timeout_ms="300")[0] == 504
    until(lambda: server.get("/health/live") == 503)
    server.process.told(signal.SIGTERM)
    assert server.process.wait() == ExitCode.DONE


def test_a_body_that_is_announced_as_too_long_is_not_waited_for(launch: Launcher) -> None:
    server = started(launch, "Serial")
    head = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_heads_that_never_end_are_broken_off_and_others_are_answered(launch: Launcher) -> None:
    server = started(launch, "Serial:ms=1")
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(50)]
    try:
        for each in slow:
            each.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\nx-a: ")
        assert server.predict(1)[0] == 200
        for each in slow:
            assert each.recv(65536).startswith(b"HTTP/1.1 408 ")
        long = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        long.sendall(b"POST /v1/predict HTTP/1.1\r\nx-a: " + b"a" * 70_000)
        assert long.recv(65536).startswith(b"HTTP/1.1 431 ")
        long.close()
    finally:
        for each in slow:
            each.close()
    assert server.predict(1)[0] == 200
