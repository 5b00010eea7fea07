"""What some clouds can do and others cannot: a protocol each, and the one table of what in a spec asks for which.

A cloud that cannot do a thing lacks the members of its protocol; the error names the clouds that have them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pulumi

from springtide.clouds.parts import ExposureParts, StorageParts
from springtide.spec import Finding, PoolSpec, PublicSpec, ServiceSpec, StorageSpec

if TYPE_CHECKING:
    from springtide.cluster import ClusterRef
    from springtide.selection import Choice
    from springtide.storage import StorageRef


@runtime_checkable
class SupportsWaking(Protocol):
    """A cloud whose pools grow from zero when a pod asks for them."""

    def wakes(self, spec: PoolSpec) -> bool:
        """Whether something makes the first node of this pool."""
        ...


@runtime_checkable
class SupportsLadder(Protocol):
    """A cloud that tries several kinds of capacity in a stated order."""

    def ladder_findings(self, spec: PoolSpec) -> list[Finding]:
        """Which order of kinds the cloud cannot keep."""
        ...


@runtime_checkable
class SupportsReservations(Protocol):
    """A cloud whose pools can use capacity that was reserved."""

    def reservation_findings(self, spec: PoolSpec, choice: "Choice") -> list[Finding]:
        """What is wrong with the reservation that a pool names."""
        ...


@runtime_checkable
class SupportsQueuedCapacity(Protocol):
    """A cloud that hands over all machines of a job at once, when it has them (GKE's queued provisioning)."""

    provisioning_class: str
    """Who does so, as Kubernetes' ProvisioningRequest names it."""

    def queued_findings(self, spec: PoolSpec, choice: "Choice") -> list[Finding]:
        """What cannot go with queued capacity."""
        ...


@runtime_checkable
class SupportsQueues(Protocol):
    """A cloud in whose clusters runs wait in queues."""

    def queue_controllers(self) -> tuple[str, ...]:
        """Charts without which nothing holds a run back."""
        ...


@runtime_checkable
class SupportsFlexStart(Protocol):
    """A cloud that sells machines for some days, started when it has them (GCP's flex-start)."""

    def flex_start_findings(self, spec: PoolSpec, choice: "Choice") -> list[Finding]:
        """What cannot go with flex-start."""
        ...


@runtime_checkable
class SupportsEfa(Protocol):
    """A cloud with Elastic Fabric Adapters."""

    def efa_findings(self, spec: PoolSpec, choice: "Choice") -> list[Finding]:
        """What cannot go with EFA."""
        ...


@runtime_checkable
class SupportsGpuDirect(Protocol):
    """A cloud with GPUDirect networks between machines."""

    def gpudirect_findings(self, spec: PoolSpec, choice: "Choice") -> list[Finding]:
        """What cannot go with GPUDirect."""
        ...


@runtime_checkable
class SupportsSharing(Protocol):
    """A cloud whose nodes let several pods share one GPU."""

    def sharing_findings(self, spec: PoolSpec) -> list[Finding]:
        """What cannot go with sharing."""
        ...


@runtime_checkable
class SupportsLustre(Protocol):
    """A cloud with managed Lustre file systems."""

    def lustre(
        self,
        name: str,
        spec: StorageSpec,
        cluster: "ClusterRef",
        linked: "StorageRef | None",
        parent: pulumi.Resource,
    ) -> StorageParts:
        """A parallel file system that pods mount; the objects of `linked`, a bucket, are its files."""
        ...

    def lustre_findings(self, spec: StorageSpec) -> list[Finding]:
        """Which sizes and speeds the cloud does not sell."""
        ...


@runtime_checkable
class SupportsShared(Protocol):
    """A cloud with managed NFS file systems."""

    def shared(self, name: str, spec: StorageSpec, cluster: "ClusterRef", parent: pulumi.Resource) -> StorageParts:
        """A file system that many pods write at once."""
        ...

    def shared_findings(self, spec: StorageSpec) -> list[Finding]:
        """Which sizes the cloud does not sell."""
        ...


@runtime_checkable
class SupportsExposure(Protocol):
    """A cloud whose load balancers lead to services."""

    def exposure_controllers(self, mode: str) -> tuple[str, ...]:
        """Charts without which nothing leads to a service in a cluster of that mode."""
        ...

    def exposure_conditions(self, name: str, mode: str) -> tuple[str, ...]:
        """What else must hold of a pod before it counts as ready: that the load balancer sends it requests, say."""
        ...

    def internal(
        self, name: str, spec: ServiceSpec, cluster: "ClusterRef", backend: pulumi.Resource, parent: pulumi.Resource
    ) -> ExposureParts:
        """A way in for who is inside the network; `backend` is the Kubernetes Service that it leads to."""
        ...

    def public(  # noqa: PLR0913, PLR0917  a way in ties all of these together
        self,
        name: str,
        spec: ServiceSpec,
        public: PublicSpec,
        cluster: "ClusterRef",
        backend: pulumi.Resource,
        parent: pulumi.Resource,
    ) -> ExposureParts:
        """A way in for who is on the internet: a name, its certificate, and a load balancer that speaks HTTPS alone."""
        ...

    def public_findings(self, public: PublicSpec, *, adopted: bool) -> list[Finding]:
        """What is wrong with a name on the internet, in a network that is the environment's own or `adopted`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Something a spec may ask for that not every cloud has."""

    path: str
    """Key that asks for it."""
    what: str
    """What it is, in an error message."""
    protocol: type
    asked: Callable[[Any], bool]
    instead: str
    """What to write where the cloud does not have it."""


def _has(kind: str) -> Callable[[PoolSpec], bool]:
    return lambda spec: kind in spec.capacity


WISHES_OF_POOLS: Sequence[Wish] = (
    Wish(
        path="/capacity", what="an order of kinds of capacity", protocol=SupportsLadder,
        asked=lambda spec: len(set(spec.capacity)) > 1, instead="name one kind, or make one pool of each",
    ),
    Wish(
        path="/capacity", what="reserved capacity", protocol=SupportsReservations, asked=_has("reserved"),
        instead="use spot or on-demand",
    ),
    Wish(
        path="/capacity", what="queued capacity", protocol=SupportsQueuedCapacity, asked=_has("queued"),
        instead="use spot or on-demand",
    ),
    Wish(
        path="/capacity", what="flex-start", protocol=SupportsFlexStart, asked=_has("flex-start"),
        instead="use spot or on-demand",
    ),
    Wish(
        path="/fabric", what="EFA", protocol=SupportsEfa, asked=lambda spec: spec.fabric == "efa",
        instead="use another fabric, or none",
    ),
    Wish(
        path="/fabric", what="GPUDirect", protocol=SupportsGpuDirect, asked=lambda spec: spec.fabric == "gpudirect",
        instead="use another fabric, or none",
    ),
    Wish(
        path="/sharing", what="sharing of a GPU", protocol=SupportsSharing, asked=lambda spec: spec.sharing is not None,
        instead="remove sharing",
    ),
)  # fmt: skip
WISHES_OF_QUEUES: Sequence[Wish] = (
    Wish(
        path="/max_gpus", what="queues", protocol=SupportsQueues, asked=lambda _spec: True,
        instead="remove it, and `queue` from its jobs: they start as soon as machines are there",
    ),
)  # fmt: skip
WISHES_OF_STORAGE: Sequence[Wish] = (
    Wish(
        path="/kind", what="Lustre", protocol=SupportsLustre, asked=lambda spec: spec.kind == "lustre",
        instead="use a bucket",
    ),
    Wish(
        path="/kind", what="shared file systems", protocol=SupportsShared, asked=lambda spec: spec.kind == "shared",
        instead="use a bucket",
    ),
)  # fmt: skip
WISHES_OF_SERVICES: Sequence[Wish] = (
    Wish(
        path="/expose", what="load balancers for services", protocol=SupportsExposure,
        asked=lambda spec: spec.reached != "none", instead="use none, and `springtide open`",
    ),
)  # fmt: skip
