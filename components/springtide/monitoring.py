"""Who watches a service: readings, alerts and a dashboard, where the cluster has the Prometheus operator."""

import pulumi
import pulumi_kubernetes as kubernetes

from springtide.cluster import ClusterRef
from springtide.controllers import MONITORING
from springtide.k8s import Manifest
from springtide.k8s.alerts import Targets, alerts
from springtide.k8s.dashboard import dashboard
from springtide.k8s.foreign import foreign_alerts, foreign_dashboard
from springtide.k8s.monitor import MONITORING_VERSION, labelled, pod_monitor
from springtide.place import controlled
from springtide.served import backend_of
from springtide.spec import ServiceSpec
from springtide.spec.work import GPT

FIRST_TOKEN_SECONDS = 5.0
"""Within which 99 of 100 first tokens should come, where text is made: how long people wait for a sign of life."""


def watch(name: str, spec: ServiceSpec, cluster: ClusterRef, opts: pulumi.ResourceOptions) -> None:
    """A PodMonitor, a PrometheusRule and a ConfigMap with a dashboard; nothing where nobody would read them."""
    if MONITORING not in cluster["controllers"]:
        return
    space = controlled(cluster, MONITORING, cluster["namespace"])
    labels = cluster.get("monitor_labels", {})
    read = pod_monitor(name, space, backend_of(spec).metrics_port_name)
    for kind, item in (("PodMonitor", read), ("PrometheusRule", _alerts(name, spec, space))):
        kubernetes.apiextensions.CustomResource(
            name, api_version=MONITORING_VERSION, kind=kind, opts=opts, **labelled(item, labels)
        )
    shown = _dashboard(name, spec, space)
    kubernetes.core.v1.ConfigMap(f"{name}-dashboard", **shown, opts=opts)


def _alerts(name: str, spec: ServiceSpec, space: pulumi.Input[str]) -> Manifest:
    first = FIRST_TOKEN_SECONDS if _writes(spec) else None
    targets = Targets(startup_seconds=spec.startup_seconds, first_token_seconds=first)
    sleeps, gateways = spec.sleeps, spec.has_gateway
    if spec.is_foreign:
        signals = backend_of(spec).signals
        return foreign_alerts(name, space, signals, sleeps=sleeps, gateways=gateways, targets=targets)
    return alerts(name, space, sleeps=sleeps, gateways=gateways, targets=targets)


def _dashboard(name: str, spec: ServiceSpec, space: pulumi.Input[str]) -> Manifest:
    if spec.is_foreign:
        return foreign_dashboard(name, space, backend_of(spec).signals, sleeps=spec.has_gateway)
    return dashboard(name, space, sleeps=spec.has_gateway)


def _writes(spec: ServiceSpec) -> bool:
    """Whether it makes text, token by token."""
    return backend_of(spec).signals.per_token is not None and spec.predictor.partition(":")[0] == GPT
