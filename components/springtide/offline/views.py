"""Typed views on a plan's components: the intent that cost, comparison, pictures and the local environment read.

Components register their parsed arguments as inputs, so a view needs nothing but the plan's JSON.
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Protocol, Self

WAKING_CHARTS = frozenset({"karpenter", "cluster-autoscaler"})
"""Controllers that start a node for a pod which finds none."""


class Registered(Protocol):
    """The part of a plan's resource that a view reads."""

    @property
    def urn(self) -> str:
        """Its unique name in the stack."""

    @property
    def type(self) -> str:
        """Its type token."""

    @property
    def name(self) -> str:
        """Its name in the program."""

    @property
    def inputs(self) -> dict[str, Any]:
        """Its inputs under their camelCase names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One component's arguments under their Python names."""

    TYPE: ClassVar[str]
    urn: str
    name: str

    @classmethod
    def among(cls, resources: Iterable[Registered]) -> tuple[Self, ...]:
        """The views of this kind among a plan's resources, in the plan's order."""
        return tuple(cls.of(item.urn, item.name, item.inputs) for item in resources if item.type == cls.TYPE)

    @classmethod
    def of(cls, urn: str, name: str, inputs: Mapping[str, Any]) -> Self:
        """The view on a component's inputs; an input with a default may be absent, as null inputs always are.

        Raises:
            ValueError: an input without a default is missing, so the plan comes from another version of Springtide.
        """
        keys = {field.name: _camel_case(field.name) for field in fields(cls) if field.name not in ("urn", "name")}
        required = [field.name for field in fields(cls) if field.name in keys and field.default is MISSING]
        missing = sorted(keys[name] for name in required if keys[name] not in inputs)
        if missing:
            message = f"{urn} has no {', '.join(missing)}: the plan was made by another version of springtide"
            raise ValueError(message)
        return cls(urn=urn, name=name, **{name: _frozen(inputs[key]) for name, key in keys.items() if key in inputs})


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentView(View):
    """The account and region that everything is in, and the limits set on it."""

    TYPE: ClassVar[str] = "springtide:index:Environment"

    cloud: str
    account: str
    region: str
    budget_usd_per_hour: float | None = None
    exempt: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView(View):
    """A network: `zones` are zone ids, `nat` says how many gateways lead out (`one` or `per-zone`); `existing` is somebody's."""

    TYPE: ClassVar[str] = "springtide:index:Network"
    cloud: str
    region: str
    cidr: str
    zones: tuple[str, ...]
    nat: str
    pods_cidr: str | None = None
    endpoints: tuple[str, ...] = ()
    existing: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView(View):
    """A control plane; `access` lists who reaches its API, or says `private`; in `mode` auto the cloud makes the nodes."""

    TYPE: ClassVar[str] = "springtide:index:Cluster"
    cloud: str
    region: str
    version: str
    access: tuple[str, ...] | str
    system_machine_types: tuple[str, ...]
    system_nodes: int
    mode: str = "standard"
    existing: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView(View):
    """Identical GPU nodes that scale together; `machine_types` come cheapest first, `capacity` in order of trial."""

    TYPE: ClassVar[str] = "springtide:index:GpuPool"
    cloud: str
    region: str
    gpu: str
    gpus_per_node: int
    machine_types: tuple[str, ...]
    capacity: tuple[str, ...]
    min_nodes: int
    max_nodes: int
    purpose: str
    disk_gib: int
    zones: tuple[str, ...]
    ceiling_nodes: int | None = None
    """Most nodes it can really have, over all its rungs; None where the plan does not say, and `max_nodes` holds."""
    wakes: bool = False
    """Whether something makes its first node when a pod asks for one."""
    fabric: str = "none"
    reservation: str | None = None
    machines: str | None = None
    """Cloud whose machines are imitated, and nobody is billed for; None where the cloud's own are had."""

    @property
    def catalog(self) -> str:
        """Cloud whose catalog describes and prices its machines."""
        return self.cloud if self.machines is None else self.machines

    @property
    def most_nodes(self) -> int:
        """What can be paid for at once."""
        return self.max_nodes if self.ceiling_nodes is None else self.ceiling_nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageView(View):
    """A place for checkpoints, models and data; `expire_days` is None where nothing expires."""

    TYPE: ClassVar[str] = "springtide:index:Storage"
    cloud: str
    region: str
    kind: str
    expire_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystemView(View):
    """A file system that pods mount; `size_gib` is None where it grows by itself."""

    TYPE: ClassVar[str] = "springtide:index:FileSystem"
    cloud: str
    region: str
    kind: str
    size_gib: int | None = None
    mbps_per_tib: int | None = None
    linked_bucket: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView(View):
    """A share of some pools that runs wait for in order."""

    TYPE: ClassVar[str] = "springtide:index:Queue"
    max_gpus: int
    pools: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView(View):
    """A training job; without `run` it is defined and not started, without `image` it has nothing to run."""

    TYPE: ClassVar[str] = "springtide:index:TrainingJob"
    pool: str
    nodes: int
    gpus_per_node: int
    recipe: str
    notice_seconds: int
    grace_seconds: int
    save_deadline_seconds: int
    run: str | None = None
    image: str | None = None
    checkpoints: str | None = None
    data: str | None = None
    queue: str | None = None
    interruption: str | None = None
    """What a notice costs a run, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView(View):
    """A model server; `pool` is None where it runs on CPU, `model` holds `job` or `url`."""

    TYPE: ClassVar[str] = "springtide:index:ModelService"
    gpus: int
    model: Mapping[str, Any]
    min_replicas: int
    max_replicas: int
    expose: Any
    propagation_seconds: int
    drain_seconds: int
    grace_seconds: int
    pool: str | None = None
    scale_on: Any = None
    image: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllersView(View):
    """What the environment installs in its cluster, and what it says is there already."""

    TYPE: ClassVar[str] = "springtide:index:Controllers"
    installed: tuple[str, ...]
    existing: tuple[str, ...] = ()

    @property
    def wake_nodes(self) -> bool:
        """Whether one of them starts a node of a pool that sleeps at zero."""
        return bool(WAKING_CHARTS.intersection((*self.installed, *self.existing)))


def _camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
