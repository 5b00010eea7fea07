"""The line between the event loop and an engine: who is let in, who comes out first, who is told what."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.contract import Metric
from springtide_workloads.serve.accepted import Accepted
from springtide_workloads.serve.admission import BatchPace, Curve, FlowPace, Limits
from springtide_workloads.serve.http import Refusal, Stopped
from springtide_workloads.serve.line import Counting, Line
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.waiting import Waiting

LOW, NORMAL, HIGH = range(3)
Numbers = Line[int, int]


def line_of(talk: Callable[[Numbers, Metrics], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        metrics = Metrics()
        await talk(Line(metrics, **settings), metrics)

    asyncio.run(run())


def learned(max_batch: int, seconds: float) -> BatchPace:
    """A pace that has seen batches of one."""
    pace = BatchPace(max_batch)
    for _ in range(3):
        pace.curve.observe(1, seconds)
    return pace


def test_the_most_important_comes_out_first_and_of_those_the_first_that_came() -> None:
    async def talk(line: Numbers, _: Metrics) -> None:
        for asked, priority in ((1, LOW), (2, HIGH), (3, NORMAL), (4, HIGH), (5, LOW)):
            await line.enter(asked, priority=priority)
        assert [each.asked for each in line.take(3, 0)] == [2, 4, 3]
        assert [each.asked for each in line.take(9, 0)] == [1, 5]
        assert line.take(1, 0.01) == []

    line_of(talk)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=60))
def test_what_waits_keeps_its_count_cost_and_order(steps: list[tuple[int, bool]]) -> None:
    waiting: Waiting[int, int] = Waiting()
    model: list[Accepted[int, int]] = []
    for number, (priority, take) in enumerate(steps):
        if take:
            expected = min(model, key=lambda each: (-each.priority, each.asked), default=None)
            assert waiting.next() is expected
            model = [each for each in model if each is not expected]
        else:
            one: Accepted[int, int] = Accepted(
                number, cost=0.1, deadline=None, priority=priority, post=lambda *_: None, on_close=lambda _: None
            )
            waiting.add(one)
            model.append(one)
        assert len(waiting) == len(model)
        for least in range(3):
            assert waiting.ahead(least) == pytest.approx(sum(0.1 for each in model if each.priority >= least))


def test_pieces_arrive_in_order_and_are_counted_once() -> None:
    async def talk(line: Numbers, metrics: Metrics) -> None:
        async with await line.enter(7) as accepted:
            (work,) = line.take(1, 0)
            work.begin()
            for piece in range(5):
                work.emit(piece)
            work.end()
            assert [piece async for piece in accepted] == list(range(5))
        value = metrics.registry.get_sample_value
        assert value(Metric.TOKENS, {"kind": "prompt"}) == 7
        assert value(Metric.TOKENS, {"kind": "completion"}) == 5
        for histogram in (Metric.QUEUE_SECONDS, Metric.FIRST_TOKEN_SECONDS, Metric.TOKEN_SECONDS):
            assert value(f"{histogram}_count") == 1
        assert all(value(Metric.FAILED, {"reason": reason}) == 0 for reason in ("model", "client", "stopped"))

    line_of(talk, counting=Counting(prompt=lambda asked: asked, completion=lambda _: 1))


def test_a_failure_is_a_500_and_a_refusal_is_itself(capsys: pytest.CaptureFixture[str]) -> None:
    async def talk(line: Numbers, metrics: Metrics) -> None:
        for error, status in ((ValueError("secret"), 500), (Refusal(422, "no"), 422)):
            accepted = await line.enter(1)
            line.take(1, 0)[0].fail(error)
            with pytest.raises(Refusal) as caught:
                await accepted.only()
            assert caught.value.status == status
            assert "secret" not in str(caught.value)
        assert metrics.registry.get_sample_value(Metric.FAILED, {"reason": "model"}) == 1

    line_of(talk)
    assert "ValueError: secret" in capsys.readouterr().err


def test_an_idle_server_takes_whatever_comes_so_that_it_unlearns() -> None:
    async def talk(line: Numbers, _: Metrics) -> None:
        accepted = await line.enter(1, deadline=time.monotonic() + 0.5)
        with pytest.raises(Refusal) as caught:
            await line.enter(2, deadline=time.monotonic() + 0.5)
        assert (caught.value.status, caught.value.reason) == (429, "deadline")
        assert caught.value.retry_after is not None
        assert caught.value.retry_after >= 5
        accepted.close()

    line_of(talk, pace=learned(1, 10.0))


def test_without_a_deadline_the_wait_is_bounded() -> None:
    async def talk(line: Numbers, _: Metrics) -> None:
        await line.enter(1)
        line.take(1, 0)
        for number in range(3):
            await line.enter(number)
        with pytest.raises(Refusal) as caught:
            await line.enter(9)
        assert (caught.value.status, caught.value.reason) == (429, "queue")

    line_of(talk, pace=learned(1, 1.0), limits=Limits(max_wait_seconds=3.5))


def test_while_nothing_is_known_a_number_may_wait() -> None:
    async def talk(line: Numbers, _: Metrics) -> None:
        for number in range(3):
            await line.enter(number)
        with pytest.raises(Refusal) as caught:
            await line.enter(9)
        assert (caught.value.reason, caught.value.retry_after) == ("queue", 1)

    line_of(talk, limits=Limits(cold_waiting=3))


def test_the_lowest_and_last_makes_room_for_a_more_important_one() -> None:
    async def talk(line: Numbers, _: Metrics) -> None:
        low = [await line.enter(number, priority=LOW) for number in range(3)]
        high = await line.enter(9, priority=HIGH)
        with pytest.raises(Refusal) as caught:
            await low[2].only()
        assert (caught.value.status, caught.value.reason, caught.value.retry_after) == (429, "priority", 1)
        with pytest.raises(Refusal):
            await line.enter(10, priority=LOW)
        assert [each.asked for each in line.take(9, 0)] == [9, 0, 1]
        assert not high.over

    line_of(talk, limits=Limits(cold_waiting=3))


def test_who_would_now_come_too_late_makes_room_as_well() -> None:
    async def talk(line: Numbers, _: Metrics) -> None:
        await line.enter(0)
        line.take(1, 0)
        low = await line.enter(1, priority=LOW, deadline=time.monotonic() + 3)
        for number in range(2):
            await line.enter(number, priority=HIGH)
        with pytest.raises(Refusal) as caught:
            await low.only()
        assert caught.value.reason == "priority"

    line_of(talk, pace=learned(1, 1.0))


def test_what_leaves_the_line_leaves_room() -> None:
    async def talk(line: Numbers, metrics: Metrics) -> None:
        waiting = [await line.enter(number) for number in range(3)]
        assert metrics.registry.get_sample_value(Metric.QUEUED) == 3
        waiting[1].close()
        assert metrics.registry.get_sample_value(Metric.QUEUED) == 2
        await line.enter(9)
        assert [each.asked for each in line.take(9, 0)] == [0, 2, 9]
        assert metrics.registry.get_sample_value(Metric.IN_FLIGHT) == 3

    line_of(talk, limits=Limits(cold_waiting=3))


def test_a_line_that_stops_tells_everybody() -> None:
    async def talk(line: Numbers, metrics: Metrics) -> None:
        computed, waits = await line.enter(1), await line.enter(2)
        (work,) = line.take(1, 0)
        work.emit(5)
        await asyncio.sleep(0)
        line.stop()
        assert work.gone
        assert await anext(computed) == 5
        for accepted in (computed, waits):
            with pytest.raises(Stopped):
                await anext(accepted)
        with pytest.raises(Stopped):
            await line.enter(3)
        assert metrics.registry.get_sample_value(Metric.FAILED, {"reason": "stopped"}) == 2
        work.end()
        assert line.inside == 0

    line_of(talk)


def test_closing_wakes_an_engine_that_waits() -> None:
    async def talk(line: Numbers, _: Metrics) -> None:
        taking = asyncio.get_running_loop().run_in_executor(None, line.take, 1, None)
        await asyncio.sleep(0.05)
        line.close()
        assert await asyncio.wait_for(taking, 30) == []

    line_of(talk)


@given(base=st.floats(0.001, 1), slope=st.floats(0, 0.1), sizes=st.lists(st.integers(1, 64), min_size=3, max_size=40))
def test_a_curve_learns_a_line_and_never_promises_less_than_nothing(
    base: float, slope: float, sizes: list[int]
) -> None:
    curve = Curve()
    for n in sizes:
        curve.observe(n, base + slope * n)
    assert all(curve.seconds(n) >= 0 for n in range(1, 65))
    if len(set(sizes[1:])) > 1:
        assert curve.seconds(32) == pytest.approx(base + slope * 32, rel=0.01)


def test_a_slow_beginning_is_forgotten() -> None:
    curve = Curve()
    for seconds in (30.0, 0.02, 0.02):
        curve.observe(1, seconds)
    assert curve.seconds(1) == pytest.approx(0.02)


def test_a_batch_that_is_computed_counts_with_what_is_left_of_it() -> None:
    pace = learned(4, 1.0)
    pace.taken(1, 1, 100.0)
    assert pace.expected(0, 0, 1, 100.25) == pytest.approx((0.75, 1.0))
    assert pace.expected(0, 0, 1, 109.0) == pytest.approx((0.0, 1.0))


def test_a_free_slot_costs_no_wait_and_full_ones_cost_what_is_ahead() -> None:
    pace = FlowPace(2)
    assert pace.expected(0, 0, 10, 0.0) is None
    for _ in range(2):
        pace.taken(10, 1, 0.0)
        pace.ended(10, 1.0, gone=False)
    pace.taken(10, 1, 2.0)
    assert pace.expected(0, 0, 10, 2.0) == pytest.approx((0.0, 1.0))
    pace.taken(10, 1, 2.0)
    # two at a time, each ten units a second
    assert pace.expected(30, 3, 10, 2.0) == pytest.approx((2.0, 1.0))


def test_of_what_was_given_up_only_bad_news_is_learned() -> None:
    pace = FlowPace(1)
    for seconds, gone in ((1.0, False), (1.0, False), (0.1, True)):
        pace.taken(10, 1, 0.0)
        pace.ended(10, seconds, gone=gone)
    assert pace.expected(0, 0, 10, 0.0) == pytest.approx((0.0, 1.0))
    for _ in range(100):
        pace.taken(10, 1, 0.0)
        pace.ended(10, 3.0, gone=True)
    assert pace.expected(0, 0, 10, 0.0) == pytest.approx((0.0, 3.0), rel=0.05)
