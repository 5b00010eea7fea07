"""Karpenter's resources for its kwok provider: the same NodePools over machines that are simulated."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from springtide.local.cluster.refs import Object
from springtide.local.render.objects import replaced
from springtide.local.render.substitution import Here

NODE_CLASS = "KWOKNodeClass"
NODE_CLASS_API = "karpenter.kwok.sh/v1alpha1"
NODE_POOL_API = "karpenter.sh/v1"
CAPACITY = "karpenter.sh/capacity-type"
MACHINE_TYPE = "node.kubernetes.io/instance-type"
ARCHITECTURE = "kubernetes.io/arch"
SYSTEM = "kubernetes.io/os"
HOST = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
ZONE_IDS = {"aws": "topology.k8s.aws/zone-id"}
"""By cloud, the label that names a node's zone by the id that is the same in every account."""
_CLOUDS_OWN = "EC2NodeClass"
_SECONDS = re.compile(r"(\d+)(h|m|s)")
_UNITS = {"h": 3600, "m": 60, "s": 1}


def node_class(name: str, here: Here) -> Object:
    """How simulated machines are made: all alike, and some seconds after they are asked for."""
    return {
        "apiVersion": NODE_CLASS_API,
        "kind": NODE_CLASS,
        "metadata": {"name": name},
        "spec": {"nodeRegistrationDelay": f"{here.boot_seconds}s"},
    }


def reference(name: str) -> dict[str, str]:
    """How a NodePool names its node class."""
    return {"group": NODE_CLASS_API.partition("/")[0], "kind": NODE_CLASS, "name": name}


def node_pool(  # noqa: PLR0913  a pool has this many sides
    name: str,
    *,
    node_class: str,
    labels: Mapping[str, str],
    taints: Sequence[Mapping[str, str]],
    requirements: Mapping[str, Sequence[str]],
    limits: Mapping[str, str],
    weight: int | None,
) -> Object:
    """A NodePool of machines that go once they are idle, as a cloud's own autoscaler would have it.

    Args:
        name: Its name, without which no two may be.
        node_class: Name of its node class.
        labels: Labels of its nodes.
        taints: Taints of its nodes.
        requirements: Label → the values that its nodes may have.
        limits: Resource → most of it that it may have at once; none where the cloud keeps no bound.
        weight: Heavier ones are tried first. None: after all that have one.
    """
    wanted = [{"key": key, "operator": "In", "values": list(values)} for key, values in requirements.items()]
    return {
        "apiVersion": NODE_POOL_API,
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {
            **({} if weight is None else {"weight": weight}),
            **({"limits": dict(limits)} if limits else {}),
            # GKE's autoscaler waits ten minutes; `hurried` says what it is here.
            "disruption": {
                "consolidationPolicy": "WhenEmptyOrUnderutilized",
                "consolidateAfter": "10m",
                "budgets": [{"nodes": "100%"}],
            },
            "template": {
                "metadata": {"labels": dict(labels)},
                "spec": {
                    "nodeClassRef": reference(node_class),
                    "requirements": wanted,
                    "taints": [dict(taint) for taint in taints],
                    "expireAfter": "Never",
                },
            },
        },
    }


def on_kwok(item: Object, here: Here) -> Object:
    """A cloud's node class as kwok's, and the NodePools that name it."""
    if item["kind"] == _CLOUDS_OWN:
        return node_class(item["metadata"]["name"], here)
    if not is_node_pool(item):
        return item
    where = ("spec", "template", "spec", "nodeClassRef")
    named = item["spec"]["template"]["spec"]["nodeClassRef"]
    return replaced(item, where, reference(named["name"])) if named["kind"] == _CLOUDS_OWN else item


def hurried(item: Object, here: Here) -> Object:
    """A NodePool whose idle machines go soon."""
    if not is_node_pool(item):
        return item
    after = item["spec"].get("disruption", {}).get("consolidateAfter")
    if after is None or seconds(after) <= here.idle_seconds:
        return item
    return replaced(item, ("spec", "disruption", "consolidateAfter"), f"{here.idle_seconds}s")


def seconds(text: str) -> float:
    """A time as Go writes it, in seconds; `Never` does not come."""
    found = _SECONDS.findall(text)
    return sum(int(count) * _UNITS[unit] for count, unit in found) if found else float("inf")


def is_node_pool(item: Object) -> bool:
    """Whether an object is a NodePool of Karpenter."""
    return bool(item["kind"] == "NodePool" and item["apiVersion"].startswith("karpenter.sh/"))


def requirements(item: Object) -> list[dict[str, Any]]:
    """What a NodePool asks of its nodes' labels."""
    found: list[dict[str, Any]] = item["spec"]["template"]["spec"].get("requirements", [])
    return found
