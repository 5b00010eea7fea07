import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from springtide.simulate.figures import Figures, figures, flaps, percentile
from springtide.simulate.hpa_object import HpaObject
from springtide.simulate.keda_object import KedaObject
from springtide.simulate.mistake import UsageError
from springtide.simulate.replay import Run, replay
from springtide.simulate.trace import of_rows

from .stage import MACHINES, load, scaled_object, service

FIXED: dict[str, Any] = {"autoscaler": None, "least": 1}


def figured(run: Run) -> Figures:
    return figures(run, 60.0)


def test_a_sleeping_service_wakes_for_its_first_request_and_loses_none() -> None:
    run = replay(service(least=0), of_rows([(0.0, 5.0)]))
    cold = MACHINES.boot_seconds + MACHINES.image_seconds + 42.0
    assert [*run.line.waits] == [cold]
    assert figured(run).answered == 1


def test_it_wakes_at_the_next_reading() -> None:
    run = replay(service(least=0, machines=None, load_seconds=0.0), of_rows([(0.0, 1.0), (1000.5, 1.0)]))
    assert [*run.line.waits] == pytest.approx([0.0, 1.5])
    assert run.zero_seconds > 600


def test_it_sleeps_again_after_its_cooldown() -> None:
    run = replay(service(least=0), of_rows([(0.0, 5.0)]), tail_seconds=2000.0)
    assert [step.wanted for step in run.steps][-1] == 0
    assert figured(run).flaps == 1
    awake = run.seconds - run.zero_seconds
    assert awake == pytest.approx(300 + 162 + 5, abs=4)


def test_a_service_that_nothing_moves_stays_as_it_is() -> None:
    found = figured(replay(service(**FIXED), load()))
    assert (found.scalings, found.replicas_most, found.zero_seconds) == (0, 1, 0)


def test_more_load_makes_more_replicas_and_they_come_when_machines_are_there() -> None:
    run = replay(service(), load(rate=2.0))
    grown = next(step for step in run.steps if step.wanted > 1)
    ready = next(step for step in run.steps if step.ready > 1)
    assert ready.at - grown.at == pytest.approx(162.0)


def test_the_replicas_come_to_what_the_load_needs() -> None:
    """8 s at 1.5/s are 12 in flight: 3 replicas of 4 slots at a target of 4."""
    run = replay(service(most=20), load(4000, rate=1.5))
    late = [step.wanted for step in run.steps if step.at > 1500]
    assert 2 <= min(late) <= max(late) <= 6


def test_a_pool_bounds_what_is_ready() -> None:
    run = replay(service(most=9, machines=replace(MACHINES, most=2)), load(rate=3.0))
    assert max(step.ready for step in run.steps) == 2
    assert max(step.wanted for step in run.steps) == 9


def test_a_pool_without_room_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="no room for a replica"):
        replay(service(machines=replace(MACHINES, most=0)), load(10))


def test_who_waits_longer_than_gateways_hold_is_refused_and_counted() -> None:
    found = figured(replay(service(least=0, hold_seconds=100.0), of_rows([(0.0, 1.0), (80.0, 1.0)])))
    assert (found.refused, found.answered, found.requests) == (1, 1, 2)


def test_an_answer_longer_than_a_drain_is_cut_off() -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    hasty = scaled_object(1, 5, advanced={"horizontalPodAutoscalerConfig": {"behavior": behavior}})
    quick = service(machines=None, load_seconds=0.0, autoscaler=KedaObject.of(hasty))
    rows = [(0.0, 100.0)] * 16 + [(0.0, 1000.0)] * 4
    found = figured(replay(quick, of_rows(rows)))
    assert (found.answered, found.cut) == (16, 4)
    calm = figured(replay(replace(quick, drain_seconds=4000.0), of_rows(rows)))
    assert calm.cut == 0


def test_cpu_use_moves_a_service_on_system_nodes() -> None:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    spec = {"minReplicas": 1, "maxReplicas": 8, "metrics": [cpu], "behavior": {"scaleUp": {}}}
    steady = of_rows([(0.5 * i, 4.0) for i in range(4000)])
    run = replay(service(autoscaler=HpaObject.of(spec), machines=None, gateways=0, hold_seconds=math.inf), steady)
    assert [step.wanted for step in run.steps][-1] == pytest.approx(4, abs=1)
    assert figured(run).gpu_hours == 0


