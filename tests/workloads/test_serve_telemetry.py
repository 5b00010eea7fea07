"""The server's numbers for OpenTelemetry."""

import sys
from typing import Any

import pytest

from springtide_workloads.contract import Metric
from springtide_workloads.errors import ConfigError
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.telemetry import OTLP_ENDPOINT, export, export_where_asked


def test_the_contracts_names_are_all_there_from_the_start() -> None:
    metrics = Metrics()
    found = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    metrics.requests.labels(code="200")
    missing = {name for name in Metric if not any(each.startswith(name) for each in found)}
    assert missing <= {Metric.REQUESTS}


def test_opentelemetry_gets_the_names_of_its_conventions() -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.metrics.export")
    metrics, reader = Metrics(), sdk.InMemoryMetricReader()
    end = export(metrics, "gpt", reader)
    metrics.first_token_seconds.observe(0.25)
    metrics.refused.labels(reason="deadline").inc(3)
    data: Any = reader.get_metrics_data()
    found = {each.name: each.data.data_points for each in data.resource_metrics[0].scope_metrics[0].metrics}
    point = found["gen_ai.server.time_to_first_token"][0]
    assert (point.sum, point.attributes["gen_ai.request.model"]) == (0.25, "gpt")
    refused = {point.attributes["reason"]: point.value for point in found["springtide_refused"]}
    assert refused == {"deadline": 3, "queue": 0, "priority": 0, "key": 0, "body": 0}
    assert metrics.registry.get_sample_value(f"{Metric.FIRST_TOKEN_SECONDS}_sum") == 0.25
    end()


def test_nothing_is_sent_where_nobody_asks() -> None:
    metrics = Metrics()
    before = metrics.seconds
    export_where_asked(metrics, "gpt", {})
    assert metrics.seconds is before


def test_asking_without_the_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.metric_exporter", None)
    with pytest.raises(ConfigError, match=r"install springtide-workloads\[otel\]"):
        export_where_asked(Metrics(), "gpt", {OTLP_ENDPOINT: "http://collector:4317"})
