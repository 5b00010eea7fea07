"""Controllers run beside the control plane as processes of this machine. No chart is installed: no node could run it."""

import pulumi

from springtide.clouds import ControllerParts
from springtide.cluster import ClusterRef
from springtide.spec import PoolSpec, StorageSpec


def addon(name: str, cluster: ClusterRef, parent: pulumi.Resource) -> pulumi.Resource:  # noqa: ARG001
    """An add-on that the cloud keeps up to date; there is none."""
    raise LookupError(name)


def controller(chart: str, cluster: ClusterRef, parent: pulumi.Resource) -> ControllerParts:  # noqa: ARG001
    """Rights of a chart's controller; none needs any."""
    return ControllerParts()


def pool_controllers(spec: PoolSpec, mode: str) -> tuple[str, ...]:  # noqa: ARG001
    """Karpenter makes every node."""
    return ("karpenter-crd", "karpenter")


def storage_controllers(spec: StorageSpec) -> tuple[str, ...]:  # noqa: ARG001
    """Charts and add-ons without which nothing mounts such storage; there is no such storage."""
    return ()
