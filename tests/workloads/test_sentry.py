"""Who is frozen, stuck or slow, and who is not: by numbers alone, then by what a process really stamps."""

import os
import random
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.train.sentry import (
    FROZEN_SECONDS,
    FROZEN_START_SECONDS,
    STUCK_START_FACTOR,
    WINDOW_STEPS,
    Freezes,
    Life,
    Paces,
    life,
    slower,
    stuck,
)
from springtide_workloads.train.watch import PHASES, Board, Record, Watch

S = 1_000_000_000


def record(phase: str = "forward", *, step: int = 7, since: int = 1, heartbeat: int = 1) -> Record:
    return Record(heartbeat=heartbeat, step=step, phase=phase, since=since, spent=dict.fromkeys(PHASES, 0))


def watched(records: list[Record], lives: dict[int, Life], seconds: float, *, every: float = 0.2) -> list[str]:
    """Findings of an agent that looks again and again at what does not change."""
    freezes = Freezes()
    looks = (freezes.look(int((100 + look * every) * S), records, lives) for look in range(int(seconds / every) + 1))
    return [finding.text(finding.rank) for finding in looks if finding]


def test_a_stopped_process_is_named_with_its_phase_and_step() -> None:
    alive, stopped = Life(ticks=5, state="S"), Life(ticks=5, state="T")
    records = [record(heartbeat=200 * S), record("backward", step=812, heartbeat=100 * S)]
    found = watched(records, {0: alive, 1: stopped}, FROZEN_SECONDS + 0.5)
    assert found[0] == "rank 1 was frozen in phase backward of step 812 for 2.0 s"


def test_a_process_without_heart_and_cpu_time_is_frozen_though_the_kernel_calls_it_asleep() -> None:
    assert watched([record(heartbeat=100 * S)], {0: Life(ticks=5, state="D")}, FROZEN_SECONDS + 0.5)