def test_a_number_that_is_not_simulated_is_a_mistake() -> None:
    metric = {
        "type": "Pods",
        "pods": {"metric": {"name": "x"}, "target": {"type": "AverageValue", "averageValue": "5"}},
    }
    spec = HpaObject.of({"maxReplicas": 3, "metrics": [metric]})
    with pytest.raises(UsageError, match="only CPU use is simulated"):
        replay(service(autoscaler=spec), load(5))


def test_what_nothing_ever_wakes_for_is_told() -> None:
    given_ = scaled_object(0, 5)
    given_["triggers"][0]["metadata"]["activationTargetValue"] = "3"
    lazy = service(least=0, autoscaler=KedaObject.of(given_), hold_seconds=math.inf)
    assert figured(replay(lazy, of_rows([(0.0, 1.0)]))).unanswered == 1


def test_machines_are_paid_for_by_the_hour() -> None:
    found = figured(replay(service(**FIXED), of_rows([(0.0, 1.0), (3599.0, 1.0)])))
    assert found.gpu_hours == pytest.approx(1.0)
    assert found.usd == {"on-demand": pytest.approx(0.8), "spot": None}


def test_flaps_are_turns() -> None:
    assert [flaps(changes) for changes in ([], [1], [1, 2], [1, -1], [2, -1, -1, 3])] == [0, 0, 0, 1, 2]


def test_percentiles_are_values_that_occurred() -> None:
    assert [percentile([1.0, 2.0, 3.0, 4.0], share) for share in (0.5, 0.95, 1.0)] == [2.0, 4.0, 4.0]
    assert percentile([], 0.5) == 0.0


def test_bins_hold_every_request() -> None:
    found = figured(replay(service(), load()))
    width = found.bins[1].at
    assert sum(item.arrivals_per_second for item in found.bins) * width == pytest.approx(400)


def test_the_longest_queue_is_that_of_a_cold_start() -> None:
    rows = [(float(i), 1.0) for i in range(100)]
    assert figured(replay(service(least=0), of_rows(rows))).queued_most == 100


LOADS = st.builds(load, st.integers(1, 120), rate=st.floats(0.05, 5), mean=st.floats(0.1, 60), seed=st.integers(0, 99))


@settings(max_examples=40, deadline=None)
@given(
    LOADS,
    st.integers(0, 2),
    st.integers(2, 8),
    st.sampled_from([100.0, 1200.0]),
    st.integers(1, 3),
    st.sampled_from([0.0, 900.0]),
)
def test_no_request_is_lost_and_replicas_keep_their_bounds(  # noqa: PLR0913, PLR0917  one for each thing that varies
    trace: Any, least: int, most: int, hold: float, each: int, tail: float
) -> None:
    machines = replace(MACHINES, replicas_each=each, most=3)
    run = replay(service(least, most, hold_seconds=hold, machines=machines), trace, tail_seconds=tail)
    found = figured(run)
    assert found.answered + found.refused + found.cut + found.unanswered == found.requests == len(trace)
    assert found.unanswered == 0
    assert 0 <= found.zero_seconds <= found.seconds
    assert [step.at for step in run.steps] == sorted(step.at for step in run.steps)
    assert run.steps[-1].at <= found.seconds
    assert all(least <= step.wanted <= most and step.ready <= step.wanted and step.nodes <= 3 for step in run.steps)
    assert sum(run.changes) == run.steps[-1].wanted - run.steps[0].wanted
    assert found.waits.p50 <= found.waits.p95 <= found.waits.p99 <= found.waits.most
    assert found.node_hours * 3600 <= 3 * run.seconds + 1e-6
    assert 0 <= found.busy <= 1 + 1e-9


@settings(max_examples=30, deadline=None)
@given(LOADS, st.integers(1, 5))
def test_more_replicas_never_make_all_wait_longer(trace: Any, replicas: int) -> None:
    one, more = (
        replay(service(autoscaler=None, least=count, hold_seconds=math.inf), trace)
        for count in (replicas, replicas + 1)
    )
    assert sum(more.line.waits) <= sum(one.line.waits) + 1e-6


def test_the_same_trace_gives_the_same_run() -> None:
    one, other = (replay(service(least=0), load()) for _ in range(2))
    assert (one.steps, one.line.waits) == (other.steps, other.line.waits)
