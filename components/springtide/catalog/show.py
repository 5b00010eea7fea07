"""The catalog as a table for people: what `springtide catalog` prints."""

from collections.abc import Sequence

from rich.table import Table

from springtide.catalog import lookup
from springtide.catalog.lookup import UnknownNameError
from springtide.catalog.model import Capacity, MachineType

COLUMNS = (
    "machine type", "GPU", "GPU GiB", "vCPU", "GiB", "NVMe GB", "fabric", "on-demand USD/h", "spot USD/h", "where",
)  # fmt: skip


def overviews(cloud: str | None, *, gpu: str | None = None, region: str | None = None) -> tuple[Table, ...]:
    """One table for `cloud`, or one for each cloud that has what is asked for.

    Raises:
        UnknownNameError: no cloud that was asked knows the accelerator or the region.
    """
    shown, refused = [], []
    for name in lookup.clouds() if cloud is None else (cloud,):
        try:
            shown.append(overview(name, gpu=gpu, region=region))
        except UnknownNameError as error:
            refused.append(str(error))
    if not shown:
        raise UnknownNameError("\n".join(refused))
    return tuple(shown)


def overview(cloud: str, *, gpu: str | None = None, region: str | None = None) -> Table:
    """Accelerated machine types of a cloud, by accelerator, count and price; unusable ones last, with the reason.

    Args:
        cloud: Name of a cloud.
        gpu: Only this accelerator.
        region: Only what this region offers, with its zones and its prices; otherwise the lowest price anywhere.

    Raises:
        UnknownNameError: the catalog does not know the cloud, the accelerator or the region.
    """
    lookup.require_cloud(cloud)
    _require_gpu(cloud, gpu)
    _require_region(cloud, region)
    shown = [item for item in lookup.machine_types(cloud) if item.gpu and gpu in {None, item.gpu}]
    here = [item for item in shown if region is None or lookup.offered(item, region)]
    result = Table(*COLUMNS, title=f"{cloud} {region or ''}".strip(), caption=_caption(cloud))
    for column in result.columns[2:9]:
        column.justify = "right"
    result.columns[9].overflow = "fold"  # a reason may hold an address, which has no blanks to break at
    for item in sorted(here, key=lambda item: _rank(item, region)):
        result.add_row(*_cells(item, region), style="dim" if item.unusable else None)
    return result


def _require_gpu(cloud: str, gpu: str | None) -> None:
    known = [item.name for item in lookup.accelerators(cloud)]
    if gpu is not None and gpu not in known:
        raise UnknownNameError(
            f"{cloud} has no accelerator {gpu!r}: {_fix(lookup.near_accelerators(cloud, gpu), known)}"
        )


def _require_region(cloud: str, region: str | None) -> None:
    known = lookup.regions(cloud)
    if region is not None and region not in known:
        raise UnknownNameError(f"{cloud} has no region {region!r}: {_fix(lookup.near_regions(cloud, region), known)}")


def _fix(near: Sequence[str], known: Sequence[str]) -> str:
    return f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(known)}"


def _rank(item: MachineType, region: str | None) -> tuple[bool, str, int, bool, float, str]:
    cost = _lowest(item, region, Capacity.ON_DEMAND)
    return (bool(item.unusable), item.gpu, item.gpus, cost is None, 0.0 if cost is None else cost, item.name)


def _lowest(item: MachineType, region: str | None, capacity: Capacity) -> float | None:
    asked = lookup.regions(item.cloud) if region is None else (region,)
    found = (lookup.price(item.cloud, name, item.name, capacity) for name in asked)
    return min((price.usd_per_hour for price in found if price is not None), default=None)


def _cells(item: MachineType, region: str | None) -> tuple[str, ...]:
    prices = (_lowest(item, region, capacity) for capacity in (Capacity.ON_DEMAND, Capacity.SPOT))
    return (
        item.name,
        f"{item.gpus} x {item.gpu}" if item.gpus else item.gpu,
        f"{item.gpu_memory_mib / 1024:.1f}",
        str(item.vcpus),
        f"{item.memory_gib:g}",
        str(item.local_disk_gb),
        _fabric(item),
        *("unknown" if price is None else f"{price:.4f}" for price in prices),
        item.unusable or _where(item, region),
    )


def _fabric(item: MachineType) -> str:
    return f"{item.efa_max} EFA" if item.efa_max else item.gpudirect.upper()


def _where(item: MachineType, region: str | None) -> str:
    # On clouds whose zones are named after their region its name would fill the column.
    if region is not None:
        return " ".join(zone.removeprefix(f"{region}-") for zone in lookup.offered(item, region))
    return f"{len(lookup.regions_of(item))} regions"


def _caption(cloud: str) -> str:
    machines, prices = lookup.header(cloud, lookup.MACHINE_TYPES), lookup.header(cloud, lookup.PRICES)
    dated = f" ({machines.date})" if machines.date is not None else ""
    source = machines.source.partition(". ")[0]  # what follows names each column's, for who reads the file
    return f"machine types: {source}{dated}; list prices of {prices.date}"
