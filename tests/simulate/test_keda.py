"""Source of the rules: kedacore/keda at 8b4f083, pkg/scaling/executor/scale_scaledobjects.go and pkg/fallback/fallback.go."""

from typing import Any

import pytest

from springtide.k8s.backends import BACKENDS
from springtide.k8s.serving import Bounds, demand_autoscaler
from springtide.simulate.keda import Keda
from springtide.simulate.keda_object import KedaObject
from springtide.simulate.mistake import UsageError
from springtide.simulate.signals import Moment

from .stage import scaled_object


def keda(least: int = 0, most: int = 5, **more: Any) -> Keda:
    return Keda(spec=KedaObject.of(scaled_object(least, most, **more)))


def moment(requests: int = 0, *, ready: int = 1, gateways: int = 2) -> Moment:
    return Moment(ready=ready, in_flight=requests, leaving=0, queued=0, gateways=gateways)


def by_servers(**more: Any) -> dict[str, Any]:
    """Two triggers over the servers, summed, as `springtide.k8s.serving` makes them."""
    metadata = {"targetValue": "4", "aggregationType": "average", "aggregateFromKubeServiceEndpoints": "true"}
    triggers = [
        {
            "type": "metrics-api",
            "name": name,
            "metricType": "Value",
            "metadata": {**metadata, "valueLocation": location},
        }
        for name, location in (
            ("in_flight", "springtide_requests_in_flight"),
            ("queued", "springtide_requests_queued"),
        )
    ]
    modifiers = {"formula": "in_flight + queued", "target": "4", "metricType": "Value"}
    return {"triggers": triggers, "advanced": {"scalingModifiers": modifiers}} | more


def test_the_first_request_wakes_one_replica() -> None:
    assert keda().poll(10.0, 0, moment(1, ready=0)) == 1
    assert keda().poll(10.0, 0, moment(0, ready=0)) == 0


def test_more_than_the_activation_wakes_it() -> None:
    asleep = keda()
    metadata = asleep.spec.triggers[0]
    assert metadata.activation == 0.0
    waking = scaled_object(0, 5)
    waking["triggers"][0]["metadata"]["activationTargetValue"] = "3"
    scaler = Keda(spec=KedaObject.of(waking))
    assert (scaler.poll(0.0, 0, moment(3)), scaler.poll(2.0, 0, moment(4))) == (0, 1)


def test_it_sleeps_after_the_cooldown_and_not_before() -> None:
    scaler = keda()
    scaler.poll(10.0, 1, moment(1))
    assert scaler.poll(310.0, 2, moment()) == 2
    assert scaler.poll(311.0, 2, moment()) == 0


def test_never_active_it_sleeps_after_the_initial_cooldown() -> None:
    assert keda().poll(1.0, 2, moment()) == 0
    assert keda(initialCooldownPeriod=60).poll(60.0, 2, moment()) == 2
    assert keda(initialCooldownPeriod=60).poll(61.0, 2, moment()) == 0


def test_idle_replicas_are_left_for_the_minimum_and_come_back() -> None:
    scaler = keda(2, idleReplicaCount=0)
    assert scaler.poll(0.0, 0, moment(1)) == 2
    assert scaler.poll(301.0, 3, moment()) == 0


def test_a_minimum_above_zero_is_never_left() -> None:
    assert keda(2).poll(1000.0, 3, moment()) == 3
    assert keda(2).poll(1000.0, 1, moment()) == 2


def test_a_number_that_cannot_be_read_changes_nothing() -> None:
    assert keda().poll(1000.0, 2, moment(gateways=0)) == 2


def test_with_a_fallback_of_zero_replicas_it_sleeps_instead() -> None:
    fallback = {"failureThreshold": 3, "replicas": 0}
    assert keda(fallback=fallback).poll(1000.0, 2, moment(gateways=0)) == 0


def test_the_autoscaler_of_a_service_that_sleeps_keeps_one_replica() -> None:
    assert (keda(0).spec.hpa.least, keda(2).spec.hpa.least, keda(0).spec.hpa.most) == (1, 2, 5)


