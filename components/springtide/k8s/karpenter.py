"""Karpenter's NodePool as data: which machines it may make, how many, and what may end them. The same on every provider."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from springtide.k8s import Manifest
from springtide.k8s.pod import GPU

ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
DRAIN = "20m"
"""Longest that a node's drain may take. Without an end, one pod that will not go would hold up a destroy for ever.

It is longer than the longest grace that we give a pod (`grace.VOLUNTARY_NOTICE_SECONDS`), so a save is never cut short.
"""
DO_NOT_DISRUPT = {"karpenter.sh/do-not-disrupt": "true"}
"""Annotation of pods that no voluntary disruption may end. Expiry and the end of a drain do not ask: hence the rest."""
DELETE_TIMEOUT = "60m"
"""A NodePool is gone when its machines are, and those when their pods have saved."""

_TRAINING = {
    "expireAfter": "Never",
    "disruption": {
        "consolidationPolicy": "WhenEmpty",
        # Long enough for a run's next try to find the machines that it had.
        "consolidateAfter": "15m",
        # With an end to its drain, a drifted node would go whatever its pods say. An empty one goes by itself.
        "budgets": [{"nodes": "0", "reasons": ["Drifted", "Underutilized"]}, {"nodes": "100%", "reasons": ["Empty"]}],
    },
}
_SERVING = {
    "expireAfter": "720h",
    "disruption": {
        "consolidationPolicy": "WhenEmptyOrUnderutilized",
        # Longer than a model takes to load, or nodes would come and go with every wave of requests.
        "consolidateAfter": "10m",
        "budgets": [{"nodes": "1", "reasons": ["Drifted", "Underutilized"]}, {"nodes": "100%", "reasons": ["Empty"]}],
    },
}
_GENERAL = {
    "expireAfter": "720h",
    "disruption": {
        "consolidationPolicy": "WhenEmpty",
        "consolidateAfter": "5m",
        "budgets": [{"nodes": "1", "reasons": ["Drifted"]}, {"nodes": "100%", "reasons": ["Empty"]}],
    },
}
LIVES: Mapping[str, Mapping[str, Any]] = {"training": _TRAINING, "serving": _SERVING, "general": _GENERAL}
"""By purpose, how long a node lives and what may end it."""


def node_pool(  # noqa: PLR0913  a pool has this many sides
    name: str,
    *,
    weight: int,
    node_class: Mapping[str, str],
    requirements: Sequence[Manifest],
    labels: Mapping[str, str],
    taints: Sequence[Manifest],
    purpose: str,
    gpus: int,
) -> Manifest:
    """A NodePool.

    Args:
        name: Name of the object.
        weight: Heavier ones are tried first.
        node_class: Reference to the provider's own class of machines: group, kind, name.
        requirements: What its machines must be; `requirements` makes them.
        labels: Labels of its nodes, by which pods find them.
        taints: Taints of its nodes.
        purpose: A key of `LIVES`.
        gpus: Most GPUs that it may have at once. Karpenter checks it before each launch and may overrun it by what was
            launched at the same moment.
    """
    life = LIVES[purpose]
    return {
        "api_version": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {
            "weight": weight,
            "limits": {GPU: str(gpus)},
            "disruption": dict(life["disruption"]),
            "template": {
                "metadata": {"labels": dict(labels)},
                "spec": {
                    "nodeClassRef": dict(node_class),
                    "requirements": list(requirements),
                    "taints": list(taints),
                    "expireAfter": life["expireAfter"],
                    "terminationGracePeriod": DRAIN,
                },
            },
        },
    }


def requirements(
    kinds: Sequence[str], machines: Mapping[str, str], zone_label: str, zones: Sequence[str]
) -> list[Manifest]:
    """What machines of a NodePool must be.

    Args:
        kinds: Kinds of capacity it may buy.
        machines: Machine types it may make, cheapest first, with the architecture of each.
        zone_label: Node label that names the zone.
        zones: Zones its machines may be in.
    """
    wanted: Mapping[str, Iterable[str]] = {
        "karpenter.sh/capacity-type": kinds,
        "node.kubernetes.io/instance-type": machines,
        "kubernetes.io/arch": sorted({ARCHITECTURES[architecture] for architecture in machines.values()}),
        zone_label: zones,
    }
    return [{"key": key, "operator": "In", "values": list(values)} for key, values in wanted.items()]
