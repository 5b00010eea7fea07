"""A model server for those outside its cluster: what says so inside it."""

from collections.abc import Mapping
from typing import Any

from springtide.k8s import Manifest
from springtide.k8s import gateway as gateways
from springtide.k8s.serving import labels
from springtide.spec import ServiceSpec
from springtide_workloads import contract

HTTP = 80
"""Port of a service's address, inside the cluster and inside the network."""
PRIVATE_RANGES = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
"""Who may use an internal address: networks that nobody reaches from the internet (RFC 1918, RFC 6598)."""
REQUEST_SECONDS = 300
"""Longest time that a load balancer waits for an answer to begin. Where it is left open, ALB waits 60 s, Google's 30."""
CHECK_SECONDS = 10
"""Between two questions of a load balancer whether a server is ready."""
CHECK_TIMEOUT_SECONDS = 5
CHECKS = 2
"""Answers in a row after which it believes them."""
GATEWAY_CLASS = "gke-l7-global-external-managed"
_GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}


def request_seconds(spec: ServiceSpec) -> int:
    """Longest time that a load balancer waits for an answer to begin; a service that sleeps must wake first."""
    return REQUEST_SECONDS + _held(spec)


def leave_seconds(spec: ServiceSpec) -> int:
    """How long a pod that goes still answers: a server, or a gateway with what it holds."""
    return spec.propagation_seconds + _held(spec) + spec.drain_seconds


def _held(spec: ServiceSpec) -> int:
    return gateways.hold_seconds(spec.startup_seconds) if spec.has_gateway else 0


def front_labels(name: str, spec: ServiceSpec) -> dict[str, str]:
    """Labels of the pods that a service's clients reach: its servers, or the gateways before them."""
    return gateways.labels(name) if spec.has_gateway else labels(name)


def binding(name: str, namespace: Any, target_group: Any) -> Manifest:
    """Which pods a target group of AWS has: those of the service that are ready, or becoming so."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels(name)},
        "spec": {
            "serviceRef": {"name": name, "port": HTTP},
            "targetGroupARN": target_group,
            "targetType": "ip",
        },
    }


def internal_balancer(name: str, namespace: Any, address: Any, selector: Mapping[str, str] | None = None) -> Manifest:
    """GKE's own load balancer inside the network, under an address that is ours, in front of pods with these labels.

    By default these are the service's servers. Pulumi does not wait for it: it would wait for pods that are ready, whose model
    may be hours of training away.
    """
    return {
        "metadata": {
            "name": f"{name}-internal",
            "namespace": namespace,
            "labels": labels(name),
            "annotations": {"networking.gke.io/load-balancer-type": "Internal", "pulumi.com/skipAwait": "true"},
        },
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerIP": address,
            "loadBalancerSourceRanges": list(PRIVATE_RANGES),
            "selector": labels(name) if selector is None else dict(selector),
            "ports": [{"name": "http", "port": HTTP, "targetPort": "http"}],
        },
    }


def gateway(name: str, namespace: Any, host: str, *, certificate_map: Any, address: Any) -> Manifest:
    """Google's load balancer for the internet: HTTPS with a certificate of Certificate Manager, and HTTP to say so."""
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels(name),
            "annotations": {"networking.gke.io/certmap": certificate_map, "pulumi.com/skipAwait": "true"},
        },
        "spec": {
            "gatewayClassName": GATEWAY_CLASS,
            "addresses": [{"type": "NamedAddress", "value": address}],
            "listeners": [
                {"name": "https", "protocol": "HTTPS", "port": 443, "hostname": host},
                {"name": "http", "protocol": "HTTP", "port": HTTP, "hostname": host},
            ],
        },
    }


def route(name: str, namespace: Any, host: str) -> Manifest:
    """What comes in by HTTPS goes to the service."""
    return _route(name, namespace, host, "https", {"backendRefs": [{"name": name, "port": HTTP}]})


def redirect(name: str, namespace: Any, host: str) -> Manifest:
    """What comes in by HTTP is told to come by HTTPS."""
    told = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    return _route(f"{name}-redirect", namespace, host, "http", {"filters": [told]}, gateway_name=name)


def health_check(name: str, namespace: Any) -> Manifest:
    """How Google's load balancer asks whether a server is ready; by itself it asks for `/`, which no server has."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels(name)},
        "spec": {
            "default": {
                "checkIntervalSec": CHECK_SECONDS,
                "timeoutSec": CHECK_TIMEOUT_SECONDS,
                "healthyThreshold": CHECKS,
                "unhealthyThreshold": CHECKS,
                "config": {
                    "type": "HTTP",
                    "httpHealthCheck": {"portSpecification": "USE_SERVING_PORT", "requestPath": contract.READY_PATH},
                },
            },
            "targetRef": _service(name),
        },
    }


def backend_policy(name: str, namespace: Any, spec: ServiceSpec) -> Manifest:
    """How long Google's load balancer waits for an answer, and for those that are due when a pod goes."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels(name)},
        "spec": {
            "default": {
                "timeoutSec": request_seconds(spec),
                "connectionDraining": {"drainingTimeoutSec": leave_seconds(spec)},
            },
            "targetRef": _service(name),
        },
    }


def _route(  # noqa: PLR0913, PLR0917  a route has this many sides
    name: str, namespace: Any, host: str, listener: str, rule: Manifest, gateway_name: str | None = None
) -> Manifest:
    parent = {**_GATEWAY, "name": name if gateway_name is None else gateway_name, "sectionName": listener}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"parentRefs": [parent], "hostnames": [host], "rules": [rule]},
    }


def _service(name: str) -> Manifest:
    return {"group": "", "kind": "Service", "name": name}
