"""Machine types of a cloud as Karpenter's kwok provider reads them: what each has, where it is sold, for how much.

A price decides here and nothing else: of the machines that fit, Karpenter takes the cheapest. Whoever wants to know what
something costs asks the catalog. So an offering without a list price has one that only puts it in its place, and says so.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from springtide import catalog
from springtide.catalog import MachineType
from springtide.local.render.karpenter import CAPACITY, ZONE, ZONE_IDS
from springtide.local.render.pods import GPU

EFA = "vpc.amazonaws.com/efa"
ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
CAPACITIES = ("reserved", "spot", "on-demand")
"""Kinds of capacity that Karpenter knows, in its own order of trial."""
USUAL_DISK_GIB = 200
"""Disk of a node without one of its own, where nobody asks for another: what a pool has by default."""
MEMORY_SHARE = 0.925
"""Part of a machine's memory that a hypervisor leaves (Karpenter's default `VM_MEMORY_OVERHEAD_PERCENT` is 7.5 %)."""
MOST_PODS = 110
"""Kubernetes' own bound on the pods of a node."""
_GB_PER_GIB = 1.073741824
_USD_PER_GPU_GIB = 0.05
_USD_PER_VCPU = 0.05
"""What puts a machine without a list price among others: the larger, the dearer. Neither is a price."""
_SPOT_SHARE = 0.5
"""Puts spot capacity without a list price before on-demand capacity."""
_RESERVED_SHARE = 1e-7
"""Puts reserved capacity before all other, as Karpenter does on AWS: it is paid for already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """Offerings of machines, by type, zone and kind of capacity; an empty field means any."""

    machine_type: str = ""
    zone: str = ""
    capacity: str = ""

    def covers(self, machine_type: str, zone: str, capacity: str) -> bool:
        """Whether an offering is one of them."""
        pairs = ((self.machine_type, machine_type), (self.zone, zone), (self.capacity, capacity))
        return all(mine in ("", other) for mine, other in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A machine whose GPUs are shared: a node of it says to have more of them than it has."""

    machine: MachineType
    clients: int
    """Pods that share a GPU."""

    @property
    def name(self) -> str:
        """Its name as a machine type of its own."""
        return f"{self.machine.node_label}.shared{self.clients}"


def instance_types(
    cloud: str,
    region: str,
    *,
    disk_gib: Mapping[str, int] | None = None,
    shared: Iterable[Shared] = (),
    unavailable: Collection[Sold] = (),
) -> list[dict[str, Any]]:
    """What `INSTANCE_TYPES_FILE_PATH` of Karpenter's kwok provider has to hold, as JSON.

    Args:
        cloud: Cloud whose machine types are imitated.
        region: Its region: what is offered there, in its zones.
        disk_gib: Machine type → disk of its nodes in GiB, where it has none of its own. Default: `USUAL_DISK_GIB`.
        shared: Machines whose GPUs are shared, besides the same ones unshared.
        unavailable: What cannot be had. kwok's provider takes every offering that it reads as available, so these are left out.

    Raises:
        UnknownNameError: the catalog has no data on the cloud.
    """
    disks = {} if disk_gib is None else disk_gib
    usable = [item for item in catalog.machine_types(cloud) if not item.unusable]
    whole = [(item.node_label, item, resources(item, disk_gib=disks.get(item.name))) for item in usable]
    parts = [
        (it.name, it.machine, resources(it.machine, disk_gib=disks.get(it.machine.name), clients=it.clients))
        for it in shared
    ]
    found = [_instance_type(name, item, has, region, unavailable) for name, item, has in (*whole, *parts)]
    return [item for item in found if item["offerings"]]


def resources(machine: MachineType, *, disk_gib: int | None = None, clients: int = 1) -> dict[str, str]:
    """What a node of a machine type has, as Kubernetes counts it.

    Args:
        machine: Its type.
        disk_gib: Its disk, in GiB, unless the machine brings a larger one.
        clients: Pods that share each of its GPUs.
    """
    own = int(machine.local_disk_gb / _GB_PER_GIB)
    disk = max(own, USUAL_DISK_GIB if disk_gib is None else disk_gib)
    devices = {GPU: machine.gpus * clients, EFA: machine.efa_max}
    return {
        "cpu": str(machine.vcpus),
        "memory": f"{int(machine.memory_mib * MEMORY_SHARE)}Mi",
        "ephemeral-storage": f"{disk}Gi",
        "pods": str(MOST_PODS),
        **{name: str(count) for name, count in devices.items() if count > 0},
    }


def order_price(machine: MachineType, region: str, capacity: str) -> tuple[float, bool]:
    """What Karpenter compares, in USD an hour, and whether it is a list price."""
    listed = catalog.price(machine.cloud, region, machine.name, capacity)
    if listed is not None:
        return listed.usd_per_hour, True
    if capacity == "on-demand":
        gib = machine.gpus * machine.gpu_memory_mib / 1024
        return gib * _USD_PER_GPU_GIB + machine.vcpus * _USD_PER_VCPU, False
    share = _RESERVED_SHARE if capacity == "reserved" else _SPOT_SHARE
    return order_price(machine, region, "on-demand")[0] * share, False


def _instance_type(
    name: str, machine: MachineType, has: Mapping[str, str], region: str, unavailable: Collection[Sold]
) -> dict[str, Any]:
    return {
        "name": name,
        "architecture": ARCHITECTURES[machine.architecture],
        "operatingSystems": ["linux"],
        "resources": dict(has),
        "offerings": list(_offerings(name, machine, region, unavailable)),
    }


def _offerings(name: str, machine: MachineType, region: str, unavailable: Collection[Sold]) -> Iterator[dict[str, Any]]:
    for zone in catalog.offered(machine, region):
        for capacity in CAPACITIES:
            if any(item.covers(name, zone, capacity) for item in unavailable):
                continue
            price, listed = order_price(machine, region, capacity)
            labels = {CAPACITY: capacity, ZONE: zone}
            if machine.cloud in ZONE_IDS:
                labels[ZONE_IDS[machine.cloud]] = zone
            yield {
                "Price": price,
                "Available": True,
                # Unknown to the provider, which passes it over; for whoever reads the file.
                "Listed": listed,
                "Requirements": [{"key": key, "operator": "In", "values": [value]} for key, value in labels.items()],
            }
