"""Nodes that are never fewer: what node groups and node pools keep running, read from a plan's cloud resources."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from springtide.offline.charges import number
from springtide.offline.plan import Plan, Resource

_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_ZONES_OF_A_REGION = 3
"""Zones in which GKE keeps nodes of a regional cluster when nobody says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One node group or node pool."""

    name: str
    machine_type: str
    capacity: str
    nodes: int
    """Nodes that it never goes below."""
    most: int
    """Nodes that it never goes above."""
    disks: Mapping[str, float]
    """GiB of each kind of disk on one node, by the kind's name in the clouds."""
    in_pool: bool
    """Whether it is a part of a GPU pool, whose cost is counted as the pool's."""


def kept(plan: Plan) -> Iterator[Kept]:
    """Every node group and node pool of a plan, in the plan's order."""
    pools = {pool.urn for pool in plan.pools()}
    for resource in plan.resources:
        if resource.type in _READ and resource.id is None:
            yield _READ[resource.type](plan, resource, resource.parent in pools)


def _node_group(plan: Plan, group: Resource, in_pool: bool) -> Kept:
    scaling = group.inputs.get("scalingConfig", {})
    kinds = {"SPOT": "spot", "CAPACITY_BLOCK": "reserved"}
    return Kept(
        name=group.name,
        machine_type=str(next(iter(group.inputs.get("instanceTypes", ())), "")),
        capacity=kinds.get(str(group.inputs.get("capacityType")), "on-demand"),
        nodes=_count(scaling.get("minSize")),
        most=_count(scaling.get("maxSize")),
        disks=_volumes(plan, group),
        in_pool=in_pool,
    )


def _volumes(plan: Plan, group: Resource) -> dict[str, float]:
    """Disks of each node of a group: what its launch template says, as far as it says it."""
    templates = {urn for urns in group.property_depends_on.values() for urn in urns}
    disks: dict[str, float] = {}
    for template in plan.of_type(_TEMPLATE):
        if template.urn in templates:
            for mapping in template.inputs.get("blockDeviceMappings", ()):
                volume = mapping.get("ebs", {})
                kind = str(volume.get("volumeType", "gp3"))
                disks[kind] = disks.get(kind, 0) + (number(volume.get("volumeSize")) or 0)
    return disks


def _node_pool(_plan: Plan, pool: Resource, in_pool: bool) -> Kept:
    machine = pool.inputs.get("nodeConfig", {})
    least, most = _bounds(pool.inputs)
    kinds = ("spot" if machine.get("spot") else "", "flex-start" if machine.get("flexStart") else "")
    return Kept(
        name=pool.name,
        machine_type=str(machine.get("machineType", "e2-medium")),
        capacity=next(filter(None, kinds), "on-demand"),
        nodes=least,
        most=most,
        disks={str(machine.get("diskType", "pd-balanced")): number(machine.get("diskSizeGb")) or 0},
        in_pool=in_pool,
    )


def _bounds(inputs: Mapping[str, Any]) -> tuple[int, int]:
    """Nodes at least and at most over all zones; GKE's older bounds, and a fixed count, hold for each zone."""
    scaling, zones = inputs.get("autoscaling"), _zones(inputs)
    if scaling is None:
        fixed = _count(inputs.get("nodeCount")) * zones
        return fixed, fixed
    if "totalMaxNodeCount" in scaling or "totalMinNodeCount" in scaling:
        return _count(scaling.get("totalMinNodeCount")), _count(scaling.get("totalMaxNodeCount"))
    return _count(scaling.get("minNodeCount")) * zones, _count(scaling.get("maxNodeCount")) * zones


def _zones(inputs: Mapping[str, Any]) -> int:
    location = str(inputs.get("location", ""))
    return len(inputs.get("nodeLocations", ())) or (1 if location.count("-") > 1 else _ZONES_OF_A_REGION)


def _count(value: Any) -> int:
    found = number(value)
    return 0 if found is None else int(found)


_READ: Mapping[str, Callable[[Plan, Resource, bool], Kept]] = {
    "aws:eks/nodeGroup:NodeGroup": _node_group,
    "gcp:container/nodePool:NodePool": _node_pool,
}
