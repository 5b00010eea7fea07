"""Look-ups on the plan path: pure, no network, each data file read once and only when asked for.

A cloud is a folder beside this module; its files are named alike in every cloud. A fact that is not in the files is
None or empty, never a guess; an unknown cloud is the only error.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from springtide.catalog import table
from springtide.catalog.model import (
    Accelerator,
    Boot,
    Capacity,
    KubernetesVersion,
    MachineType,
    NetworkCard,
    NodeImage,
    Price,
    ServicePrice,
    Zone,
)

FOLDER = Path(__file__).parent
MACHINE_TYPES = "machine_types.json"
OFFERINGS = "offerings.json"
ZONES = "zones.json"
PRICES = "prices.json"
SERVICE_PRICES = "service_prices.json"
NODE_IMAGES = "node_images.json"
KUBERNETES_VERSIONS = "kubernetes_versions.json"
QUOTAS = "quotas.json"
FEATURES = "features.json"
FABRICS = "fabrics.json"
BOOT = "boot.json"
SYSTEM_PODS = "system_pods.json"


class UnknownNameError(ValueError):
    """The catalog does not know the cloud, region or accelerator of that name; the message lists what it knows."""


@cache
def clouds() -> tuple[str, ...]:
    """Clouds with data, ascending: the folders that hold machine types."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob(f"*/{MACHINE_TYPES}")))


@cache
def machine_types(cloud: str) -> tuple[MachineType, ...]:
    """Every machine type in the catalog, usable or not, ascending by name.

    Raises:
        UnknownNameError: the catalog has no data on `cloud`.
    """
    return tuple(_machine_type(cloud, record) for record in records(cloud, MACHINE_TYPES))


def machine_type(cloud: str, name: str) -> MachineType | None:
    """One machine type by the cloud's name for it."""
    return _by_name(cloud).get(name)


def candidates(cloud: str, gpu: str, gpus_per_node: int, region: str) -> tuple[MachineType, ...]:
    """Usable machine types in `region` with exactly `gpus_per_node` of `gpu`.

    Cheapest first by on-demand list price, unpriced ones last, ties by name: the same answer for the same data.
    """
    asked = (gpu, gpus_per_node, "")
    fitting = [item for item in machine_types(cloud) if (item.gpu, item.gpus, item.unusable) == asked]
    return tuple(sorted((item for item in fitting if offered(item, region)), key=lambda item: _cost_rank(item, region)))


@cache
def accelerators(cloud: str) -> tuple[Accelerator, ...]:
    """Every kind of accelerator of `cloud`, ascending by name."""
    names = sorted({item.gpu for item in machine_types(cloud) if item.gpu})
    return tuple(_accelerator(cloud, name) for name in names)


def accelerator(cloud: str, name: str) -> Accelerator | None:
    """One kind of accelerator, by the exact name."""
    return next((item for item in accelerators(cloud) if item.name == name), None)


@cache
def regions(cloud: str) -> tuple[str, ...]:
    """Regions whose zones the catalog knows, ascending."""
    return tuple(_zones(cloud))


@cache
def best_known_region(cloud: str) -> str:
    """The region in which most accelerated machine types have a price, ties by name: what stands for the whole cloud."""
    return min(regions(cloud), key=lambda region: (-len(_priced(cloud, region)), region))


def boot(cloud: str) -> Boot:
    """How long a machine of `cloud` takes from the autoscaler's request until pods can be put on it.

    Raises:
        UnknownNameError: the catalog has no data on `cloud`.
    """
    [record] = records(cloud, BOOT)
    return Boot(**{**record, "source": header(cloud, BOOT).sources[record["source"]]})


def zones(cloud: str, region: str) -> tuple[Zone, ...]:
    """Zones of `region` ascending by id, with those a cluster cannot use marked; empty for an unknown region."""
    return _zones(cloud).get(region, ())


def offered(machine_type: MachineType, region: str) -> tuple[str, ...]:
    """Ids of the zones in which a cluster can have `machine_type`, ascending; empty where it is not offered."""
    refused = {zone.id for zone in zones(machine_type.cloud, region) if zone.refused}
    found = _offerings(machine_type.cloud).get((machine_type.name, region), ())
    return tuple(zone for zone in found if zone not in refused)


