"""Identical GPU nodes that scale together, and the queues that share them."""

from dataclasses import field

from springtide.spec.checks import at_least, distinct, one_of, spec
from springtide.spec.finding import Finding, below, refuse
from springtide.spec.taints import taint_findings

CAPACITY = ("spot", "on-demand", "reserved", "flex-start", "queued")
PURPOSES = ("training", "serving", "general")
FABRICS = ("none", "efa", "gpudirect")
EFA_LAYOUTS = ("ip-optimised", "legacy")
PLACEMENTS = ("none", "compact")
LOCAL_DISKS = ("scratch", "block", "none")
DRIVERS = ("default", "latest")
RESERVATION_KINDS = ("standard", "capacity-block", "future")
SHARING = ("time-sharing", "mps")


@spec
class SharingSpec:
    """Several pods on one GPU."""

    strategy: str
    clients: int

    def findings(self) -> list[Finding]:
        """What is impossible about this sharing."""
        return [*one_of("/strategy", self.strategy, SHARING), *at_least("/clients", self.clients, 2)]


@spec
class PoolSpec:
    """Identical GPU nodes that scale together."""

    gpu: str
    max_nodes: int
    gpus_per_node: int = 1
    min_nodes: int = 0
    capacity: tuple[str, ...] = ("on-demand",)
    reservation: str | None = None
    reservation_kind: str = "standard"
    machine_types: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    purpose: str = "general"
    fabric: str = "none"
    efa_layout: str = "ip-optimised"
    placement: str | None = None
    local_disks: str = "scratch"
    driver: str = "default"
    sharing: SharingSpec | None = None
    max_run_hours: int | None = None
    disk_gib: int = 200
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    protect: bool | None = None

    @property
    def compact(self) -> bool:
        """Whether nodes lie close together: as said, else where a fabric asks for it."""
        return self.fabric != "none" if self.placement is None else self.placement == "compact"

    @property
    def protected(self) -> bool:
        """Whether a replacement or a destroy is refused: as said, else where capacity was reserved."""
        return "reserved" in self.capacity if self.protect is None else self.protect

    def findings(self) -> list[Finding]:
        """What is impossible about this pool on every cloud."""
        kinds = [found for i, kind in enumerate(self.capacity) for found in one_of(f"/capacity/{i}", kind, CAPACITY)]
        hours = [] if self.max_run_hours is None else at_least("/max_run_hours", self.max_run_hours, 1)
        return [
            *kinds,
            *self._words(),
            *at_least("/gpus_per_node", self.gpus_per_node, 1),
            *at_least("/min_nodes", self.min_nodes, 0),
            # A pool that may have no node is none: EKS takes no maximum of 0 either (its model's `Capacity`).
            *at_least("/max_nodes", self.max_nodes, max(self.min_nodes, 1)),
            *at_least("/disk_gib", self.disk_gib, 50),
            *hours,
            *_no_capacity(self.capacity),
            *taint_findings("/taints", self.taints),
            *_nothing_reserved(self),
            *distinct("/capacity", self.capacity),
            *distinct("/machine_types", self.machine_types),
            *distinct("/zones", self.zones),
        ]

    def _words(self) -> list[Finding]:
        placement = [] if self.placement is None else one_of("/placement", self.placement, PLACEMENTS)
        sharing = [] if self.sharing is None else self.sharing.findings()
        return [
            *one_of("/purpose", self.purpose, PURPOSES),
            *one_of("/fabric", self.fabric, FABRICS),
            *one_of("/efa_layout", self.efa_layout, EFA_LAYOUTS),
            *one_of("/local_disks", self.local_disks, LOCAL_DISKS),
            *one_of("/driver", self.driver, DRIVERS),
            *one_of("/reservation_kind", self.reservation_kind, RESERVATION_KINDS),
            *placement,
            *below("/sharing", sharing),
        ]


@spec
class QueueSpec:
    """A share of the GPU pools that jobs wait for in order."""

    max_gpus: int
    """GPUs that the runs of this queue may use at once, over all pools."""

    def findings(self) -> list[Finding]:
        """What is impossible about this queue."""
        return at_least("/max_gpus", self.max_gpus, 1)


def _nothing_reserved(pool: PoolSpec) -> list[Finding]:
    """A reservation that no machine of the pool is taken from; it is paid for all the same."""
    if "reserved" in pool.capacity:
        return []
    found = []
    if pool.reservation is not None:
        kinds = " and ".join(pool.capacity)
        message = f"{kinds} machines come from no reservation, so this one would lie there unused and paid for."
        fix = "add reserved to capacity, or remove the reservation"
        found.append(refuse("spec/reservation", "/reservation", pool.reservation, message, fix))
    if pool.reservation_kind != "standard":
        message, fix = "of which reservation? capacity lacks reserved.", "add reserved to capacity, or remove the key"
        found.append(refuse("spec/reservation", "/reservation_kind", pool.reservation_kind, message, fix))
    return found


def _no_capacity(capacity: tuple[str, ...]) -> list[Finding]:
    if capacity:
        return []
    message = "a pool needs at least one kind of capacity."
    return [refuse("spec/capacity", "/capacity", [], message, "name one", allowed=CAPACITY)]
