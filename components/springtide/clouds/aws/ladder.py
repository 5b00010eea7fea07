"""The rungs of a pool on AWS: which node class and which placement group the machines of each have."""

from collections.abc import Sequence
from dataclasses import dataclass

from springtide import ladder
from springtide.clouds.aws.provider import label
from springtide.spec import PoolSpec

ZONE = "topology.k8s.aws/zone-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung(ladder.Rung):
    """One NodePool."""

    node_class: str
    """Name of its EC2NodeClass."""
    placement_group: str | None
    """Name of the placement group that its machines are in."""


def rungs(name: str, spec: PoolSpec, zones: Sequence[str], environment: str) -> tuple[Rung, ...]:
    """The NodePools of a pool, first the ones to try first; none where nothing is left for Karpenter to make."""
    if not woken(spec):
        return ()
    return tuple(
        Rung(
            name=rung.name,
            kinds=rung.kinds,
            zones=rung.zones,
            weight=rung.weight,
            node_class=name
            if (group := _group(name, spec, rung.kinds, rung.zones[0], environment)) is None
            else f"{name}.{rung.zones[0]}",
            placement_group=group,
        )
        for rung in ladder.rungs(name, spec, zones, together=one_rung(spec))
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


def one_rung(spec: PoolSpec) -> bool:
    """Whether a run stays on machines of one NodePool, which are of one kind and in one zone."""
    return together(spec) or ladder.gathered(spec)


def placement_group(name: str, spec: PoolSpec, kind: str, zone: str, environment: str) -> str | None:
    """The placement group of machines of one kind in a zone.

    Reserved machines are where they were reserved: EC2 does not move a reservation into a group that came later.
    """
    return f"{label(environment)}-{name}-{zone}" if spec.compact and kind != "reserved" else None


def _group(name: str, spec: PoolSpec, kinds: Sequence[str], zone: str, environment: str) -> str | None:
    return placement_group(name, spec, kinds[0], zone, environment) if len(kinds) == 1 else None
