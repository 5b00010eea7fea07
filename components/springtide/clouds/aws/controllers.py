"""What controllers in an EKS cluster need of AWS."""

import pulumi

from springtide.clouds import ControllerParts
from springtide.cluster import ClusterRef
from springtide.spec import PoolSpec, StorageSpec


def addon(name: str, cluster: ClusterRef, parent: pulumi.Resource) -> pulumi.Resource:  # noqa: ARG001
    """An add-on that EKS keeps up to date."""
    raise LookupError(name)


def controller(chart: str, cluster: ClusterRef, parent: pulumi.Resource) -> ControllerParts:  # noqa: ARG001
    """Rights of a chart's controller; most need none."""
    return ControllerParts()


def pool_controllers(spec: PoolSpec, mode: str) -> tuple[str, ...]:  # noqa: ARG001
    """Charts and add-ons without which such a pool does not work."""
    return ()


def storage_controllers(spec: StorageSpec) -> tuple[str, ...]:  # noqa: ARG001
    """Charts and add-ons without which nothing mounts such storage."""
    return ()
