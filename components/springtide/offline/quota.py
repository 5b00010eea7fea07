"""What a plan asks of the account's quotas: the numbers to have granted before the first node can come.

A pool counts with its `max_nodes` on each quota that one of its kinds of capacity takes from, and once on a quota that
several of them share. That is enough for all that the pool is meant to have; what an autoscaler could come to beyond it,
where it counts the parts of a pool each by itself, is not asked for: a quota at this number is what stops it. On GCP the
networks that are made count too: GPUDirect takes up to eight of them, and a new project has five.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from springtide import catalog
from springtide.catalog import MachineType, Quota
from springtide.offline.floors import kept
from springtide.offline.plan import Plan
from springtide.offline.views import PoolView

RESERVED = "reserved"
SYSTEM = "system nodes"
NETWORKS = "VPC networks"
_NETWORK = "gcp:compute/network:Network"
_MEANING = (
    "Asked for is what max_nodes needs, from the first machine type to the largest; "
    "quotas of disks, addresses and, on GCP, CPUs of accelerated machines exist besides."
)
Which = tuple[str, str, tuple[tuple[str, str], ...], str]
"""Service, code, dimensions and place of a quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a pool, the cluster's own nodes or the networks take of a quota.

    `least` is with a pool's first machine type only, `most` on its largest.
    """

    pool: str
    capacity: tuple[str, ...]
    start: int
    """What is needed for anything at all: one node of a pool, on its smallest machine; the cluster's own nodes at rest."""
    least: int
    most: int

    @property
    def who(self) -> str:
        """What needs it, and how it is bought, where it is bought at all."""
        return f"{self.pool} ({' or '.join(self.capacity)})" if self.capacity else self.pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One quota, and how much of it a plan's pools need together."""

    quota: Quota
    place: str
    """The region, or `all regions`."""
    parts: tuple[Part, ...]

    @property
    def least(self) -> int:
        """What is needed at the least, all pools at their maximum."""
        return sum(part.least for part in self.parts)

    @property
    def most(self) -> int:
        """What is needed in every case, and so what to ask for."""
        return sum(part.most for part in self.parts)

    @property
    def name(self) -> str:
        """The quota as the cloud's own API names it."""
        picked = "".join(f" {key}={value}" for key, value in self.quota.dimensions)
        return f"{self.quota.service} {self.quota.code or '(code not known)'}{picked}"

    @property
    def amount(self) -> str:
        """The number to ask for; from the first machine type to the largest, where they differ."""
        return f"{span(self.least, self.most)} {self.quota.unit}"

    @property
    def who(self) -> str:
        """The pools that need it, and how they buy."""
        return ", ".join(part.who for part in self.parts)


def asks(plan: Plan) -> tuple[Ask, ...]:
    """The quotas that a plan needs at its maximum, those of accelerators first; none without pools or nodes of its own."""
    found: dict[tuple[Which, str], Ask] = {}
    for place, quota, part in _parts(plan):
        # what tells quotas without a code apart is who needs them
        key = (_which(place, quota), "" if quota.code else part.pool)
        before = found.get(key)
        found[key] = Ask(
            quota=quota, place=place, parts=_joined(() if before is None else before.parts, part)
        )  # fmt: skip
    return tuple(sorted(found.values(), key=_rank))


def stuck(plan: Plan, limits: Mapping[Ask, float]) -> tuple[str, ...]:
    """Pools that cannot have one node, however they buy, under the limits of an account.

    `SYSTEM` for the cluster's own nodes, and `NETWORKS` where not all networks can be made.

    Only what is certain counts: a quota without a known limit stops nobody, and neither does any where machines are
    reserved.

    Args:
        plan: What would be made.
        limits: What the account grants, in the quota's unit; without the quotas that nothing is known of.
    """
    known = {_which(ask.place, ask.quota): limit for ask, limit in limits.items()}
    parts = [(part, limit) for ask, limit in limits.items() for part in ask.parts if part.pool in {SYSTEM, NETWORKS}]
    own = dict.fromkeys(part.pool for part, limit in parts if limit < part.start)
    pools = [pool.name for pool in plan.pools() if pool.max_nodes > 0 and not _starts(pool, known)]
    return (*own, *pools)


def span(least: int, most: int) -> str:
    """Two numbers as one reads them, and one where they are the same."""
    return f"{least}" if least == most else f"{least} to {most}"


def notes(plan: Plan) -> tuple[str, ...]:
    """What has to be known to read the numbers, in sentences; none where nothing is asked for."""
    found = asks(plan)
    pools = plan.pools()
    unknown = sorted({name for pool in pools for name in _unknown(pool)})
    return (
        *([_MEANING] if found else []),
        *(["Reserved machines need no quota."] if any(RESERVED in pool.capacity for pool in pools) else []),
        *([f"No quota is known of {', '.join(unknown)}."] if unknown else []),
        *(["Not confirmed by two sources: " + ", ".join(weak) + "."] if (weak := _unverified(found)) else []),
        *([f"Quota names of {'; '.join(sorted({ask.quota.source for ask in found}))}."] if found else []),
    )


