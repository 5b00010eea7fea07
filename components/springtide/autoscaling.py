"""What moves a model service between its bounds."""

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import gateway
from springtide.cluster import ClusterRef
from springtide.k8s import Manifest
from springtide.k8s.gateway import waking_autoscaler
from springtide.k8s.serving import (
    CPU_WINDOW_SECONDS,
    EXIT_MARGIN_SECONDS,
    Bounds,
    cpu_autoscaler,
    demand_autoscaler,
    gpu_window_seconds,
)
from springtide.place import controlled
from springtide.served import backend_of
from springtide.spec import ScaleOnSpec, ServiceSpec
from springtide_workloads.contract import METRICS_PATH

KEDA = "keda"
KEDA_VERSION = "keda.sh/v1alpha1"


def scales(spec: ServiceSpec) -> bool:
    """Whether something makes the service grow."""
    return spec.scale_on != ScaleOnSpec()


def autoscaler(name: str, spec: ServiceSpec, cluster: ClusterRef, opts: pulumi.ResourceOptions) -> None:
    """What moves the service between its bounds, if anything does."""
    percent, requests = spec.scale_on.cpu_percent, spec.scale_on.in_flight_per_replica
    if percent is not None:
        by_cpu = cpu_autoscaler(name, cluster["namespace"], _bounds(spec), percent)
        kubernetes.autoscaling.v2.HorizontalPodAutoscaler(name, **by_cpu, opts=opts)
    if requests is not None:
        space = controlled(cluster, KEDA, cluster["namespace"])
        by_demand = _by_demand(name, spec, space, requests)
        kubernetes.apiextensions.CustomResource(
            name, api_version=KEDA_VERSION, kind="ScaledObject", opts=opts, **by_demand
        )


def _by_demand(name: str, spec: ServiceSpec, space: pulumi.Output[str], requests: int) -> Manifest:
    """Replicas by requests, as the servers count them; as the gateways do, where these stand before them."""
    if spec.has_gateway:
        return waking_autoscaler(name, space, _bounds(spec), requests, gateway.numbers_url(name, space))
    backend = backend_of(spec)
    url = pulumi.Output.concat("http://", name, ".", space, f".svc:{backend.metrics_port}{METRICS_PATH}")
    return demand_autoscaler(name, space, _bounds(spec), requests, url, backend=backend)


def _bounds(spec: ServiceSpec) -> Bounds:
    return Bounds(
        least=spec.replicas.min,
        most=spec.replicas.max,
        window_seconds=gpu_window_seconds(spec.startup_seconds) if spec.gpus else CPU_WINDOW_SECONDS,
        drain_seconds=spec.propagation_seconds + spec.drain_seconds + EXIT_MARGIN_SECONDS,
    )
