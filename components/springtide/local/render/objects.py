"""What a plan registers in a Kubernetes cluster, as objects that an API server takes.

A plan knows less than a cloud: what only the cloud says stands in it as a placeholder. Placeholders survive here, one
spelling for all of them, and `substitute` is who deals with them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from springtide.local.cluster.refs import Object
from springtide.offline.paths import steps
from springtide.offline.plan import Plan, Resource

UNKNOWN = "«unknown»"
"""Stands where only the cloud knows the value and the plan holds one of the right shape that says nothing: a number."""
KEEPS = "springtide.dev/keeps"
"""Annotation with the fields, as Pulumi's paths joined by commas, that are given when an object is made and never again."""
_PLACEHOLDER = re.compile("«[^»]*»")
_SECRET = "$secret"  # noqa: S105  the key under which a plan holds a secret's digest
_TOKEN = re.compile(r"kubernetes:(?P<api>[^:]+):(?P<kind>\w+)")
_CORE = "core/"
_TEMPLATES = {
    "Pod": (),
    "Job": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Kind → where the template of its pods stands."""


def kubernetes_objects(plan: Plan) -> tuple[Object, ...]:
    """The objects of a plan as API objects, each after those that it depends on.

    What is read instead of made is somebody else's and left out. A chart's release is no object; it is here all the same,
    as kind `Release` of `helm.sh/v3`, so that whoever applies the others says what became of it.
    """
    return tuple(
        _object(item) for item in plan.resources if _TOKEN.fullmatch(item.type) and item.custom and not item.id
    )


def has_unknown(value: Any) -> bool:
    """Whether a value, or anything in it, is a placeholder or a secret that the plan does not tell."""
    if isinstance(value, dict):
        return is_secret(value) or any(has_unknown(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return isinstance(value, str) and _PLACEHOLDER.search(value) is not None


def is_secret(value: Any) -> bool:
    """Whether a value is a secret's digest."""
    return isinstance(value, dict) and _SECRET in value


def placeholder_owners(value: str) -> tuple[str, ...]:
    """URNs of the resources whose values a text waits for."""
    found = (text.strip("«»").partition("#")[0] for text in _PLACEHOLDER.findall(value))
    return tuple(urn for urn in found if urn.startswith("urn:"))


def pod_template(item: Object) -> Object | None:
    """The `metadata` and `spec` of an object's pods; None for one that makes no pods."""
    where = _TEMPLATES.get(item["kind"])
    return None if where is None else dict(found_at(item, where))


def with_pods(item: Object, change: Callable[[Object], Object]) -> Object:
    """The object with its pods changed; one without pods as it is.

    Args:
        item: Any object.
        change: From a pod's `metadata` and `spec` to what they shall be. It changes nothing in place.
    """
    where = _TEMPLATES.get(item["kind"])
    return item if where is None else replaced(item, where, change(found_at(item, where)))


def containers(pod: Object) -> Iterator[Object]:
    """The containers of a pod, without those that only prepare it."""
    yield from pod["spec"].get("containers", [])


def with_containers(pod: Object, change: Callable[[Object], Object]) -> Object:
    """A pod with each of its containers changed, those that prepare it too."""
    kinds = [kind for kind in ("initContainers", "containers") if kind in pod["spec"]]
    return {**pod, "spec": {**pod["spec"], **{kind: [change(item) for item in pod["spec"][kind]] for kind in kinds}}}


def replaced(item: Object, path: tuple[str, ...], value: Any) -> Object:
    """The object with another value at a path of keys."""
    if not path:
        return dict(value)
    key, *rest = path
    return {**item, key: replaced(item.get(key, {}), tuple(rest), value) if rest else value}


def found_at(item: Object, path: tuple[str, ...]) -> Any:
    """The value at a path of keys; None where there is none."""
    value: Any = item
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def without(item: Mapping[str, Any], *keys: str) -> Object:
    """A mapping without some keys."""
    return {key: value for key, value in item.items() if key not in keys}


def kept(item: Mapping[str, Any], key: str, wanted: Callable[[Any], bool]) -> Object:
    """A mapping whose list or mapping at `key` holds only what is wanted; without `key` once nothing is left of it.

    Args:
        item: A mapping.
        key: Name of a list, or of a mapping whose keys are asked about.
        wanted: Whether an element, or a key, stays.
    """
    old = item.get(key)
    if old is None:
        return dict(item)
    new = (
        {name: value for name, value in old.items() if wanted(name)}
        if isinstance(old, dict)
        else list(filter(wanted, old))
    )
    return {**item, key: new} if new or not old else without(item, key)


def _object(resource: Resource) -> Object:
    match = _TOKEN.fullmatch(resource.type)
    assert match is not None  # noqa: S101  the caller asked
    found = deepcopy(resource.inputs)
    for pointer in (*resource.unknown, *resource.secret):
        _mark(found, steps(pointer))
    meta = found.setdefault("metadata", {})
    meta.setdefault("name", resource.name)
    if fields := resource.options.get("ignore_changes"):
        meta["annotations"] = {**meta.get("annotations", {}), KEEPS: ",".join(fields)}
    head = {"apiVersion": match["api"].removeprefix(_CORE), "kind": match["kind"]}
    return {**head, **found}


def _mark(value: Any, path: tuple[str, ...]) -> None:
    """Put `UNKNOWN` where a value that only the cloud knows does not look like it."""
    *outer, last = path
    for key in outer:
        value = _step(value, key)
    if value is not None and _step(value, last) is not None and not has_unknown(_step(value, last)):
        value[int(last) if isinstance(value, list) else last] = UNKNOWN


def _step(value: Any, key: str) -> Any:
    if isinstance(value, list):
        return value[int(key)] if key.isdigit() and int(key) < len(value) else None
    return value.get(key) if isinstance(value, dict) else None