def _parts(plan: Plan) -> Iterator[tuple[str, Quota, Part]]:
    """What each pool, each node group and the networks take of each quota."""
    for pool in plan.pools():
        for (place, quota), (kinds, amounts) in _of_pool(pool).items():
            least, most = pool.max_nodes * amounts[0], pool.max_nodes * max(amounts)
            yield place, quota, Part(pool=pool.name, capacity=kinds, start=min(amounts), least=least, most=most)
    cloud, region = str(plan.environment.get("cloud", "")), str(plan.environment.get("region", ""))
    yield from _networks(plan, cloud)
    for group in kept(plan):
        machine = _machine(cloud, group.machine_type)
        if machine is not None and not group.in_pool:
            for quota in catalog.quotas(machine, group.capacity):
                size = group.most * quota.per_machine
                rest = group.nodes * quota.per_machine
                part = Part(pool=SYSTEM, capacity=(group.capacity,), start=rest, least=size, most=size)
                yield _place(quota, region), _one(quota), part


def _of_pool(pool: PoolView) -> Mapping[tuple[str, Quota], tuple[tuple[str, ...], list[int]]]:
    """For each quota the kinds of capacity that take from it, and what one machine of each type takes."""
    kinds: dict[tuple[str, Quota], dict[str, None]] = defaultdict(dict)
    amounts: dict[tuple[str, Quota], list[int]] = defaultdict(list)
    for kind in pool.capacity:
        for name in pool.machine_types:
            machine = _machine(pool.cloud, name)
            for quota in () if machine is None else catalog.quotas(machine, kind):
                key = (_place(quota, pool.region), _one(quota))
                kinds[key][kind] = None
                amounts[key].append(quota.per_machine)
    return {key: (tuple(kinds[key]), amounts[key]) for key in kinds}


def _joined(parts: tuple[Part, ...], part: Part) -> tuple[Part, ...]:
    """The parts with one more; node groups of the cluster itself are one part together."""
    same = next((item for item in parts if (item.pool, item.capacity) == (part.pool, part.capacity)), None)
    if same is None:
        return (*parts, part)
    sum_ = replace(same, start=same.start + part.start, least=same.least + part.least, most=same.most + part.most)
    return tuple(sum_ if item is same else item for item in parts)


def _starts(pool: PoolView, limits: Mapping[Which, float]) -> bool:
    """Whether the pool can have one node on some machine type, bought in some way."""
    machines = [_machine(pool.cloud, name) for name in pool.machine_types]
    return any(
        machine is None or all(_fits(quota, pool.region, limits) for quota in catalog.quotas(machine, kind))
        for machine in machines
        for kind in pool.capacity
    )


def _fits(quota: Quota, region: str, limits: Mapping[Which, float]) -> bool:
    """Whether one machine fits into a quota; it does where no limit is known."""
    limit = limits.get(_which(_place(quota, region), quota))
    return limit is None or limit >= quota.per_machine


def _which(place: str, quota: Quota) -> Which:
    return (quota.service, quota.code, quota.dimensions, place)


def _machine(cloud: str, name: str) -> MachineType | None:
    return catalog.machine_type(cloud, name) if cloud in catalog.clouds() else None


def _networks(plan: Plan, cloud: str) -> Iterator[tuple[str, Quota, Part]]:
    """What the networks take that the plan makes; those that it only reads have an id."""
    made = sum(network.id is None for network in plan.of_type(_NETWORK))
    quota = catalog.network_quota(cloud) if made > 0 else None
    if quota is not None:
        yield _place(quota, ""), quota, Part(pool=NETWORKS, capacity=(), start=made, least=made, most=made)


def _place(quota: Quota, region: str) -> str:
    return region if quota.scope == "region" else "all regions"


def _one(quota: Quota) -> Quota:
    """The quota itself, whatever machine was asked about."""
    return replace(quota, per_machine=1)


def _unknown(pool: PoolView) -> Iterator[str]:
    """Machine types whose quota the catalog does not know; imitated ones need none."""
    kinds = [kind for kind in pool.capacity if kind != RESERVED]
    for name in pool.machine_types if kinds and pool.machines is None else ():
        machine = _machine(pool.cloud, name)
        if machine is None or not any(catalog.quotas(machine, kind) for kind in kinds):
            yield name


def _unverified(found: tuple[Ask, ...]) -> list[str]:
    return sorted({ask.quota.code for ask in found if ask.quota.code and not ask.quota.verified})


def _rank(ask: Ask) -> tuple[bool, bool, str, str]:
    return (ask.parts[0].pool in {SYSTEM, NETWORKS}, ask.place == "all regions", ask.name, ask.place)
