"""The interval between checkpoints, against the best that is fixed beforehand, over thousands of simulated runs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from springtide_workloads.train.interval import (
    EXPECTED_SECONDS,
    FIRST_STEPS,
    LONGEST_SECONDS,
    SAVING_SHARE,
    Pacer,
    best_seconds,
    mean_seconds,
)

Gaps = NDArray[np.float64]
SCHEDULES = 10_000


def simulated(mean: float, losses: int, seed: int) -> Gaps:
    """Times from loss to loss of many runs, a run a row."""
    return np.random.default_rng(seed).exponential(mean, (SCHEDULES, losses))


def lost(gaps: Gaps, interval: Gaps | float, stall: float) -> Gaps:
    """Time of each gap that is no lasting work: stalls, and what was done since the last save."""
    result: Gaps = gaps - np.floor(gaps / (interval + stall)) * interval
    return result


def live(gaps: Gaps, stall: float, expected: float) -> Gaps:
    """Interval in each gap, as a run chooses it from the gaps before."""
    watched = np.concatenate([np.zeros((len(gaps), 1)), np.cumsum(gaps, axis=1)[:, :-1]], axis=1)
    losses = np.arange(gaps.shape[1])
    intervals: Gaps = np.vectorize(lambda w, n: best_seconds(stall, mean_seconds(w, n, expected)))(watched, losses)
    return intervals


def best_fixed(gaps: Gaps, stall: float, about: float) -> float:
    """Least loss that any one interval has over all these runs, which nobody could know beforehand."""
    tried = about * np.geomspace(0.5, 2.0, 41)
    return min(float(lost(gaps, float(t), stall).sum()) for t in tried)


@pytest.mark.parametrize(("mean", "stall"), [(3600.0, 0.2), (3600.0, 2.0), (4 * 3600.0, 5.0), (600.0, 0.5)])
def test_young_and_dalys_interval_is_within_two_percent_of_the_best(mean: float, stall: float) -> None:
    gaps = simulated(mean, 20, seed=1)
    ours = best_seconds(stall, mean)
    assert lost(gaps, ours, stall).sum() <= 1.02 * best_fixed(gaps, stall, ours)


def test_learning_from_losses_comes_within_two_percent_of_the_best_fixed_interval() -> None:
    mean, stall = 3600.0, 1.0
    gaps = simulated(mean, 60, seed=2)
    ours = lost(gaps, live(gaps, stall, mean), stall).sum()
    assert ours <= 1.02 * best_fixed(gaps, stall, best_seconds(stall, mean))


@pytest.mark.parametrize("wrong", [0.1, 10.0])
def test_a_wrong_expectation_is_unlearned(wrong: float) -> None:
    mean, stall = 1800.0, 0.5
    gaps = simulated(mean, 80, seed=3)
    ours = live(gaps, stall, wrong * mean)
    first, later = slice(0, 1), slice(40, 80)
    best = best_seconds(stall, mean)
    costs = [lost(gaps[:, part], ours[:, part], stall).sum() for part in (first, later)]
    fixed = [best_fixed(gaps[:, part], stall, best) for part in (first, later)]
    assert costs[0] > 1.2 * fixed[0]
    assert costs[1] <= 1.02 * fixed[1]


amounts = st.floats(0.001, 1e6)


@given(amounts, amounts, st.floats(0, 1e4))
def test_the_interval_is_bounded(stall: float, mean: float, durable: float) -> None:
    seconds = best_seconds(stall, mean, durable=durable)
    assert stall / (seconds + stall) <= 1 / SAVING_SHARE * 1.000001
    assert seconds >= durable
    # what a kill just before the next publication takes
    at_risk = seconds + durable
    assert at_risk <= max(LONGEST_SECONDS, 2 * durable, (SAVING_SHARE - 1) * stall + durable) * 1.000001


def test_in_between_it_is_young_and_dalys() -> None:
    assert best_seconds(1.0, 5000.0) == 100.0
    assert best_seconds(0.0, 5000.0) == 0.0


def test_before_any_loss_the_expectation_counts_and_time_without_one_speaks_for_itself() -> None:
    assert mean_seconds(0, 0) == EXPECTED_SECONDS
    assert mean_seconds(4 * EXPECTED_SECONDS, 0) == 5 * EXPECTED_SECONDS
    assert math.isclose(mean_seconds(1e9, 99, expected=60), 1e7, rel_tol=1e-6)


def test_a_pacer_saves_soon_to_measure_and_then_at_the_best_interval() -> None:
    pacer = Pacer(next_step=5)
    pacer.started(0, now=100.0)
    assert [pacer.due(step) for step in (4, 5, 6)] == [False, True, True]
    pacer.stalled(0.1)
    pacer.saved(2.0)
    planned = pacer.plan(5, now=110.0)
    expected = math.sqrt(2 * 0.1 * (EXPECTED_SECONDS + 10))
    assert planned == 5 + round(expected / 2.0)


def test_without_a_measured_save_the_next_one_is_near() -> None:
    assert Pacer(next_step=0).plan(7, now=0.0) == 7 + FIRST_STEPS


def test_all_ranks_save_at_the_step_that_one_of_them_planned() -> None:
    main, other = Pacer(next_step=5), Pacer(next_step=5)
    main.started(0, now=0.0)
    main.stalled(0.1)
    other.follow(main.plan(5, now=50.0))
    assert [main.due(step) for step in range(200)] == [other.due(step) for step in range(200)]


def test_one_slow_save_does_not_change_the_interval() -> None:
    pacer = Pacer(next_step=1)
    pacer.started(0, now=0.0)
    for stall in (0.1, 0.1, 0.1, 30.0):
        pacer.stalled(stall)
    assert pacer.seconds == pytest.approx(math.sqrt(2 * 0.1 * EXPECTED_SECONDS))


def test_a_save_is_published_before_the_next_begins() -> None:
    pacer = Pacer(next_step=1)
    pacer.started(0, now=0.0)
    pacer.stalled(0.01)
    pacer.saved(500.0)
    assert pacer.plan(10, now=10.0) == 10 + 500


def test_more_losses_mean_shorter_intervals_and_never_less_than_a_step() -> None:
    calm, rough = Pacer(next_step=1, watched=1e5), Pacer(next_step=1, watched=1e5, losses=50)
    for pacer in (calm, rough):
        pacer.started(0, now=0.0)
        pacer.stalled(0.5)
    assert rough.plan(10, now=10.0) < calm.plan(10, now=10.0)
    slow = Pacer(next_step=1)
    slow.started(0, now=0.0)
    slow.stalled(0.001)
    assert slow.plan(1, now=3600.0) == 2
