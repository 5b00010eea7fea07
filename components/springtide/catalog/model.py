"""The values that look-ups of the catalog return: frozen, provider-neutral, every figure with its unit in its name."""

from dataclasses import dataclass
from enum import StrEnum

ATTACHED = "+"
"""Stands in a machine type's name between the machine and the accelerators attached to it."""


class Capacity(StrEnum):
    """How a machine is bought, in the words of the environment file; `RESERVED` was promised or paid for beforehand."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    RESERVED = "reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCard:
    """One network card of a machine type."""

    index: int
    max_interfaces: int
    interface_types: tuple[str, ...]
    """Kinds of interface the card takes, in the cloud's words: `interface`, `efa`, `efa-only`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineType:
    """One machine type of one cloud, as the cloud's own API describes it."""

    cloud: str
    name: str
    gpu: str
    """Accelerator as users write it, such as `L4`; empty for a machine without one."""
    gpus: int
    """Whole accelerators; 0 where the machine has none or a fraction of one."""
    gpu_memory_mib: int
    """Memory of one accelerator, or of the fraction; 0 without an accelerator."""
    vcpus: int
    memory_mib: int
    local_disk_gb: int
    """Local NVMe altogether, in decimal GB as the cloud counts it; 0 without."""
    local_ssds: int = 0
    """Local disks that come with the machine and that a pool has to name by count, as GKE wants it; 0 elsewhere."""
    architecture: str
    """`x86_64` or `arm64`."""
    accelerator: str = ""
    """The cloud's own name for the accelerator, such as `nvidia-h100-mega-80gb`; empty where the machine implies it."""
    attachable: bool = False
    """Whether the accelerator is attached to a machine that exists without it; see `instance_type`."""
    driver_floor: int = 0
    """Oldest branch of the NVIDIA driver that knows the accelerator; 0 where no limit matters today."""
    driver_ceiling: int = 0
    """Newest branch of the NVIDIA driver that still serves the accelerator; 0 where none is known to end it."""
    network_cards: tuple[NetworkCard, ...] = ()
    """Cards by index; empty on a cloud that does not describe them."""
    efa_max: int = 0
    """Most EFA interfaces at once. Not the number of cards: they differ on p6-b300. 0 without EFA."""
    gpudirect: str = ""
    """How accelerators of several nodes reach each other on GKE: `tcpx`, `tcpxo`, `rdma`; empty without."""
    extra_networks: int = 0
    """Networks with a gVNIC of their own that a node needs beside the cluster's for `gpudirect`."""
    rdma_networks: int = 0
    """Subnets of one network with the zone's RoCE profile that a node needs beside `extra_networks`."""
    usage_classes: tuple[str, ...]
    """Ways to buy it, in the cloud's words: `on-demand`, `spot`, `capacity-block`, `flex-start`.

    A reservation made by name is none of them: it is possible for every machine type.
    """
    unusable: str
    """Why no pool can use this machine type; empty when one can."""

    @property
    def memory_gib(self) -> float:
        """Main memory in GiB."""
        return self.memory_mib / 1024

    @property
    def node_label(self) -> str:
        """Its name as a node's label can hold it: `n1-standard-8.t4x1`."""
        return self.name.replace(ATTACHED, ".")

    @property
    def instance_type(self) -> str:
        """What the cloud's API takes as the machine type: `n1-standard-8` of `n1-standard-8+t4x1`."""
        return self.name.partition(ATTACHED)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One kind of accelerator that a cloud offers."""

    name: str
    memory_mib: int
    """Memory of one whole accelerator, as the cloud states it."""
    counts: tuple[int, ...]
    """How many a usable machine may have, ascending: what `gpus_per_node` may be. Empty when none is usable."""
    machine_types: tuple[str, ...]
    """Usable machine types with it, ascending by accelerators, vCPUs and name."""
    unusable: str
    """Why no pool can use it; empty when one can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A dated list price with its source. What has no source has no `Price`: absent, never zero."""

    usd_per_hour: float
    capacity: Capacity
    date: str
    """ISO date of the price list."""
    source: str
    """Where the figure can be looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePrice:
    """A dated list price of something that is not a machine."""

    item: str
    usd: float
    per: str
    """What the figure is for: `hour`, `GiB-month`, `month`."""
    date: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One zone of a region, by the id that means the same place in every account."""

    id: str
    refused: str
    """Why a cluster cannot use it; empty when it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """How long a machine takes from the autoscaler's request until pods can be put on it."""

    least_seconds: int
    most_seconds: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeImage:
    """A pinned operating-system image for the nodes of one Kubernetes version."""

    os: str
    release: str
    """What the cloud's node-group API takes as the release version."""
    kubernetes: str
    gpu: bool
    """Whether the accelerator's driver and device plugin are inside."""
    architectures: tuple[str, ...]
    date: str | None
    """ISO date of the release, or of the answer that named it."""
    source: str
    """How the pin is known, and what about it is unverified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesVersion:
    """A Kubernetes version that the cloud's managed service has offered."""

    version: str
    standard_support_ends: str
    """ISO date; after it the version costs more or is upgraded."""
    extended_support_ends: str
    """ISO date after which the cloud upgrades the cluster by itself."""
    latest: str = ""
    """Newest patch that the source knows, in the cloud's words; empty where patches have no name of their own."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A limit of the account that machines of one type count against."""

    service: str
    """Service that keeps the limit: `ec2`, `compute.googleapis.com`."""
    code: str
    """Its name in the cloud's quota API; empty where no two sources agree on one."""
    unit: str
    """What it counts: `vCPU`, `GPU` or `VPC`."""
    per_machine: int
    """How much of it one machine takes, or one network."""
    scope: str
    """What the limit is of: `region`, or `project` for all regions together."""
    dimensions: tuple[tuple[str, str], ...]
    """Names and values that pick one limit out of several with the same code; empty where the code is enough."""
    verified: bool
    """Whether two public sources agree on the code. None was read from an account of ours."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricPart:
    """Something without which collectives between nodes fall back to plain TCP."""

    fabric: str
    """`efa`, or a machine type's `gpudirect`."""
    name: str
    place: str
    """Where it has to be: in the workload's `image`, beside it as a `sidecar`, or on the `node`."""
    version: str
    """The version to use, as its makers write it."""
    floor: str
    """Oldest version that works; empty where no source names one."""
    image: str
    """Container image that holds it, without a tag; empty for what is built into the workload's own."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What pods can ask of something: a node, or what is left of one."""

    cpu_millis: int
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """Equal pods, and what each of them asks for."""

    name: str
    replicas: int
    """How many; 0 where there is one on each node."""
    cpu_millis: int
    memory_mib: int
    apart: bool = False
    """Whether no two of them may be on one node."""
    add_on: str = ""
    """Add-on that they come with; empty for those of every cluster, and for those of a chart."""
    source: str = ""
    """Where the figures come from; empty where they are ours to say."""

    @property
    def requests(self) -> dict[str, str]:
        """As Kubernetes has it."""
        return {"cpu": f"{self.cpu_millis}m", "memory": f"{self.memory_mib}Mi"}
