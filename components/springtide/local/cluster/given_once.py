"""Fields that are given when an object is made and belong to somebody else from then on: replicas under an autoscaler."""

from collections.abc import Iterable, Sequence
from typing import Any

from springtide.local.cluster.refs import MANAGER, Object, Ref
from springtide.local.render.objects import KEEPS
from springtide.offline.paths import pointer_of, steps

_SCALERS = frozenset({"HorizontalPodAutoscaler", "ScaledObject"})
_REPLICAS = ("spec", "replicas")


def autoscaled(objects: Iterable[Object]) -> set[tuple[str, str, str]]:
    """Kind, namespace and name of whatever an autoscaler among the objects scales."""
    scalers = [item for item in objects if item["kind"] in _SCALERS]
    return {_target(item["spec"]["scaleTargetRef"], Ref.of(item).namespace) for item in scalers}


def _target(target: Object, namespace: str) -> tuple[str, str, str]:
    return target.get("kind", "Deployment"), namespace, target["name"]


def given_once(item: Object, *, scaled: bool) -> list[tuple[str, ...]]:
    """Steps to the fields of an object that are given only once.

    Whole parts of an object are not among them: a run keeps all that it was started with, and the judge says so.

    Args:
        item: The object; its annotation `KEEPS` names such fields.
        scaled: Whether an autoscaler sets its replicas.
    """
    named = (item["metadata"].get("annotations") or {}).get(KEEPS, "")
    paths = [steps(pointer_of(path.strip())) for path in named.split(",") if path.strip()]
    inner = [path for path in paths if len(path) > 1]
    return [*inner, _REPLICAS] if scaled else inner


def settled(item: Object, live: Object, paths: Iterable[Sequence[str]]) -> Object:
    """What to apply over a live object, so that the fields at `paths` stay as they are.

    Where somebody else has set a field since, it is left out: we do not say it any more. A field that is still ours is
    repeated as it is, since leaving it out would take it away.
    """
    for path in paths:
        item = _with(item, path, None if _others_own(live, path) else _value(live, path))
    return item


def _value(item: Any, path: Sequence[str]) -> Any:
    for key in path:
        item = item.get(key) if isinstance(item, dict) else None
    return item


def _with(item: Object, path: Sequence[str], value: Any) -> Object:
    """The object with another value at the path; without one where it is None. A path that leads nowhere adds nothing."""
    key, *rest = path
    if not rest:
        others = {name: kept for name, kept in item.items() if name != key}
        return others if value is None else {**others, key: value}
    inner = item.get(key)
    return {**item, key: _with(inner, rest, value)} if isinstance(inner, dict) else item


def _others_own(live: Object, path: Sequence[str]) -> bool:
    entries = live["metadata"].get("managedFields", ())
    names = [f"f:{key}" for key in path]
    # A field with parts of its own is nobody's as a whole.
    return any(_value(entry.get("fieldsV1"), names) == {} for entry in entries if entry["manager"] != MANAGER)
