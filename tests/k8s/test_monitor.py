"""Who reads a service's numbers, and under which labels they come."""

import re
from dataclasses import replace
from typing import Any

from springtide.k8s import gateway, promql, serving
from springtide.k8s.monitor import SCRAPE_SECONDS, labelled, pod_monitor
from springtide_workloads import contract

from .manifests import SERVER, pod_of

NAMESPACE = object()
MONITOR = pod_monitor("chat", NAMESPACE)
[ENDPOINT] = MONITOR["spec"]["podMetricsEndpoints"]


def chosen(labels: dict[str, str]) -> bool:
    selector = MONITOR["spec"]["selector"]
    equal = all(labels.get(key) == value for key, value in selector["matchLabels"].items())
    return equal and all(labels.get(each["key"]) in each["values"] for each in selector["matchExpressions"])


def relabelled(found: dict[str, str], rules: list[dict[str, Any]]) -> dict[str, str]:
    """As Prometheus does it, where nothing but `replace` is asked; its regex default takes everything."""
    for rule in rules:
        assert rule["action"] == "replace"
        value = rule.get("replacement", ";".join(found.get(label, "") for label in rule.get("sourceLabels", [])))
        found = {**found, rule["targetLabel"]: value}
    return {key: value for key, value in found.items() if not key.startswith("__")}


def test_servers_and_gateways_of_the_service_are_read_and_nobody_else() -> None:
    assert chosen(serving.labels("chat"))
    assert chosen(gateway.labels("chat"))
    assert not chosen(serving.labels("other"))
    assert not chosen({"app.kubernetes.io/name": "chat", "app.kubernetes.io/component": "training"})


def test_the_port_is_one_that_the_pods_have() -> None:
    [server] = pod_of(serving.deployment(replace(SERVER, name="chat")))["containers"]
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert ports[ENDPOINT["port"]] == contract.METRICS_PORT
    assert ENDPOINT["path"] == contract.METRICS_PATH


def test_every_series_carries_its_service_and_its_part() -> None:
    meta = {
        f"__meta_kubernetes_pod_label_{re.sub(r'[^a-z_]', '_', key)}": value
        for key, value in gateway.labels("chat").items()
    }
    assert relabelled(meta, ENDPOINT["relabelings"]) == {"service": "chat", "component": "gateway"}
    assert ENDPOINT["honorLabels"] is False


def test_a_rate_has_readings_enough_in_its_window() -> None:
    minutes = re.fullmatch(r"(\d+)m", promql.WINDOW)
    assert minutes is not None
    assert int(minutes[1]) * 60 >= 4 * SCRAPE_SECONDS


def test_a_monitor_stays_in_its_namespace_and_carries_what_a_prometheus_chooses_by() -> None:
    assert MONITOR["metadata"]["namespace"] is NAMESPACE
    assert "namespaceSelector" not in MONITOR["spec"]
    assert labelled(MONITOR, {"release": "prometheus"})["metadata"]["labels"] == {
        "app.kubernetes.io/name": "chat",
        "release": "prometheus",
    }


def test_a_gateway_is_never_asked_for_numbers_at_the_port_by_which_it_hands_requests_on() -> None:
    servers, gateways = pod_monitor("chat", "s", "http")["spec"]["podMetricsEndpoints"]
    first = [each["relabelings"][0] for each in (servers, gateways)]
    part = ["__meta_kubernetes_pod_label_app_kubernetes_io_component"]
    assert [each["port"] for each in (servers, gateways)] == ["http", "metrics"]
    assert first == [{"action": "keep", "sourceLabels": part, "regex": each} for each in ("serving", "gateway")]
