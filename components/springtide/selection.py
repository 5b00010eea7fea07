"""Which machine types and zones a pool can have: the catalog's answer to what a spec asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from springtide import catalog
from springtide.catalog import MachineType
from springtide.spec import Finding, PoolSpec, Source, did_you_mean, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The machine types of a pool, cheapest first, and the zones that offer all of them, or what is in the way."""

    machine_types: tuple[MachineType, ...] = ()
    zones: tuple[str, ...] = ()
    usd_per_hour: float | None = None
    """List price of the first machine type, bought as the pool buys first; on demand where that has no price of its own."""
    findings: tuple[Finding, ...] = ()


def region_findings(cloud: str, region: str) -> list[Finding]:
    """What is wrong with the name of a region."""
    known = catalog.regions(cloud)
    if region in known:
        return []
    message = f"the catalog knows no region {region!r} of {cloud}."
    fix = did_you_mean(region, known, "use a region on offer")
    return [refuse("catalog/region", "/region", region, message, fix, allowed=known, source=Source.CATALOG)]


def usable_zones(cloud: str, region: str) -> tuple[str, ...]:
    """The zone ids of a region that clusters may use, ascending."""
    return tuple(zone.id for zone in catalog.zones(cloud, region) if not zone.refused)


def zone_findings(cloud: str, region: str, zones: Sequence[str]) -> list[Finding]:
    """Which zones of a list are none of the region's, or none that clusters may use."""
    refused = {zone.id: zone.refused for zone in catalog.zones(cloud, region)}
    usable, fix = (
        usable_zones(cloud, region),
        "use one of them; on AWS these are ids, which mean the same place in every account",
    )
    wrong = ((i, zone) for i, zone in enumerate(zones) if refused.get(zone, "unknown"))
    return [
        refuse(
            "catalog/zones", f"/zones/{i}", zone, refused.get(zone) or f"{region} has no zone id {zone!r}.", fix,
            allowed=usable, source=Source.CATALOG,
        )
        for i, zone in wrong
    ]  # fmt: skip


def choose(spec: PoolSpec, cloud: str, region: str, zones: Sequence[str]) -> Choice:
    """Match a pool with the catalog.

    Args:
        spec: What the pool asks for.
        cloud: The cloud whose catalog is asked.
        region: Region that must offer the machine types.
        zones: Zone ids that the network spans; the pool uses those of them that offer at least one of its types.
    """
    found = _asked_for(spec, cloud) if spec.machine_types else _fitting(spec, cloud, region)
    if found.findings:
        return found
    offered = {zone for machine in found.machine_types for zone in catalog.offered(machine, region)}
    usable = tuple(zone for zone in zones if zone in offered and (not spec.zones or zone in spec.zones))
    if strange := [zone for zone in spec.zones if zone not in zones]:
        return Choice(findings=tuple(_not_spanned(spec, zone, zones) for zone in strange))
    if not usable:
        return Choice(findings=(_nowhere(spec, region, zones, sorted(offered)),))
    here = tuple(machine for machine in found.machine_types if set(catalog.offered(machine, region)) & set(usable))
    return Choice(machine_types=here, zones=usable, usd_per_hour=_price(cloud, region, here[0].name, spec.capacity))


def _price(cloud: str, region: str, machine_type: str, capacity: Sequence[str]) -> float | None:
    kinds = (*capacity[:1], catalog.Capacity.ON_DEMAND)
    prices = (catalog.price(cloud, region, machine_type, kind) for kind in kinds)
    return next((price.usd_per_hour for price in prices if price is not None), None)


