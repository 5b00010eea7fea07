"""What counts as a pool, and as one with accelerators: the component, and what the clouds make of it."""

import re
from collections.abc import Callable
from typing import Any

from springtide_policies.graph import Field, Node

GPU_POOL = "springtide:index:GpuPool"
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
KARPENTER_POOL = "kubernetes:karpenter.sh/v1:NodePool"
GKE_POOL = "gcp:container/nodePool:NodePool"

NODE_CLASS = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"

RENDERINGS = (NODE_GROUP, KARPENTER_POOL, GKE_POOL)

GPU_RESOURCE = "nvidia.com/gpu"

_MACHINES = re.compile(
    r"(g|gr|p|trn|inf|dl)\d"  # EC2: families of accelerated machines
    r"|(a2|a3|a4|a4x|g2|g4)-"  # Compute Engine: machine families with accelerators built in
)
_IMAGES = re.compile(r"NVIDIA|GPU|NEURON")


def in_gpu_pool(node: Node) -> bool:
    """Whether the node is a GPU pool or a part of one."""
    return GPU_POOL in node.lineage


def pool_name(node: Node) -> str:
    """The name of the pool as its owner wrote it: that of the component, where the node is a part of one."""
    return node.names[-1] if in_gpu_pool(node) and node.type != GPU_POOL else node.name


def described_by(pool: Node) -> Field:
    """Where a pool says which cloud's catalog describes its machines: the one that they imitate, else its own."""
    imitated = pool.at("machines")
    return pool.at("cloud") if imitated.shown is None and not imitated.unknown else imitated


def accelerated(node: Node) -> bool:
    """Whether the pool's machines have accelerators.

    Raises:
        UnknownInputError: the inputs that say so are known only to the cloud.
    """
    return in_gpu_pool(node) or (node.type in _SIGNS and _SIGNS[node.type](node))


def _node_group(node: Node) -> bool:
    if _IMAGES.search(str(node.at("amiType").value)):
        return True
    return any(_is_accelerated(item.value) for item in node.at("instanceTypes").members())


def _karpenter_pool(node: Node) -> bool:
    if node.at("spec", "limits", GPU_RESOURCE).value not in (None, 0, "0"):
        return True
    requirements = node.at("spec", "template", "spec", "requirements").members()
    return any(map(_asks_for_gpus, requirements))


def _gke_pool(node: Node) -> bool:
    machine = node.at("nodeConfig", "machineType").value
    return bool(node.at("nodeConfig", "guestAccelerators").members()) or _is_accelerated(machine)


_SIGNS: dict[str, Callable[[Node], bool]] = {
    NODE_GROUP: _node_group,
    KARPENTER_POOL: _karpenter_pool,
    GKE_POOL: _gke_pool,
}


def _asks_for_gpus(requirement: Field) -> bool:
    if requirement.get("operator").value in ("NotIn", "DoesNotExist"):
        return False
    by_property = "/instance-gpu-" in str(requirement.get("key").value)
    return by_property or any(_is_accelerated(item.value) for item in requirement.get("values").members())


def _is_accelerated(machine: Any) -> bool:
    return _MACHINES.match(str(machine)) is not None
