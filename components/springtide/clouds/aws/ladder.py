"""Which Karpenter NodePools a pool becomes, so that kinds of capacity are tried in the pool's order.

No setting of Karpenter gives both an exact limit and one rung for each job. Within one NodePool it tries reserved, then
spot, then on-demand capacity by itself and counts them all against one limit, but a job's machines may be of several
kinds. Several NodePools, heaviest first, have a label each by which a job's pods stay on one rung, but each NodePool
has a limit of its own. So nodes that lie together have a NodePool for each rung and zone, and `ceiling` says what that
allows at worst; all others share one, whose limit is the pool's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from springtide.clouds.aws.provider import label
from springtide.spec import PoolSpec

KARPENTERS_ORDER = ("reserved", "spot", "on-demand")
"""The order in which Karpenter tries kinds of capacity within one NodePool (its task page on reservations)."""
RUNG = "springtide.dev/rung"
"""Node label that names the rung and, where nodes lie together, the zone.

It is Karpenter's own `karpenter.sh/nodepool` but for one thing: Karpenter takes only labels of a NodePool's template for
places that pods can share, and its own is none of them.
"""
ZONE = "topology.k8s.aws/zone-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One NodePool."""

    name: str
    kinds: tuple[str, ...]
    """Kinds of capacity it may buy."""
    zones: tuple[str, ...]
    weight: int
    """Heavier rungs are tried first."""
    node_class: str
    """Name of its EC2NodeClass."""
    placement_group: str | None
    """Name of the placement group that its machines are in."""


def rungs(name: str, spec: PoolSpec, zones: Sequence[str], environment: str) -> tuple[Rung, ...]:
    """The NodePools of a pool, first the ones to try first; none where nothing is left for Karpenter to make.

    Their names have dots, which names of pools have not: no two pools can have rungs of one name.
    """
    if not woken(spec):
        return ()
    steps = _steps(spec)
    places = [(zone,) for zone in zones] if together(spec) else [tuple(zones)]
    return tuple(
        Rung(
            name=_name(name, spec, kinds, place, alone=len(steps) == 1),
            kinds=kinds,
            zones=place,
            weight=10 * (len(steps) - i),
            node_class=name
            if (group := _group(name, spec, kinds, place[0], environment)) is None
            else f"{name}.{place[0]}",
            placement_group=group,
        )
        for i, kinds in enumerate(steps)
        for place in places
    )


def managed(spec: PoolSpec) -> bool:
    """Whether all machines are one managed node group's: Karpenter renders no `efa` interface, and buys no block."""
    return spec.reservation_kind == "capacity-block" or (spec.fabric == "efa" and spec.efa_layout == "legacy")


def woken(spec: PoolSpec) -> bool:
    """Whether Karpenter makes machines of the pool when pods ask for them."""
    return not managed(spec) and spec.max_nodes > spec.min_nodes


def together(spec: PoolSpec) -> bool:
    """Whether nodes that work together must lie in one zone: EFA does not leave its subnet."""
    return spec.compact or spec.fabric == "efa"


def placement_group(name: str, spec: PoolSpec, kind: str, zone: str, environment: str) -> str | None:
    """The placement group of machines of one kind in a zone.

    Reserved machines are where they were reserved: EC2 does not move a reservation into a group that came later.
    """
    return f"{label(environment)}-{name}-{zone}" if spec.compact and kind != "reserved" else None


def ceiling(spec: PoolSpec, found: Sequence[Rung]) -> int:
    """Most nodes that the pool can have when more work waits than it has room for; `max_nodes` where it has one rung."""
    left = spec.max_nodes - spec.min_nodes
    return spec.min_nodes + left * max(len(found), 1)


def _steps(spec: PoolSpec) -> list[tuple[str, ...]]:
    own_order = tuple(kind for kind in KARPENTERS_ORDER if kind in spec.capacity)
    return [spec.capacity] if spec.capacity == own_order and not together(spec) else [(kind,) for kind in spec.capacity]


def _name(pool: str, spec: PoolSpec, kinds: Sequence[str], zones: Sequence[str], *, alone: bool) -> str:
    if together(spec):
        return f"{pool}.{kinds[0]}.{zones[0]}"
    return pool if alone else f"{pool}.{kinds[0]}"


def _group(name: str, spec: PoolSpec, kinds: Sequence[str], zone: str, environment: str) -> str | None:
    return placement_group(name, spec, kinds[0], zone, environment) if len(kinds) == 1 else None
