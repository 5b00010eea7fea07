"""What stands in front of a service: gateways that hold its requests while it sleeps, or divide them among its arms.

Clients keep the service's address: its Service leads to the gateways, and these find the servers by a Service of their own,
and those of another arm by the address that this one has. The gateways' number is what wakes a service that sleeps.
"""

from dataclasses import dataclass
from typing import Any

from springtide.k8s import Manifest
from springtide.k8s.pod import Place, container, environment, pod_template
from springtide.k8s.probes import probes
from springtide.k8s.serving import (
    Bounds,
    behavior,
    cold_start_seconds,
    scale_target,
    spread,
    with_keys,
)
from springtide_workloads import contract
from springtide_workloads.contract import Env, GatewayContract, GatewayMetric

REPLICAS = 2
"""Gateways of a service: one goes while the other answers."""
CPU_MILLIS = 250
MEMORY_GIB = 1
SCRATCH_GIB = 1
"""What one of them asks for: 256 MiB of bodies that wait, as much again for those in flight, and Python."""
STARTUP_SECONDS = 120
"""In which a gateway must answer, once its image is there: it loads no model."""
POLLING_SECONDS = 2
"""Between two readings of the number that wakes a service."""
LONGEST_LEAVE_SECONDS = 3600
"""How long a gateway may take to leave: GKE waits so long for the pods of a node that it upgrades, and no load balancer
waits longer for a target that it gave up."""
SUFFIXES = ("-gateway", "-servers")
"""Of the names that a service with gateways takes besides its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The gateways of one service, with everything decided."""

    name: str
    """Of the service."""
    image: str
    contract: GatewayContract
    place: Place
    keys: str | None = None
    """Secret with the keys that may ask; who has none must not wake a machine. Default: whoever reaches it may."""
    conditions: tuple[str, ...] = ()
    """What else must hold of a pod before it counts as ready, which somebody outside it says."""
    awaited: bool = False
    """Whether clients were led to servers before, and so must not be led to gateways that are not ready yet."""


def gateway_name(name: str) -> str:
    """Name of a service's gateways, of their account, and of the Service that their numbers are read by."""
    return f"{name}{SUFFIXES[0]}"


def servers_name(name: str) -> str:
    """Name of the Service by which gateways find the servers."""
    return f"{name}{SUFFIXES[1]}"


def labels(name: str) -> dict[str, str]:
    """Labels of a service's gateways; its selectors are the same."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "gateway"}


def hold_seconds(startup_seconds: int) -> int:
    """How long a request may wait: until a replica is there, its machine too, that is asked for as the request comes."""
    return cold_start_seconds(startup_seconds)


def deployment(gateway: Gateway) -> Manifest:
    """The gateways. They are no larger at night: two CPU pods are what a service costs while it sleeps.

    Pulumi waits only for those that come before servers which are asked already: one that leaves takes as long as the
    longest wait of a request it holds.
    """
    name = gateway_name(gateway.name)
    return {
        "metadata": _about(gateway.name, name, gateway.place.namespace, skip=not gateway.awaited),
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels(gateway.name)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": _pod(gateway),
        },
    }


def numbers(name: str, namespace: Any) -> Manifest:
    """Where a gateway's numbers are read: at each of them, one that leaves too, since it still holds requests."""
    return {
        "metadata": _about(name, gateway_name(name), namespace, skip=True),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": labels(name),
            "ports": [{"name": "metrics", "port": contract.METRICS_PORT, "targetPort": "metrics"}],
        },
    }


def role(name: str, namespace: Any) -> Manifest:
    """The right to see where the replicas are. Kubernetes cannot hold a list to some names, so it is the namespace's."""
    rule = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    return {"metadata": _about(name, gateway_name(name), namespace), "rules": [rule]}


def role_binding(name: str, namespace: Any) -> Manifest:
    """The gateways' account has that right."""
    called = gateway_name(name)
    return {
        "metadata": _about(name, called, namespace),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": called},
        "subjects": [{"kind": "ServiceAccount", "name": called, "namespace": namespace}],
    }


def waking_autoscaler(
    name: str, namespace: Any, bounds: Bounds, in_flight_per_replica: int, metrics_url: Any
) -> Manifest:
    """Replicas by the requests that the gateways have, held or in flight, from none to as many as there may be.

    KEDA itself wakes the first replica, within two readings of the first request, and takes the last one away when no
    request was seen for `cooldownPeriod`; in between an HPA divides the sum by the target (`AverageValue`), so that a
    replica that still loads its model is counted and not asked. Read in KEDA 2.20.2, and the same in 2.21.0:
    metrics_api_scaler.go reads each gateway that its Service publishes, leaves out one that does not answer, and fails
    where none does; scale_scaledobjects.go then changes nothing, as long as there is no `fallback`: with one of 0 replicas it
    would put the service to sleep, with one of more it would wake it for nothing. So a service whose gateways cannot be
    read stays as it is.
    """
    metadata = {
        "url": metrics_url,
        "format": "prometheus",
        "valueLocation": GatewayMetric.REQUESTS.value,
        "targetValue": str(in_flight_per_replica),
        "activationTargetValue": "0",
        "aggregateFromKubeServiceEndpoints": "true",
        "aggregationType": "sum",
    }
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": scale_target(name),
            "pollingInterval": POLLING_SECONDS,
            "cooldownPeriod": bounds.window_seconds,
            "minReplicaCount": bounds.least,
            "maxReplicaCount": bounds.most,
            "triggers": [
                {"type": "metrics-api", "name": "requests", "metricType": "AverageValue", "metadata": metadata}
            ],
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior(bounds)}},
        },
    }


def _about(name: str, called: str, namespace: Any, *, skip: bool = False) -> Manifest:
    notes = {"annotations": {"pulumi.com/skipAwait": "true"}} if skip else {}
    return {"name": called, "namespace": namespace, "labels": labels(name), **notes}


def _pod(gateway: Gateway) -> Manifest:
    place = gateway.place
    namespace = {"name": Env.NAMESPACE.value, "valueFrom": {"fieldRef": {"fieldPath": contract.NAMESPACE_FIELD}}}
    holds = container(
        "gateway",
        gateway.image,
        contract.GATEWAY_COMMAND,
        [*environment(gateway.contract.to_env()), namespace],
        place=place,
        gpus=0,
        ports=[
            {"name": "http", "containerPort": gateway.contract.http_port},
            {"name": "metrics", "containerPort": gateway.contract.metrics_port},
        ],
        **probes(contract.LIVE_PATH, contract.READY_PATH, STARTUP_SECONDS),
    )
    pod = pod_template(
        holds,
        place,
        labels=labels(gateway.name),
        grace_seconds=gateway.contract.grace_seconds,
        shm_gib=1,
        gpu=False,
    )
    more: Manifest = {
        # it asks the Kubernetes API where the replicas are
        "automountServiceAccountToken": True,
        "topologySpreadConstraints": spread(labels(gateway.name), REPLICAS),
    }
    if gateway.conditions:
        more["readinessGates"] = [{"conditionType": condition} for condition in gateway.conditions]
    if gateway.keys is not None:
        more |= with_keys(pod["spec"], gateway.keys)
    return {**pod, "spec": {**pod["spec"], **more}}