def regions_of(machine_type: MachineType) -> tuple[str, ...]:
    """Regions that offer `machine_type` in at least one usable zone, ascending."""
    return tuple(region for region in regions(machine_type.cloud) if offered(machine_type, region))


def price(cloud: str, region: str, machine_type: str, capacity: str) -> Price | None:
    """The list price of one machine for one hour, or None where no dated source is at hand.

    Args:
        cloud: Name of a cloud.
        region: Region of the machine; the price of another one is never substituted.
        machine_type: The cloud's name for it.
        capacity: `on-demand`, `spot` or `reserved`.
    """
    return _prices(cloud).get((region, machine_type, capacity))


def service_price(cloud: str, region: str, item: str) -> ServicePrice | None:
    """The list price of `item` (see `service_items`), or None where no dated source is at hand."""
    return _service_prices(cloud).get((region, item))


@cache
def service_items(cloud: str) -> tuple[str, ...]:
    """Names that `service_price` knows in at least one region, ascending."""
    return tuple(sorted({item for _, item in _service_prices(cloud)}))


def node_image(cloud: str, kubernetes: str, *, gpu: bool, architecture: str = "x86_64") -> NodeImage | None:
    """The pinned node image for a Kubernetes version such as `1.35`, or None where the catalog has none."""
    fitting = (
        image
        for image in node_images(cloud)
        if (image.kubernetes, image.gpu) == (kubernetes, gpu) and architecture in image.architectures
    )
    return next(fitting, None)


def pins_node_images(cloud: str) -> bool:
    """Whether nodes start from an image that the catalog names.

    On EKS they do. GKE has none to name: a release channel picks the image and the driver together with the version,
    so the absence of an image is the rule there and no gap in the data.

    Raises:
        UnknownNameError: the catalog has no data on `cloud`.
    """
    return has(cloud, NODE_IMAGES)


@cache
def node_images(cloud: str) -> tuple[NodeImage, ...]:
    """Every pinned node image, in the file's order; none on a cloud that pins none."""
    return tuple(
        NodeImage(
            **{**record, "architectures": tuple(record["architectures"])},
            date=header(cloud, NODE_IMAGES).date,
            source=header(cloud, NODE_IMAGES).source,
        )
        for record in records(cloud, NODE_IMAGES)
    )


@cache
def kubernetes_versions(cloud: str) -> tuple[KubernetesVersion, ...]:
    """Kubernetes versions of the managed service with the end of their support, oldest first."""
    source = _table(cloud, KUBERNETES_VERSIONS).header.source
    return tuple(KubernetesVersion(**record, source=source) for record in records(cloud, KUBERNETES_VERSIONS))


@cache
def date(cloud: str | None = None) -> str:
    """ISO date of the newest snapshot in the catalog, of one cloud or of all; what a plan says it was made with."""
    chosen = clouds() if cloud is None else (cloud,)
    headers = (_table(name, path.name).header for name in chosen for path in sorted((FOLDER / name).glob("*.json")))
    return max((header.date for header in headers if header.date is not None), default="")


def near_accelerators(cloud: str, name: str) -> tuple[str, ...]:
    """Usable accelerators whose names are like `name`, best first, at most three: for `did you mean …?`."""
    return _near(name, [item.name for item in accelerators(cloud) if not item.unusable])


def near_machine_types(cloud: str, name: str) -> tuple[str, ...]:
    """Usable machine types whose names are like `name`, best first, at most three."""
    return _near(name, [item.name for item in machine_types(cloud) if not item.unusable])


def near_regions(cloud: str, name: str) -> tuple[str, ...]:
    """Regions whose names are like `name`, best first, at most three."""
    return _near(name, regions(cloud))


def _near(name: str, known: Iterable[str]) -> tuple[str, ...]:
    # Case, blanks, hyphens and the maker's name are how people's spellings differ, not what they mean.
    by_key = {_key(item): item for item in known}
    key = _key(name)
    found = [key] if key in by_key else get_close_matches(key, sorted(by_key), n=3)
    return tuple(by_key[item] for item in found)


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9.]|nvidia", "", name.lower())


def _cost_rank(item: MachineType, region: str) -> tuple[bool, float, str]:
    found = price(item.cloud, region, item.name, Capacity.ON_DEMAND)
    return (found is None, 0.0 if found is None else found.usd_per_hour, item.name)


