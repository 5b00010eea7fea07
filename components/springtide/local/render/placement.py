"""Which pods have nowhere to go, before any scheduler says so: a label that no pool has, a taint that nobody tolerates."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from springtide.local.cluster.refs import Object, Ref
from springtide.local.render.karpenter import (
    ARCHITECTURE,
    CAPACITY,
    HOST,
    MACHINE_TYPE,
    REGION,
    SYSTEM,
    ZONE,
    is_node_pool,
    requirements,
)
from springtide.local.render.objects import pod_template

_MADE = frozenset({ARCHITECTURE, CAPACITY, HOST, MACHINE_TYPE, REGION, SYSTEM, ZONE})
"""Labels that every node gets, with a value that a NodePool need not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node, or the nodes of a NodePool."""

    name: str
    labels: Mapping[str, frozenset[str]]
    """Label → values that it may have."""
    taints: Sequence[Mapping[str, str]]
    any_value: frozenset[str] = field(default=frozenset())
    """Labels whose value is not decided yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Homeless:
    """Pods that fit on no pool and no node."""

    what: Ref
    """What makes the pods."""
    why: tuple[str, ...]
    """What stands against each place that has all the labels; or which labels none has."""


def homeless(objects: Iterable[Object]) -> tuple[Homeless, ...]:
    """The pods among some objects that none of their NodePools and Nodes takes, by labels and taints."""
    every = list(objects)
    places = tuple(places_of(every))
    found = ((item, pod_template(item)) for item in every)
    refused = ((item, _against(pod["spec"], places)) for item, pod in found if pod is not None)
    return tuple(Homeless(what=Ref.of(item), why=why) for item, why in refused if why)


def places_of(objects: Iterable[Object]) -> Iterator[Place]:
    """The NodePools and Nodes among some objects."""
    for item in objects:
        if is_node_pool(item):
            template = item["spec"]["template"]
            own = {key: frozenset({value}) for key, value in template.get("metadata", {}).get("labels", {}).items()}
            asked = {it["key"]: frozenset(it["values"]) for it in requirements(item) if it["operator"] == "In"}
            name, taints = item["metadata"]["name"], template["spec"].get("taints", [])
            named = {"karpenter.sh/nodepool": frozenset({name})}
            yield Place(name=name, labels={**own, **asked, **named}, taints=taints, any_value=_MADE - asked.keys())
        elif item["kind"] == "Node" and item["apiVersion"] == "v1":
            labels = {key: frozenset({value}) for key, value in item["metadata"].get("labels", {}).items()}
            yield Place(name=item["metadata"]["name"], labels=labels, taints=item.get("spec", {}).get("taints", []))


def _against(pod: Mapping[str, Any], places: Sequence[Place]) -> tuple[str, ...]:
    """Why no place takes a pod; nothing where one does."""
    by_label = [place for place in places if _selects(pod, place)]
    if not by_label:
        asked = " and ".join(f"{key}={value}" for key, value in sorted(pod.get("nodeSelector", {}).items()))
        return (f"no pool and no node has {asked or 'the labels of its node affinity'}",)
    refused = [(place, _untolerated(pod, place)) for place in by_label]
    if any(taint is None for _, taint in refused):
        return ()
    return tuple(
        dict.fromkeys(f"{place.name}: it does not tolerate {_shown(taint)}" for place, taint in refused if taint)
    )


def _selects(pod: Mapping[str, Any], place: Place) -> bool:
    selector = all(_has(place, key, (value,)) for key, value in pod.get("nodeSelector", {}).items())
    required = pod.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms = required.get("nodeSelectorTerms", [])
    return selector and (
        not terms or any(all(_meets(place, it) for it in term.get("matchExpressions", [])) for term in terms)
    )


def _meets(place: Place, asked: Mapping[str, Any]) -> bool:
    key, values = asked["key"], asked.get("values", [])
    there = key in place.labels or key in place.any_value
    answers = {
        "In": lambda: _has(place, key, values),
        "NotIn": lambda: not there or key in place.any_value or bool(place.labels[key] - set(values)),
        "Exists": lambda: there,
        "DoesNotExist": lambda: not there,
    }
    # What compares numbers is the scheduler's to say.
    return answers.get(asked["operator"], lambda: there)()


def _has(place: Place, key: str, values: Iterable[str]) -> bool:
    return key in place.any_value or bool(place.labels.get(key, frozenset()) & set(values))


def _untolerated(pod: Mapping[str, Any], place: Place) -> Mapping[str, str] | None:
    """The first taint that keeps a pod out."""
    hard = (taint for taint in place.taints if taint["effect"] != "PreferNoSchedule")
    return next((it for it in hard if not any(_tolerates(own, it) for own in pod.get("tolerations", []))), None)


def _tolerates(own: Mapping[str, Any], taint: Mapping[str, str]) -> bool:
    if own.get("effect") not in (None, "", taint["effect"]):
        return False
    if own.get("operator", "Equal") == "Exists":
        return own.get("key") in (None, "", taint["key"])
    return bool(own.get("key") == taint["key"] and own.get("value", "") == taint.get("value", ""))


def _shown(taint: Mapping[str, str]) -> str:
    return f"{taint['key']}={taint.get('value', '')}:{taint['effect']}"
