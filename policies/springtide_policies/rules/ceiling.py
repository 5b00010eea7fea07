"""A hard ceiling within the budget: what all pools cost at their maxima, however they are bought.

Counted are the machines of GPU pools at their on-demand list price: a spot machine never costs more, a reserved one is
paid for whether it runs or not. What runs anyway (control plane, system nodes, NAT, storage) is the plan's idle floor
and not in this sum.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from springtide.spec import Outcome
from springtide_policies import pools
from springtide_policies.facts import Facts, MachineKey, Price
from springtide_policies.graph import Graph, Node, UnknownInputError
from springtide_policies.rule import (
    Level,
    Rule,
    Scope,
    Verdict,
    cannot_tell,
    judge,
    not_applicable,
    passed,
    unknown_input,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One pool's part of the ceiling."""

    usd_per_hour: Decimal = Decimal(0)
    """What is known of it; more where there are doubts."""
    text: str = ""
    doubts: tuple[Verdict, ...] = ()


def _within_budget(graph: Graph, facts: Facts) -> Iterator[Verdict]:
    if facts.budget_usd_per_hour is None:
        yield not_applicable("no budget is declared")
        return
    shares = [_share(pool, facts.prices) for pool in graph.of_type(pools.GPU_POOL)]
    doubts = [*(doubt for share in shares for doubt in share.doubts), *_uncounted(graph)]
    if sum(share.usd_per_hour for share in shares) > Decimal(str(facts.budget_usd_per_hour)):
        yield _above(facts.budget_usd_per_hour, shares)
    elif doubts:
        yield from doubts
    elif shares:
        yield passed(None)


def _above(budget: float, shares: Iterable[Share]) -> Verdict:
    counted = [share for share in shares if share.usd_per_hour]
    ceiling = sum(share.usd_per_hour for share in counted)
    parts = ", ".join(sorted(share.text for share in counted))
    return Verdict(
        outcome=Outcome.FAIL,
        path="/policies/budget_usd_per_hour",
        message=f"all pools at their maximum cost {ceiling:.2f} USD per hour, above {budget:.2f}: {parts}.",
        value=float(ceiling),
        allowed=(budget,),
    )


def _share(pool: Node, prices: Mapping[MachineKey, Price]) -> Share:
    try:
        return _known_share(pool, prices)
    except UnknownInputError as unknown:
        return Share(doubts=(unknown_input(unknown),))


def _known_share(pool: Node, prices: Mapping[MachineKey, Price]) -> Share:
    most = pool.at("maxNodes")
    if most.value is None:
        return Share(usd_per_hour=Decimal("Infinity"), text=f"{pool.name} has no maximum")
    if not _is_count(most.value):
        return Share(doubts=(cannot_tell(most, f"{most.value!r} is no number of nodes"),))
    # Each rung of a pool is bounded by itself: what all of them can come to is what can be paid for.
    really = pool.at("ceilingNodes").value
    nodes = max(really, most.value) if _is_count(really) else most.value
    return Share() if nodes == 0 else _priced_share(pool, nodes, prices)


def _priced_share(pool: Node, nodes: int, prices: Mapping[MachineKey, Price]) -> Share:
    cloud, region = str(pools.described_by(pool).value), str(pool.at("region").value)
    machines = pool.at("machineTypes").members()
    if not machines:
        return Share(doubts=(cannot_tell(pool.at("machineTypes"), f"pool {pool.name} names no machine type"),))
    found = [(place, prices.get((cloud, region, str(place.value)))) for place in machines]
    doubts = tuple(
        cannot_tell(place, f"no dated price of {place.value} on {cloud} in {region} is at hand", fix=_PRICE_IT)
        for place, price in found
        if price is None
    )
    known = [(price, place.value) for place, price in found if price is not None]
    if not known:
        return Share(doubts=doubts)
    dearest, machine = max(known, key=lambda pair: pair[0].usd_per_hour)
    return Share(
        usd_per_hour=nodes * Decimal(str(dearest.usd_per_hour)),
        text=f"{pool.name} {nodes} of {machine} at {dearest.usd_per_hour:.2f} (list of {dearest.date})",
        doubts=doubts,
    )


def _uncounted(graph: Graph) -> Iterator[Verdict]:
    """Doubts about pools that are no part of a `GpuPool`: nothing here says in which region their machines run."""
    strangers = (node for node in graph.of_type(*pools.RENDERINGS) if not pools.in_gpu_pool(node))
    verdicts = (judge(_stranger, node) for node in strangers)
    return (verdict for verdict in verdicts if verdict.outcome is not Outcome.PASS)


def _stranger(node: Node) -> Verdict:
    if not pools.accelerated(node):
        return passed(node.at())
    return cannot_tell(node.at(), f"{node.name} has accelerators and belongs to no GpuPool, so it is in no sum")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_PRICE_IT = "name priced `machine_types`, or refresh the catalog with a price list that has it"

CEILING = Rule(
    name="gpu-ceiling-budget",
    title="all pools at their maximum stay within the budget",
    why="An autoscaler goes to the maximum one day; what that costs is decided when the maximum is written.",
    about="GPU pools",
    level=Level.CRITICAL,
    scope=Scope.STACK,
    blocks=True,  # an unpriced pool has no ceiling, and this is where money is decided
    fix="lower `max_nodes` of a pool, or raise `policies.budget_usd_per_hour`",
    source="infracost/infracost#1294; pulumi/pulumi#13004",
    check=_within_budget,
    options={"budget_usd_per_hour": {"type": "number", "minimum": 0}},
)
