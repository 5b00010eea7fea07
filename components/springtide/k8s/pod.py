"""What all our pods have in common: no privileges, GPUs they can tolerate, memory they can share, a disk to scratch on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    capabilities: list[str]
    """Linux capabilities of the workload's container, such as IPC_LOCK: it is root then, and has nothing else of root's."""
    sidecars: list[Sidecar]
    """Containers beside the workload's own."""
    tolerations: list[dict[str, str]]
    """Taints of the pool, besides the GPU's, that the pod accepts."""
    together: str
    """Node label whose value all pods of one job must share, and their zone with it: the rung they landed on first."""
    request: dict[str, str]
    """Annotations of a run that waits in a queue: what the cloud is told when the run's machines are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file system in a pod."""

    claim: Any
    """PersistentVolumeClaim by which it is mounted."""
    path: str
    """Where it is mounted."""
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a pod runs, and what it finds there."""

    namespace: Any
    account: Any
    """ServiceAccount that it runs as."""
    selector: Any
    """Node labels that it asks for."""
    memory_gib: int
    scratch_gib: int
    cpu: str = "1"
    """CPU that it asks for, as Kubernetes writes it; it may use more where there is more."""
    part: PodPart = field(default_factory=PodPart)
    """What its pool needs it to say."""
    mounts: tuple[Mount, ...] = ()


def environment(variables: Mapping[str, str]) -> list[Manifest]:
    """Variables as a container has them, sorted by name: an order that changes would restart pods."""
    return [{"name": name, "value": value} for name, value in sorted(variables.items())]


def container(  # noqa: PLR0913  a container has this many sides
    name: str, image: str, command: tuple[str, ...], env: list[Manifest], *, place: Place, gpus: int, **more: Any
) -> Manifest:
    """The workload's container, in exec form, so that its process is the first one and hears SIGTERM."""
    return {
        "name": name,
        "image": image,
        "command": list(command),
        "env": env,
        "resources": resources(gpus, place),
        "securityContext": {**_rights(place.part.get("capabilities", [])), "readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "scratch", "mountPath": contract.SCRATCH_DIR},
            {"name": "shm", "mountPath": contract.SHM_PATH},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  a path in the container
            *(
                {"name": f"mount-{i}", "mountPath": item.path, "readOnly": item.read_only}
                for i, item in enumerate(place.mounts)
            ),
            *_host_mounts(place.part, place.part.get("host_paths", {}), read_only=True),
        ],
        **more,
    }


def resources(gpus: int, place: Place) -> Manifest:
    """Requests and limits of a container. Devices are whole numbers and equal in both, as device plugins demand.

    A disk is asked for because a pod that writes more than that is evicted, and may be so in the middle of a save.
    """
    devices = {GPU: str(gpus)} if gpus > 0 else {}
    both = {
        **devices,
        **place.part.get("resources", {}),
        "memory": f"{place.memory_gib}Gi",
        "ephemeral-storage": f"{place.scratch_gib}Gi",
    }
    return {"limits": both, "requests": {**both, "cpu": place.cpu}}


def pod_template(  # noqa: PLR0913  a pod has this many sides
    container: Manifest, place: Place, *, labels: Mapping[str, Any], grace_seconds: int, shm_gib: int, gpu: bool
) -> Manifest:
    """A pod without privileges but those its pool needs. Shared memory counts against the container's memory limit."""
    notes = place.part.get("annotations", {})
    return {
        "metadata": {
            "labels": {**place.part.get("labels", {}), **labels},
            **({"annotations": dict(notes)} if notes else {}),
        },
        "spec": {
            "serviceAccountName": place.account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": grace_seconds,
            "nodeSelector": place.selector,
            **_tolerations(place.part, gpu=gpu),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "fsGroup": USER_ID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **_sidecars(place.part),
            "containers": [container],
            "volumes": [
                {"name": "scratch", "emptyDir": {"sizeLimit": f"{place.scratch_gib}Gi"}},
                {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{shm_gib}Gi"}},
                {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
                *(
                    {"name": f"mount-{i}", "persistentVolumeClaim": {"claimName": item.claim}}
                    for i, item in enumerate(place.mounts)
                ),
                *(
                    {"name": f"host-{i}", "hostPath": {"path": path}}
                    for i, path in enumerate(_host_directories(place.part))
                ),
            ],
        },
    }


def alone(part: PodPart) -> PodPart:
    """What a pod needs that shares its node with others: to land there. The node's fabric is for who has it whole."""
    return PodPart(labels=part.get("labels", {}), tolerations=part.get("tolerations", []))


def _tolerations(part: PodPart, *, gpu: bool) -> Manifest:
    own = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}] if gpu else []
    found = [*own, *part.get("tolerations", [])]
    return {"tolerations": found} if found else {}


def _sidecars(part: PodPart) -> Manifest:
    """Sidecars as Kubernetes has them: started before the workload, stopped after it, and no reason for a Job to go on."""
    sidecars = part.get("sidecars", [])
    return {"initContainers": [_sidecar(item, part) for item in sidecars]} if sidecars else {}


def _rights(capabilities: Sequence[str]) -> Manifest:
    """What a container may do: nothing, or what its capabilities say, which are root's.

    Whoever else is given one loses it as the first program starts: Kubernetes has no ambient capabilities (KEP-2763).
    """
    none: Manifest = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    if not capabilities:
        return none
    return {**none, "runAsUser": 0, "runAsNonRoot": False, "capabilities": {"drop": ["ALL"], "add": list(capabilities)}}


def _sidecar(item: Sidecar, part: PodPart) -> Manifest:
    return {
        "name": item["name"],
        "image": item["image"],
        "command": item["command"],
        "env": environment(item.get("env", {})),
        "restartPolicy": "Always",
        "securityContext": _rights(item.get("capabilities", [])),
        "volumeMounts": _host_mounts(part, item.get("host_paths", {}), read_only=False),
    }


def _host_directories(part: PodPart) -> list[str]:
    """Directories of the node that some container of the pod mounts, each once."""
    found = set(part.get("host_paths", {}))
    return sorted(found.union(*(item.get("host_paths", {}) for item in part.get("sidecars", []))))


def _host_mounts(part: PodPart, paths: Mapping[str, str], *, read_only: bool) -> list[Manifest]:
    names = {path: f"host-{i}" for i, path in enumerate(_host_directories(part))}
    return [{"name": names[path], "mountPath": place, "readOnly": read_only} for path, place in sorted(paths.items())]
