"""Which arm a request goes to: the laws of the choice, and a gateway that keeps to it."""

import asyncio
import math
import ssl
from argparse import Namespace
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.workloads.gateway_scenes import HOST, Scene, Server, contract, gateway, held, until
from tests.workloads.processes import Launcher

from springtide_workloads.contract import ARM_HEADER, SESSION_HEADER, ContractError, Env, ExitCode, GatewayMetric
from springtide_workloads.gateway import __main__ as entry
from springtide_workloads.gateway.access import Access
from springtide_workloads.gateway.arms import Arm, arms_of, assigned, sticky_key

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(120)]

NAMES = st.lists(st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True), min_size=1, max_size=5, unique=True)
KEYS = st.lists(st.binary(max_size=20), min_size=1, max_size=50, unique=True)


@st.composite
def divisions(draw: st.DrawFn, count: int = 2) -> list[list[Arm]]:
    """The same arms with different weights, one of which is not 0 each time."""
    names = draw(NAMES)
    weights = st.lists(st.integers(0, 100), min_size=len(names), max_size=len(names)).filter(any)
    return [[Arm(*pair) for pair in zip(names, draw(weights), strict=True)] for _ in range(count)]


def chat(percent: int) -> list[Arm]:
    return [Arm("chat", 100 - percent), Arm("chat-b", percent)]


def places(arms: list[Arm], count: int = 4000) -> list[str]:
    return [assigned(f"session {i}".encode(), arms).name for i in range(count)]


@settings(max_examples=10, deadline=None)
@given(weights=st.lists(st.integers(0, 100), min_size=1, max_size=4).filter(any))
def test_each_arm_gets_its_part_of_many_askers(weights: list[int]) -> None:
    arms = [Arm(f"arm-{i}", weight) for i, weight in enumerate(weights)]
    counts, askers = Counter(places(arms)), 4000
    for arm in arms:
        part = arm.weight / sum(weights)
        # five standard deviations of a fair draw
        assert abs(counts[arm.name] - askers * part) <= 5 * math.sqrt(askers * part * (1 - part))


@given(both=divisions(), keys=KEYS)
def test_an_asker_moves_only_to_an_arm_that_grew_more_than_its_own(both: list[list[Arm]], keys: list[bytes]) -> None:
    before, after = both
    now = {arm.name: arm.weight for arm in after}
    for key in keys:
        old, new = assigned(key, before), assigned(key, after)
        was = next(arm.weight for arm in before if arm.name == new.name)
        if old.name != new.name:
            assert new.weight * old.weight > now[old.name] * was


@given(percents=st.tuples(st.integers(0, 100), st.integers(0, 100)), keys=KEYS)
def test_between_two_arms_only_those_move_who_must(percents: tuple[int, int], keys: list[bytes]) -> None:
    fewer, more = (chat(percent) for percent in sorted(percents))
    for key in keys:
        if assigned(key, fewer).name == "chat-b":
            assert assigned(key, more).name == "chat-b"


def test_from_ten_to_twenty_percent_a_tenth_of_all_askers_moves() -> None:
    moved = sum(old != new for old, new in zip(places(chat(10)), places(chat(20)), strict=True))
    assert 320 <= moved <= 480


def test_an_experiment_that_grows_keeps_everybody_who_was_in_it() -> None:
    inside = [
        {i for i, name in enumerate(places(chat(percent))) if name == "chat-b"} for percent in (0, 1, 10, 50, 100)
    ]
    assert all(smaller < larger for smaller, larger in pairwise(inside))


@given(both=divisions(1), keys=KEYS, scale=st.integers(1, 50), turn=st.randoms())
def test_neither_the_order_of_arms_nor_the_scale_of_weights_matters(
    both: list[list[Arm]], keys: list[bytes], scale: int, turn: Any
) -> None:
    [arms] = both
    other = [Arm(arm.name, arm.weight * scale) for arm in arms]
    turn.shuffle(other)
    assert [assigned(key, arms).name for key in keys] == [assigned(key, other).name for key in keys]


@given(both=divisions(1), keys=KEYS)
def test_an_arm_without_a_part_gets_nobody_and_who_leaves_moves_nobody_else(
    both: list[list[Arm]], keys: list[bytes]
) -> None:
    [arms] = both
    found = [assigned(key, arms) for key in keys]
    assert all(arm.weight for arm in found)
    rest = [arm for arm in arms if arm != found[0]]
    if any(arm.weight for arm in rest):
        assert all(assigned(key, rest) == arm for key, arm in zip(keys, found, strict=True) if arm != found[0])


def test_the_choice_is_the_same_in_every_process_and_every_release() -> None:
    assert [assigned(str(i).encode(), chat(50)).name for i in range(8)] == GOLDEN


