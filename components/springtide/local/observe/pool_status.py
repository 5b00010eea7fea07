"""The nodes that a pool has now, and what they cost. Pure: objects in, figures out."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from springtide import catalog
from springtide.local.cluster.refs import POOL, Object
from springtide.local.cluster.wait import condition
from springtide.local.render.karpenter import CAPACITY, MACHINE_TYPE
from springtide.offline.idle import Amount, total
from springtide.offline.views import PoolView

ON_DEMAND = "on-demand"
_BOUNDED = frozenset({"spot"})
"""Kinds of capacity that never cost more than on-demand capacity."""
_LEAVING = "karpenter.sh/disrupted"
"""Taint of a node that Karpenter is about to take away."""
_SHARED = re.compile(r"\.shared\d+$")
_TRUE = "True"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a machine costs."""

    usd_per_hour: float
    at_most: bool = False
    """Whether it is the on-demand price, which spot capacity never exceeds, in place of a price that nobody has listed."""


Prices = Callable[[PoolView, str, str], Rate | None]
"""From a pool, a machine type and how it is bought to what it costs; None where nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeNow:
    """A node of a pool."""

    name: str
    phase: str
    """`coming`: asked for; `joining`: there and not ready; `ready`; `leaving`."""
    machine_type: str
    capacity: str
    """`spot`, `on-demand` or `reserved`; empty where nothing says."""
    rate: Rate | None
    """None where the catalog has no price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNow:
    """A pool and its nodes."""

    name: str
    gpu: str
    gpus_per_node: int
    ceiling: int
    nodes: tuple[NodeNow, ...]

    @property
    def cost(self) -> Amount:
        """What its nodes cost in an hour, from when they are asked for until they are gone."""
        rates = [node.rate for node in self.nodes]
        return total(Amount(usd=0.0 if it is None else it.usd_per_hour, complete=it is not None) for it in rates)

    @property
    def cost_at_most(self) -> bool:
        """Whether the cost is a bound: some of its nodes have no price of their own."""
        return any(node.rate is not None and node.rate.at_most for node in self.nodes)


def list_price(pool: PoolView, machine_type: str, capacity: str) -> Rate | None:
    """The catalog's price of a node of a pool; of spot capacity without one, the on-demand price as its bound.

    Args:
        pool: The pool: its cloud, or the one whose machines it imitates, and its region.
        machine_type: As the node's label names it.
        capacity: How the machine is bought.
    """
    whole = _SHARED.sub("", machine_type)
    place = (pool.catalog, pool.region, _names(pool.catalog).get(whole, whole))
    found = catalog.price(*place, capacity)
    if found is not None:
        return Rate(usd_per_hour=found.usd_per_hour)
    bound = catalog.price(*place, ON_DEMAND) if capacity in _BOUNDED else None
    return None if bound is None else Rate(usd_per_hour=bound.usd_per_hour, at_most=True)


@cache
def _names(cloud: str) -> Mapping[str, str]:
    """Names of machine types by what a label can hold of them."""
    return {item.node_label: item.name for item in catalog.machine_types(cloud)}


def pool_now(pool: PoolView, nodes: Iterable[Object], claims: Iterable[Object], prices: Prices) -> PoolNow:
    """A pool with the nodes that are its, and those that are on their way.

    Args:
        pool: The pool as the plan has it.
        nodes: Nodes of the cluster.
        claims: Karpenter's NodeClaims; none where something else makes nodes.
        prices: What machines cost.
    """
    there = [item for item in nodes if _pool_of(item) == pool.name]
    joined = {item["metadata"]["name"] for item in there}
    mine = [item for item in claims if _pool_of(item) == pool.name and "deletionTimestamp" not in item["metadata"]]
    coming = [item for item in mine if item.get("status", {}).get("nodeName") not in joined]
    found = [
        *(_node(item, _phase(item), pool, prices) for item in there),
        *(_node(it, "coming", pool, prices) for it in coming),
    ]
    return PoolNow(
        name=pool.name, gpu=pool.gpu, gpus_per_node=pool.gpus_per_node, ceiling=pool.most_nodes,
        nodes=tuple(sorted(found, key=lambda node: node.name)),
    )  # fmt: skip


def _pool_of(item: Object) -> str:
    return str((item["metadata"].get("labels") or {}).get(POOL, ""))


def _node(item: Object, phase: str, pool: PoolView, prices: Prices) -> NodeNow:
    labels = item["metadata"].get("labels") or {}
    machine_type, capacity = labels.get(MACHINE_TYPE, ""), labels.get(CAPACITY, "")
    return NodeNow(
        name=item["metadata"]["name"], phase=phase, machine_type=machine_type, capacity=capacity,
        rate=prices(pool, machine_type, capacity),
    )  # fmt: skip


def _phase(node: Object) -> str:
    tainted = any(taint["key"] == _LEAVING for taint in node.get("spec", {}).get("taints", ()))
    if tainted or "deletionTimestamp" in node["metadata"]:
        return "leaving"
    return "ready" if condition(node, "Ready").get("status") == _TRUE else "joining"
