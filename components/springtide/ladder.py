"""Which Karpenter NodePools a pool becomes, so that kinds of capacity are tried in the pool's order.

No setting of Karpenter gives both an exact limit and one rung for each job. Within one NodePool it tries reserved, then
spot, then on-demand capacity by itself and counts them all against one limit, but a job's machines may be of several
kinds. Several NodePools, heaviest first, have a label each by which a job's pods stay on one rung, but each NodePool
has a limit of its own. So machines that work together have a NodePool for each rung and zone, and `ceiling` says what
that allows at worst; all others share one, whose limit is the pool's.

A zone that pods ask to share is no help within one NodePool: where no pod of a run has a node yet, Karpenter allows the
first machine two zones and the second two others (1.14.1, topologygroup.go: `nextDomainAffinity` adds a second domain
to the one it found). They were seen to come in different zones: a machine for nothing, and one more for its pod.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from springtide.k8s.pod import GPU
from springtide.spec import Finding, PoolSpec, refuse, warn
from springtide.spec.taints import parsed_taint

KARPENTERS_ORDER = ("reserved", "spot", "on-demand")
"""The order in which Karpenter tries kinds of capacity within one NodePool (its task page on reservations)."""
RUNG = "springtide.dev/rung"
"""Node label that names the rung and, where machines work together, the zone.

It is Karpenter's own `karpenter.sh/nodepool` but for one thing: Karpenter takes only labels of a NodePool's template for
places that pods can share, and its own is none of them.
"""

_OWN = (
    *("springtide.dev", "nvidia.com", "karpenter.sh", "kubernetes.io", "k8s.io"),
    *("karpenter.k8s.aws", "k8s.aws", "karpenter.kwok.sh", "kwok.x-k8s.io"),
)
"""Domains whose labels the nodes have already, or that Karpenter, its providers and the API server keep for themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One NodePool."""

    name: str
    kinds: tuple[str, ...]
    """Kinds of capacity it may buy."""
    zones: tuple[str, ...]
    weight: int
    """Heavier rungs are tried first."""


def rungs(name: str, spec: PoolSpec, zones: Sequence[str], *, together: bool) -> tuple[Rung, ...]:
    """The NodePools of a pool, first the ones to try first.

    Their names have dots, which names of pools have not: no two pools can have rungs of one name.

    Args:
        name: Name of the pool.
        spec: What it asks for.
        zones: Zones it may use.
        together: Whether its machines work together, and so must be of one rung and in one zone.
    """
    steps = _steps(spec, together=together)
    places = [(zone,) for zone in zones] if together else [tuple(zones)]
    return tuple(
        Rung(
            name=f"{name}.{kinds[0]}.{place[0]}" if together else name if len(steps) == 1 else f"{name}.{kinds[0]}",
            kinds=kinds,
            zones=place,
            weight=10 * (len(steps) - i),
        )
        for i, kinds in enumerate(steps)
        for place in places
    )


def gathered(spec: PoolSpec) -> bool:
    """Whether machines of a pool work together on a run, so that all must be of one rung and in one zone."""
    return spec.compact or (spec.purpose == "training" and spec.max_nodes > 1)


def ceiling(spec: PoolSpec, found: Sequence[Rung]) -> int:
    """Most nodes that the pool can have when more work waits than it has room for; `max_nodes` where it has one rung."""
    left = spec.max_nodes - spec.min_nodes
    return spec.min_nodes + left * max(len(found), 1)


def may_exceed(cloud: str, name: str, spec: PoolSpec, found: Sequence[Rung], *, queues: bool = True) -> list[Finding]:
    """Karpenter counts each NodePool by itself; whoever pays must know what that can come to.

    Args:
        cloud: Name of the cloud.
        name: Name of the pool.
        spec: What it asks for.
        found: Its rungs.
        queues: Whether runs can wait in a queue there.
    """
    most = ceiling(spec, found)
    if most == spec.max_nodes:
        return []
    names = ", ".join(rung.name for rung in found)
    message = (
        f"pool {name} can have {most} nodes when more work waits than {spec.max_nodes} can do: "
        f"each of its rungs has a limit of its own ({names})."
    )
    queue = f"let its jobs wait in a queue of max_gpus {spec.max_nodes * spec.gpus_per_node}, or " if queues else ""
    fix = f"{queue}name one kind of capacity and one zone"
    return [warn(f"{cloud}/ceiling", f"/pools/{name}/max_nodes", spec.max_nodes, message, fix)]


def node_labels(pool: str, spec: PoolSpec, rung: str) -> dict[str, str]:
    """Labels of a pool's nodes on one rung."""
    ours = {"springtide.dev/pool": pool, "springtide.dev/gpu": spec.gpu, RUNG: rung}
    fabric = {"springtide.dev/fabric": spec.fabric} if spec.fabric != "none" else {}
    return {**ours, **fabric, "nvidia.com/gpu.present": "true", **spec.labels}


def node_taints(spec: PoolSpec) -> list[dict[str, str]]:
    """Taints of a pool's nodes: nothing but a workload's toleration enters."""
    return [{"key": GPU, "value": "present", "effect": "NoSchedule"}, *map(parsed_taint, spec.taints)]


def tolerations(spec: PoolSpec) -> list[dict[str, str]]:
    """What a pod tolerates that may enter nodes of a pool, besides the taint of their GPUs."""
    return [
        {"key": taint["key"], "operator": "Equal", "value": taint["value"], "effect": taint["effect"]}
        for taint in map(parsed_taint, spec.taints)
    ]


def label_findings(cloud: str, labels: Mapping[str, str]) -> list[Finding]:
    """Which labels of its nodes are not a pool's to set."""
    return [
        refuse(
            f"{cloud}/label",
            f"/labels/{key.replace('/', '~1')}",
            value,
            f"label {key} is not a pool's to set.",
            "use a domain of your own",
        )
        for key, value in labels.items()
        if "/" in key and any(f".{key.partition('/')[0]}".endswith(f".{own}") for own in _OWN)
    ]


def _steps(spec: PoolSpec, *, together: bool) -> list[tuple[str, ...]]:
    own_order = tuple(kind for kind in KARPENTERS_ORDER if kind in spec.capacity)
    return [spec.capacity] if spec.capacity == own_order and not together else [(kind,) for kind in spec.capacity]
