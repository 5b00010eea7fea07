"""Alerts and dashboards for somebody else's servers, by the same table that starts them."""

import json
import re
from dataclasses import fields
from typing import Any

import promql_parser as promql
import pytest

from springtide.k8s.alerts import Targets
from springtide.k8s.backends import BACKENDS, Signals
from springtide.k8s.foreign import foreign_alerts, foreign_dashboard
from springtide_workloads.contract import GatewayMetric

from .promql_model import Series, evaluate, misshapen
from .told import KNOWN

FOREIGN: tuple[str, ...] = ("vllm", "sglang", "triton")
foreign = pytest.mark.parametrize("name", FOREIGN)


def known(signals: Signals) -> set[str]:
    """Names that the table says are told, and those of our gateways."""
    values = {getattr(signals, each.name) for each in fields(Signals)}
    names = {value for value in values if isinstance(value, str)}
    return names | {f"{name}_bucket" for name in names} | {each for each in KNOWN if "_gateway_" in each}


def rules(name: str, *, sleeps: bool = False) -> dict[str, str]:
    found = foreign_alerts("chat", "s", BACKENDS[name].signals, sleeps=sleeps, targets=Targets(first_token_seconds=2.0))
    return {rule["alert"]: rule["expr"] for rule in found["spec"]["groups"][0]["rules"]}


def curves(name: str) -> list[str]:
    [text] = foreign_dashboard("chat", "s", BACKENDS[name].signals, sleeps=True)["data"].values()
    return [target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]]


@foreign
@pytest.mark.parametrize("sleeps", [False, True])
def test_every_expression_asks_for_what_is_told_and_keeps_its_service_apart(name: str, sleeps: bool) -> None:
    for expression in [*rules(name, sleeps=sleeps).values(), *curves(name)]:
        promql.parse(expression)
        signals = BACKENDS[name].signals
        assert misshapen(expression, "chat", known(signals), gauges=[signals.waiting]) == []


@foreign
def test_an_expression_that_asks_for_something_else_is_noticed(name: str) -> None:
    for expression in [*rules(name).values(), *curves(name)]:
        for pattern, other in ((r"([\w:]+)\{", r"\1_v2{"), (r'service="chat",?', "")):
            broken, count = re.subn(pattern, other, expression, count=1)
            assert count
            signals = BACKENDS[name].signals
            assert misshapen(broken, "chat", known(signals), gauges=[signals.waiting]), broken


def told(name: str, pod: str, waiting: float, used: float, **more: str) -> list[Series]:
    labels = {"service": "chat", "namespace": "a", "pod": pod, **more}
    signals = BACKENDS[name].signals
    cache = [] if signals.cache_used is None else [Series(signals.cache_used, labels, used)]
    return [Series(signals.waiting, labels, waiting), *cache]


def spoken(name: str, data: list[Series], *, sleeps: bool = False) -> dict[str, int]:
    found = {alert: len(evaluate(text, data)) for alert, text in rules(name, sleeps=sleeps).items()}
    return {alert: count for alert, count in found.items() if count}


@foreign
def test_alerts_speak_once_over_none_one_and_many_pods(name: str) -> None:
    full = {} if BACKENDS[name].signals.cache_used is None else {"SpringtideCacheFull": 1}
    assert spoken(name, []) == {"SpringtideNumbersAbsent": 1}
    assert spoken(name, told(name, "0", 1, 0.5)) == {}
    assert spoken(name, told(name, "0", 20, 0.99)) == {"SpringtideLongQueue": 1, **full}
    assert spoken(name, told(name, "0", 20, 0.99) + told(name, "1", 20, 0.99)) == {"SpringtideLongQueue": 1, **full}
    assert spoken(name, told(name, "0", 9, 0.6) + told(name, "1", 0, 0.6)) == {}


def test_models_of_one_server_wait_in_one_line() -> None:
    two = told("triton", "0", 5, 0, model="a") + told("triton", "0", 5, 0, model="b")
    assert spoken("triton", two) == {"SpringtideLongQueue": 1}


def test_a_service_that_sleeps_is_no_service_that_is_gone() -> None:
    labels = {"service": "chat", "namespace": "a", "pod": "g"}
    awake = [Series(metric, labels, 0.0) for metric in (GatewayMetric.REPLICAS, GatewayMetric.REQUESTS)]
    assert spoken("vllm", awake, sleeps=True) == {}
    seen = [Series(GatewayMetric.REPLICAS, labels, 1.0), Series(GatewayMetric.REQUESTS, labels, 1.0)]
    assert spoken("vllm", seen, sleeps=True) == {"SpringtideNumbersAbsent": 1}


@foreign
def test_clients_let_in_by_gateways_alone_are_not_shut_out_unseen(name: str) -> None:
    found = foreign_alerts("chat", "s", BACKENDS[name].signals, sleeps=False, gateways=True, targets=Targets())
    named = {rule["alert"] for rule in found["spec"]["groups"][0]["rules"]}
    assert {"SpringtideGatewaysAbsent", "SpringtideGatewayLost", "SpringtideNumbersAbsent"} <= named
    assert "SpringtideGatewaysAbsent" not in rules(name)


def test_milliseconds_are_asked_for_in_milliseconds_and_drawn_in_seconds() -> None:
    assert rules("triton")["SpringtideSlowFirstToken"].endswith(">= 2000")
    drawn = [text for text in curves("triton") if "first_response" in text]
    assert drawn
    assert all(text.endswith("* 0.001") for text in drawn)


def test_what_is_not_told_is_not_asked_for() -> None:
    assert "SpringtideCacheFull" not in rules("triton")
    found: dict[str, Any] = foreign_alerts("chat", "s", BACKENDS["vllm"].signals, sleeps=False, targets=Targets())
    assert "SpringtideSlowFirstToken" not in str(found)
