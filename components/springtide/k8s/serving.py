"""A model server as a Deployment, with what keeps its requests safe: probes, a drain, a disruption budget."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from springtide.k8s import Manifest
from springtide.k8s.backends import HUB_TOKEN, Backend, Launch, command, lifecycle, ports, probes, value_locations
from springtide.k8s.pod import Place, container, environment, pod_template
from springtide_workloads import contract

NODE_SECONDS = 600
"""Time for a machine to boot and an image of some gigabytes to be pulled, before a model begins to load."""
CPU_WINDOW_SECONDS = 300
"""How long a CPU service must have been too large before it shrinks: Kubernetes' own default."""
LONGEST_WINDOW_SECONDS = 3600
LONGEST_PERIOD_SECONDS = 1800
"""Bounds of autoscaling/v2."""
EXIT_MARGIN_SECONDS = 5
"""Between the end of a drain and SIGKILL, for the process to end by itself."""
SHM_GIB_PER_GPU = 2
"""Shared memory for the processes of one replica, one a GPU, that pass each other tensors."""
SCRAPE_FAILURES = 3
"""Failed readings in a row, 15 seconds apart, before a service stays as large as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A model service, with everything decided."""

    name: str
    image: str
    backend: Backend
    launch: Launch
    env: Mapping[str, str]
    """What it is told besides its arguments."""
    propagation_seconds: int
    """After it is told to go, how long new requests still come."""
    grace_seconds: int
    """Between SIGTERM and SIGKILL."""
    replicas: int
    spare_replica: bool
    """Whether the pool can hold one replica more than the service may have, so that a new one can start first."""
    startup_seconds: int
    """Time its model may take to load before a server is given up."""
    place: Place
    keys: str | None = None
    """Secret with the keys that may ask. Default: whoever reaches the server may."""
    hub_token: str | None = None
    """Secret whose `token` opens models at Hugging Face that are not for everybody; it need not be there. Default: none."""
    conditions: tuple[str, ...] = ()
    """What else must hold of a pod before it counts as ready, which somebody outside it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How an autoscaler may move a service."""

    least: int
    most: int
    window_seconds: int
    """How long a service must have been too large before it shrinks."""
    drain_seconds: int
    """Time that a replica may take to leave; only one leaves in that time."""


def cold_start_seconds(startup_seconds: int) -> int:
    """Time until a replica that is asked for now answers, where its machine is not there yet."""
    return NODE_SECONDS + startup_seconds


def gpu_window_seconds(startup_seconds: int) -> int:
    """How long a GPU service must have been too large before it shrinks: a replica costs two cold starts to lose."""
    return min(2 * cold_start_seconds(startup_seconds), LONGEST_WINDOW_SECONDS)


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
            "namespace": server.place.namespace,
            "labels": labels(server.name),
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        "spec": {
            "replicas": server.replicas,
            "selector": {"matchLabels": labels(server.name)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": surge},
            "progressDeadlineSeconds": cold_start_seconds(server.startup_seconds) + 60,
            "template": _pod(server),
        },
    }


def service(name: str, namespace: Any, selector: Mapping[str, str] | None = None, numbers: str = "metrics") -> Manifest:
    """One address inside the cluster for all ready pods with these labels. Default: the service's servers.

    Args:
        name: The service.
        namespace: Where it is.
        selector: Labels of the pods. Default: those of the service's servers.
        numbers: Name of the container port that numbers are read at.
    """
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels(name),
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        "spec": {"type": "ClusterIP", "selector": _selected(name, selector), "ports": _ports(numbers)},
    }


