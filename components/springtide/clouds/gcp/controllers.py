"""What controllers in a GKE cluster need of GCP: nothing yet, for GKE brings its own metrics server and CSI drivers."""

import pulumi

from springtide.clouds import ControllerParts
from springtide.cluster import ClusterRef
from springtide.spec import PoolSpec, StorageSpec


def addon(name: str, cluster: ClusterRef, parent: pulumi.Resource) -> pulumi.Resource:  # noqa: ARG001
    """An add-on that GKE keeps up to date; those are switches of the cluster, and no resources."""
    raise LookupError(name)


def controller(chart: str, cluster: ClusterRef, parent: pulumi.Resource) -> ControllerParts:  # noqa: ARG001
    """Rights of a chart's controller; none needs any."""
    return ControllerParts()


def pool_controllers(spec: PoolSpec, mode: str) -> tuple[str, ...]:  # noqa: ARG001
    """Kueue, which asks for queued capacity on behalf of a whole run; for everything else GKE has what it takes."""
    return ("kueue",) if "queued" in spec.capacity else ()


def queue_controllers() -> tuple[str, ...]:
    """Charts without which nothing holds a run back."""
    return ("kueue",)


def storage_controllers(spec: StorageSpec) -> tuple[str, ...]:  # noqa: ARG001
    """Charts and add-ons without which nothing mounts such storage; GKE's own drivers are switched on with the cluster."""
    return ()