def test_a_process_with_cpu_time_is_never_frozen() -> None:
    freezes = Freezes()
    looks = [freezes.look((100 + at) * S // 1, [record()], {0: Life(ticks=at, state="R")}) for at in range(60)]
    assert not any(looks)


@pytest.mark.parametrize("state", ["S", "D"])
def test_a_process_that_starts_may_keep_still_for_longer(state: str) -> None:
    starting, lives = [record("start", heartbeat=100 * S)], {0: Life(ticks=5, state=state)}
    assert not watched(starting, lives, FROZEN_START_SECONDS - 1)
    assert watched(starting, lives, FROZEN_START_SECONDS + 1)


def test_a_process_under_a_debugger_is_left_to_it() -> None:
    assert not watched([record(heartbeat=100 * S)], {0: Life(ticks=5, state="t")}, 60)


def test_a_process_before_its_first_heartbeat_is_not_judged() -> None:
    assert not watched([record(heartbeat=0)], {0: Life(ticks=5, state="T")}, 60)


def test_nobody_is_blamed_when_the_whole_machine_stood_still() -> None:
    freezes, lives = Freezes(), {0: Life(ticks=5, state="S")}
    assert not freezes.look(100 * S, [record(heartbeat=100 * S)], lives)
    assert not freezes.look(400 * S, [record(heartbeat=100 * S)], lives)
    assert not freezes.look(int(400.2 * S), [record(heartbeat=100 * S)], lives)
    assert not freezes.look(int(400.4 * S), [record(heartbeat=int(400.3 * S))], lives)


def test_the_process_furthest_behind_is_blamed_and_not_those_that_wait_for_it() -> None:
    waits, behind = record("wait", step=812, since=1), record("data", step=812, since=5)
    found = stuck(400 * S, [waits, waits, behind], seconds=300)
    assert found
    assert found.text(6) == "rank 6 was stuck in phase data of step 812 for 400.0 s"


def test_whoever_still_saves_is_behind_those_that_wait_for_the_next_step() -> None:
    saves, waits = record("save", step=20, since=1), record("wait", step=20, since=1)
    found = stuck(int(300 * STUCK_START_FACTOR + 1) * S, [waits, saves], seconds=300)
    assert found
    assert (found.rank, found.phase) == (1, "save")


def test_ranks_that_all_stand_in_one_collective_are_not_told_apart() -> None:
    found = stuck(400 * S, [record("backward"), record("backward")], seconds=300)
    assert found
    assert found.text(0).startswith("all ranks of this node were stuck in phase backward of step 7")


@given(st.lists(st.tuples(st.sampled_from(PHASES), st.integers(0, 3), st.integers(101, 400)), min_size=1))
def test_nobody_is_stuck_before_the_time_is_over(states: list[tuple[str, int, int]]) -> None:
    records = [record(phase, step=step, since=since * S) for phase, step, since in states]
    assert stuck(400 * S, records, seconds=300) is None


def noisy(ranks: int, generator: random.Random) -> dict[int, float]:
    """Paces of equal ranks: means of a window of steps that are each off by 20 %."""
    steps = [[generator.gauss(0.02, 0.004) for _ in range(WINDOW_STEPS)] for _ in range(ranks)]
    return {rank: sum(each) / WINDOW_STEPS for rank, each in enumerate(steps)}


@pytest.mark.parametrize("ranks", [2, 4, 8, 64])
def test_equal_ranks_raise_no_alarm_in_an_hour_of_noise(ranks: int) -> None:
    generator, paces = random.Random(ranks), Paces()
    windows = 3600 // 5 if ranks < 64 else 200
    assert not any(paces.judge(noisy(ranks, generator)) for _ in range(windows))


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_a_rank_at_half_speed_is_told_once_and_no_other(ranks: int) -> None:
    generator, paces = random.Random(ranks), Paces()
    told = [paces.judge(each | {1: 2 * each[1]}) for each in (noisy(ranks, generator) for _ in range(50))]
    assert [sorted(each) for each in told if each] == [[1]]


def test_one_rank_alone_is_never_slow() -> None:
    assert slower({0: 5.0}) == {}


def test_a_pace_is_the_own_work_of_a_step_without_the_waiting() -> None:
    paces = Paces()
    before = replace(record(step=0), spent=dict.fromkeys(PHASES, 0))
    after = replace(
        before, step=100, spent=dict.fromkeys(PHASES, 0) | {"forward": 2 * S, "wait": 50 * S, "backward": S}
    )
    assert paces.look(0, [before]) is None
    assert paces.look(1 * S, [after]) is None, "a window has a least time"
    assert paces.look(10 * S, [after]) == {0: 0.02}
    assert paces.look(11 * S, [before]) is None, "a restored run begins a new window"


def test_what_a_process_stamps_is_what_its_agent_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(2)
    for name, value in (board.env() | {"LOCAL_RANK": "1"}).items():
        monkeypatch.setenv(name, value)
    assert board.read()[1].heartbeat == 0
    watch = Watch.joined()
    watch.phase("forward", 812)
    time.sleep(0.01)
    watch.phase("wait", 812)
    watch.beat()
    first, second = board.read()
    assert first.heartbeat == 0
    assert second.heartbeat > 0
    assert second.position == (812, PHASES.index("wait"))
    assert 0.01 <= second.spent["forward"] / S < 1
    assert time.monotonic_ns() - second.since < S
    watch.beat()
    board.close()


def test_a_stamp_takes_about_a_microsecond() -> None:
    watch, stamps = Watch(), 20_000

    def timed() -> float:
        start = time.perf_counter()
        for step in range(stamps):
            watch.phase("forward", step)
        return (time.perf_counter() - start) / stamps

    assert min(timed() for _ in range(5)) < 3e-6, "measured 0.5 µs; a busy machine is slower"


def test_the_kernel_says_how_a_process_lives() -> None:
    alive = life(os.getpid())
    assert alive
    assert alive.state in "RSD"
    assert life(2**22 + 1) is None
