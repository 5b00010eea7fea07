"""What controllers in an EKS cluster need of AWS, and which of them a pool needs."""

from collections.abc import Callable, Mapping

import pulumi

from springtide.clouds import ControllerParts
from springtide.clouds.aws.karpenter_controller import karpenter
from springtide.clouds.aws.ladder import woken
from springtide.clouds.aws.load_balancer import NAME as LOAD_BALANCER
from springtide.clouds.aws.load_balancer import load_balancer
from springtide.cluster import ClusterRef
from springtide.spec import PoolSpec

RIGHTS: Mapping[str, Callable[[ClusterRef, pulumi.Resource], ControllerParts]] = {
    "karpenter": karpenter,
    LOAD_BALANCER: load_balancer,
}
"""Charts whose controllers call AWS; the others need nothing of it."""
KARPENTER = ("karpenter-crd", "karpenter")
EFA_PLUGIN = ("aws-efa-k8s-device-plugin",)


def controller(chart: str, cluster: ClusterRef, parent: pulumi.Resource) -> ControllerParts:
    """Rights of a chart's controller; most need none."""
    make = RIGHTS.get(chart)
    return ControllerParts() if make is None else make(cluster, parent)


def pool_controllers(spec: PoolSpec, mode: str) -> tuple[str, ...]:
    """Charts and add-ons without which such a pool does not work; in Auto Mode AWS runs Karpenter itself."""
    makers = KARPENTER if mode == "standard" and woken(spec) else ()
    return (*makers, *(EFA_PLUGIN if spec.fabric == "efa" else ()))


def queue_controllers() -> tuple[str, ...]:
    """Charts without which nothing holds a run back."""
    return ("kueue",)
