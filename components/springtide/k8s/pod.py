"""What all our pods have in common: no privileges, GPUs they can tolerate, memory they can share, a disk to scratch on."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from springtide.k8s import Manifest
from springtide_workloads import contract

GPU = "nvidia.com/gpu"
USER_ID = 10001
"""User of the images (workloads/images); any number above 0 would do for the restricted standard."""


class Sidecar(TypedDict):
    """A container that runs beside the workload's own: a fabric's receive manager."""

    name: str
    """Name of the container."""
    image: str
    """Image, as its vendor publishes it."""
    command: list[str]
    """Command in exec form."""
    env: NotRequired[dict[str, str]]
    """Environment variables."""
    host_paths: NotRequired[dict[str, str]]
    """Directories of the node, each with its place in the container."""
    capabilities: NotRequired[list[str]]
    """Linux capabilities it needs, such as NET_ADMIN."""


class PodPart(TypedDict, total=False):
    """What a pod needs on the nodes of one pool besides GPUs."""

    resources: dict[str, str]
    """Extended resources of a whole node, in requests and limits: {"vpc.amazonaws.com/efa": "32"}."""
    env: dict[str, str]
    """Environment variables of the fabric's libraries."""
    annotations: dict[str, str]
    """Annotations of the pod: which networks its interfaces are in."""
    labels: dict[str, str]
    """Labels of the pod that its node pool asks for."""
    host_paths: dict[str, str]
    """Directories of the node, each with its place in the workload's container."""
    sidecars: list[Sidecar]
    """Containers beside the workload's own."""
    tolerations: list[dict[str, str]]
    """Taints of the pool, besides the GPU's, that the pod accepts."""
    together: str
    """Node label whose value all pods of one job must share: the rung and the zone they landed on first."""


def environment(variables: Mapping[str, str]) -> list[Manifest]:
    """Variables as a container has them, sorted by name: an order that changes would restart pods."""
    return [{"name": name, "value": value} for name, value in sorted(variables.items())]


def container(name: str, image: str, command: tuple[str, ...], env: list[Manifest], **more: Any) -> Manifest:
    """A container in exec form, so that its process is the first one and hears SIGTERM."""
    return {
        "name": name,
        "image": image,
        "command": list(command),
        "env": env,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": contract.SCRATCH_DIR},
            {"name": "shm", "mountPath": contract.SHM_PATH},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  a path in the container
        ],
        **more,
    }


def resources(gpus: int, *, memory_gib: int, scratch_gib: int) -> Manifest:
    """Requests and limits of a container. GPUs are a whole number and equal in both, as the device plugin demands."""
    devices = {GPU: str(gpus)} if gpus > 0 else {}
    disk = {"ephemeral-storage": f"{scratch_gib}Gi"}
    return {
        "limits": {**devices, "memory": f"{memory_gib}Gi", **disk},
        "requests": {**devices, "cpu": "1", "memory": f"{memory_gib}Gi", **disk},
    }


def pod_spec(  # noqa: PLR0913  a pod has this many sides
    *,
    account: Any,
    selector: Any,
    grace_seconds: int,
    shm_gib: int,
    scratch_gib: int,
    container: Manifest,
    gpu: bool,
) -> Manifest:
    """A pod without privileges. Shared memory counts against the container's memory limit."""
    placement: Manifest = {"nodeSelector": selector}
    if gpu:
        placement["tolerations"] = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_seconds,
        **placement,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": f"{scratch_gib}Gi"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{shm_gib}Gi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
    }
