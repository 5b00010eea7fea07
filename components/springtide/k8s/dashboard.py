"""A service's numbers as pictures: a dashboard that Grafana's sidecar reads from a ConfigMap.

Made from the contract that the servers and gateways keep, over series that `monitor.pod_monitor` labels. Told in the
schema of Grafana 10 and later; which Prometheus it asks is chosen in the page.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from springtide.k8s import Manifest
from springtide.k8s.promql import mean, or_zero, over_pods, quantile, rate, series
from springtide_workloads.contract import GatewayMetric, Metric

SIDECAR_LABEL = "grafana_dashboard"
"""Label by which Grafana's sidecar finds dashboards, at the default of its chart."""
SCHEMA = 39
WIDTH, HEIGHT, COLUMNS = 8, 8, 24
UID_LENGTH = 16

Unit = Literal["reqps", "short", "s", "percentunit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture."""

    title: str
    unit: Unit
    curves: dict[str, str]
    """Expressions by what they are called; a name may hold labels, `{{pod}}`."""
    stacked: bool = False


def dashboard(name: str, namespace: Any, *, sleeps: bool = False) -> Manifest:
    """ConfigMap with the dashboard of a service.

    Args:
        name: The service.
        namespace: Where the ConfigMap is; Grafana's sidecar must look there (`searchNamespace: ALL`).
        sleeps: Whether gateways stand before it; then their pictures come too.
    """
    return page(name, namespace, content(name, sleeps=sleeps))


def page(name: str, namespace: Any, shown: Manifest) -> Manifest:
    """The ConfigMap of a dashboard."""
    text = json.dumps(shown, indent=1, sort_keys=True)
    return {
        "metadata": {
            "name": f"{name}-dashboard",
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": name, SIDECAR_LABEL: "1"},
        },
        "data": {f"springtide-{name}.json": text},
    }


def content(name: str, *, sleeps: bool) -> Manifest:
    """The dashboard as Grafana reads it; the same service has the same `uid` everywhere, so that links to it last."""
    return arranged(name, [*_work(name), *_times(name), *_room(name), *(gateways(name) if sleeps else ())])


def arranged(name: str, panels: Iterable[Panel]) -> Manifest:
    """A dashboard of these pictures, three in a row."""
    return {
        "uid": uid(name),
        "title": f"Springtide service {name}",
        "tags": ["springtide", "serving"],
        "schemaVersion": SCHEMA,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]
        },
        "panels": [_panel(place, panel) for place, panel in enumerate(panels)],
    }


def uid(name: str) -> str:
    """Grafana's name for the dashboard: at most 40 characters, so not the service's own, which may have 63."""
    return f"springtide-{hashlib.sha256(name.encode()).hexdigest()[:UID_LENGTH]}"


def _panel(place: int, panel: Panel) -> Manifest:
    row, column = divmod(place, COLUMNS // WIDTH)
    source = {"type": "prometheus", "uid": "${source}"}
    custom = {"stacking": {"mode": "normal" if panel.stacked else "none"}, "fillOpacity": 10}
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": source, "expr": expression, "legendFormat": called}
            for index, (called, expression) in enumerate(panel.curves.items())
        ],
    }


def _work(name: str) -> Iterator[Panel]:
    yield Panel(
        title="Answers by code",
        unit="reqps",
        curves={"{{code}}": over_pods("sum", rate(Metric.REQUESTS, name), "code")},
        stacked=True,
    )
    yield Panel(
        title="Refused and failed by reason",
        unit="reqps",
        curves={
            "refused: {{reason}}": over_pods("sum", rate(Metric.REFUSED, name), "reason"),
            "failed: {{reason}}": over_pods("sum", rate(Metric.FAILED, name), "reason"),
        },
    )
    yield Panel(
        title="In flight and queued, by replica",
        unit="short",
        curves={
            "in flight {{pod}}": over_pods("sum", series(Metric.IN_FLIGHT, name), "pod"),
            "queued {{pod}}": over_pods("sum", series(Metric.QUEUED, name), "pod"),
        },
    )


def _times(name: str) -> Iterator[Panel]:
    for title, metric in (
        ("Answer begins within", Metric.REQUEST_SECONDS),
        ("Waiting for computation", Metric.QUEUE_SECONDS),
        ("Time to first token", Metric.FIRST_TOKEN_SECONDS),
        ("Time per token", Metric.TOKEN_SECONDS),
    ):
        curves = {"p50": quantile(0.5, metric, name), "p99": quantile(0.99, metric, name)}
        yield Panel(title=title, unit="s", curves=curves)


def _room(name: str) -> Iterator[Panel]:
    yield Panel(
        title="Tokens a second",
        unit="short",
        curves={"{{kind}}": over_pods("sum", rate(Metric.TOKENS, name), "kind")},
    )
    yield Panel(
        title="Key-value cache in use",
        unit="percentunit",
        curves={
            "mean": over_pods("avg", series(Metric.CACHE_USED, name)),
            "fullest": over_pods("max", series(Metric.CACHE_USED, name)),
        },
    )
    # 0 where no pod is: a service that sleeps has none, and a gap would say that nobody knows
    yield Panel(
        title="Replicas ready",
        unit="short",
        curves={"ready": or_zero(over_pods("sum", series(Metric.READY, name)))},
    )
    yield Panel(title="Requests computed together", unit="short", curves={"mean": mean(Metric.BATCH, name)})


def gateways(name: str) -> Iterator[Panel]:
    """What the gateways of a service tell."""
    yield Panel(
        title="Held by gateways",
        unit="short",
        curves={
            "held": over_pods("sum", series(GatewayMetric.HELD, name)),
            "held and in flight": over_pods("sum", series(GatewayMetric.REQUESTS, name)),
        },
    )
    waited = GatewayMetric.WAITED_SECONDS
    yield Panel(
        title="Waited for a replica",
        unit="s",
        curves={"p50": quantile(0.5, waited, name), "p99": quantile(0.99, waited, name)},
    )
    yield Panel(
        title="Lost by gateways, by reason",
        unit="reqps",
        curves={"{{reason}}": over_pods("sum", rate(GatewayMetric.LOST, name), "reason")},
    )
