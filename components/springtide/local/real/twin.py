"""What a pod's twin is, and what becomes of either when the other changes. Pure: pods in, actions out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Pod = dict[str, Any]

RUNS = "springtide.dev/runs"
"""Annotation of pods that really run. Simulated nodes leave their status alone."""
NAMESPACE = "springtide-real"
"""Namespace of the twins. They mount folders of the machine, which the workloads' own namespace does not allow."""
NODE = "localhost"
"""Name of the real node: also the address under which the API server reaches its kubelet, for logs and `exec`."""
TAINT = {"key": "springtide.dev/real", "value": "true", "effect": "NoSchedule"}
"""Keeps the scheduler away from the real node: twins name it."""
IMAGE = "springtide.local/machine:1"
TWIN_OF = "springtide.dev/twin-of"
"""Label of a twin: UID of its pod. A pod of the same name that came later has another."""
_INDEX = "batch.kubernetes.io/job-completion-index"
_FIRST = "0"
_LOOPBACK = "127.0.0.1"
"""Where the first pod of a run finds itself: its address is known to its others only, once it has one."""
_GONE = {"Succeeded", "Failed"}
_POD_STATUS = (
    *("phase", "message", "reason", "startTime", "podIP", "podIPs"),
    *("conditions", "containerStatuses", "initContainerStatuses"),
)
"""What a pod takes over from its twin's status. Its host is the simulated one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What of this machine a twin sees.

    Attributes:
        read_only: Folders under their own paths: the system's libraries, Python, its packages, the sources.
        storage: Folder of this machine that stands for object storage.
        storage_path: Where containers find it.
        python: Folder of the interpreter with the workloads' packages.
    """

    read_only: tuple[str, ...]
    storage: str
    storage_path: str
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make a twin."""

    twin: Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Give a pod the status of its twin."""

    pod: Pod
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End a twin, with the grace that its pod still has."""

    name: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Let a pod go: its twin is gone."""

    pod: Pod


Action = Create | Report | Stop | Release


def actions(pods: Iterable[Pod], twins: Iterable[Pod], machine: Machine) -> list[Action]:
    """What to do so that pods and twins agree.

    Args:
        pods: Pods on simulated nodes that really run, of all namespaces.
        twins: Pods of the real node.
        machine: What a twin sees of this machine.
    """
    bound = [pod for pod in pods if pod["spec"].get("nodeName")]
    by_pod = {twin["metadata"]["labels"].get(TWIN_OF): twin for twin in twins}
    known = {pod["metadata"]["uid"] for pod in bound}
    orphans = [twin for uid, twin in by_pod.items() if uid not in known and not _leaving(twin)]
    hosts = _hosts(bound, by_pod)
    return [
        *(Stop(name=twin["metadata"]["name"], seconds=_grace(twin)) for twin in orphans),
        *(step for pod in bound for step in _next(pod, by_pod.get(pod["metadata"]["uid"]), hosts, machine)),
    ]


def _next(pod: Pod, own: Pod | None, hosts: Mapping[str | None, str], machine: Machine) -> list[Action]:
    if own is None:
        return _without_twin(pod, hosts, machine)
    report = _report(pod, own)
    if _leaving(pod) and own["status"].get("phase") in _GONE:
        return [*report, Stop(name=own["metadata"]["name"], seconds=0)]
    if _leaving(pod) and not _leaving(own):
        return [*report, Stop(name=own["metadata"]["name"], seconds=_grace(pod))]
    return report


def _without_twin(pod: Pod, hosts: Mapping[str | None, str], machine: Machine) -> list[Action]:
    phase = pod.get("status", {}).get("phase")
    if _leaving(pod):
        return [Release(pod=pod)]
    if phase in _GONE:
        return []
    if phase == "Running":
        # Somebody took the twin away; what it computed is lost, and whoever owns the pod makes another.
        lost = {"phase": "Failed", "reason": "TwinLost", "message": "its container was removed from this machine"}
        return [Report(pod=pod, status=lost)]
    host = _first_host(pod)
    # The others are made when there is an address to give them.
    address = _LOOPBACK if _index(pod) == _FIRST else hosts.get(host)
    if host is None:
        return [Create(twin=twin(pod, machine, {}))]
    return [] if address is None else [Create(twin=twin(pod, machine, {address: host}))]


