"""Faults around a gateway: a service that must wake, replicas and gateways that die, a gateway told to stop under load.

What is promised: a request that the gateway accepted is answered as long as the gateway lives and its client waits, but for
one that a replica took with it as it died. That one is repeated only where it may be: its method says so, or the client's
`Idempotency-Key`. A gateway that is killed takes with it what it held; its clients are refused a connection or see theirs
broken, never a part of an answer, and the next gateway has their arm.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession
from tests.workloads.gateway_scenes import HOST, Scene, Server, gateway, held, until
from tests.workloads.processes import Launcher, Process, free_port
from yarl import URL

from springtide_workloads.contract import ARM_HEADER, SESSION_HEADER, Env, ExitCode, GatewayMetric

pytestmark = [pytest.mark.faults, pytest.mark.enable_socket, pytest.mark.timeout(240)]

COLD_START_SECONDS = 5


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path_factory.mktemp("logs"))
    yield launcher
    launcher.close()


def scene(play: Callable[[AsyncExitStack], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            await play(stack)

    asyncio.run(whole())


async def started(stack: AsyncExitStack, server: Server) -> Server:
    await server.start()
    stack.push_async_callback(server.stop)
    return server


async def woken(stack: AsyncExitStack, gate: Scene, server: Server) -> float:
    """What KEDA and a machine do: once the gateway's number is there, a replica is, a cold start later; when it was."""

    async def asked() -> bool:
        return await gate.number(GatewayMetric.REQUESTS) > 0

    await until(asked)
    await asyncio.sleep(COLD_START_SECONDS)
    await started(stack, server)
    return time.monotonic()


