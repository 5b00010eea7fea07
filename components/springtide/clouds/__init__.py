"""The clouds: one folder each, found by being there, imported when chosen.

A cloud is an object with one method a noun. What a cloud can do beyond `Cloud` is a protocol of its own, in
`clouds.capabilities`.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol, cast

import pulumi

from springtide.clouds.capabilities import (
    WISHES_OF_POOLS,
    WISHES_OF_QUEUES,
    WISHES_OF_SERVICES,
    WISHES_OF_STORAGE,
    SupportsEfa,
    SupportsExposure,
    SupportsFlexStart,
    SupportsGpuDirect,
    SupportsLadder,
    SupportsLustre,
    SupportsQueuedCapacity,
    SupportsQueues,
    SupportsReservations,
    SupportsShared,
    SupportsSharing,
    SupportsWaking,
    Wish,
)
from springtide.clouds.parts import (
    ClusterParts,
    ControllerParts,
    ExposureParts,
    IdentityParts,
    NetworkParts,
    Notice,
    PoolParts,
    StorageParts,
)
from springtide.k8s.pod import PodPart
from springtide.spec import (
    ClusterSpec,
    EnvironmentSpec,
    Finding,
    NetworkSpec,
    PoolSpec,
    QueueSpec,
    ServiceSpec,
    StorageSpec,
    below,
    did_you_mean,
    refuse,
)

if TYPE_CHECKING:
    from springtide.cluster import ClusterRef
    from springtide.environment import EnvironmentRef
    from springtide.identity import Grant
    from springtide.network import NetworkRef
    from springtide.selection import Choice

__all__ = [
    "Cloud",
    "ClusterParts",
    "ControllerParts",
    "ExposureParts",
    "IdentityParts",
    "NetworkParts",
    "Notice",
    "PoolParts",
    "StorageParts",
    "SupportsEfa",
    "SupportsExposure",
    "SupportsFlexStart",
    "SupportsGpuDirect",
    "SupportsLadder",
    "SupportsLustre",
    "SupportsQueuedCapacity",
    "SupportsQueues",
    "SupportsReservations",
    "SupportsShared",
    "SupportsSharing",
    "SupportsWaking",
    "available",
    "cloud_findings",
    "exposure",
    "load",
    "machines_findings",
    "pool_findings",
    "queue_findings",
    "service_findings",
    "storage_findings",
]


class Cloud(Protocol):
    """What every cloud does."""

    name: str
    machines: tuple[str, ...]
    """Clouds whose catalogs can describe its machines, the usual one first: itself, or those that it imitates."""
    charts: tuple[str, ...]
    """Charts that every cluster of this cloud needs because the cloud does not bring what is in them."""
    addons: tuple[str, ...]
    """Controllers that the cloud installs by itself, in a version of its choice, where an environment uses them."""

    without: tuple[str, ...]
    """Controllers that cannot run in its clusters; what would use one does without."""
    system_machine_types: tuple[str, ...]
    """Machine types of system nodes where nothing else is said; none where there are no such nodes."""
    more_system_nodes: int
    """System nodes that come by themselves, beyond those asked for, when pods find no room; 0 where nothing makes one."""

    def provider(
        self, name: str, spec: EnvironmentSpec, opts: pulumi.ResourceOptions
    ) -> pulumi.ProviderResource | None:
        """A provider that refuses every account but the environment's; None where nothing is made outside the cluster."""
        ...

    def network(self, name: str, spec: NetworkSpec, place: "EnvironmentRef", parent: pulumi.Resource) -> NetworkParts:
        """A network with private subnets and a way out."""
        ...

    def cluster(
        self,
        name: str,
        spec: ClusterSpec,
        place: "EnvironmentRef",
        network: "NetworkRef",
        parent: pulumi.Resource,
    ) -> ClusterParts:
        """A control plane with its system nodes."""
        ...

    def gpu_pool(
        self, name: str, spec: PoolSpec, choice: "Choice", cluster: "ClusterRef", parent: pulumi.Resource
    ) -> PoolParts:
        """An elastic pool of GPU nodes."""
        ...

    def ceiling(self, spec: PoolSpec, choice: "Choice") -> int:
        """Most nodes the pool can have when more work waits than it has room for: each of its rungs is bounded by itself."""
        ...

    def bucket(self, name: str, spec: StorageSpec, place: "EnvironmentRef", parent: pulumi.Resource) -> StorageParts:
        """A private, encrypted bucket."""
        ...

    def bucket_url(self, environment: str, name: str, account: str) -> str:
        """Address of a bucket of an environment, known without the bucket."""
        ...

    def identity(
        self, name: str, account: str, grants: Sequence["Grant"], cluster: "ClusterRef", parent: pulumi.Resource
    ) -> IdentityParts:
        """An identity for pods of one ServiceAccount, without keys, that may use just what `grants` name."""
        ...

    def addon(self, name: str, cluster: "ClusterRef", parent: pulumi.Resource) -> pulumi.Resource:
        """One of `addons`."""
        ...

    def controller(self, chart: str, cluster: "ClusterRef", parent: pulumi.Resource) -> ControllerParts:
        """What a chart's controller needs of the cloud: rights, queues, and the values that name them."""
        ...

    def pool_controllers(self, spec: PoolSpec, mode: str) -> tuple[str, ...]:
        """Charts and add-ons without which such a pool does not work in a cluster of that mode."""
        ...

    def storage_controllers(self, spec: StorageSpec) -> tuple[str, ...]:
        """Charts and add-ons without which nothing mounts such storage."""
        ...

    def pod_part(self, name: str, spec: PoolSpec, choice: "Choice", *, version: str, mode: str) -> PodPart:
        """What a pod needs on the nodes of a pool in a cluster of that mode besides GPUs, known without the pool."""
        ...

    def notice(self, capacity: str, version: str) -> Notice:
        """How much notice a pod gets on a machine bought as `capacity`, in a cluster of that Kubernetes version."""
        ...

    def network_findings(self, spec: NetworkSpec) -> list[Finding]:
        """What a network asks for that this cloud does not have."""
        ...

    def pool_findings(self, spec: PoolSpec, choice: "Choice", *, version: str, mode: str) -> list[Finding]:
        """What is impossible about a pool in such a cluster of this cloud, beyond what its capabilities say."""
        ...

    def account_findings(self, account: str) -> list[Finding]:
        """What is wrong with the form of an account id."""
        ...

    def bucket_findings(self, environment: str, name: str, account: str) -> list[Finding]:
        """What is wrong with the name that a bucket would have."""
        ...

    def cluster_findings(self, spec: ClusterSpec) -> list[Finding]:
        """What a cluster asks for that this cloud does not have."""
        ...

    def registry(self, account: str, region: str) -> str:
        """Host of the account's own image registry."""
        ...


