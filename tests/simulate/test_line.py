import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.simulate.line import Line
from springtide.simulate.optimum import served_at_once
from springtide.simulate.trace import of_rows

REQUESTS = st.lists(
    st.tuples(st.floats(0, 100, allow_nan=False), st.floats(0, 20, allow_nan=False)), min_size=1, max_size=60
)


def served(rows: list[tuple[float, float]], slots: int, **more: float) -> Line:
    line = Line(of_rows(rows), **more)
    line.open(0, slots, 0.0)
    line.advance(math.inf)
    return line


def test_the_first_that_came_gets_the_first_free_slot() -> None:
    assert [*served([(0, 5), (1, 5), (2, 5)], 2).waits] == [0.0, 0.0, 3.0]


def test_without_a_slot_everybody_waits() -> None:
    line = Line(of_rows([(0, 5), (1, 5)]))
    line.advance(100.0)
    assert (line.queued(0.5), line.queued(100.0), line.done) == (1, 2, False)
    line.open(7, 1, 100.0)
    line.advance(math.inf)
    assert [*line.waits] == [100.0, 104.0]


def test_who_waits_longer_than_a_gateway_holds_is_refused() -> None:
    line = served([(0, 10), (1, 1), (2, 1)], 1, hold_seconds=8.5)
    assert (line.refused, math.isnan(line.waits[1]), line.waits[2]) == (1, True, 8.0)


def test_nobody_is_refused_before_the_time_is_over() -> None:
    line = Line(of_rows([(0, 1), (4, 1)]), hold_seconds=5.0)
    line.advance(5.0)
    assert line.refused == 0
    line.advance(6.0)
    assert (line.refused, line.done) == (1, False)


def test_a_replica_that_leaves_ends_what_it_has_and_takes_no_more() -> None:
    line = Line(of_rows([(0, 10), (0, 10), (0, 10)]))
    line.open(1, 1, 0.0)
    line.open(2, 1, 0.0)
    line.advance(1.0)
    assert line.close(1, 1.0, 100.0) == [(10.0, 0)]
    assert line.end() == 10.0
    assert (line.in_flight(2.0), line.leaving(2.0), line.slots) == (1, 1, 1)
    line.advance(math.inf)
    assert [*line.waits] == [0.0, 0.0, 10.0]


def test_what_is_cut_off_was_busy_until_then() -> None:
    line = served([(0, 100)], 1)
    line.close(0, 10.0, 30.0)
    assert (line.busy_seconds(20.0), line.busy_seconds(200.0), line.end()) == (20.0, 30.0, 30.0)


@given(REQUESTS, st.integers(1, 5))
def test_more_slots_never_make_all_wait_longer(rows: list[tuple[float, float]], slots: int) -> None:
    assert sum(served(rows, slots + 1).waits) <= sum(served(rows, slots).waits) + 1e-6


@given(REQUESTS, st.integers(1, 5), st.floats(0, 30))
def test_every_request_has_its_turn_or_is_refused(rows: list[tuple[float, float]], slots: int, hold: float) -> None:
    line = served(rows, slots, hold_seconds=hold)
    known = [wait for wait in line.waits if not math.isnan(wait)]
    assert len(known) + line.refused == len(rows)
    assert all(0 <= wait <= hold for wait in known)


@given(REQUESTS, st.integers(1, 5))
def test_slots_work_for_as_long_as_requests_take(rows: list[tuple[float, float]], slots: int) -> None:
    line = served(rows, slots)
    assert line.busy_seconds(1e6) == pytest.approx(sum(service for _, service in rows))


@given(REQUESTS, st.integers(1, 5), st.lists(st.floats(0, 200), max_size=10))
def test_it_does_not_matter_how_often_one_looks(
    rows: list[tuple[float, float]], slots: int, looks: list[float]
) -> None:
    line = Line(of_rows(rows))
    line.open(0, slots, 0.0)
    for look in sorted(looks):
        line.advance(look)
    line.advance(math.inf)
    assert [*line.waits] == [*served(rows, slots).waits]


def test_the_best_possible_has_as_many_replicas_as_requests_in_flight_need() -> None:
    trace = of_rows([(0, 10), (5, 10), (30, 1)])
    assert (served_at_once(trace, 1), served_at_once(trace, 2)) == (21.0, 16.0)


@given(REQUESTS, st.integers(1, 5))
def test_the_best_possible_is_no_less_than_the_work(rows: list[tuple[float, float]], slots: int) -> None:
    best = served_at_once(of_rows(rows), slots)
    work = sum(service for _, service in rows)
    assert work / slots - 1e-6 <= best <= work + 1e-6
