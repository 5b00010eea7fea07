"""What the loop tells while it runs, and what that costs it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from springtide_workloads.contract import Event, Layout
from springtide_workloads.storage import Store
from springtide_workloads.train.events import EventLog, read_events
from springtide_workloads.train.progress import (
    CALM_SECONDS,
    PROGRESS_SECONDS,
    STATUS_SECONDS,
    Meter,
    Reporter,
    write_status,
)


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def reporter(tmp_path: Path, hands: Hands) -> Reporter:
    log = EventLog(store=Store((tmp_path / "run").as_uri()), run="tiny", attempt="a")
    status = tmp_path / Layout.STATUS
    return Reporter(events=log, status=status, tokens_per_step=100, meter=Meter(hands), clock=hands)


def told(reporter: Reporter) -> list[dict[str, Any]]:
    assert reporter.events.flush()
    return read_events(reporter.events.store)


def test_every_second_between_two_stamps_belongs_to_one_phase(hands: Hands) -> None:
    meter = Meter(hands)
    for phase, seconds in (("data", 1.0), ("forward", 2.0), ("data", 0.5)):
        hands.now += seconds
        meter.lap(phase)
    assert meter.take() == {"data": 1.5, "forward": 2.0}
    assert meter.take() == {}


def test_a_stamp_costs_less_than_a_microsecond() -> None:
    meter = Meter()
    best = 1.0
    for _ in range(20):
        begun = time.perf_counter()
        for _ in range(1000):
            meter.lap("forward")
        best = min(best, (time.perf_counter() - begun) / 1000)
    assert best < 1e-6


def test_progress_is_told_now_and_then_with_the_seconds_since(reporter: Reporter, hands: Hands) -> None:
    hands.now = 50.0
    reporter.start(0)
    reporter.know(loss=2.5)
    for step in range(1, 31):
        hands.now += 0.2
        reporter.meter.lap("data")
        hands.now += 0.8
        reporter.meter.lap("forward")
        reporter.stepped(step)
    events = [event for event in told(reporter) if event["event"] == Event.PROGRESS.value]
    assert [event["step"] for event in events] == [10, 20, 30]
    assert events[1]["seconds"] == {"data": pytest.approx(2.0), "forward": pytest.approx(8.0)}
    assert events[1]["loss"] == 2.5


def test_a_long_run_is_told_of_more_seldom(reporter: Reporter, hands: Hands) -> None:
    reporter.start(0)
    for step in range(1, 2001):
        hands.now += 10.0
        reporter.stepped(step)
    times = [event["step"] * 10 for event in told(reporter)]
    assert (times[1] - times[0], times[-1] - times[-2]) == (PROGRESS_SECONDS, CALM_SECONDS)


def test_the_status_file_says_how_fast_steps_are_made(reporter: Reporter, hands: Hands) -> None:
    reporter.start(40)
    reporter.know(loss=1.5, checkpoint={"step": 40}, slow_rank=3)
    for step in range(41, 46):
        hands.now += 1.0
        reporter.stepped(step)
    status = json.loads(reporter.status.read_text())
    assert status["time_ms"] > 0
    assert status | {"time_ms": 0} == {
        "step": 44, "loss": 1.5, "checkpoint": {"step": 40}, "slow_rank": 3, "tokens_per_second": 100.0, "time_ms": 0,
    }  # fmt: skip


def test_between_two_reports_a_step_costs_next_to_nothing(reporter: Reporter) -> None:
    reporter.start(0)
    before = reporter.status.stat().st_mtime_ns
    best = 1.0
    for _ in range(20):
        begun = time.perf_counter()
        for step in range(1000):
            reporter.stepped(step)
        best = min(best, (time.perf_counter() - begun) / 1000)
    assert best < 2e-6
    assert reporter.status.stat().st_mtime_ns == before


def test_a_report_that_ends_the_steps_carries_what_the_last_one_left(reporter: Reporter, hands: Hands) -> None:
    reporter.start(0)
    hands.now += 3.0
    reporter.meter.lap("save")
    assert reporter.said(7) == {"step": 7, "seconds": {"save": 3.0}}


def test_a_disk_that_cannot_be_written_does_not_end_the_run(tmp_path: Path) -> None:
    write_status(tmp_path / "absent" / Layout.STATUS, {"step": 1})
    assert not (tmp_path / "absent").exists()


def test_a_status_comes_more_often_than_an_event() -> None:
    assert STATUS_SECONDS < PROGRESS_SECONDS