def _accelerator(cloud: str, name: str) -> Accelerator:
    having = [item for item in machine_types(cloud) if item.gpu == name]
    usable = sorted((item for item in having if not item.unusable), key=lambda item: (item.gpus, item.vcpus, item.name))
    whole = [item for item in having if item.gpus] or having
    return Accelerator(
        name=name,
        memory_mib=min(item.gpu_memory_mib for item in whole),
        counts=tuple(sorted({item.gpus for item in usable})),
        machine_types=tuple(item.name for item in usable),
        unusable="" if usable else having[0].unusable,
    )


def _priced(cloud: str, region: str) -> list[MachineType]:
    """Usable machine types with accelerators that have an on-demand price in a region."""
    usable = (item for item in machine_types(cloud) if item.gpu and not item.unusable)
    return [item for item in usable if price(cloud, region, item.name, Capacity.ON_DEMAND) is not None]


@cache
def _by_name(cloud: str) -> Mapping[str, MachineType]:
    return {item.name: item for item in machine_types(cloud)}


def require_cloud(cloud: str) -> None:
    """Check a cloud's name.

    Raises:
        UnknownNameError: the catalog has no data on `cloud`.
    """
    if cloud not in clouds():
        raise UnknownNameError(f"unknown cloud {cloud!r}: the catalog knows {', '.join(clouds())}")


def header(cloud: str, name: str) -> table.Header:
    """Provenance of one data file, such as `PRICES`."""
    return _table(cloud, name).header


def has(cloud: str, name: str) -> bool:
    """Whether `cloud` has a data file of that name.

    Raises:
        UnknownNameError: the catalog has no data on `cloud`.
    """
    require_cloud(cloud)
    return (FOLDER / cloud / name).exists()


@cache
def _table(cloud: str, name: str) -> table.Table:
    require_cloud(cloud)
    return table.read(FOLDER / cloud / name)


def records(cloud: str, name: str) -> list[dict[str, Any]]:
    """The rows of one data file as mappings; none where the cloud has no such file."""
    if not has(cloud, name):
        return []
    return _table(cloud, name).records()


def _machine_type(cloud: str, record: dict[str, Any]) -> MachineType:
    cards = expand_cards(record.get("network_cards", []))
    classes = tuple(record["usage_classes"])
    return MachineType(cloud=cloud, **{**record, "network_cards": cards, "usage_classes": classes})


def expand_cards(groups: list[list[Any]]) -> tuple[NetworkCard, ...]:
    """Network cards from the file's runs of equal ones, `[cards, interfaces per card, interface types]`."""
    alike = [(most, tuple(types)) for cards, most, types in groups for _ in range(cards)]
    return tuple(
        NetworkCard(index=index, max_interfaces=most, interface_types=types)
        for index, (most, types) in enumerate(alike)
    )


@cache
def _zones(cloud: str) -> Mapping[str, tuple[Zone, ...]]:
    found: dict[str, tuple[Zone, ...]] = {}
    for record in records(cloud, ZONES):
        zone = Zone(id=record["zone"], refused=record["refused"])
        found[record["region"]] = (*found.get(record["region"], ()), zone)
    return found


@cache
def _offerings(cloud: str) -> Mapping[tuple[str, str], tuple[str, ...]]:
    return {(item, region): tuple(ids) for item, region, ids in _table(cloud, OFFERINGS).rows}


@cache
def _prices(cloud: str) -> Mapping[tuple[str, str, str], Price]:
    sources = _table(cloud, PRICES).header.sources
    return {
        (row["region"], row["machine_type"], row["capacity"]): Price(
            usd_per_hour=row["usd_per_hour"],
            capacity=Capacity(row["capacity"]),
            date=row["date"],
            source=sources[row["source"]],
        )
        for row in records(cloud, PRICES)
    }


@cache
def _service_prices(cloud: str) -> Mapping[tuple[str, str], ServicePrice]:
    sources = _table(cloud, SERVICE_PRICES).header.sources
    return {
        (row["region"], row["item"]): ServicePrice(
            item=row["item"], usd=row["usd"], per=row["per"], date=row["date"], source=sources[row["source"]]
        )
        for row in records(cloud, SERVICE_PRICES)
    }
