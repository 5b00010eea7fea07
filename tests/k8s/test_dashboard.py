"""A service's dashboard: it asks for what is told, and the same service has the same one."""

import json
import re

import promql_parser as promql
import pytest

from springtide.k8s.dashboard import COLUMNS, content, dashboard, uid
from springtide_workloads.contract import GatewayMetric, Metric

from .manifests import known_to_kubernetes
from .promql_model import Series, evaluate, misshapen
from .told import KNOWN

PAGE = content("chat", sleeps=True)
EXPRESSIONS = {
    f"{panel['title']}: {target['legendFormat']}": target["expr"]
    for panel in PAGE["panels"]
    for target in panel["targets"]
}


@pytest.mark.parametrize("curve", EXPRESSIONS)
def test_a_curve_asks_for_what_is_told_and_keeps_its_service_apart(curve: str) -> None:
    promql.parse(EXPRESSIONS[curve])
    assert misshapen(EXPRESSIONS[curve], "chat", KNOWN) == []


@pytest.mark.parametrize("curve", EXPRESSIONS)
def test_a_curve_that_asks_for_something_else_is_noticed(curve: str) -> None:
    expression = EXPRESSIONS[curve]
    for pattern, other in (
        (r"(springtide_\w+)", r"\1_v2"),
        (r'service="chat",?', ""),
        (r"(sum|avg|max) by \([^)]*\) ", ""),
    ):
        broken, count = re.subn(pattern, other, expression, count=1)
        assert count
        assert misshapen(broken, "chat", KNOWN), broken


@pytest.mark.parametrize("curve", EXPRESSIONS)
def test_a_name_of_a_curve_holds_no_label_that_its_sum_drops(curve: str) -> None:
    kept = re.findall(r"by \(([^)]*)\)", EXPRESSIONS[curve])
    for label in re.findall(r"{{(\w+)}}", curve):
        assert all(label in labels.split(", ") for labels in kept)


def test_every_number_of_the_contract_that_is_no_arm_is_drawn() -> None:
    drawn = " ".join(EXPRESSIONS.values())
    arms = {metric for metric in GatewayMetric if "_arm_" in metric.value}
    missing = {metric for metric in (*Metric, *GatewayMetric) if metric.value not in drawn} - arms
    assert missing == {GatewayMetric.ANSWERS, GatewayMetric.REPLICAS}, (
        "codes of the servers and replicas of the servers are drawn"
    )


def test_no_replica_is_drawn_as_none_and_two_as_two() -> None:
    [ready] = [text for curve, text in EXPRESSIONS.items() if curve.startswith("Replicas ready")]
    two = [Series(Metric.READY, {"service": "chat", "namespace": "a", "pod": pod}, 1.0) for pod in ("0", "1")]
    assert list(evaluate(ready, []).values()) == [0.0]
    assert 2.0 in evaluate(ready, two).values()


def test_gateways_are_drawn_only_where_they_stand() -> None:
    assert "springtide_gateway" not in json.dumps(content("chat", sleeps=False))
    assert "springtide_gateway" in json.dumps(PAGE)


def test_pictures_lie_side_by_side_and_are_told_apart() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PAGE["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in PAGE["panels"]})
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= COLUMNS for panel in PAGE["panels"])
    for panel in PAGE["panels"]:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_the_same_service_has_the_same_page_and_another_has_another_uid() -> None:
    assert dashboard("chat", "s") == dashboard("chat", "s")
    assert uid("chat") == "springtide-31e06f7d89feb99a"
    assert uid("chat") != uid("draft")
    assert len(uid("a" * 63)) <= 40


def test_grafana_finds_it_and_kubernetes_knows_it() -> None:
    found = dashboard("chat", "springtide", sleeps=True)
    known_to_kubernetes("v1", "ConfigMap", found)
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    [(file, text)] = found["data"].items()
    assert file == "springtide-chat.json"
    assert json.loads(text) == PAGE
