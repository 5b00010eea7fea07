"""Who reads a service's numbers: a PodMonitor of the Prometheus operator."""

from collections.abc import Mapping
from typing import Any

from springtide.k8s import Manifest
from springtide.k8s.promql import SERVICE
from springtide_workloads import contract

MONITORING_VERSION = "monitoring.coreos.com/v1"
"""apiVersion of PodMonitor and PrometheusRule."""
SCRAPE_SECONDS = 30
"""Between two readings: ten in the window of our rates."""
COMPONENT = "component"
"""Label that tells servers from gateways."""
NUMBERS = "metrics"
"""Name of the port with a gateway's numbers, and with those of servers that have a port for them alone."""
_PART = "__meta_kubernetes_pod_label_app_kubernetes_io_component"


def pod_monitor(name: str, namespace: Any, port: str = NUMBERS) -> Manifest:
    """Reading of a service's servers and gateways, ready or not, under labels `service` and `component`.

    Pods are read, not a Service: one that leaves still answers, and says so. The operator adds `namespace` and `pod`. What a
    pod itself calls `service` is kept as `exported_service`.

    Args:
        name: The service, as its pods' label app.kubernetes.io/name says.
        namespace: Where it and the monitor are; no other is looked into.
        port: Name of the servers' container port with the numbers: `backends.Backend.metrics_port_name`.
    """
    # a gateway hands on whatever comes to its port of that name, /metrics too, and would wake a service that sleeps
    apart = {"serving": port} if port == NUMBERS else {"serving": port, "gateway": NUMBERS}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": name}},
        "spec": {
            "selector": {
                "matchLabels": {"app.kubernetes.io/name": name},
                "matchExpressions": [
                    {"key": "app.kubernetes.io/component", "operator": "In", "values": ["serving", "gateway"]},
                ],
            },
            "podMetricsEndpoints": [
                _endpoint(name, number, part if len(apart) > 1 else None) for part, number in apart.items()
            ],
        },
    }


def labelled(item: Manifest, labels: Mapping[str, str]) -> Manifest:
    """The object with more labels: those by which a Prometheus chooses its monitors and rules, such as `release`."""
    meta = item["metadata"]
    return {**item, "metadata": {**meta, "labels": {**meta["labels"], **labels}}}


def _endpoint(name: str, port: str, part: str | None) -> Manifest:
    """Where numbers are read: of pods of one part alone, where one is named."""
    only = [] if part is None else [{"action": "keep", "sourceLabels": [_PART], "regex": part}]
    return {
        "port": port,
        "path": contract.METRICS_PATH,
        "interval": f"{SCRAPE_SECONDS}s",
        "honorLabels": False,
        "relabelings": [
            *only,
            {"action": "replace", "targetLabel": SERVICE, "replacement": name},
            {"action": "replace", "sourceLabels": [_PART], "targetLabel": COMPONENT},
        ],
    }
