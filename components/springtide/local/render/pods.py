"""What a pod is told here that it is not told in the cloud: where its storage is, what it computes on, for how long."""

import posixpath
import re
from collections.abc import Collection, Mapping

from springtide.local.cluster.refs import Object
from springtide.local.plane.kwok import DURATION, RUNS, START_DELAY
from springtide.local.render.objects import containers, found_at, kept, replaced, with_containers, with_pods, without
from springtide.local.render.substitution import Here
from springtide_workloads.contract import KEYS_FILE, Device, Env

GPU = "nvidia.com/gpu"
IDENTITIES = frozenset(
    {"eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id"}
)
"""Annotations by which a cloud knows whose rights a ServiceAccount has."""
_BUCKET = re.compile(r"^(s3|gs|az)://")
_DEVICES = ("networking.gke.io/", "devices.gke.io/")
"""Prefixes of annotations by which GKE gives a pod a fabric's networks and devices."""
_TAKES_TIME = frozenset({"Job", "CronJob"})


def without_devices(item: Object, _here: Here) -> Object:
    """Pods without folders of their node, the sidecars that use them, and interfaces of networks that are not here."""

    def change(pod: Object) -> Object:
        folders = {volume["name"] for volume in pod["spec"].get("volumes", []) if "hostPath" in volume}
        spec = kept(pod["spec"], "initContainers", lambda init: not folders & _mounted(init))
        meta = kept(pod.get("metadata", {}), "annotations", lambda note: not note.startswith(_DEVICES))
        return _without_volumes({**pod, "metadata": meta, "spec": spec}, folders)

    return with_pods(item, change)


def on_local_storage(item: Object, here: Here) -> Object:
    """Pods whose file systems and buckets are folders of one place: volumes go, addresses change."""

    def change(pod: Object) -> Object:
        claims = {
            volume["name"]: volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["spec"].get("volumes", [])
            if "persistentVolumeClaim" in volume
        }
        moved = with_containers(pod, lambda container: _moved(container, claims, here))
        return _without_volumes(moved, claims.keys())

    return with_pods(item, change)


def unexposed(item: Object, _here: Here) -> Object:
    """Servers that are ready when they are, and ask nobody for a key: nobody outside this machine reaches them."""

    def change(pod: Object) -> Object:
        folder = posixpath.dirname(KEYS_FILE)
        mounts = (mount for item in containers(pod) for mount in item.get("volumeMounts", []))
        keys = {mount["name"] for mount in mounts if mount["mountPath"] == folder}
        bare = {**pod, "spec": without(pod["spec"], "readinessGates")}
        return with_variables(_without_volumes(bare, keys), {Env.KEYS_FILE: None})

    return with_pods(item, change)


def on_this_machine(item: Object, here: Here) -> Object:
    """Pods of this machine's own image, with one process each, on the CPU."""
    if not here.real:
        return item
    asked = {Env.PROCS_PER_NODE: "1", Env.DEVICE: Device.CPU.value}

    def change(pod: Object) -> Object:
        if _is_foreign(pod):
            return pod
        return with_containers(with_variables(pod, asked), lambda container: {**container, "image": here.image})

    return with_pods(item, change)


def foreign_simulated(item: Object, here: Here) -> Object:
    """Pods of servers that are not ours, simulated: their images are not on this machine."""
    if not here.real:
        return item
    return with_pods(
        item, lambda pod: _noted(pod, {START_DELAY: f"{here.start_seconds}s"}) if _is_foreign(pod) else pod
    )


def hurried(item: Object, here: Here) -> Object:
    """A ScaledObject by which a service that became too large shrinks soon, and one that nobody asks sleeps soon."""
    if item["kind"] != "ScaledObject":
        return item
    cooled = found_at(item, ("spec", "cooldownPeriod"))
    if cooled is not None:
        item = replaced(item, ("spec", "cooldownPeriod"), min(cooled, here.idle_seconds))
    where = ("spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleDown")
    if (down := found_at(item, where)) is None:
        return item
    most = here.idle_seconds
    policies = [{**policy, "periodSeconds": min(policy["periodSeconds"], most)} for policy in down.get("policies", [])]
    window = min(down.get("stabilizationWindowSeconds", most), most)
    return replaced(item, where, {**down, "stabilizationWindowSeconds": window, "policies": policies})


def timed(item: Object, here: Here) -> Object:
    """Pods that say whether they run, or for how long to pretend."""
    finite = {DURATION: f"{here.run_seconds}s"} if item["kind"] in _TAKES_TIME else {}
    notes = {RUNS: "true"} if here.real else {START_DELAY: f"{here.start_seconds}s", **finite}

    return with_pods(item, lambda pod: pod if here.real and _is_foreign(pod) else _noted(pod, notes))


def _noted(pod: Object, notes: Mapping[str, str]) -> Object:
    """A pod that says by these annotations, and no others, whether it runs."""
    meta = pod.get("metadata", {})
    old = without(meta.get("annotations", {}), RUNS, DURATION, START_DELAY)
    return {**pod, "metadata": {**meta, "annotations": {**old, **notes}}}


def _is_foreign(pod: Object) -> bool:
    """Whether it is a service's server, and not ours: nobody tells it of a model as ours is told."""
    role = pod.get("metadata", {}).get("labels", {}).get("app.kubernetes.io/component")
    told = {item["name"] for each in containers(pod) for item in each.get("env", [])}
    return role == "serving" and Env.MODEL_URL.value not in told


def without_identity(item: Object, _here: Here) -> Object:
    """ServiceAccounts without rights in a cloud."""
    if item["kind"] != "ServiceAccount":
        return item
    return {**item, "metadata": kept(item["metadata"], "annotations", lambda note: note not in IDENTITIES)}


def with_variables(pod: Object, changes: Mapping[Env, str | None]) -> Object:
    """A pod in whose containers variables have other values; None takes one away. What a container is not told stays untold."""
    by_name = {name.value: value for name, value in changes.items()}

    def change(container: Object) -> Object:
        if "env" not in container:
            return container
        env = [
            {**item, "value": by_name[item["name"]]} if item["name"] in by_name else item for item in container["env"]
        ]
        return {**container, "env": [item for item in env if item.get("value", "") is not None]}

    return with_containers(pod, change)


def _moved(container: Object, claims: Mapping[str, str], here: Here) -> Object:
    """A container whose addresses of buckets and of mounted claims lead to the local folder."""
    mounts = {
        item["mountPath"]: claims[item["name"]] for item in container.get("volumeMounts", []) if item["name"] in claims
    }

    def value(text: str) -> str:
        folder = next((path for path in mounts if text == f"file://{path}" or text.startswith(f"file://{path}/")), None)
        if folder is not None:
            return f"file://{here.storage_path}/{mounts[folder]}{text.removeprefix(f'file://{folder}')}"
        return _BUCKET.sub(f"file://{here.storage_path}/", text)

    if "env" not in container:
        return container
    return {
        **container,
        "env": [{**item, "value": value(item["value"])} if "value" in item else item for item in container["env"]],
    }


def _mounted(container: Object) -> set[str]:
    return {mount["name"] for mount in container.get("volumeMounts", [])}


def _without_volumes(pod: Object, names: Collection[str]) -> Object:
    """A pod without some volumes, in the containers that mount them too."""

    def unmounted(container: Object) -> Object:
        return kept(container, "volumeMounts", lambda mount: mount["name"] not in names)

    spec = kept(pod["spec"], "volumes", lambda volume: volume["name"] not in names)
    return with_containers({**pod, "spec": spec}, unmounted)