def twin(pod: Pod, machine: Machine, hosts: Mapping[str, str]) -> Pod:
    """The pod that really runs in place of one on a simulated node.

    Args:
        pod: The pod on the simulated node.
        machine: What it sees of this machine.
        hosts: Names that it must be able to resolve, by address: there is no name service here.
    """
    meta, spec = pod["metadata"], pod["spec"]
    kept = ("restartPolicy", "terminationGracePeriodSeconds", "securityContext", "hostname", "subdomain")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": meta["name"],
            "namespace": NAMESPACE,
            "labels": {**meta.get("labels", {}), TWIN_OF: meta["uid"]},
            "annotations": {key: value for key, value in meta.get("annotations", {}).items() if key != RUNS},
        },
        "spec": {
            **{key: spec[key] for key in kept if key in spec},
            "nodeName": NODE,
            "tolerations": [{"operator": "Exists"}],
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "dnsPolicy": "Default",
            "hostAliases": [{"ip": address, "hostnames": _names(host, meta)} for address, host in hosts.items()],
            "containers": [_container(item, machine) for item in spec["containers"]],
            "volumes": [*(_volume(item) for item in spec.get("volumes", [])), *_folders(machine)],
        },
    }


def _container(item: Mapping[str, Any], machine: Machine) -> dict[str, Any]:
    """A container on this machine: its own Python, its own storage, and no device that is not here."""
    kept = ("name", "command", "args", "workingDir", "ports", "securityContext", "lifecycle")
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    path = {"name": "PATH", "value": f"{machine.python}:/usr/local/bin:/usr/bin:/bin"}
    own = [
        {"name": _mount_name(i), "mountPath": folder, "readOnly": True} for i, folder in enumerate(machine.read_only)
    ]
    return {
        **{key: item[key] for key in (*kept, *probes) if key in item},
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "env": [path, *(variable for variable in item.get("env", []) if variable["name"] != "PATH")],
        "volumeMounts": [
            *item.get("volumeMounts", []),
            *own,
            {"name": "storage", "mountPath": machine.storage_path},
        ],
    }


def _folders(machine: Machine) -> list[dict[str, Any]]:
    own = [{"name": _mount_name(i), "hostPath": {"path": folder}} for i, folder in enumerate(machine.read_only)]
    return [*own, {"name": "storage", "hostPath": {"path": machine.storage}}]


def _mount_name(index: int) -> str:
    return f"machine-{index}"


def _volume(item: Mapping[str, Any]) -> dict[str, Any]:
    """A volume of the pod: a folder that lives as long as it does, unless its content is the cluster's."""
    own = ("emptyDir", "configMap", "secret", "downwardAPI", "projected")
    return dict(item) if any(key in item for key in own) else {"name": item["name"], "emptyDir": {}}


def _index(pod: Pod) -> str | None:
    """Number of a pod among those of its Indexed Job."""
    annotations: dict[str, str] = pod["metadata"].get("annotations", {})
    return annotations.get(_INDEX)


def _first_host(pod: Pod) -> str | None:
    """Host name under which the pods of a run look for their first one; None for a pod of no run."""
    subdomain = pod["spec"].get("subdomain")
    return None if subdomain is None or _index(pod) is None else f"{subdomain}-{_FIRST}.{subdomain}"


def _hosts(pods: Sequence[Pod], by_pod: Mapping[Any, Pod]) -> dict[str | None, str]:
    """Addresses of the runs' first pods, by the name that their others use."""
    firsts = [pod for pod in pods if _index(pod) == _FIRST]
    found = {_first_host(pod): by_pod.get(pod["metadata"]["uid"], {}).get("status", {}).get("podIP") for pod in firsts}
    return {host: address for host, address in found.items() if address}


def _names(host: str, meta: Mapping[str, Any]) -> list[str]:
    return [host, f"{host}.{meta['namespace']}", f"{host}.{meta['namespace']}.svc"]


def _report(pod: Pod, own: Pod) -> list[Action]:
    theirs, ours = own.get("status", {}), pod.get("status", {})
    status = {key: theirs[key] for key in _POD_STATUS if key in theirs}
    if "containerStatuses" in status:
        images = {item["name"]: item["image"] for item in pod["spec"]["containers"]}
        status["containerStatuses"] = [{**item, "image": images[item["name"]]} for item in status["containerStatuses"]]
    # The scheduler's word, and that of who evicts, stay the pod's own.
    mine = [item for item in ours.get("conditions", []) if item["type"] in {"PodScheduled", "DisruptionTarget"}]
    reported = [item for item in status.get("conditions", []) if item["type"] != "PodScheduled"]
    status["conditions"] = [*mine, *reported]
    if all(ours.get(key) == value for key, value in status.items()):
        return []
    return [Report(pod=pod, status=status)]


def _leaving(pod: Pod) -> bool:
    return pod["metadata"].get("deletionTimestamp") is not None


def _grace(pod: Pod) -> int:
    given = pod["metadata"].get("deletionGracePeriodSeconds")
    return int(pod["spec"].get("terminationGracePeriodSeconds", 30) if given is None else given)
