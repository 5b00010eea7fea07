"""A model server as a Deployment, with what keeps its requests safe: probes, a drain, a disruption budget."""

from dataclasses import dataclass
from typing import Any

from springtide.k8s import Manifest
from springtide.k8s.pod import container, environment, pod_spec, resources
from springtide_workloads import contract
from springtide_workloads.contract import ServingContract

STARTUP_SECONDS = 600
"""Time a model may take to load before a pod is given up; the slowest of Alibaba's GenTD26 trace took 79 s, image pull aside."""
PROBE_PERIOD_SECONDS = 5
SCALE_DOWN_WINDOW_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A model service, with everything decided."""

    name: str
    image: str
    contract: ServingContract
    gpus: int
    replicas: int
    spare_replica: bool
    """Whether the pool can hold one replica more than the service may have, so that a new one can start first."""
    namespace: Any
    account: Any
    selector: Any
    memory_gib: int
    scratch_gib: int


def labels(name: str) -> dict[str, str]:
    """Labels of a service's pods; its selectors are the same."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "serving"}


def deployment(server: Server) -> Manifest:
    """The servers. A replica that cannot start beside the old ones (GPUs are few) waits for one to leave.

    Pulumi does not wait for them: the model they load may be hours of training away.
    """
    surge = {"maxSurge": 1, "maxUnavailable": 0} if server.spare_replica else {"maxSurge": 0, "maxUnavailable": 1}
    return {
        "metadata": {
            "name": server.name,
            "namespace": server.namespace,
            "labels": labels(server.name),
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        "spec": {
            "replicas": server.replicas,
            "selector": {"matchLabels": labels(server.name)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": surge},
            "progressDeadlineSeconds": 2 * STARTUP_SECONDS,
            "template": {"metadata": {"labels": labels(server.name)}, "spec": _pod(server)},
        },
    }


def service(name: str, namespace: Any) -> Manifest:
    """One address inside the cluster for all ready replicas."""
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels(name),
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        "spec": {
            "type": "ClusterIP",
            "selector": labels(name),
            "ports": [
                {"name": "http", "port": 80, "targetPort": "http"},
                {"name": "metrics", "port": contract.METRICS_PORT, "targetPort": "metrics"},
            ],
        },
    }


def disruption_budget(name: str, namespace: Any) -> Manifest:
    """At most one replica is drained at a time; one that is broken anyway stands in nobody's way."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": labels(name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def cpu_autoscaler(name: str, namespace: Any, *, least: int, most: int, cpu_percent: int) -> Manifest:
    """Replicas by CPU use, for servers that compute on the CPU; on a GPU this number says nothing."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": cpu_percent},
                    },
                }
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": SCALE_DOWN_WINDOW_SECONDS}},
        },
    }


def _pod(server: Server) -> Manifest:
    serve = container(
        "server",
        server.image,
        contract.SERVE_COMMAND,
        environment(server.contract.to_env()),
        ports=[
            {"name": "http", "containerPort": server.contract.http_port},
            {"name": "metrics", "containerPort": server.contract.metrics_port},
        ],
        resources=resources(server.gpus, memory_gib=server.memory_gib, scratch_gib=server.scratch_gib),
        startupProbe={**_get(contract.LIVE_PATH), "failureThreshold": STARTUP_SECONDS // PROBE_PERIOD_SECONDS},
        readinessProbe={**_get(contract.READY_PATH), "failureThreshold": 2},
        livenessProbe={**_get(contract.LIVE_PATH), "failureThreshold": 6, "timeoutSeconds": 5},
    )
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels(server.name)},
        "matchLabelKeys": ["pod-template-hash"],
    }
    return {
        **pod_spec(
            account=server.account,
            selector=server.selector,
            grace_seconds=server.contract.grace_seconds,
            shm_gib=1,
            scratch_gib=server.scratch_gib,
            container=serve,
            gpu=server.gpus > 0,
        ),
        "topologySpreadConstraints": [spread],
    }


def _get(path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": PROBE_PERIOD_SECONDS}
