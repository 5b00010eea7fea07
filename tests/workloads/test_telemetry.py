"""Numbers of a run, as Prometheus and OpenTelemetry see them."""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.workloads.processes import free_port

from springtide_workloads.contract import METRICS_PATH, Event, Layout, TrainingMetric
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.storage import Store
from springtide_workloads.train.events import EventLog, text_of
from springtide_workloads.train.telemetry import (
    ACCOUNT_SECONDS,
    Account,
    Source,
    _help,
    export,
    read_status,
    samples,
    serve,
)
from springtide_workloads.train.timeline import Part, Timeline

NOW = 1_800_000_000_000
STATUS: dict[str, Any] = {
    "step": 40, "loss": 2.5, "tokens_per_second": 1000.0,
    "checkpoint": {"step": 30, "seconds": 1.5, "bytes": 4096, "time_ms": NOW - 20_000},
}  # fmt: skip


def history() -> list[dict[str, Any]]:
    lines: list[tuple[int, str, dict[str, Any]]] = [
        (0, Event.JOINED.value, {"node": 0, "nodes": 1}),
        (5, Event.STARTED, {"step": 0}),
        (15, Event.PROGRESS.value, {"step": 10, "seconds": {"data": 1.0}}),
        (16, Event.RESTARTED, {"cause": "frozen"}),
    ]
    return [
        {"time": text_of(NOW + s * 1000), "event": str(kind), "attempt": "a", "writer": "w", **more}
        for s, kind, more in lines
    ]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / Layout.STATUS).write_text(json.dumps(STATUS))
    return Source(status=tmp_path / Layout.STATUS, account=Account(read=history))


def found(status: dict[str, Any], *, accounted: bool = True) -> dict[Any, float]:
    goodput = Timeline.of(history()) if accounted else None
    return {(s.metric, *s.labels.values()): s.value for s in samples(status, goodput, NOW)}


def test_every_metric_has_a_number_and_a_help() -> None:
    values = found(STATUS)
    assert {name for name, *_ in values} == set(TrainingMetric)
    assert all(_help(metric) for metric in TrainingMetric)
    assert values[TrainingMetric.CHECKPOINT_AGE,] == 20.0
    assert values[TrainingMetric.SLOW_RANK,] == -1
    assert values[TrainingMetric.RESTARTS, "frozen"] == 1
    assert values[TrainingMetric.SECONDS, "stalled"] == 1.0
    assert sum(values[TrainingMetric.SECONDS, part.value] for part in Part) == 16.0


def test_what_is_not_known_yet_is_left_out() -> None:
    assert found({}, accounted=False) == {}
    values = found({"step": 3})
    assert TrainingMetric.LOSS not in {name for name, *_ in values}
    assert values[TrainingMetric.RESTARTS, "killed"] == 0


def test_the_log_is_read_again_only_when_the_account_is_old() -> None:
    reads: list[int] = []
    now = [0.0]

    def read() -> list[dict[str, Any]]:
        reads.append(1)
        if len(reads) == 3:
            raise StorageError("cannot read")
        return history()

    account = Account(read=read, clock=lambda: now[0])
    first = account.now()
    assert account.now() is first
    now[0] += ACCOUNT_SECONDS
    second = account.now()
    now[0] += ACCOUNT_SECONDS
    assert account.now() is second
    assert len(reads) == 3


def test_a_status_that_is_absent_or_torn_is_none(tmp_path: Path) -> None:
    assert read_status(tmp_path / "absent") == {}
    for text in ('{"step": 1', "[1]"):
        (tmp_path / Layout.STATUS).write_text(text)
        assert read_status(tmp_path / Layout.STATUS) == {}


@pytest.mark.enable_socket
def test_prometheus_reads_a_run_from_the_agents_port(tmp_path: Path) -> None:
    store = Store((tmp_path / "run").as_uri())
    log = EventLog(store=store, run="tiny", attempt="a")
    log.add(Event.JOINED.value, node=0, nodes=1)
    log.add(Event.STARTED, step=0)
    log.add(Event.INTERRUPTED, step=4)
    log.close()
    (tmp_path / Layout.STATUS).write_text(json.dumps(STATUS))
    port = free_port()
    serve(Source.of(store, tmp_path / Layout.STATUS), port, env={})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{METRICS_PATH}", timeout=20) as answer:
        text = answer.read().decode()
    assert "# TYPE springtide_training_step gauge\nspringtide_training_step 40.0" in text
    assert 'springtide_training_seconds{part="useful"}' in text
    assert "# TYPE springtide_training_interruptions_total counter" in text
    assert "springtide_training_interruptions_total 1.0" in text
    assert "springtide_training_useful_steps 4.0" in text


def test_opentelemetry_reads_the_same_numbers(source: Source) -> None:
    export_module = pytest.importorskip("opentelemetry.sdk.metrics.export")
    reader = export_module.InMemoryMetricReader()
    end = export(source, reader)
    data = reader.get_metrics_data()
    metrics = {m.name: m for r in data.resource_metrics for scope in r.scope_metrics for m in scope.metrics}
    points = {
        (name, *point.attributes.values()): point.value for name, m in metrics.items() for point in m.data.data_points
    }
    assert points["springtide_training_step",] == 40
    assert points["springtide_training_restarts", "frozen"] == 1
    assert metrics["springtide_training_restarts"].data.is_monotonic
    assert len({name for name, *_ in points}) == len(TrainingMetric)
    end()


@pytest.mark.parametrize("absent", ["prometheus_client", "opentelemetry.sdk.metrics"])
def test_a_missing_package_is_told_with_what_to_install(
    source: Source, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(ConfigError, match=r"install springtide-workloads\["):
        serve(source, 0, env={}) if absent == "prometheus_client" else export(source, None)  # type: ignore[arg-type]
