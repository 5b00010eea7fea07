"""The idle floor: what is paid for while no GPU node runs, counted from the resources of a plan.

A resource type is priced by the hour, charged by use, free, or unknown; what is charged by use or unknown is named.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from springtide import catalog
from springtide.offline.plan import Plan, Resource

HOURS_PER_MONTH = 730
"""What the clouds' own price pages count: 8,760 hours a year over twelve months."""

_NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_BY_THE_HOUR = {
    "aws:ec2/eip:Eip": ("public IPv4 address", "public-ipv4"),
    "aws:ec2/natGateway:NatGateway": ("NAT gateway", "nat-gateway"),
    "aws:eks/cluster:Cluster": ("Kubernetes control plane", "control-plane"),
    "aws:kms/key:Key": ("encryption key", "encryption-key"),
}
"""Resource type → (words, item of the catalog's service prices), one of them per resource."""
_BY_USE = {
    "aws:cloudwatch/logGroup:LogGroup": "logs: ingestion and storage",
    "aws:ec2/natGateway:NatGateway": "traffic through NAT",
    "aws:s3/bucket:Bucket": "buckets: storage and requests",
}
_FREE = (
    "aws:autoscaling/tag:", "aws:ec2/internetGateway:", "aws:ec2/launchTemplate:", "aws:ec2/placementGroup:",
    "aws:ec2/route:", "aws:ec2/routeTable:", "aws:ec2/routeTableAssociation:", "aws:ec2/securityGroup:",
    "aws:ec2/subnet:", "aws:ec2/vpc:", "aws:eks/accessEntry:", "aws:eks/accessPolicyAssociation:", "aws:eks/addon:",
    "aws:eks/podIdentityAssociation:", "aws:iam/", "aws:kms/alias:", "aws:s3/bucket", "aws:vpc/securityGroup",
    "kubernetes:", "pulumi:",
)  # fmt: skip
"""Beginnings of types that cost nothing by themselves. Gateway endpoints are free, interface endpoints are not."""
_GATEWAY_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"


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
    for resource_type, (what, item) in sorted(_BY_THE_HOUR.items(), key=lambda entry: entry[1]):
        count = sum(1 for resource in plan.of_type(resource_type) if resource.id is None)
        if count:
            yield _service(cloud, region, what, item, count)
    groups = [group for group in plan.of_type(_NODE_GROUP) if _least(group)]
    yield from _system_nodes(cloud, region, groups, {pool.urn for pool in plan.pools()})
    disk_gib = sum(_least(group) * _disk_gib(plan, group) for group in groups)
    if disk_gib:
        yield _service(cloud, region, "disks of nodes that always run", "disk-gp3", disk_gib, "GiB")


def left_out(plan: Plan) -> tuple[str, ...]:
    """What the figures leave out: what is charged by use, and types that nothing is known about."""
    types = {resource.type for resource in plan.resources if resource.custom and resource.id is None}
    by_use = [f"{what} (charged by use)" for kind, what in _BY_USE.items() if kind in types]
    disks = ["disks of GPU nodes while they run"] if plan.pools() else []
    unknown = sorted(kind for kind in types if not _understood(kind))
    return (*disks, *by_use, *(f"{kind} (no price in the catalog)" for kind in unknown if _charged(plan, kind)))


def _service(cloud: str, region: str, what: str, item: str, count: float, unit: str = "") -> IdleItem:  # noqa: PLR0913, PLR0917  a line's parts
    price = catalog.service_price(cloud, region, item)
    if price is None:
        return IdleItem(what=what, count=count, unit=unit, amount=Amount(usd=0.0, complete=False))
    hours = HOURS_PER_MONTH if price.per.endswith("month") else 1
    amount = Amount(usd=price.usd / hours).times(count)
    return IdleItem(what=what, count=count, unit=unit, amount=amount, date=price.date, source=price.source)


def _system_nodes(cloud: str, region: str, groups: Iterable[Resource], pools: set[str]) -> Iterator[IdleItem]:
    """Nodes outside the GPU pools, at their group's first machine type; the pools' bands hold the others."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for group in groups:
        if group.parent not in pools:
            capacity = "spot" if group.inputs.get("capacityType") == "SPOT" else "on-demand"
            counts[group.inputs["instanceTypes"][0], capacity] += _least(group)
    for (machine_type, capacity), count in sorted(counts.items()):
        price = catalog.price(cloud, region, machine_type, capacity)
        amount = Amount(usd=0.0, complete=False) if price is None else Amount(usd=price.usd_per_hour).times(count)
        yield IdleItem(
            what=f"system node {machine_type}", count=count, unit="", amount=amount,
            date="" if price is None else price.date, source="" if price is None else price.source,
        )  # fmt: skip


def _least(group: Resource) -> int:
    return int(group.inputs.get("scalingConfig", {}).get("minSize", 0))


def _disk_gib(plan: Plan, group: Resource) -> int:
    """GiB on each node of a group: what its launch template says, as far as it says it."""
    templates = {urn for urns in group.property_depends_on.values() for urn in urns}
    mappings = [
        mapping
        for template in plan.of_type(_TEMPLATE)
        if template.urn in templates
        for mapping in template.inputs.get("blockDeviceMappings", ())
    ]
    return sum(int(mapping.get("ebs", {}).get("volumeSize", 0)) for mapping in mappings)


def _understood(kind: str) -> bool:
    return kind in _BY_THE_HOUR or kind in _BY_USE or kind == _NODE_GROUP or kind.startswith(_FREE)


def _charged(plan: Plan, kind: str) -> bool:
    if kind != _GATEWAY_ENDPOINT:
        return True
    return any(item.inputs.get("vpcEndpointType", "Gateway") != "Gateway" for item in plan.of_type(kind))