def servers(name: str, namespace: Any, called: str, numbers: str = "metrics") -> Manifest:
    """The servers one by one, for whoever chooses among them."""
    return {
        "metadata": {
            "name": called,
            "namespace": namespace,
            "labels": labels(name),
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        "spec": {"clusterIP": "None", "selector": labels(name), "ports": _ports(numbers)},
    }


def _selected(name: str, selector: Mapping[str, str] | None) -> dict[str, str]:
    return labels(name) if selector is None else dict(selector)


def _ports(numbers: str) -> list[Manifest]:
    return [
        {"name": "http", "port": 80, "targetPort": "http"},
        {"name": "metrics", "port": contract.METRICS_PORT, "targetPort": numbers},
    ]


def disruption_budget(name: str, namespace: Any, selector: Mapping[str, str] | None = None) -> Manifest:
    """At most one of the pods with these labels is drained at a time; one that is broken anyway stands in nobody's way."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": _selected(name, selector)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def cpu_autoscaler(name: str, namespace: Any, bounds: Bounds, cpu_percent: int) -> Manifest:
    """Replicas by CPU use, for servers that compute on the CPU; on a GPU this number says nothing."""
    target = {"type": "Utilization", "averageUtilization": cpu_percent}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": scale_target(name),
            "minReplicas": bounds.least,
            "maxReplicas": bounds.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": behavior(bounds),
        },
    }


def demand_autoscaler(  # noqa: PLR0913  an autoscaler has this many sides
    name: str, namespace: Any, bounds: Bounds, in_flight_per_replica: int, metrics_url: Any, *, backend: Backend
) -> Manifest:
    """Replicas by requests that are computed or wait, read by KEDA from the servers' own numbers.

    No Prometheus stands in between. The mean over the replicas that answer is compared with the target and multiplied by
    the replicas that are ready (`metricType: Value`): one whose numbers cannot be read counts like the others, where a sum
    would read it as idle. With none to be read the service stays as large as it is, or grows to its minimum. (Read in
    KEDA 2.20.2: metrics_api_scaler.go, fallback.go.) KEDA takes service and namespace from the host of `metrics_url`.
    """
    triggers = value_locations(backend)
    target = str(in_flight_per_replica)
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": scale_target(name),
            "minReplicaCount": bounds.least,
            "maxReplicaCount": bounds.most,
            "triggers": [_trigger(key, metric, metrics_url, target) for key, metric in triggers.items()],
            "fallback": {
                "failureThreshold": SCRAPE_FAILURES,
                "replicas": bounds.least,
                "behavior": "currentReplicasIfHigher",
            },
            "advanced": {
                "scalingModifiers": {"formula": " + ".join(triggers), "target": target, "metricType": "Value"},
                "horizontalPodAutoscalerConfig": {"behavior": behavior(bounds)},
            },
        },
    }


def _trigger(key: str, metric: str, metrics_url: Any, target: str) -> Manifest:
    return {
        "type": "metrics-api",
        "name": key,
        "metricType": "Value",
        "metadata": {
            "url": metrics_url,
            "format": "prometheus",
            "valueLocation": metric,
            "targetValue": target,
            "aggregateFromKubeServiceEndpoints": "true",
            "aggregationType": "average",
        },
    }


def scale_target(name: str) -> Manifest:
    """What an autoscaler of the service moves: its servers."""
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}


def behavior(bounds: Bounds) -> Manifest:
    """Up at once, by no more than there may be; down late, one replica in the time that a replica takes to leave.

    The step up is stated in pods, not percent: replicas that still load their model count as idle and would damp it.
    """
    up = {"type": "Pods", "value": max(bounds.most - bounds.least, 1), "periodSeconds": 60}
    down = {"type": "Pods", "value": 1, "periodSeconds": min(bounds.drain_seconds, LONGEST_PERIOD_SECONDS)}
    return {
        "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [up]},
        "scaleDown": {"stabilizationWindowSeconds": bounds.window_seconds, "policies": [down]},
    }


def _pod(server: Server) -> Manifest:
    backend, gpus = server.backend, server.launch.gpus
    variables = {**backend.env, **server.place.part.get("env", {}), **server.env}
    serve = container(
        "server",
        server.image,
        command(backend, server.launch),
        [*environment(variables), *_hub_token(server.hub_token)],
        place=server.place,
        gpus=gpus,
        ports=ports(backend),
        **probes(backend, server.startup_seconds),
        **lifecycle(backend, server.propagation_seconds),
    )
    pod = pod_template(
        serve,
        server.place,
        labels=labels(server.name),
        grace_seconds=server.grace_seconds,
        shm_gib=SHM_GIB_PER_GPU * gpus if gpus > 1 else 1,
        gpu=gpus > 0,
    )
    more: Manifest = {"topologySpreadConstraints": spread(labels(server.name), server.replicas)}
    if server.conditions:
        more["readinessGates"] = [{"conditionType": condition} for condition in server.conditions]
    if server.keys is not None:
        more |= with_keys(pod["spec"], server.keys)
    return {**pod, "spec": {**pod["spec"], **more}}


def _hub_token(secret: str | None) -> list[Manifest]:
    """The variable with the token; a Secret that is not there leaves it out."""
    chosen = {"name": secret, "key": "token", "optional": True}
    return [] if secret is None else [{"name": HUB_TOKEN, "valueFrom": {"secretKeyRef": chosen}}]


def with_keys(pod: Manifest, secret: str) -> Manifest:
    """The pod's container and its volumes with the keys among them; without the Secret no pod starts."""
    [serve] = pod["containers"]
    folder, file = posixpath.split(contract.KEYS_FILE)
    mount = {"name": "keys", "mountPath": folder, "readOnly": True}
    source = {"secretName": secret, "items": [{"key": "keys", "path": file}], "defaultMode": 0o440}
    return {
        "containers": [{**serve, "volumeMounts": [*serve["volumeMounts"], mount]}],
        "volumes": [*pod["volumes"], {"name": "keys", "secret": source}],
    }


def spread(selector: Mapping[str, str], replicas: int) -> list[Manifest]:
    """Replicas apart, where that can be had. None of it is demanded: other pods may fill the nodes in between.

    Over nodes only where two replicas are kept: for one that comes and goes, a preference would wake a machine of its own.
    """
    keys = ["topology.kubernetes.io/zone", *(["kubernetes.io/hostname"] if replicas > 1 else [])]
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "nodeTaintsPolicy": "Honor",
            "labelSelector": {"matchLabels": dict(selector)},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in keys
    ]
