"""What a cloud hands back for each noun: the few outputs that other components build on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from springtide.k8s.pod import PodPart


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkParts:
    """What a cloud made for a network."""

    network_id: pulumi.Output[str]
    """Id under which the cloud's other resources name it: a VPC's id, a GCP network's self link."""
    private_subnets: Mapping[str, pulumi.Input[str]]
    """By zone id. Whoever uses one is made after its way out exists."""
    public_subnets: Sequence[pulumi.Output[str]] = ()
    """Where load balancers with a public address live; none where they need no place, or nobody named one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterParts:
    """What a cloud made for a cluster."""

    name: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    kubeconfig: pulumi.Output[str] | None
    """Configuration for its clients; None where they have one already, and `context` says which part of it."""
    context: str | None = None
    """Context of the kubeconfig that clients use; None for the one that it names itself."""
    node_role: pulumi.Output[str]
    """Identity that the cluster's machines have: a role's ARN, a service account's e-mail."""
    security_group: pulumi.Output[str]
    """Group that all machines of the cluster are in; empty where the cloud has no such thing."""
    control_plane: pulumi.Resource | None
    """The resource with which everything inside the cluster goes away; None where the cluster stays when we go."""
    ready: Sequence[pulumi.Resource]
    """What must exist before a pod can run: nodes, name service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolParts:
    """What a cloud made for a pool."""

    selector: pulumi.Output[dict[str, str]]
    """Node labels; whoever uses them is made after the pool and destroyed before it."""
    pod: PodPart = field(default_factory=PodPart)
    """What a pod needs on these nodes besides GPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageParts:
    """What a cloud made for storage."""

    url: str
    """Known before the storage exists: its name is ours."""
    resource: pulumi.Output[str]
    """Name in the cloud's access rules; whoever uses it is made after the storage is safe to use."""
    volume: Mapping[str, Any] | None = None
    """Source of a PersistentVolume, by its CSI driver, for storage that is mounted; None for a bucket."""
    mount_options: tuple[str, ...] = ()
    """Options that such a volume is mounted with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityParts:
    """What a cloud made for a workload's identity."""

    annotations: Mapping[str, pulumi.Input[str]]
    """Annotations that the workload's ServiceAccount needs."""
    ready: Sequence[pulumi.Resource]
    """What must exist before a pod with this identity starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureParts:
    """What a cloud made for a service that is reached from outside its cluster."""

    address: pulumi.Output[str]
    """URL under which it answers; whoever uses it is made after what leads there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Seconds between the cloud's warning and the loss of a machine; None where the cloud takes none back by itself."""

    seconds: int | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerParts:
    """What a cloud made for a controller that runs in the cluster: its identity there, say."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """Helm values that name it."""
    ready: Sequence[pulumi.Resource] = ()
    """What must exist before the controller starts."""