def test_a_hundred_requests_wake_a_service_and_none_of_them_is_lost(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = Server(seconds=0.05)
        gate = await stack.enter_async_context(gateway(launch, server.address))
        waking = asyncio.create_task(woken(stack, gate, server))
        asking = [asyncio.create_task(gate.ask(number=number, data=b"x" * 10_000)) for number in range(100)]
        await held(gate, 100)
        ready = await waking
        answers = await asyncio.gather(*asking)
        assert {status for status, _ in answers} == {200}
        assert time.monotonic() - ready < 20
        assert sorted(map(int, server.begun)) == list(range(100))
        assert server.most_in_flight <= 8
        assert await gate.lost() == {}

    scene(play)


def replica(launch: Launcher, folder: Path, *, seconds: float) -> tuple[Process, str, Path]:
    port, diary = free_port(), folder / f"begun-{len(launch.started)}"
    diary.touch()
    return launch.module("tests.faults.replica", str(port), str(seconds), str(diary)), f"{HOST}:{port}", diary


@pytest.mark.parametrize("repeatable", [False, True])
def test_a_replica_that_dies_takes_with_it_only_what_it_computes_and_may_not_be_repeated(
    launch: Launcher, tmp_path: Path, *, repeatable: bool
) -> None:
    async def play(stack: AsyncExitStack) -> None:
        dying, first, taken = replica(launch, tmp_path, seconds=30)
        _, second, done = replica(launch, tmp_path, seconds=0.05)
        gate = await stack.enter_async_context(gateway(launch, first, second, in_flight_per_replica=4))

        async def both() -> bool:
            return await gate.number(GatewayMetric.REPLICAS) == 2

        await until(both)
        headers = {"Idempotency-Key": "k"} if repeatable else {}
        asking = [asyncio.create_task(gate.ask(number=number, headers=headers)) for number in range(60)]

        async def computes() -> bool:
            return len(_lines(taken)) == 4 and len(_lines(done)) == 56

        await until(computes, while_alive=dying)
        dying.kill_all()
        answers = await asyncio.gather(*asking)
        statuses = Counter(status for status, _ in answers)
        began = Counter(_lines(taken) + _lines(done))
        if repeatable:
            assert statuses == {200: 60}
            assert {number for number, times in began.items() if times > 1} == set(_lines(taken))
            assert await gate.lost() == {}
        else:
            assert statuses == {200: 56, 502: 4}
            assert {answers[int(number)][0] for number in _lines(taken)} == {502}
            assert set(began.values()) == {1}
            assert await gate.lost() == {"broken": 4}

    scene(play)


def _lines(diary: Path) -> list[str]:
    return diary.read_text().split()


def test_a_request_that_replicas_die_of_does_not_kill_them_all(launch: Launcher) -> None:
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
        stack.callback(server.close)
        gate = await stack.enter_async_context(gateway(launch, f"{HOST}:{server.sockets[0].getsockname()[1]}"))
        assert (await gate.ask(headers={"Idempotency-Key": "k"}))[0] == 502
        assert taken == 3

    scene(play)


def test_a_gateway_that_is_killed_takes_only_what_it_held_and_the_next_one_has_the_same_arms(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        own, other = Server(), Server()
        env = {Env.ARMS.value: "chat=50,chat-b=50"}
        replicas = (own.address, f"chat-b={other.address}")
        gates = [await stack.enter_async_context(gateway(launch, *replicas, env=env)) for _ in range(2)]
        asking = [asyncio.create_task(_ask_until_answered(gates, i)) for i in range(60)]
        await held(gates[0], 30)
        await held(gates[1], 30)
        gates[0].process.kill_all()
        await held(gates[1], 60)
        await started(stack, own)
        await started(stack, other)
        answers = await asyncio.gather(*asking)
        assert [broken for broken, *_ in answers] == [1, 0] * 30
        assert {status for _, status, _ in answers} == {200}
        assert await gates[1].lost() == {}
        gates[0] = await stack.enter_async_context(gateway(launch, *replicas, env=env))
        again = await asyncio.gather(*(_ask_until_answered(gates, i) for i in range(60)))
        assert [arm for *_, arm in again] == [arm for *_, arm in answers]
        assert {arm for *_, arm in again} == {"chat", "chat-b"}
        assert own.finished + other.finished == 120

    scene(play)


async def _ask_until_answered(gates: list[Scene], number: int) -> tuple[int, int, str]:
    """What a client does behind a Service: it asks the next gateway if one is gone. How often that was, status, arm."""
    broken = 0
    while True:
        gate = gates[(number + broken) % 2]
        headers = {SESSION_HEADER: str(number // 2), "X-Number": str(number)}
        try:
            async with gate.client.post(f"{gate.url}/work", headers=headers) as answer:
                await answer.read()
                return broken, answer.status, answer.headers[ARM_HEADER]
        except ClientError:
            broken += 1


def test_told_to_stop_under_load_it_loses_nothing_kept_fresh_or_held(launch: Launcher) -> None:
    """Requests by the clock, before SIGTERM and until its propagation window ends, over kept and fresh connections."""

    async def play(stack: AsyncExitStack) -> None:
        server = await started(stack, Server(seconds=0.1))
        gate = await stack.enter_async_context(
            gateway(launch, server.address, in_flight_per_replica=4, propagation_seconds=3)
        )
        asking: list[asyncio.Task[int]] = []
        began = told = time.monotonic()
        while time.monotonic() - told < 2.5 or told == began:
            asking += [asyncio.create_task(_fresh(gate)), asyncio.create_task(_kept(gate))]
            if told == began and time.monotonic() - began > 1:
                gate.told_to_stop()
                told = time.monotonic()
            await asyncio.sleep(0.04)
        statuses = await asyncio.gather(*asking)
        assert set(statuses) == {200}
        assert len(asking) > 60
        assert server.finished == len(asking)
        assert await gate.ends() == ExitCode.DONE, gate.process.text()

    scene(play)


def test_who_connected_last_may_still_take_a_second_to_ask(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = await started(stack, Server(seconds=0.1))
        gate = await stack.enter_async_context(gateway(launch, server.address, propagation_seconds=2))
        assert (await gate.ask())[0] == 200
        gate.told_to_stop()
        await asyncio.sleep(1.7)
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(gate.url).port)
        await asyncio.sleep(1.5)
        writer.write(b"POST /work HTTP/1.1\r\nhost: x\r\nx-number: 1\r\ncontent-length: 0\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer.lower()
        assert await gate.ends() == ExitCode.DONE, gate.process.text()

    scene(play)


async def _kept(gate: Scene) -> int:
    return (await gate.ask())[0]


async def _fresh(gate: Scene) -> int:
    async with ClientSession() as client, client.post(f"{gate.url}/work", headers={"X-Number": "0"}) as answer:
        await answer.read()
        return answer.status


def test_a_frozen_replica_costs_a_client_no_more_than_its_own_time(launch: Launcher, tmp_path: Path) -> None:
    async def play(stack: AsyncExitStack) -> None:
        frozen, address, _ = replica(launch, tmp_path, seconds=0.05)
        gate = await stack.enter_async_context(gateway(launch, address))
        assert (await gate.ask())[0] == 200
        os.kill(frozen.popen.pid, signal.SIGSTOP)
        began = time.monotonic()
        assert (await gate.ask(headers={"X-Request-Timeout-Ms": "1000"}))[0] == 504
        assert time.monotonic() - began < 5
        os.kill(frozen.popen.pid, signal.SIGCONT)

    scene(play)
