"""The clouds: one folder each, found by being there, imported when chosen.

A cloud is an object with one method a noun. What a cloud can do beyond `Cloud` is a protocol of its own; a cloud that
cannot do it lacks the protocol's members, and the error names the clouds that have them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import pulumi

from springtide.spec import (
    ClusterSpec,
    EnvironmentSpec,
    Finding,
    NetworkSpec,
    PoolSpec,
    StorageSpec,
    did_you_mean,
    refuse,
)

if TYPE_CHECKING:
    from springtide.cluster import ClusterRef
    from springtide.environment import EnvironmentRef
    from springtide.identity import Grant
    from springtide.network import NetworkRef
    from springtide.selection import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkParts:
    """What a cloud made for a network."""

    network_id: pulumi.Output[str]
    private_subnets: Mapping[str, pulumi.Output[str]]
    """By zone id. Whoever uses one is made after its way out exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterParts:
    """What a cloud made for a cluster."""

    name: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    node_role: pulumi.Output[str]
    control_plane: pulumi.Resource
    """The resource with which everything inside the cluster goes away."""
    ready: Sequence[pulumi.Resource]
    """What must exist before a pod can run: nodes, name service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolParts:
    """What a cloud made for a pool."""

    selector: pulumi.Output[dict[str, str]]
    """Node labels; whoever uses them is made after the pool and destroyed before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageParts:
    """What a cloud made for storage."""

    url: str
    """Known before the storage exists: its name is ours."""
    resource: pulumi.Output[str]
    """Name in the cloud's access rules; whoever uses it is made after the storage is safe to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityParts:
    """What a cloud made for a workload's identity."""

    annotations: Mapping[str, pulumi.Input[str]]
    """Annotations that the workload's ServiceAccount needs."""
    ready: Sequence[pulumi.Resource]
    """What must exist before a pod with this identity starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Seconds between the cloud's warning and the loss of a machine; None where the cloud takes none back by itself."""

    seconds: int | None
    source: str


class Cloud(Protocol):
    """What every cloud does."""

    name: str
    charts: tuple[str, ...]
    """Charts that a cluster of this cloud needs because the cloud does not bring what is in them."""

    def provider(self, name: str, spec: EnvironmentSpec, opts: pulumi.ResourceOptions) -> pulumi.ProviderResource:
        """A provider that refuses every account but the environment's."""
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

    def bucket(self, name: str, spec: StorageSpec, place: "EnvironmentRef", parent: pulumi.Resource) -> StorageParts:
        """A private, encrypted bucket."""
        ...

    def identity(
        self, name: str, account: str, grants: Sequence["Grant"], cluster: "ClusterRef", parent: pulumi.Resource
    ) -> IdentityParts:
        """An identity for pods of one ServiceAccount, without keys, that may use just what `grants` name."""
        ...

    def notice(self, capacity: str) -> Notice:
        """How much notice a machine bought as `capacity` gives."""
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


@runtime_checkable
class SupportsLadder(Protocol):
    """A cloud that tries several kinds of capacity in a stated order."""

    def capacity_ladder(self) -> None:
        """Marks the capability; the pool's rendering does the work."""


@runtime_checkable
class SupportsReservations(Protocol):
    """A cloud whose pools can use capacity that was reserved."""

    def reserved_pool(self) -> None:
        """Marks the capability; the pool's rendering does the work."""


@runtime_checkable
class SupportsWaking(Protocol):
    """A cloud whose pools grow from zero when a pod asks for them."""

    def waking_pool(self) -> None:
        """Marks the capability; the pool's rendering does the work."""


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


def pool_findings(cloud: str, spec: PoolSpec) -> list[Finding]:
    """What a pool asks for that this cloud cannot do."""
    target, findings = load(cloud), []
    if len(set(spec.capacity)) > 1 and not isinstance(target, SupportsLadder):
        message = f"{cloud} keeps no order between {' and '.join(spec.capacity)} in this version."
        fix = f"name one kind of capacity, or make one pool of each{_who_can(SupportsLadder)}"
        findings.append(refuse("clouds/ladder", "/capacity", list(spec.capacity), message, fix))
    if "reserved" in spec.capacity and not isinstance(target, SupportsReservations):
        message = f"{cloud} pools cannot use reserved capacity in this version."
        fix = f"use spot or on-demand{_who_can(SupportsReservations)}"
        findings.append(refuse("clouds/reserved", "/capacity", list(spec.capacity), message, fix))
    return findings


def _who_can(capability: type) -> str:
    names = [name for name in available() if isinstance(load(name), capability)]
    return f"; clouds that can: {', '.join(names)}" if names else ""
