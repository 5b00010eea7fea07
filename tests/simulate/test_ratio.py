"""Golden vectors. Sources: [doc] the page Horizontal Pod Autoscaling of the Kubernetes documentation, Algorithm details;
[go] kubernetes/kubernetes pkg/controller/podautoscaler/replica_calculator_test.go, tests named TestReplicaCalc<name>."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.simulate.ratio import (
    Pod,
    Tolerances,
    by_average,
    by_average_of_pods,
    by_utilization,
    by_value,
    set_aside,
)

USUAL = Tolerances()


def pods(*usages: int | None, unready: tuple[int, ...] = ()) -> list[Pod]:
    return [Pod(usage=usage, unready=index in unready) for index, usage in enumerate(usages)]


@pytest.mark.parametrize(
    ("ready", "value", "wanted"),
    [(3, 200, 6), (4, 50, 2), (5, 105, 5), (5, 110, 5), (5, 111, 6), (5, 90, 5), (5, 89, 5), (10, 89, 9)],
)
def test_200m_of_100m_doubles_and_50m_halves(ready: int, value: int, wanted: int) -> None:
    """[doc]"""
    assert by_value(ready, ready, value, 100, USUAL) == wanted


@pytest.mark.parametrize(
    ("name", "current", "given_pods", "percent", "wanted"),
    [
        ("ScaleUp", 3, pods(300, 500, 700), 30, 5),
        ("ScaleUpUnreadyLessScale", 3, pods(300, 500, 700, unready=(0,)), 30, 4),
        ("ScaleUpUnreadyNoScale", 3, pods(400, 500, 700, unready=(1, 2)), 30, 3),
        ("ScaleDown", 5, pods(100, 300, 500, 250, 250), 50, 3),
        ("ScaleDownIgnoresUnreadyPods", 5, pods(100, 300, 500, 250, 250, unready=(3, 4)), 50, 2),
        ("MissingMetrics", 4, pods(400, 95, None, None), 100, 3),
        ("MissingMetricsNoChangeEq", 2, pods(1000, None), 100, 2),
        ("MissingMetricsNoChangeGt", 2, pods(1900, None), 100, 2),
        ("MissingMetricsNoChangeLt", 2, pods(600, None), 100, 2),
        ("MissingMetricsUnreadyNoChange", 3, pods(100, 450, None, unready=(0,)), 50, 3),
        ("MissingMetricsUnreadyScaleUp", 3, pods(100, 2000, None, unready=(0,)), 50, 4),
        ("MissingMetricsUnreadyScaleDown", 4, pods(100, 100, 100, None, unready=(0,)), 50, 3),
    ],
)
def test_cpu_use_asks_for_what_kubernetes_own_tests_say(
    name: str, current: int, given_pods: list[Pod], percent: int, wanted: int
) -> None:
    """[go]"""
    assert (name, by_utilization(current, given_pods, percent, USUAL)) == (name, wanted)


def test_use_within_the_tolerance_changes_nothing() -> None:
    """[go] Tolerance"""
    uneven = [Pod(usage=1010, request=900), Pod(usage=1030, request=1000), Pod(usage=1020, request=1100)]
    assert by_utilization(3, uneven, 100, USUAL) == 3


@pytest.mark.parametrize(
    ("name", "usages", "target", "wanted"),
    [
        ("ScaleUpCM", (20000, 10000, 30000), 15000, 4),
        ("ScaleDownCM", (12000,) * 5, 20000, 3),
        ("ToleranceCM", (20000, 21000, 21000), 20000, 3),
    ],
)
def test_a_number_of_each_pod_asks_for_what_kubernetes_own_tests_say(
    name: str, usages: tuple[int, ...], target: int, wanted: int
) -> None:
    """[go]"""
    assert (name, by_average_of_pods(len(usages), pods(*usages), target, USUAL)) == (name, wanted)


@pytest.mark.parametrize(
    ("current", "value", "target", "wanted"), [(3, 20000, 15000, 4), (5, 12000, 20000, 3), (3, 20666, 20000, 3)]
)
def test_a_number_of_one_object_asks_for_what_kubernetes_own_tests_say(
    current: int, value: int, target: int, wanted: int
) -> None:
    """[go] ScaleUpCMObject, ScaleDownCMObject, ToleranceCMObject"""
    assert by_value(current, current, value, target, USUAL) == wanted


@pytest.mark.parametrize(("current", "value", "wanted"), [(4, 12000, 4), (4, 13300, 5), (4, 6000, 2), (1, 30000, 10)])
def test_a_shared_number_is_divided_by_its_target(current: int, value: int, wanted: int) -> None:
    assert by_average(current, value, 3000, USUAL) == wanted


def test_a_shared_number_counts_replicas_that_load_and_a_multiplied_one_does_not() -> None:
    assert by_average(5, 40000, 4000, USUAL) == 10
    assert by_value(5, 1, 8000, 4000, USUAL) == 2


def test_pods_without_a_machine_count_as_idle_when_growing() -> None:
    assert by_utilization(2, [Pod(usage=900), Pod(pending=True)], 50, USUAL) == 2
    assert by_utilization(2, [Pod(usage=2000), Pod(pending=True)], 50, USUAL) == 4


def test_nothing_can_be_said_without_a_single_number() -> None:
    assert by_utilization(2, [Pod(), Pod(pending=True)], 50, USUAL) is None


def test_a_tolerance_of_its_own_holds_in_its_direction_only() -> None:
    steady_up = Tolerances(up=0.5, down=0.0)
    assert by_value(10, 10, 140, 100, steady_up) == 10
    assert by_value(10, 10, 99, 100, steady_up) == 10
    assert by_value(100, 100, 99, 100, steady_up) == 99


@pytest.mark.parametrize(
    ("now", "ready", "changed", "measured", "aside"),
    [
        (100.0, False, 0.0, 100.0, True),
        (100.0, True, 60.0, 70.0, True),
        (100.0, True, 60.0, 75.0, False),
        (400.0, False, 10.0, 400.0, True),
        (400.0, False, 200.0, 400.0, False),
        (400.0, True, 399.0, 400.0, False),
    ],
)
def test_cpu_of_a_pod_is_set_aside_until_it_is_ready_and_measured(
    now: float, ready: bool, changed: float, measured: float, aside: bool
) -> None:
    """[doc]: the first 5 minutes, then the first 30 seconds; started at 0, measured over 15 s."""
    assert set_aside(now, started=0.0, ready=ready, changed=changed, measured=measured, window=15.0) is aside
    assert set_aside(now, started=None, ready=ready, changed=changed, measured=measured, window=15.0)


@given(st.lists(st.integers(0, 4000), min_size=1, max_size=30), st.integers(1, 200))
def test_more_use_never_asks_for_less(usages: list[int], percent: int) -> None:
    count = len(usages)
    busier = [usage + 500 for usage in usages]
    one, other = (by_utilization(count, pods(*given_), percent, USUAL) for given_ in (usages, busier))
    assert one is not None
    assert other is not None
    assert one <= other


@given(st.integers(1, 50), st.integers(0, 10**6), st.integers(1, 10**4))
def test_outside_of_the_tolerance_the_count_is_the_value_by_the_target(current: int, value: int, target: int) -> None:
    wanted = by_average(current, value, target, Tolerances(up=0.0, down=0.0))
    assert wanted in (math.ceil(value / target), current)
