"""The plan: every resource a program registers, as data. Version 1 of the format in which plans cross process borders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from springtide.offline.views import ClusterView, JobView, PoolView, ServiceView
from springtide.spec import Finding

VERSION = 1
_STACK_REFERENCE = "pulumi:pulumi:StackReference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One registered (or read) resource. `inputs` hold provider names in camelCase; integers are integers."""

    urn: str
    type: str
    name: str
    parent: str | None
    custom: bool
    id: str | None = None
    """The cloud's id of a resource that is read, not created; None for all others."""
    provider: str | None = None
    inputs: dict[str, Any]
    unknown: tuple[str, ...] = ()
    """JSON Pointers of the inputs whose value only the cloud knows; the inputs hold placeholders there."""
    secret: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    """All dependencies, explicit and by property, as URNs."""
    property_depends_on: dict[str, tuple[str, ...]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The resource as the plan's JSON holds it."""
        return {
            "urn": self.urn, "type": self.type, "name": self.name, "parent": self.parent, "custom": self.custom, "id": self.id,
            "provider": self.provider, "inputs": self.inputs, "unknown": list(self.unknown), "secret": list(self.secret),
            "depends_on": list(self.depends_on),
            "property_depends_on": {path: list(urns) for path, urns in self.property_depends_on.items()},
            "options": self.options,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        lists = {key: tuple(data[key]) for key in ("unknown", "secret", "depends_on")}
        by_property = {path: tuple(urns) for path, urns in data["property_depends_on"].items()}
        return cls(**{**data, **lists, "property_depends_on": by_property})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one environment's program would create, with everything that was found out about it."""

    environment: dict[str, Any]
    """`name`, `project`, `cloud`, `region`, and `file`: the environment file, relative to the project."""
    made_with: dict[str, str]
    resources: tuple[Resource, ...]
    outputs: dict[str, dict[str, Any]]
    findings: tuple[Finding, ...] = ()
    coverage: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The plan as one JSON value; two runs differ only in `seconds`."""
        return {
            "version": VERSION, "environment": self.environment, "made_with": self.made_with,
            "resources": [resource.to_json() for resource in self.resources], "outputs": self.outputs,
            "findings": [finding.to_json() for finding in self.findings], "coverage": self.coverage, "seconds": self.seconds,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            ValueError: the plan was written in another version of the format.
        """
        if data.get("version") != VERSION:
            message = f"plan version {data.get('version')!r}: this springtide reads version {VERSION}"
            raise ValueError(message)
        known = {key: value for key, value in data.items() if key != "version"}
        return cls(
            **{
                **known,
                "resources": tuple(Resource.from_json(item) for item in data["resources"]),
                "findings": tuple(Finding.from_json(item) for item in data["findings"]),
            }
        )

    def of_type(self, resource_type: str) -> tuple[Resource, ...]:
        """The resources of one type, in the plan's order."""
        return tuple(resource for resource in self.resources if resource.type == resource_type)

    @property
    def platform(self) -> str:
        """Name of the platform that the plan's jobs and services run on; empty where they run on one of its own."""
        if ClusterView.among(self.resources):
            return ""
        names = (str(item.inputs.get("name", item.name)) for item in self.of_type(_STACK_REFERENCE))
        return next((name.rpartition("/")[2] for name in names), "")

    def pools(self) -> tuple[PoolView, ...]:
        """The GPU pools, as their components were asked for."""
        return PoolView.among(self.resources)

    def jobs(self) -> tuple[JobView, ...]:
        """The training jobs, started or not."""
        return JobView.among(self.resources)

    def services(self) -> tuple[ServiceView, ...]:
        """The model services."""
        return ServiceView.among(self.resources)
