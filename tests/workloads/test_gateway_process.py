"""The gateway as a process: what it is given while nobody can answer is answered, in order, within its bounds."""

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout
from tests.workloads.gateway_scenes import HOST, Server, contract, gateway, held, until
from tests.workloads.processes import Launcher

from springtide_workloads.contract import ExitCode, GatewayMetric

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(120)]


def scene(play: Callable[[AsyncExitStack], Awaitable[None]]) -> None:
    """Plays a scene; what it started is stopped."""

    async def whole() -> None:
        async with AsyncExitStack() as stack:
            await play(stack)

    asyncio.run(whole())


async def started(stack: AsyncExitStack, server: Server) -> Server:
    await server.start()
    stack.push_async_callback(server.stop)
    return server


def test_a_hundred_requests_to_a_service_at_zero_are_answered_in_the_order_they_came(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = Server()
        gate = await stack.enter_async_context(gateway(launch, server.address, in_flight_per_replica=1))
        asking = []
        for number in range(100):
            asking.append(asyncio.create_task(gate.ask(number=number)))
            await held(gate, number + 1)
        assert await gate.number(GatewayMetric.REQUESTS) == 100
        await asyncio.sleep(3)
        await started(stack, server)
        answers = await asyncio.gather(*asking)
        assert {status for status, _ in answers} == {200}
        assert server.begun == [str(number) for number in range(100)]
        assert server.most_in_flight == 1
        assert await gate.lost() == {}
        assert await gate.number(GatewayMetric.REQUESTS) == 0
        assert await gate.number(f"{GatewayMetric.WAITED_SECONDS}_count") == 100

    scene(play)


def test_a_replica_that_leaves_under_load_takes_no_request_with_it(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        leaving, staying = await started(stack, Server()), await started(stack, Server())
        gate = await stack.enter_async_context(gateway(launch, leaving.address, staying.address))
        over = asyncio.Event()
        clients = [asyncio.create_task(_keep_asking(gate, over)) for _ in range(20)]
        await asyncio.sleep(0.5)
        await leaving.drain(1.5)
        await asyncio.sleep(0.5)
        over.set()
        statuses = [status for client in clients for status in await client]
        assert set(statuses) == {200}
        assert leaving.finished + staying.finished == len(statuses)
        assert leaving.finished > 20
        assert await gate.lost() == {}

    scene(play)


async def _keep_asking(gate: Any, over: asyncio.Event) -> list[int]:
    statuses = []
    while not over.is_set():
        statuses.append((await gate.ask())[0])
    return statuses


def test_a_replica_that_is_gone_without_a_word_had_nothing_that_was_not_taken(launch: Launcher) -> None:
    """Its port is closed and nobody has said so yet: connections are refused, and the requests go elsewhere."""

    async def play(stack: AsyncExitStack) -> None:
        gone, staying = await started(stack, Server()), await started(stack, Server())
        gate = await stack.enter_async_context(gateway(launch, gone.address, staying.address))
        await gone.stop()
        answers = await asyncio.gather(*(gate.ask() for _ in range(50)))
        assert {status for status, _ in answers} == {200}
        assert staying.finished == 50

    scene(play)


def test_what_a_replica_refuses_as_it_goes_is_sent_to_another_with_its_body(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        going, staying = await started(stack, Server(says=503)), await started(stack, Server())
        gate = await stack.enter_async_context(gateway(launch, going.address, staying.address))
        answers = await asyncio.gather(*(gate.ask(data=b"x" * 100_000) for _ in range(10)))
        assert {status for status, _ in answers} == {200}
        assert going.bodies
        assert set(staying.bodies) == {b"x" * 100_000}

    scene(play)


def test_a_503_of_every_replica_is_the_service_s_own_answer_in_the_end(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = await started(stack, Server(says=503))
        gate = await stack.enter_async_context(gateway(launch, server.address))
        assert (await gate.ask("/work?a=b"))[1] == f"{server.port} /work?a=b"
        assert server.finished == 5

    scene(play)


def test_a_request_that_a_replica_took_and_broke_off_is_not_sent_again(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        taken = 0

        async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal taken
            head = await reader.readuntil(b"\r\n\r\n")
            if b"/health" in head:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
            else:
                taken += 1
            writer.close()

        server = await asyncio.start_server(breaks, HOST, 0)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        gate = await stack.enter_async_context(gateway(launch, f"{HOST}:{port}"))
        status, text = await gate.ask(data=b"x")
        assert (status, taken) == (502, 1)
        assert '"reason": "broken"' in text
        assert await gate.lost() == {"broken": 1}

    scene(play)


def test_each_request_goes_to_the_replica_with_the_fewest_and_none_gets_more_than_it_may(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        slow, fast = await started(stack, Server(seconds=0.5)), await started(stack, Server(seconds=0.02))
        gate = await stack.enter_async_context(gateway(launch, slow.address, fast.address, in_flight_per_replica=4))
        await asyncio.gather(*(gate.ask() for _ in range(60)))
        assert (slow.most_in_flight, fast.most_in_flight) == (4, 4)
        assert fast.finished > 3 * slow.finished

    scene(play)


def test_no_more_requests_wait_than_may_and_the_next_are_told_so(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = Server()
        gate = await stack.enter_async_context(gateway(launch, server.address, held_requests=5))
        waiting = [asyncio.create_task(gate.ask()) for _ in range(5)]
        await held(gate, 5)
        async with gate.client.post(f"{gate.url}/work") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
            assert (await answer.json())["error"]["reason"] == "too_many"
        await started(stack, server)
        assert {status for status, _ in await asyncio.gather(*waiting)} == {200}
        assert await gate.lost() == {"too_many": 1}

    scene(play)


def test_the_bodies_that_wait_take_no_more_memory_than_they_may(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = Server()
        gate = await stack.enter_async_context(gateway(launch, server.address, held_mib=8))
        before = _resident_mib(gate.process.popen.pid)
        asking = [asyncio.create_task(gate.ask(data=b"x" * (1 << 20))) for _ in range(100)]
        await held(gate, 8)
        grown = _resident_mib(gate.process.popen.pid) - before
        await started(stack, server)
        answers = await asyncio.gather(*asking)
        counts = {status: [code for code, _ in answers].count(status) for status in (200, 503)}
        assert counts == {200: 8, 503: 92}
        assert {len(body) for body in server.bodies} == {1 << 20}
        assert await gate.lost() == {"memory": 92}
        assert grown < 80, f"{grown} MiB for 100 MiB of bodies, of which 8 may be held"

    scene(play)


def _resident_mib(pid: int) -> int:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) >> 10


def test_a_body_that_nobody_could_keep_is_refused_and_so_is_a_timeout_that_is_no_number(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = await started(stack, Server())
        gate = await stack.enter_async_context(gateway(launch, server.address))
        assert (await gate.ask(data=io.BytesIO(bytes(17 << 20))))[0] == 413
        assert (await gate.ask(headers={"X-Request-Timeout-Ms": "soon"}))[0] == 400
        assert server.begun == []

    scene(play)


def test_a_request_waits_as_long_as_a_replica_needs_and_no_longer(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        gate = await stack.enter_async_context(gateway(launch, f"{HOST}:1", hold_seconds=2))
        began = time.monotonic()
        async with gate.client.post(f"{gate.url}/work") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            error = (await answer.json())["error"]
        assert 2 <= time.monotonic() - began < 6
        assert error == {"message": "no replica took the request within 2 s", "reason": "no_replica"}
        assert await gate.lost() == {"no_replica": 1}

    scene(play)


def test_a_client_s_own_deadline_ends_its_wait_and_what_is_left_of_it_is_handed_on(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = Server()
        gate = await stack.enter_async_context(gateway(launch, server.address))
        assert (await gate.ask(headers={"X-Request-Timeout-Ms": "300"}))[0] == 504
        await started(stack, server)
        assert (await gate.ask(headers={"X-Request-Timeout-Ms": "20000"}))[0] == 200
        assert 10_000 < int(server.headers[0]["X-Request-Timeout-Ms".lower()]) <= 20_000
        server.seconds = 30
        assert (await gate.ask(headers={"X-Request-Timeout-Ms": "300"}))[0] == 504
        await until(lambda: _given_up(server, 1))
        assert await gate.lost() == {"timeout": 2}

    scene(play)


async def _given_up(server: Server, count: int) -> bool:
    return server.given_up == count


def test_each_piece_of_a_stream_is_there_before_the_next_is_made(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = await started(stack, Server())
        gate = await stack.enter_async_context(gateway(launch, server.address))
        async with gate.client.post(f"{gate.url}/stream") as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            for i in range(3):
                async with asyncio.timeout(10):
                    assert await answer.content.readuntil(b"\n\n") == f"data: {i}\n\n".encode()
                server.more.set()
            assert await answer.content.read() == b""

    scene(play)


@pytest.mark.parametrize("path", ["/work", "/stream"])
def test_a_client_that_goes_takes_its_request_with_it(launch: Launcher, path: str) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = await started(stack, Server(seconds=30))
        gate = await stack.enter_async_context(gateway(launch, server.address))
        async with ClientSession(timeout=ClientTimeout(total=1)) as client:
            with pytest.raises(TimeoutError):
                async with client.post(gate.url + path) as answer:
                    await answer.read()
        await until(lambda: _given_up(server, 1))
        assert await gate.lost() == {"client": 1}
        assert await gate.number(GatewayMetric.REQUESTS) == 0

    scene(play)


def test_a_client_that_goes_while_it_waits_leaves_its_place_to_the_next(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = Server()
        gate = await stack.enter_async_context(gateway(launch, server.address))
        going = asyncio.create_task(gate.ask(number=1))
        await held(gate, 1)
        staying = asyncio.create_task(gate.ask(number=2))
        await held(gate, 2)
        going.cancel()
        await held(gate, 1)
        await started(stack, server)
        assert (await staying)[0] == 200
        assert server.begun == ["2"]

    scene(play)


def test_told_to_stop_it_loses_nothing_of_clients_that_keep_their_connections(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = await started(stack, Server())
        gate = await stack.enter_async_context(gateway(launch, server.address))
        over = asyncio.Event()
        clients = [asyncio.create_task(_until_told_to_close(gate.url, over)) for _ in range(20)]
        await asyncio.sleep(0.5)
        gate.told_to_stop()
        told = time.monotonic()
        await until(lambda: _unready(gate))
        # the last of them goes out as the window ends, and takes longer than that
        await asyncio.sleep(told + gate.contract.propagation_seconds - 0.4 - time.monotonic())
        over.set()
        server.seconds = 2
        late = asyncio.create_task(gate.ask())
        found = [await client for client in clients]
        assert {status for statuses, _ in found for status in statuses} == {200}
        assert all(reconnects > 0 for _, reconnects in found)
        assert (await late)[0] == 200
        assert await gate.ends() == ExitCode.DONE, gate.process.text()
        assert time.monotonic() - told > gate.contract.propagation_seconds

    scene(play)


async def _unready(gate: Any) -> bool:
    return bool(await gate.status("/health/ready") == 503)


async def _until_told_to_close(url: str, over: asyncio.Event) -> tuple[list[int], int]:
    """Statuses of one request after another over a kept connection, and how often an answer said it was the last."""
    statuses, reconnects = [], 0
    async with ClientSession() as client:
        while not over.is_set():
            async with client.post(f"{url}/work") as answer:
                await answer.read()
                statuses.append(answer.status)
                reconnects += answer.headers.get("Connection") == "close"
    return statuses, reconnects


def test_told_to_stop_it_still_waits_for_a_replica_with_what_it_holds(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = Server(seconds=0.1)
        gate = await stack.enter_async_context(gateway(launch, server.address, propagation_seconds=0))
        asking = [asyncio.create_task(gate.ask(number=number)) for number in range(10)]
        await held(gate, 10)
        gate.told_to_stop()
        await asyncio.sleep(1)
        assert await gate.number(GatewayMetric.REQUESTS) == 10
        assert await gate.status("/health/live") == 0
        await started(stack, server)
        assert {status for status, _ in await asyncio.gather(*asking)} == {200}
        assert await gate.ends() == ExitCode.DONE, gate.process.text()

    scene(play)


def test_what_a_client_says_arrives_and_what_is_of_its_connection_does_not(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = await started(stack, Server())
        gate = await stack.enter_async_context(gateway(launch, server.address))
        said = {"Authorization": "Bearer k", "Connection": "X-Mine", "X-Mine": "1", "X-Forwarded-For": "192.0.2.1"}
        status, text = await gate.ask("/a%2Fb/../c?x=%20y", data=b"{}", headers=said)
        assert (status, text) == (200, f"{server.port} /a%2Fb/../c?x=%20y")
        [seen] = server.headers
        assert seen["Authorization"] == "Bearer k"
        assert seen["X-Forwarded-For"] == f"192.0.2.1, {HOST}"
        assert "X-Mine" not in seen
        assert server.bodies == [b"{}"]

    scene(play)


def test_whoever_has_no_key_is_not_held_and_wakes_nobody(launch: Launcher, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("good\n")

    async def play(stack: AsyncExitStack) -> None:
        gate = await stack.enter_async_context(gateway(launch, f"{HOST}:1", keys_file=str(keys), hold_seconds=1))
        assert (await gate.ask())[0] == 401
        assert (await gate.ask(headers={"Authorization": "Bearer bad"}))[0] == 401
        assert (await gate.ask(headers={"Authorization": "Bearer good"}))[0] == 503
        assert await gate.lost() == {"key": 2, "no_replica": 1}

    scene(play)


def test_the_numbers_have_the_contract_s_names_before_anything_happened(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        gate = await stack.enter_async_context(gateway(launch, f"{HOST}:1"))
        found = set(await gate.numbers())
        assert await gate.number(GatewayMetric.REQUESTS) == 0
        missing = {name for name in GatewayMetric if not any(one.startswith(name) for one in found)}
        assert missing == {GatewayMetric.ANSWERS}

    scene(play)


def test_a_gateway_outside_a_pod_says_what_it_needs(launch: Launcher) -> None:
    process = launch.module("springtide_workloads.gateway", env=contract().to_env())
    code, text = process.ends()
    assert code == ExitCode.CONFIG
    assert "--kubeconfig FILE" in text
    assert "Traceback" not in text
