"""What a plan costs as a band: floor, now, ceiling, on-demand and spot apart, and what it costs while nothing runs.

Every figure is a list price of the catalog with its date and source. What has no price there is named, never guessed.
The ceiling is what the autoscaler can come to, which is more than a pool's `max_nodes` where it counts the pool's parts
each by itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from springtide import catalog
from springtide.catalog import Price
from springtide.offline.idle import Amount, IdleItem, idle_items, left_out, total
from springtide.offline.plan import Plan
from springtide.offline.views import ClusterView, JobView, PoolView, ServiceView

ON_DEMAND = "on-demand"
CAPACITIES = (ON_DEMAND, "spot", "reserved", "flex-start", "queued")
"""How machines are bought, in the order of a table's columns."""
BOUNDED_BY = {"queued": ON_DEMAND}
"""Kinds of capacity without a list price of their own → the kind whose list price they never exceed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """How many nodes a pool has: always at least, for what this plan starts, and at most."""

    floor: int
    now: int
    ceiling: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What the nodes cost. No node costs nothing, whatever its price.

    Floor and now are at the pool's first machine type, which is tried first; the ceiling is at its dearest.
    """

    floor: Amount
    now: Amount
    ceiling: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCost:
    """One pool's bands, by how its machines are bought."""

    pool: PoolView
    nodes: Nodes
    bands: dict[str, Band]
    """On-demand always, as the bound that no spot price passes; the others where the pool may buy so."""
    unpriced: tuple[str, ...]
    """Which prices the catalog does not have, in words."""
    prices: tuple[Price, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an environment costs."""

    pools: tuple[PoolCost, ...]
    idle: tuple[IdleItem, ...]
    """What is paid for while no GPU node runs."""
    unpriced: tuple[str, ...]
    """What the figures leave out, in words."""
    notes: tuple[str, ...] = ()
    """What has to be known to read the figures, in sentences."""

    @property
    def capacities(self) -> tuple[str, ...]:
        """The columns that a table of the pools needs."""
        return tuple(item for item in CAPACITIES if any(item in cost.bands for cost in self.pools))

    @property
    def idle_total(self) -> Amount:
        """The idle floor."""
        return total(item.amount for item in self.idle)

    def pools_total(self, capacity: str, point: str) -> Amount:
        """All pools that may buy `capacity`, at `point` (`floor`, `now` or `ceiling`) of their bands."""
        return total(getattr(cost.bands[capacity], point) for cost in self.pools if capacity in cost.bands)

    @property
    def provenance(self) -> tuple[str, ...]:
        """Date and source of every figure, newest first, each once."""
        dated = {(item.date, item.source) for cost in self.pools for item in cost.prices}
        dated |= {(item.date, item.source) for item in self.idle if item.amount.complete}
        return tuple(f"{date}: {source}" for date, source in sorted(dated, reverse=True))


def estimate(plan: Plan) -> Cost:
    """Price a plan from the catalog."""
    jobs, services = plan.jobs(), plan.services()
    free = _unbounded(plan)
    pools = tuple(_pool_cost(pool, nodes_of(pool, jobs, services), bounded=not free) for pool in plan.pools())
    idle = tuple(idle_items(plan))
    missing = [f"{cost.pool.name}: {name}" for cost in pools for name in cost.unpriced]
    missing += [item.what for item in idle if not item.amount.complete]
    unpriced = (*missing, *left_out(plan))
    return Cost(pools=pools, idle=idle, unpriced=unpriced, notes=tuple(_notes(plan, pools, free=free)))


def list_price(cloud: str, region: str, machine_type: str, capacity: str) -> Price | None:
    """The catalog's price of one machine, or None where it has none, or nothing at all on that cloud."""
    return catalog.price(cloud, region, machine_type, capacity) if cloud in catalog.clouds() else None


def nodes_of(pool: PoolView, jobs: Iterable[JobView], services: Iterable[ServiceView]) -> Nodes:
    """How many nodes of `pool` the started jobs and the services' minimum replicas need, within its bounds."""
    pods = [
        job.gpus_per_node for job in jobs if job.pool == pool.name and job.run is not None for _ in range(job.nodes)
    ]
    pods += [item.gpus for item in services if item.pool == pool.name for _ in range(item.min_replicas)]
    needed = nodes_for(pods, pool.gpus_per_node)
    now = min(max(needed, pool.min_nodes), pool.most_nodes)
    return Nodes(floor=pool.min_nodes, now=now, ceiling=pool.most_nodes)


def nodes_for(pods: Iterable[int], gpus_per_node: int) -> int:
    """Nodes that hold pods with these GPU requests: the largest first, each on the first node with room."""
    free: list[int] = []
    for wanted in sorted(pods, reverse=True):
        index = next((index for index, room in enumerate(free) if room >= wanted), None)
        if index is None:
            free.append(gpus_per_node - wanted)
        else:
            free[index] -= wanted
    return len(free)


def bounding_price(cloud: str, region: str, machine_type: str, capacity: str) -> Price | None:
    """The list price of one machine bought like that, or one that it never exceeds."""
    own = list_price(cloud, region, machine_type, capacity)
    bound = BOUNDED_BY.get(capacity)
    return list_price(cloud, region, machine_type, bound) if own is None and bound is not None else own


def _pool_cost(pool: PoolView, nodes: Nodes, *, bounded: bool) -> PoolCost:
    bought = [ON_DEMAND, *(name for name in pool.capacity if name != ON_DEMAND)]
    found = {
        capacity: {name: bounding_price(pool.catalog, pool.region, name, capacity) for name in pool.machine_types}
        for capacity in bought
    }
    return PoolCost(
        pool=pool,
        nodes=nodes,
        bands={capacity: _band(nodes, tuple(prices.values()), bounded=bounded) for capacity, prices in found.items()},
        unpriced=tuple(text for capacity, prices in found.items() for text in _missing(capacity, prices)),
        prices=tuple(price for prices in found.values() for price in prices.values() if price is not None),
    )


def _unbounded(plan: Plan) -> bool:
    """Whether the cluster's nodes are made without any bound: Autopilot keeps none."""
    return any((item.cloud, item.mode) == ("gcp", "auto") for item in ClusterView.among(plan.resources))


def _notes(plan: Plan, pools: Sequence[PoolCost], *, free: bool) -> Iterator[str]:
    if plan.platform:
        yield f"Jobs and services run on platform {plan.platform}, whose plan shows what its pools cost."
    for pool in (cost.pool for cost in pools if cost.nodes.ceiling > cost.pool.max_nodes):
        yield (
            f"Pool {pool.name} can come to {pool.most_nodes} nodes, above its max_nodes {pool.max_nodes}: "
            "each part of it is counted by itself."
        )
    if free and pools:
        yield "Autopilot bounds no pool: a ceiling is what jobs and services of this file keep to, and others may not."
    for cloud, region in sorted(
        {(cost.pool.catalog, cost.pool.region) for cost in pools if cost.pool.machines is not None}
    ):
        yield f"Imitated, nothing is billed: prices are what such machines cost on {cloud} in {region}."
    kinds = {kind for cost in pools for kind in cost.pool.capacity}
    if "reserved" in kinds:
        yield "Reserved machines are paid for whether they run or not; on-demand bounds what the rest can cost."
    if kinds & BOUNDED_BY.keys():
        yield "Queued machines are shown at their on-demand price, which bounds theirs."


def _missing(capacity: str, prices: Mapping[str, Price | None]) -> Iterator[str]:
    names = [name for name, price in prices.items() if price is None]
    if len(names) == len(prices):
        yield f"every {capacity} price"
    elif names:
        yield f"{capacity} price of {', '.join(names)}"


def _band(nodes: Nodes, prices: Sequence[Price | None], *, bounded: bool) -> Band:
    first = _amount(prices[:1])
    dearest = replace(_amount(prices), complete=bounded and _amount(prices).complete)
    return Band(floor=first.times(nodes.floor), now=first.times(nodes.now), ceiling=dearest.times(nodes.ceiling))


def _amount(prices: Sequence[Price | None]) -> Amount:
    """The dearest known price, complete where all are known."""
    known = [price.usd_per_hour for price in prices if price is not None]
    return Amount(usd=max(known, default=0.0), complete=len(known) == len(prices) > 0)