def available() -> tuple[str, ...]:
    """Names of the clouds, sorted; nothing is imported."""
    return tuple(sorted(module.name for module in iter_modules(__path__) if module.ispkg))


@cache
def load(name: str) -> Cloud:
    """The cloud of that name; only its folder, and so only its SDK, is imported.

    Raises:
        LookupError: there is no such folder.
    """
    if name not in available():
        message = f"unknown cloud {name!r}: use one of {', '.join(available())}"
        raise LookupError(message)
    return cast("Cloud", import_module(f"{__name__}.{name}").CLOUD)


def cloud_findings(name: str) -> list[Finding]:
    """What is wrong with the name of a cloud."""
    known = available()
    if name in known:
        return []
    fix = did_you_mean(name, known, "use a cloud of this version")
    return [refuse("settings/cloud", "/cloud", name, f"unknown cloud {name!r}.", fix, allowed=known)]


def machines_findings(cloud: str, machines: str) -> list[Finding]:
    """What is wrong with the name of the cloud whose machines shall be had, or imitated."""
    known = load(cloud).machines
    if machines in known:
        return []
    message = f"{cloud} has no machines of {machines!r}."
    fix = did_you_mean(machines, known, f"use {' or '.join(known)}")
    return [refuse("settings/machines", "/machines", machines, message, fix, allowed=known)]


def pool_findings(cloud: str, spec: PoolSpec, choice: "Choice", *, version: str, mode: str) -> list[Finding]:
    """What a pool asks for that this cloud cannot do, or not so."""
    target = load(cloud)
    rules: dict[type, Callable[[Any], list[Finding]]] = {
        SupportsLadder: lambda it: it.ladder_findings(spec),
        SupportsReservations: lambda it: it.reservation_findings(spec, choice),
        SupportsQueuedCapacity: lambda it: it.queued_findings(spec, choice),
        SupportsFlexStart: lambda it: it.flex_start_findings(spec, choice),
        SupportsEfa: lambda it: it.efa_findings(spec, choice),
        SupportsGpuDirect: lambda it: it.gpudirect_findings(spec, choice),
        SupportsSharing: lambda it: it.sharing_findings(spec),
    }
    asked = [wish.protocol for wish in WISHES_OF_POOLS if wish.asked(spec) and isinstance(target, wish.protocol)]
    return [
        *_absent(cloud, spec, WISHES_OF_POOLS),
        *(found for protocol in asked for found in rules[protocol](target)),
        *target.pool_findings(spec, choice, version=version, mode=mode),
    ]


def storage_findings(cloud: str, spec: StorageSpec) -> list[Finding]:
    """What storage asks for that this cloud cannot do, or not so."""
    target = load(cloud)
    rules: dict[type, Callable[[Any], list[Finding]]] = {
        SupportsLustre: lambda it: it.lustre_findings(spec),
        SupportsShared: lambda it: it.shared_findings(spec),
    }
    asked = [wish.protocol for wish in WISHES_OF_STORAGE if wish.asked(spec) and isinstance(target, wish.protocol)]
    return [
        *_absent(cloud, spec, WISHES_OF_STORAGE),
        *(found for protocol in asked for found in rules[protocol](target)),
    ]


def queue_findings(cloud: str, spec: QueueSpec) -> list[Finding]:
    """What a queue asks for that this cloud cannot do."""
    return _absent(cloud, spec, WISHES_OF_QUEUES)


def exposure(cloud: str) -> SupportsExposure | None:
    """What leads to the services of a cloud; None where nothing does, which `service_findings` says."""
    target = load(cloud)
    return target if isinstance(target, SupportsExposure) else None


def service_findings(cloud: str, spec: ServiceSpec, *, adopted: bool) -> list[Finding]:
    """What a service asks for that this cloud cannot do, or not so."""
    target, public = exposure(cloud), spec.public
    own = [] if target is None or public is None else target.public_findings(public, adopted=adopted)
    return [*_absent(cloud, spec, WISHES_OF_SERVICES), *below("/expose", own)]


def _absent(cloud: str, spec: Any, wishes: Iterable[Wish]) -> list[Finding]:
    target = load(cloud)
    return [
        refuse(
            "clouds/absent",
            wish.path,
            getattr(spec, wish.path.removeprefix("/")),
            f"{cloud} has no {wish.what} here.",
            f"{wish.instead}{_who_can(wish.protocol)}",
        )
        for wish in wishes
        if wish.asked(spec) and not isinstance(target, wish.protocol)
    ]


def _who_can(capability: type) -> str:
    names = [name for name in available() if isinstance(load(name), capability)]
    return f"; clouds that can: {', '.join(names)}" if names else ""
