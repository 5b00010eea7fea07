"""The idle floor: what is paid for while no GPU node runs, counted from the resources of a plan.

What is charged by use, and what nothing is known about, is named and never guessed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

from springtide import catalog
from springtide.offline.charges import BRINGS_MORE, BY_USE, CHARGES, charged, understood
from springtide.offline.floors import Kept, kept
from springtide.offline.plan import Plan
from springtide.offline.views import ClusterView

HOURS_PER_MONTH = 730
"""What the clouds' own price pages count: 8,760 hours a year over twelve months."""
_AUTO = {
    "aws": "machines that EKS Auto Mode makes for the cluster itself, and its fee on every machine",
    "gcp": "the cluster's own pods on Autopilot (charged by what they ask for)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """USD per hour; where a price is missing, `complete` is False and the figure is what is known of it."""

    usd: float
    complete: bool = True

    def times(self, count: float) -> Self:
        """The amount for `count` of them; none of them costs nothing, known or not."""
        return type(self)(usd=self.usd * count, complete=self.complete or count == 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleItem:
    """One line of the idle floor."""

    what: str
    count: float
    unit: str
    """What is counted; empty for pieces."""
    amount: Amount
    date: str = ""
    source: str = ""


def total(amounts: Iterable[Amount]) -> Amount:
    """The sum, complete where every part is."""
    given = tuple(amounts)
    return Amount(usd=sum(item.usd for item in given), complete=all(item.complete for item in given))


def idle_items(plan: Plan) -> Iterator[IdleItem]:
    """The lines of the idle floor: services, then the nodes that never sleep, then the disks of all of them."""
    cloud, region = str(plan.environment.get("cloud", "")), str(plan.environment.get("region", ""))
    if cloud not in catalog.clouds():
        return
    yield from _services(plan, cloud, region)
    groups = [group for group in kept(plan) if group.nodes]
    yield from _system_nodes(cloud, region, (group for group in groups if not group.in_pool))
    disks: dict[str, float] = defaultdict(float)
    for group in groups:
        for kind, gib in group.disks.items():
            disks[kind] += group.nodes * gib
    for kind, gib in sorted(disks.items()):
        if gib:
            yield _service(cloud, region, f"disks of nodes that always run, {kind}", f"disk-{kind}", gib, "GiB")


def left_out(plan: Plan) -> tuple[str, ...]:
    """What the figures leave out: what is charged by use, and types that nothing is known about."""
    made = [resource for resource in plan.resources if resource.custom and resource.id is None]
    types = {resource.type for resource in made}
    by_use = {
        f"{BY_USE[item.type]} (charged by use)"
        for item in made
        if item.type in BY_USE and charged(item.type, item.inputs)
    }
    auto = {_AUTO[item.cloud] for item in ClusterView.among(plan.resources) if item.mode == "auto"}
    brought = {
        f"{BRINGS_MORE[resource.type][0]} (made in the cluster)"
        for resource in made
        if resource.type in BRINGS_MORE and BRINGS_MORE[resource.type][1](resource.inputs)
    }
    billed = [pool for pool in plan.pools() if pool.machines is None]
    disks = ["disks of GPU nodes while they run"] if billed else []
    unknown = (f"{kind} (no price in the catalog)" for kind in sorted(types) if not understood(kind))
    return (*disks, *sorted(by_use), *sorted(auto), *sorted(brought), *unknown)


def _services(plan: Plan, cloud: str, region: str) -> Iterator[IdleItem]:
    counts: dict[tuple[str, str, str], list[float | None]] = defaultdict(list)
    for resource in plan.resources:
        if resource.id is None:
            for charge in CHARGES.get(resource.type, ()):
                what = ", ".join(filter(None, (charge.what, charge.detail(resource.inputs))))
                key = (what, charge.item(resource.inputs), charge.unit)
                counts[key].append(charge.count(resource.inputs))
    for (what, item, unit), found in sorted(counts.items()):
        count = sum(value for value in found if value is not None)
        if count or None in found:
            line = _service(cloud, region, what, item, count, unit)
            yield replace(line, amount=replace(line.amount, complete=False)) if None in found else line


def _service(cloud: str, region: str, what: str, item: str, count: float, unit: str = "") -> IdleItem:  # noqa: PLR0913, PLR0917  a line's parts
    price = catalog.service_price(cloud, region, item)
    if price is None:
        return IdleItem(what=what, count=count, unit=unit, amount=Amount(usd=0.0, complete=False))
    hours = HOURS_PER_MONTH if price.per.endswith("month") else 1
    amount = Amount(usd=price.usd / hours).times(count)
    return IdleItem(what=what, count=count, unit=unit, amount=amount, date=price.date, source=price.source)


def _system_nodes(cloud: str, region: str, groups: Iterable[Kept]) -> Iterator[IdleItem]:
    """Nodes outside the GPU pools, at their group's first machine type; the pools' bands hold the others."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for group in groups:
        counts[group.machine_type, group.capacity] += group.nodes
    for (machine_type, capacity), count in sorted(counts.items()):
        price = catalog.price(cloud, region, machine_type, capacity)
        amount = Amount(usd=0.0, complete=False) if price is None else Amount(usd=price.usd_per_hour).times(count)
        yield IdleItem(
            what=f"system node {machine_type}", count=count, unit="", amount=amount,
            date="" if price is None else price.date, source="" if price is None else price.source,
        )  # fmt: skip
