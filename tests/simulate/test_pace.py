"""Sources: [doc] the page Horizontal Pod Autoscaling of the Kubernetes documentation, Configurable scaling behavior;
[go] kubernetes/kubernetes pkg/controller/podautoscaler/horizontal.go."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.simulate.hpa import Hpa
from springtide.simulate.hpa_object import DOWN, UP, HpaObject, behavior
from springtide.simulate.mistake import UsageError


def hpa(least: int = 1, most: int = 1000, **given_: Any) -> Hpa:
    given_behavior = given_ or None
    return Hpa(spec=HpaObject(least=least, most=most, metrics=(), behavior=behavior(given_behavior)))


def counts(scaler: Hpa, current: int, wanted: int, times: list[float]) -> list[int]:
    """What comes of a metric that asks for the same again and again."""
    found = []
    for now in times:
        current = scaler.sync(now, current, [wanted])
        found.append(current)
    return found


def policy(kind: str, value: int, seconds: int) -> dict[str, object]:
    return {"type": kind, "value": value, "periodSeconds": seconds}


def test_80_replicas_shrink_by_a_tenth_then_by_four() -> None:
    """[doc]: 8 of 80; 8 of 72, for 7.2 is rounded up; 4 at a time below 40."""
    rules = {
        "stabilizationWindowSeconds": 0,
        "policies": [policy("Pods", 4, 60), policy("Percent", 10, 60)],
    }
    found = counts(hpa(scaleDown=rules), 80, 10, [60.0 * step for step in range(14)])
    assert found == [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10]


def test_within_a_period_nothing_more_goes() -> None:
    rules = {"stabilizationWindowSeconds": 0, "policies": [policy("Percent", 10, 60)]}
    assert counts(hpa(scaleDown=rules), 80, 10, [0.0, 15.0, 30.0, 45.0, 60.0]) == [72, 72, 72, 72, 64]


def test_no_more_than_five_a_minute_with_the_smallest_policy() -> None:
    """[doc]: Example: limit scale down rate."""
    rules = {
        "stabilizationWindowSeconds": 0,
        "policies": [policy("Percent", 10, 60), policy("Pods", 5, 60)],
        "selectPolicy": "Min",
    }
    assert counts(hpa(scaleDown=rules), 80, 10, [0.0, 60.0, 120.0]) == [75, 70, 65]


def test_a_disabled_direction_does_not_move() -> None:
    """[doc]: Example: disable scale down."""
    assert counts(hpa(scaleDown={"selectPolicy": "Disabled"}), 80, 10, [0.0, 600.0]) == [80, 80]
    assert counts(hpa(scaleUp={"selectPolicy": "Disabled"}), 8, 10, [0.0, 600.0]) == [8, 8]


def test_the_highest_wish_of_the_window_holds() -> None:
    """[doc]: Stabilization window of 300 s."""
    scaler = hpa(scaleDown={"stabilizationWindowSeconds": 300})
    assert counts(scaler, 10, 2, [0.0, 150.0, 299.0, 300.0]) == [10, 10, 10, 2]


def test_the_lowest_wish_of_the_up_window_holds() -> None:
    scaler = hpa(scaleUp={"stabilizationWindowSeconds": 60})
    assert counts(scaler, 2, 6, [0.0, 30.0, 60.0]) == [2, 2, 6]


def test_what_is_not_said_has_the_documented_defaults() -> None:
    """[doc]: Default Behavior."""
    found = behavior({"scaleDown": {"stabilizationWindowSeconds": 60}})
    assert found is not None
    assert (found.up, found.down.policies, found.down.window_seconds) == (UP, DOWN.policies, 60)
    assert (DOWN.window_seconds, UP.window_seconds, UP.select) == (300, 0, "Max")


@pytest.mark.parametrize(("current", "wanted"), [(1, 5), (3, 7), (10, 20)])
def test_by_default_four_pods_or_all_again_in_15_seconds(current: int, wanted: int) -> None:
    """[doc]: Default Behavior."""
    assert counts(hpa(scaleUp={}), current, 100, [0.0]) == [wanted]


@pytest.mark.parametrize(("current", "wanted"), [(1, 4), (3, 6), (10, 20)])
def test_without_a_behavior_the_older_limits_hold(current: int, wanted: int) -> None:
    """[go]: calculateScaleUpLimit: twice as many, or four."""
    assert counts(hpa(), current, 100, [0.0]) == [wanted]


def test_without_a_behavior_it_shrinks_after_five_minutes() -> None:
    assert counts(hpa(), 10, 2, [0.0, 300.0, 301.0]) == [10, 10, 2]


def test_pods_that_went_in_a_period_may_come_back_in_it() -> None:
    """[go]: a period's start is reckoned from what was added and removed since."""
    up, down = ({"stabilizationWindowSeconds": 0, "policies": [policy("Pods", 2, 60)]} for _ in range(2))
    scaler = hpa(scaleUp=up, scaleDown=down)
    assert scaler.sync(0.0, 10, [2]) == 8
    assert scaler.sync(15.0, 8, [20]) == 12


def test_a_tolerance_may_be_stated_as_a_quantity() -> None:
    found = behavior({"scaleUp": {"tolerance": "50m"}, "scaleDown": {"tolerance": "0"}})
    assert found is not None
    assert (found.up.tolerance, found.down.tolerance) == (0.05, 0.0)


def test_outside_of_its_bounds_it_comes_back_at_once() -> None:
    assert (hpa(3, 8).sync(0.0, 2, []), hpa(3, 8).sync(0.0, 20, [1])) == (3, 8)


def test_zero_replicas_switch_it_off() -> None:
    """[doc]: Implicit maintenance-mode deactivation."""
    assert hpa().sync(0.0, 0, [5]) == 0


def test_with_a_metric_that_fails_it_grows_and_does_not_shrink() -> None:
    """[doc]: Algorithm details."""
    rules = {"stabilizationWindowSeconds": 0}
    assert hpa(scaleDown=rules).sync(0.0, 4, [2, None]) == 4
    assert hpa(scaleDown=rules).sync(0.0, 4, [6, None]) == 6
    assert hpa(scaleDown=rules).sync(0.0, 4, [None]) == 4
    assert hpa(scaleDown=rules).sync(0.0, 4, [2, 3]) == 3


def test_a_metric_of_another_kind_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="a metric of type ContainerResource"):
        HpaObject.of({"maxReplicas": 3, "metrics": [{"type": "ContainerResource", "containerResource": {}}]})


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=60), st.integers(1, 5), st.integers(5, 40),
    st.integers(0, 600), st.integers(0, 120), st.integers(1, 100), st.booleans(), st.sampled_from(["Max", "Min"]),
)  # fmt: skip
def test_replicas_stay_between_their_bounds(  # noqa: PLR0913, PLR0917  one for each thing that varies
    wishes: list[int], least: int, most: int, down: int, up: int, value: int, percent: bool, select: str
) -> None:
    rules = [policy("Percent" if percent else "Pods", value, 60), policy("Pods", 2, 30)]
    scaler = hpa(
        least,
        most,
        scaleUp={"stabilizationWindowSeconds": up, "policies": rules, "selectPolicy": select},
        scaleDown={"stabilizationWindowSeconds": down, "policies": rules, "selectPolicy": select},
    )
    current = least
    for step, wish in enumerate(wishes):
        current = scaler.sync(15.0 * step, current, [wish])
        assert least <= current <= most
