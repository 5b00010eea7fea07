"""The event log: what is written stays, what is torn is left out, and nobody waits."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.contract import Event, Layout
from springtide_workloads.errors import StorageError
from springtide_workloads.storage import Store
from springtide_workloads.train import events as module
from springtide_workloads.train.events import (
    Clock,
    EventLog,
    EventReader,
    ms_of,
    parsed,
    read_events,
    text_of,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path.as_uri())


@pytest.fixture
def log(store: Store) -> Iterator[EventLog]:
    log = EventLog(store=store, run="tiny", attempt="a1", flush_seconds=0.05)
    yield log
    log.close()


class Memory:
    """An object store that can be made to fail: enough of `Store` for the log."""

    url = "s3://bucket/run"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fails = False
        self.reads: list[str] = []

    def write(self, path: str, data: bytes) -> None:
        if self.fails:
            raise StorageError("cannot write: no route")
        self.objects[path] = data

    def read(self, path: str) -> bytes | None:
        self.reads.append(path)
        return self.objects.get(path)

    def files(self, prefix: str) -> list[str]:
        return sorted(path for path in self.objects if path.startswith(prefix + "/"))


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def test_a_line_says_when_what_and_who(log: EventLog, store: Store) -> None:
    log.add(Event.SAVED, step=7, seconds=0.5)
    assert log.flush()
    (event,) = read_events(store)
    assert event | {"time": "", "writer": ""} == {
        "time": "", "run": "tiny", "event": "saved", "attempt": "a1", "writer": "", "n": 0, "step": 7, "seconds": 0.5,
    }  # fmt: skip
    assert abs((ms_of(event) or 0) - time.time_ns() // 1_000_000) < 5000


def test_what_matters_is_written_at_once_and_takes_what_waited_along(store: Store) -> None:
    log = EventLog(store=store, run="tiny", flush_seconds=60)
    log.add(Event.PROGRESS.value, step=1)
    time.sleep(0.1)
    assert store.read(Layout.EVENTS) is None
    log.add(Event.SAVED, step=2)
    deadline = time.monotonic() + 20
    while store.read(Layout.EVENTS) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert kinds(list(parsed(store.read(Layout.EVENTS) or b""))) == [Event.PROGRESS.value, "saved"]


def test_a_process_reads_what_it_has_added(store: Store) -> None:
    log = EventLog(store=store, run="tiny", flush_seconds=60)
    log.add(Event.PROGRESS.value, step=1)
    assert kinds(read_events(store)) == [Event.PROGRESS.value]


def test_a_process_that_ends_writes_what_waits(store: Store, tmp_path: Path) -> None:
    program = (
        "from springtide_workloads.storage import Store\n"
        "from springtide_workloads.train.events import EventLog\n"
        f"EventLog(store=Store({store.url!r}), run='tiny', flush_seconds=60).add('progress', step=1)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100)
    assert (tmp_path / Layout.EVENTS).read_text().count("progress") == 1


@pytest.mark.parametrize("last", [Event.LEFT.value, Event.INTERRUPTED, Event.FAILED, Event.EXPORTED])
def test_last_words_are_written_before_the_process_goes_on_to_end(store: Store, last: str) -> None:
    EventLog(store=store, run="tiny", flush_seconds=60).add(last, step=3)
    assert kinds(read_events(store)) == [last]


def test_adding_never_waits_for_a_store_that_hangs() -> None:
    class Hanging(Memory):
        def write(self, _path: str, _data: bytes) -> None:
            gate.wait(30)

    gate = threading.Event()
    log = EventLog(store=Hanging(), run="tiny")  # type: ignore[arg-type]
    before = time.perf_counter()
    for step in range(200):
        log.add(Event.SAVED, step=step)
    assert time.perf_counter() - before < 5
    assert not log.flush(timeout=0.01)
    gate.set()
    log.close()


def test_a_store_that_fails_is_told_once_and_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    memory = Memory()
    memory.fails = True
    log = EventLog(store=memory, run="tiny", flush_seconds=0.02)  # type: ignore[arg-type]
    log.add(Event.STARTED, step=0)
    log.add(Event.SAVED, step=1)
    assert not log.flush(timeout=0.2)
    memory.fails = False
    assert log.flush(timeout=20)
    assert kinds(EventReader(memory).read()) == ["started", "saved"]  # type: ignore[arg-type]
    assert capsys.readouterr().err.count("kept in memory") == 1
    log.close()


def test_closing_says_what_could_not_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory()
    memory.fails = True
    log = EventLog(store=memory, run="tiny", flush_seconds=0.02)  # type: ignore[arg-type]
    log.add(Event.STARTED, step=0)
    monkeypatch.setattr(log, "flush", lambda: False)
    log.close()
    assert "1 lines of the event log could not be written" in capsys.readouterr().err


def test_on_an_object_store_every_process_has_objects_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 400)
    memory = Memory()
    logs = [EventLog(store=memory, run="tiny", attempt=name) for name in "ab"]  # type: ignore[arg-type]
    for step in range(6):
        for log in logs:
            log.add(Event.SAVED, step=step)
            assert log.flush(timeout=20)
    reader = EventReader(memory)  # type: ignore[arg-type]
    assert [event["step"] for event in reader.read() if event["attempt"] == "a"] == list(range(6))
    assert len(memory.objects) > 2
    assert {path.split("-")[0] for path in memory.objects} == {f"{Layout.EVENT_SEGMENTS}/{log.writer}" for log in logs}
    memory.reads.clear()
    assert len(reader.read()) == 12
    full = [path for path, data in memory.objects.items() if len(data) >= 400]
    assert not set(memory.reads) & set(full)
    for log in logs:
        log.close()


def test_processes_that_add_at_the_same_time_lose_nothing(store: Store) -> None:
    logs = [EventLog(store=store, run="tiny", attempt=str(n), flush_seconds=0.01) for n in range(4)]
    for step in range(25):
        for log in logs:
            log.add(Event.SAVED, step=step)
    for log in logs:
        log.close()
    found = {(event["attempt"], event["step"]) for event in read_events(store)}
    assert found == {(str(n), step) for n in range(4) for step in range(25)}


def test_a_torn_line_is_left_out_and_the_one_behind_it_is_read(store: Store, tmp_path: Path) -> None:
    whole = '{"time": "2026-01-01T00:00:00.000+00:00", "event": "saved", "step": 1}'
    (tmp_path / Layout.EVENTS).write_text(f"{whole}\n{whole[:30]}{whole}\n\n[1]\n7\n{whole[:-5]}")
    assert [event["step"] for event in read_events(store)] == [1, 1]


@given(st.lists(st.integers(0, 99), min_size=1, max_size=8), st.integers(0, 2000))
def test_cutting_a_log_anywhere_costs_at_most_the_line_that_is_cut(steps: list[int], at: int) -> None:
    lines = [json.dumps({"time": text_of(step), "event": "saved", "step": step}).encode() for step in steps]
    text = b"\n".join(lines)[:at]
    whole = [step for step, end in zip(steps, _ends(lines), strict=True) if end <= len(text)]
    assert [event["step"] for event in parsed(text)] == whole


def _ends(lines: list[bytes]) -> Iterator[int]:
    end = -1
    for line in lines:
        end += len(line) + 1
        yield end


def test_a_batch_that_was_written_twice_counts_once(log: EventLog, store: Store, tmp_path: Path) -> None:
    log.add(Event.SAVED, step=1)
    assert log.flush()
    path = tmp_path / Layout.EVENTS
    path.write_bytes(path.read_bytes() * 2)
    assert len(read_events(store)) == 1


def test_a_clock_does_not_go_back_with_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    before = clock.ms()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert clock.ms() >= before


def test_a_machine_whose_clock_is_behind_writes_after_the_log_and_its_processes_do_too(store: Store) -> None:
    ahead = time.time_ns() // 1_000_000 + 300_000
    history: list[dict[str, Any]] = [{"time": text_of(ahead), "event": "saved", "attempt": "before"}]
    agent = EventLog(store=store, run="tiny", attempt="a1")
    moved = agent.catch_up(history)
    assert 295_000 < moved <= 300_000
    agent.add(Event.JOINED.value, node=0, nodes=1, clock_ms=moved)
    assert agent.flush()
    worker = EventLog(store=store, run="tiny", attempt="a1")
    assert worker.catch_up([*history, *read_events(store)]) >= moved
    worker.add(Event.RESTORED, step=1)
    worker.close()
    agent.close()
    assert kinds(read_events(store)) == [Event.JOINED.value, "restored"]
    assert (ms_of(read_events(store)[0]) or 0) >= ahead


def test_a_clock_in_order_is_left_alone(log: EventLog) -> None:
    assert log.catch_up([{"time": text_of(1000), "event": "saved"}, {"event": "saved"}]) == 0


@given(st.integers(0, 4_000_000_000_000))
def test_times_are_read_as_they_were_written(ms: int) -> None:
    assert ms_of({"time": text_of(ms)}) == ms


def test_times_that_are_none_are_no_times() -> None:
    assert [ms_of(event) for event in ({}, {"time": 7}, {"time": "soon"})] == [None] * 3
    assert ms_of({"time": "1970-01-01T00:00:01"}) == 1000