def _fitting(spec: PoolSpec, cloud: str, region: str) -> Choice:
    reasons = {item.name: item.unusable for item in catalog.accelerators(cloud)}
    known = [name for name in reasons if not reasons[name]]
    if spec.gpu not in known:
        if spec.gpu in reasons:
            message = f"{spec.gpu} cannot be used: {reasons[spec.gpu]}."
            return _refused("catalog/gpu", "/gpu", spec.gpu, message, "use another gpu", known)
        near = catalog.near_accelerators(cloud, spec.gpu)
        fix = f"did you mean {near[0]}?" if near else f"use a name of `springtide catalog` on {cloud}"
        message = f"{spec.gpu!r} is no accelerator of {cloud}."
        return _refused("catalog/gpu", "/gpu", spec.gpu, message, fix, known)
    fitting = catalog.candidates(cloud, spec.gpu, spec.gpus_per_node, region)
    if fitting:
        return Choice(machine_types=fitting)
    everywhere = [item for item in catalog.machine_types(cloud) if item.gpu == spec.gpu and not item.unusable]
    counts = sorted({item.gpus for item in everywhere if catalog.offered(item, region)})
    if not counts:
        where = sorted({name for item in everywhere for name in catalog.regions_of(item)})
        message = f"no machine with {spec.gpu} is offered in {region}."
        return _refused(
            "catalog/region", "/gpu", spec.gpu, message, f"use another region or gpu; {spec.gpu} is in", where
        )
    message = f"no machine in {region} has {spec.gpus_per_node} × {spec.gpu}."
    return _refused(
        "catalog/gpus-per-node", "/gpus_per_node", spec.gpus_per_node, message, "use a count on offer", counts
    )


def _asked_for(spec: PoolSpec, cloud: str) -> Choice:
    machines: list[MachineType] = []
    findings: list[Finding] = []
    for i, name in enumerate(spec.machine_types):
        machine = catalog.machine_type(cloud, name)
        if (mistake := _unfit(spec, cloud, name, machine)) is not None:
            findings.append(
                refuse("catalog/machine-type", f"/machine_types/{i}", name, *mistake, source=Source.CATALOG)
            )
        elif machine is not None:
            machines.append(machine)
    return Choice(machine_types=tuple(machines), findings=tuple(findings))


def _unfit(spec: PoolSpec, cloud: str, name: str, machine: MachineType | None) -> tuple[str, str] | None:
    """What is wrong with a machine type for this pool, and what to do; None when it fits."""
    if machine is None:
        near = catalog.near_machine_types(cloud, name)
        fix = (
            f"did you mean {near[0]}?"
            if near
            else f"use a machine type that `springtide catalog --gpu {spec.gpu}` lists"
        )
        return f"the catalog of {cloud} has no machine type {name!r}.", fix
    if machine.unusable:
        return f"{name} cannot be used: {machine.unusable}.", "use another machine type"
    if (machine.gpu, machine.gpus) != (spec.gpu, spec.gpus_per_node):
        message = (
            f"{name} has {machine.gpus} × {machine.gpu or 'no GPU'}, the pool says {spec.gpus_per_node} × {spec.gpu}."
        )
        return message, "change the machine type, or gpu and gpus_per_node"
    return None


def _not_spanned(spec: PoolSpec, zone: str, zones: Sequence[str]) -> Finding:
    path = f"/zones/{spec.zones.index(zone)}"
    message = f"the network does not span zone {zone}."
    return refuse("spec/pool-zone", path, zone, message, "use zones of the network, or widen it", allowed=zones)


def _nowhere(spec: PoolSpec, region: str, zones: Sequence[str], offered: Sequence[str]) -> Finding:
    message = (
        f"none of the network's zones ({', '.join(zones)}) offers a machine with {spec.gpus_per_node} × {spec.gpu}."
    )
    fix = "add a zone that does to `zones`" if offered else f"no zone of {region} does: use another gpu or region"
    return refuse("catalog/zone", "/gpu", spec.gpu, message, fix, allowed=offered, source=Source.CATALOG)


def _refused(rule: str, path: str, value: object, message: str, fix: str, allowed: Sequence[object]) -> Choice:  # noqa: PLR0913, PLR0917
    return Choice(findings=(refuse(rule, path, value, message, fix, allowed=allowed, source=Source.CATALOG),))
