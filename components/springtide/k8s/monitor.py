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
PARTS = ("serving", "gateway")


def pod_monitor(name: str, namespace: Any, labels: Mapping[str, str] | None = None, port: str = "metrics") -> Manifest:
    """Reading of a service's servers and gateways, ready or not, under labels `service` and `component`.

    Pods are read, not a Service: one that leaves still answers, and says so. The operator adds `namespace` and `pod`. What a
    pod itself calls `service` is kept as `exported_service`.

    Args:
        name: The service, as its pods' label app.kubernetes.io/name says.
        namespace: Where it and the monitor are; no other is looked into.
        labels: Of the monitor: those by which a Prometheus chooses its monitors, such as `release`. Default: none.
        port: Name of the container port with the numbers: `backends.Backend.metrics_port_name`.
    """
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": name, **(labels or {})},
        },
        "spec": {
            "selector": {
                "matchLabels": {"app.kubernetes.io/name": name},
                "matchExpressions": [
                    {"key": "app.kubernetes.io/component", "operator": "In", "values": list(PARTS)},
                ],
            },
            "podMetricsEndpoints": [
                {
                    "port": port,
                    "path": contract.METRICS_PATH,
                    "interval": f"{SCRAPE_SECONDS}s",
                    "honorLabels": False,
                    "relabelings": _relabelings(name),
                }
            ],
        },
    }


def _relabelings(name: str) -> list[Manifest]:
    return [
        {"action": "replace", "targetLabel": SERVICE, "replacement": name},
        {
            "action": "replace",
            "sourceLabels": ["__meta_kubernetes_pod_label_app_kubernetes_io_component"],
            "targetLabel": COMPONENT,
        },
    ]