def test_what_is_not_said_has_kedas_defaults() -> None:
    spec = scaled_object(0, 5)
    for key in ("pollingInterval", "cooldownPeriod", "minReplicaCount", "maxReplicaCount"):
        del spec[key]
    found = KedaObject.of(spec)
    assert (found.polling_seconds, found.cooldown_seconds, found.least, found.hpa.most) == (30.0, 300.0, 0, 100)


def test_a_formula_makes_one_number_of_the_triggers() -> None:
    scaler = keda(1, **by_servers())
    now = Moment(ready=2, in_flight=8, leaving=3, queued=6, gateways=0)
    assert scaler.values(now, 2) == [7.0]
    assert [(item.target, item.value) for item in scaler.spec.hpa.metrics] == [("Value", 4000)]


def test_gateways_hold_the_queue_so_servers_have_none() -> None:
    assert keda(1, **by_servers()).values(Moment(ready=2, in_flight=8, leaving=0, queued=6, gateways=2), 2) == [4.0]


@pytest.mark.parametrize(
    ("behavior", "replicas"),
    [("static", 3.0), ("currentReplicas", 5.0), ("currentReplicasIfHigher", 5.0), ("currentReplicasIfLower", 3.0)],
)
def test_after_enough_failures_the_fallback_stands_in(behavior: str, replicas: float) -> None:
    fallback = {"failureThreshold": 2, "replicas": 3, "behavior": behavior}
    scaler = keda(1, fallback=fallback)
    assert [scaler.values(moment(gateways=0), 5) for _ in range(3)] == [[None], [None], [replicas * 4]]
    assert scaler.values(moment(8), 5) == [8.0]
    assert scaler.values(moment(gateways=0), 5) == [None]


def test_a_fallback_of_a_multiplied_number_needs_a_ready_replica() -> None:
    fallback = {"failureThreshold": 0, "replicas": 1, "behavior": "currentReplicasIfHigher"}
    scaler = keda(1, **by_servers(fallback=fallback))
    assert scaler.values(moment(ready=0, gateways=0), 2) == [None]


@pytest.mark.parametrize(
    "formula", ["in_flight ?? 3", "__import__('os')", "missing + 1", "in_flight ** 2", "(", "max(x=1)"]
)
def test_another_formula_is_a_mistake(formula: str) -> None:
    given = by_servers(advanced={"scalingModifiers": {"formula": formula, "target": "4"}})
    with pytest.raises(UsageError, match="only"):
        keda(1, **given)


@pytest.mark.parametrize(("formula", "value"), [("max(in_flight, 2 * queued)", 6.0), ("(in_flight - 1) / 2", 1.5)])
def test_arithmetic_of_a_formula_is_done(formula: str, value: float) -> None:
    given = by_servers(advanced={"scalingModifiers": {"formula": formula, "target": "4"}})
    assert keda(1, **given).values(Moment(ready=2, in_flight=8, leaving=0, queued=6, gateways=0), 2) == [value]


@pytest.mark.parametrize("name", BACKENDS)
def test_the_numbers_of_every_server_that_a_service_can_run_are_known(name: str) -> None:
    bounds = Bounds(least=1, most=5, window_seconds=300, drain_seconds=60)
    spec = demand_autoscaler("chat", "s", bounds, 4, "http://chat.s.svc:8000/metrics", backend=BACKENDS[name])["spec"]
    busy = Moment(ready=2, in_flight=8, leaving=0, queued=6, gateways=0)
    computed = 0 if BACKENDS[name].signals.running is None else 8
    # the mean over both servers
    assert Keda(spec=KedaObject.of(spec)).values(busy, 2) == [(computed + 6) / 2]


@pytest.mark.parametrize(
    "change",
    [{"type": "prometheus"}, {"metadata": {}}, {"metadata": {"valueLocation": "springtide_requests_queued"}}],
)
def test_another_trigger_is_a_mistake(change: dict[str, Any]) -> None:
    given = scaled_object(0, 5)
    given["triggers"][0].update(change)
    with pytest.raises(UsageError, match=r"trigger requests .* cannot be simulated"):
        KedaObject.of(given)