GOLDEN = ["chat", "chat", "chat", "chat-b", "chat-b", "chat-b", "chat-b", "chat"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({SESSION_HEADER: "a", "Authorization": "Bearer x"}, {SESSION_HEADER: "a", "Authorization": "Bearer y"}, True),
        ({SESSION_HEADER: "a"}, {SESSION_HEADER: "b"}, False),
        ({"Authorization": "Bearer x"}, {"Authorization": "Bearer x", "X-Forwarded-For": "192.0.2.1"}, True),
        ({"Authorization": "Bearer x"}, {"Authorization": "Bearer y"}, False),
        ({SESSION_HEADER: "Bearer x"}, {"Authorization": "Bearer x"}, False),
        ({"X-Forwarded-For": "192.0.2.1, 10.0.0.1"}, {"X-Forwarded-For": "192.0.2.1, 10.0.0.2"}, True),
        ({"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}, False),
        ({}, {"X-Forwarded-For": "198.51.100.1"}, True),
        ({SESSION_HEADER: ""}, {}, True),
    ],
)
def test_who_asks_is_known_by_session_then_key_then_address(
    first: dict[str, str], second: dict[str, str], *, same: bool
) -> None:
    keys = [sticky_key(headers, "198.51.100.1") for headers in (first, second)]
    assert (keys[0] == keys[1]) is same
    assert all(b"Bearer" not in key for key in keys)


def test_a_service_without_arms_is_its_own_only_one() -> None:
    assert arms_of(contract()) == (Arm("chat-servers", 1),)
    assert arms_of(contract(arms="chat=90,chat-b=10")) == (Arm("chat", 90), Arm("chat-b", 10))


@pytest.mark.parametrize(
    "text", ["", "chat", "chat=", "chat=-1", "chat=1.5", "Chat=1", "chat=1,", "a=0,b=0", "a=1,a=2"]
)
def test_arms_that_say_nothing_clear_are_refused(text: str) -> None:
    with pytest.raises(ContractError, match=Env.ARMS.value):
        contract(arms=text)


def test_the_service_itself_is_found_past_its_own_address_and_other_arms_by_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own address leads to the gateways."""
    access = Access(server="https://api", tls=ssl.create_default_context())
    monkeypatch.setattr(entry, "by_kubeconfig", lambda _file: access)
    asked = Namespace(replica=None, kubeconfig=tmp_path)
    found: dict[Arm, Any] = dict(entry._backends(asked, contract(), tuple(chat(10))))
    assert [(arm.name, one._selector["labelSelector"]) for arm, one in found.items()] == [
        ("chat", "kubernetes.io/service-name=chat-servers"),
        ("chat-b", "kubernetes.io/service-name=chat-b"),
    ]


def scene(play: Callable[[AsyncExitStack], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            await play(stack)

    asyncio.run(whole())


async def started(stack: AsyncExitStack, server: Server) -> Server:
    await server.start()
    stack.push_async_callback(server.stop)
    return server


async def split(
    stack: AsyncExitStack, launch: Launcher, own: Server, other: Server, *, percent: int = 50, **changes: Any
) -> Scene:
    """A gateway of service chat, with its own server and one of arm chat-b."""
    env = {Env.ARMS.value: f"chat={100 - percent},chat-b={percent}"}
    replicas = (own.address, f"chat-b={other.address}")
    return await stack.enter_async_context(gateway(launch, *replicas, env=env, **changes))


async def arm_of(gate: Scene, session: str) -> tuple[int, str]:
    async with gate.client.post(f"{gate.url}/work", headers={SESSION_HEADER: session}) as answer:
        return answer.status, answer.headers[ARM_HEADER]


def session_of(arm: str, percent: int = 50) -> str:
    """A session that is assigned to an arm."""
    tries = (str(i) for i in range(1000))
    return next(one for one in tries if assigned(sticky_key({SESSION_HEADER: one}, None), chat(percent)).name == arm)


def test_a_session_keeps_its_arm_which_its_answers_name_and_the_numbers_count(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        own, other = await started(stack, Server()), await started(stack, Server(says=500))
        gate = await split(stack, launch, own, other, percent=30)
        answers = [await asyncio.gather(*(arm_of(gate, str(i)) for i in range(60))) for _ in range(2)]
        assert answers[0] == answers[1]
        assert {arm: status for status, arm in answers[0]} == {"chat": 200, "chat-b": 500}
        counts = Counter(arm for _, arm in answers[0])
        assert (own.finished, other.finished) == (2 * counts["chat"], 2 * counts["chat-b"])
        for arm, errors in (("chat", 0), ("chat-b", 2 * counts["chat-b"])):
            assert await gate.number(f'springtide_gateway_arm_requests_total{{arm="{arm}"}}') == 2 * counts[arm]
            assert await gate.number(f'springtide_gateway_arm_errors_total{{arm="{arm}"}}') == errors
            assert await gate.number(f'springtide_gateway_arm_seconds_count{{arm="{arm}"}}') == 2 * counts[arm]

    scene(play)


def test_a_gateway_of_one_service_names_no_arm(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        server = await started(stack, Server())
        gate = await stack.enter_async_context(gateway(launch, server.address))
        async with gate.client.post(f"{gate.url}/work") as answer:
            assert ARM_HEADER not in answer.headers
        assert "x-springtide-hold-ms" not in server.headers[0]

    scene(play)


def test_only_its_own_requests_wake_a_service(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        own, other = Server(), Server()
        gate = await split(stack, launch, own, other)
        asking = [asyncio.create_task(arm_of(gate, session_of(arm))) for arm in ("chat", "chat-b", "chat-b")]
        await held(gate, 3)
        assert await gate.number(GatewayMetric.REQUESTS) == 1
        await started(stack, own)
        await started(stack, other)
        assert await asyncio.gather(*asking) == [(200, "chat"), (200, "chat-b"), (200, "chat-b")]

    scene(play)


def test_an_arm_without_a_replica_in_time_loses_no_request(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        own = await started(stack, Server())
        gate = await split(stack, launch, own, Server(), hold_seconds=1)
        assert await arm_of(gate, session_of("chat-b")) == (200, "chat")
        assert await gate.number('springtide_gateway_arm_moved_total{arm="chat-b"}') == 1
        assert await gate.number('springtide_gateway_arm_requests_total{arm="chat-b"}') == 1
        assert await gate.lost() == {}

    scene(play)


def test_nobody_waits_a_whole_hold_for_an_arm_that_is_not_there_while_another_one_is(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        own, other = Server(), Server()
        gate = await split(stack, launch, own, other, hold_seconds=60)
        asking = asyncio.create_task(arm_of(gate, session_of("chat-b")))
        await asyncio.sleep(6)
        assert not asking.done()
        await started(stack, own)
        async with asyncio.timeout(30):
            assert await asking == (200, "chat")
        async with asyncio.timeout(4):
            assert await arm_of(gate, session_of("chat-b")) == (200, "chat")

    scene(play)


def test_half_of_a_client_s_time_is_left_for_another_arm(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        own = await started(stack, Server())
        gate = await split(stack, launch, own, Server())
        headers = {SESSION_HEADER: session_of("chat-b"), "X-Request-Timeout-Ms": "2000"}
        assert (await gate.ask(headers=headers))[0] == 200
        assert 0 < int(own.headers[0]["X-Request-Timeout-Ms".lower()]) <= 1000

    scene(play)


def test_where_no_arm_has_a_replica_the_request_is_refused_and_counted(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        gate = await split(stack, launch, Server(), Server(), hold_seconds=1)
        assert await arm_of(gate, session_of("chat-b")) == (503, "chat-b")
        assert await gate.number('springtide_gateway_arm_errors_total{arm="chat-b"}') == 1
        assert await gate.lost() == {"no_replica": 1}

    scene(play)


def test_an_arm_that_sleeps_is_woken_by_its_own_gateway_which_gives_the_request_back_in_time(launch: Launcher) -> None:
    """Behind an arm that sleeps stands a gateway as well: it holds no longer than the first one lets it."""

    async def play(stack: AsyncExitStack) -> None:
        own, asleep = await started(stack, Server()), Server()
        inner = await stack.enter_async_context(gateway(launch, asleep.address))
        env = {Env.ARMS.value: "chat=50,chat-b=50"}
        replicas = (own.address, f"chat-b={HOST}:{inner.contract.http_port}")
        outer = await stack.enter_async_context(gateway(launch, *replicas, env=env, hold_seconds=4))
        first = asyncio.create_task(arm_of(outer, session_of("chat-b")))
        await held(inner, 1)
        assert await inner.number(GatewayMetric.REQUESTS) == 1
        assert await first == (200, "chat")
        second = asyncio.create_task(arm_of(outer, session_of("chat-b")))
        await held(inner, 1)
        await started(stack, asleep)
        assert await second == (200, "chat-b")
        assert asleep.finished == 1

    scene(play)


def test_an_arm_that_can_hold_no_more_gives_its_requests_to_another(launch: Launcher) -> None:
    async def play(stack: AsyncExitStack) -> None:
        own, asleep = await started(stack, Server()), Server()
        inner = await stack.enter_async_context(gateway(launch, asleep.address, held_requests=1))
        env = {Env.ARMS.value: "chat=50,chat-b=50"}
        replicas = (own.address, f"chat-b={HOST}:{inner.contract.http_port}")
        outer = await stack.enter_async_context(gateway(launch, *replicas, env=env))
        first = asyncio.create_task(arm_of(outer, session_of("chat-b")))
        await held(inner, 1)
        assert await arm_of(outer, session_of("chat-b")) == (200, "chat")
        await own.stop()

        async def alone() -> bool:
            return await outer.number(GatewayMetric.REPLICAS) == 0

        await until(alone)
        assert await arm_of(outer, session_of("chat-b")) == (429, "chat-b")
        await started(stack, asleep)
        assert await first == (200, "chat-b")

    scene(play)


def test_arms_that_are_no_arms_end_the_gateway_with_their_mistake(launch: Launcher) -> None:

    process = launch.module("springtide_workloads.gateway", env=contract().to_env() | {Env.ARMS.value: "chat"})
    code, text = process.ends()
    assert code == ExitCode.CONFIG
    assert f"{Env.ARMS} is 'chat'" in text
    assert "Traceback" not in text
