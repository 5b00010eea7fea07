"""The order in which requests get a replica, and what a gateway holds at most."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.gateway.budget import Budget
from springtide_workloads.gateway.line import Line, Replica
from springtide_workloads.gateway.metrics import Metrics
from springtide_workloads.gateway.refusal import Refused

pytestmark = pytest.mark.enable_socket


def play(scene: Callable[[Line], Awaitable[None]], per_replica: int = 4) -> None:
    async def whole() -> None:
        await scene(Line(per_replica=per_replica))

    asyncio.run(whole())


async def taken(line: Line, stack: AsyncExitStack) -> Replica:
    """A place that is kept until the stack ends."""
    async with asyncio.timeout(1):
        return await stack.enter_async_context(line.place(line.number()))


def test_the_replica_with_the_fewest_in_flight_is_next() -> None:
    async def scene(line: Line) -> None:
        async with AsyncExitStack() as stack:
            line.lead_to(["a:1"])
            assert [(await taken(line, stack)).address for _ in range(3)] == ["a:1"] * 3
            line.lead_to(["a:1", "b:1"])
            assert [(await taken(line, stack)).address for _ in range(3)] == ["b:1"] * 3

    play(scene)


def test_of_equals_each_has_its_turn() -> None:
    async def scene(line: Line) -> None:
        line.lead_to(["a:1", "b:1"])
        found = []
        for _ in range(4):
            async with line.place(line.number()) as replica:
                found.append(replica.address)
        assert found in (["a:1", "b:1"] * 2, ["b:1", "a:1"] * 2)

    play(scene)


def test_a_request_that_was_not_taken_goes_before_those_that_came_after_it() -> None:
    async def scene(line: Line) -> None:
        first, order = line.number(), []

        async def later() -> None:
            async with line.place(line.number()):
                order.append("later")

        line.lead_to(["a:1"])
        async with line.place(first) as replica:
            after = asyncio.create_task(later())
            await asyncio.sleep(0)
            line.rest(replica, 0.02)
        async with line.place(first):
            order.append("first")
        await after
        assert order == ["first", "later"]

    play(scene, per_replica=1)


def test_a_replica_that_rests_gets_nothing_until_then() -> None:
    async def scene(line: Line) -> None:
        async with AsyncExitStack() as stack:
            line.lead_to(["a:1"])
            line.rest(await taken(line, stack), 0.05)
            loop = asyncio.get_running_loop()
            began = loop.time()
            await taken(line, stack)
            assert loop.time() - began >= 0.04

    play(scene)


def test_a_replica_that_comes_back_still_has_what_it_had() -> None:
    async def scene(line: Line) -> None:
        async with AsyncExitStack() as stack:
            line.lead_to(["a:1"])
            first = await taken(line, stack)
            line.lead_to([])
            line.lead_to(["a:1"])
            assert await taken(line, stack) is first
            assert first.in_flight == 2

    play(scene)


def test_who_goes_in_the_moment_its_turn_comes_leaves_the_place_free() -> None:
    async def scene(line: Line) -> None:
        async def wait() -> None:
            async with line.place(line.number()):
                await asyncio.sleep(10)

        going = asyncio.create_task(wait())
        await asyncio.sleep(0)
        line.lead_to(["a:1"])  # its turn: the task has not run since
        going.cancel()
        await asyncio.wait({going})
        async with AsyncExitStack() as stack:
            assert (await taken(line, stack)).in_flight == 1

    play(scene, per_replica=1)


@given(sizes=st.lists(st.integers(0, 40), max_size=30), most=st.integers(1, 100))
def test_what_is_held_is_never_more_than_may_be_and_all_of_it_is_given_back(sizes: list[int], most: int) -> None:
    metrics = Metrics()
    budget = Budget(requests=5, body_bytes=most, metrics=metrics)
    kept = 0
    with ExitStack() as stack:
        for size in sizes:
            with suppress(Refused):
                stack.enter_context(budget.seat()).keep(size)
                kept += size
        assert kept <= most
        assert metrics.held._value.get() <= 5
    assert metrics.held._value.get() == 0
    with budget.seat() as seat:
        seat.keep(most)
