"""Specs, the frozen values inside every component, their rules, and the findings that all checks speak in."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_network
from typing import Any, Self, TypeVar, dataclass_transform

T = TypeVar("T")

CAPACITY = ("spot", "on-demand", "reserved")
PURPOSES = ("training", "serving", "general")
STORAGE_KINDS = ("bucket",)
DEFAULT_CIDR = "10.0.0.0/16"
DEFAULT_NAT = "one"
NAT_LAYOUTS = ("one", "per-zone")
EXPOSURES = ("internal",)
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_BY_DIGEST = re.compile(r"\S+@sha256:[0-9a-f]{64}")


class Outcome(StrEnum):
    """What a check found out. `CANNOT_TELL` means that a value it needs is known only to the cloud."""

    PASS = "pass"  # noqa: S105  not a password
    FAIL = "fail"
    CANNOT_TELL = "cannot-tell"
    NOT_APPLICABLE = "not-applicable"


class Severity(StrEnum):
    """`ERROR` stops a plan when its check fails; `WARNING` is told and passes."""

    ERROR = "error"
    WARNING = "warning"


class Source(StrEnum):
    """Who says so: the environment file's parser, a spec's rule, the catalog, the cloud's API model, or a policy."""

    SETTINGS = "settings"
    SPEC = "spec"
    CATALOG = "catalog"
    CLOUD_MODEL = "cloud-model"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's answer about one value."""

    rule: str
    """Stable id, `<family>/<name>`: `settings/unknown-key`, `aws/enum`, `policy/budget`."""
    outcome: Outcome
    severity: Severity
    source: Source
    message: str
    """What is wrong, in the words of whoever wrote the value."""
    fix: str = ""
    """What to change, and to what."""
    urn: str = ""
    """Resource the value belongs to; empty for a value of the environment file."""
    path: str = ""
    """JSON Pointer to the value, in the resource's inputs or in the environment file's `config`."""
    value: Any = None
    allowed: tuple[Any, ...] = ()
    where: str = ""
    """`file:line` of the value in the environment file, when known."""
    blocks: bool = False
    """Whether a `CANNOT_TELL` stops the plan; its policy decides. A failing error always does."""

    @property
    def stops(self) -> bool:
        """Whether the plan ends with exit status 1 because of this finding."""
        if self.outcome is Outcome.CANNOT_TELL:
            return self.blocks
        return self.outcome is Outcome.FAIL and self.severity is Severity.ERROR

    def to_json(self) -> dict[str, Any]:
        """The finding as the plan's JSON holds it."""
        return {
            "rule": self.rule, "outcome": self.outcome.value, "severity": self.severity.value,
            "source": self.source.value, "message": self.message, "fix": self.fix, "urn": self.urn, "path": self.path,
            "value": self.value, "allowed": list(self.allowed), "where": self.where, "blocks": self.blocks,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; tolerates absent optional members."""
        return cls(
            **{
                **data,
                "outcome": Outcome(data["outcome"]),
                "severity": Severity(data["severity"]),
                "source": Source(data["source"]),
                "allowed": tuple(data.get("allowed", ())),
            }
        )


class SpecError(ValueError):
    """Every mistake found in one go; `str()` is the text for people.

    Attributes:
        findings: The failing findings, in the order of the text.
    """

    def __init__(self, findings: Iterable[Finding], subject: str = "") -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        head = f"{count} mistake{'s' if count != 1 else ''}{f' in {subject}' if subject else ''}"
        super().__init__("\n".join([head, *(finding_text(finding) for finding in self.findings)]))


def finding_text(finding: Finding) -> str:
    """One finding as an indented paragraph: where, what, what is allowed, what to do."""
    place = " ".join(part for part in (finding.where, finding.path.removeprefix("/").replace("/", ".")) if part)
    allowed = f" Allowed: {', '.join(map(str, finding.allowed))}." if finding.allowed else ""
    fix = f"\n    fix: {finding.fix}" if finding.fix else ""
    return f"  {place}: {finding.message}{allowed}{fix}"


def refuse(  # noqa: PLR0913  a finding has this many members
    rule: str,
    path: str,
    value: Any,
    message: str,
    fix: str,
    *,
    allowed: Iterable[Any] = (),
    source: Source = Source.SPEC,
) -> Finding:
    """A failing finding of severity error about the value at `path`."""
    return Finding(
        rule=rule, outcome=Outcome.FAIL, severity=Severity.ERROR, source=source,
        message=message, fix=fix, path=path, value=value, allowed=tuple(allowed),
    )  # fmt: skip


def warn(rule: str, path: str, value: Any, message: str, fix: str) -> Finding:
    """A failing finding of severity warning: the plan goes on and says so."""
    return replace(refuse(rule, path, value, message, fix), severity=Severity.WARNING)


def _one_of(path: str, value: str, allowed: tuple[str, ...]) -> list[Finding]:
    if value in allowed:
        return []
    return [
        refuse(
            "spec/one-of",
            path,
            value,
            f"{value!r} is not known here.",
            f"use one of {', '.join(allowed)}",
            allowed=allowed,
        )
    ]


def _at_least(path: str, value: float, least: int) -> list[Finding]:
    if value >= least:
        return []
    return [refuse("spec/at-least", path, value, f"{value} is below {least}.", f"use {least} or more")]


def _network_range(path: str, value: str, *, widest: int = 0, narrowest: int = 32) -> list[Finding]:
    try:
        length = ip_network(value).prefixlen
    except ValueError as error:
        return [
            refuse(
                "spec/cidr", path, value, f"{error}.", "write a network address with its prefix, such as 10.0.0.0/16"
            )
        ]
    if widest <= length <= narrowest:
        return []
    return [refuse("spec/cidr", path, value, f"a /{length} is outside /{widest} to /{narrowest}.", f"use a /{widest}")]


def _nobody_reaches_the_api(access: tuple[str, ...]) -> list[Finding]:
    if access:
        return []
    fix = "list the address ranges that deploy and administer, such as [203.0.113.0/24]"
    return [
        refuse(
            "spec/api-reachable",
            "/access",
            access,
            "nobody could reach the Kubernetes API, not even the deployment.",
            fix,
        )
    ]


def _no_capacity(capacity: tuple[str, ...]) -> list[Finding]:
    if capacity:
        return []
    return [
        refuse(
            "spec/capacity",
            "/capacity",
            [],
            "a pool needs at least one kind of capacity.",
            "name one",
            allowed=CAPACITY,
        )
    ]


def dns_label(path: str, value: str) -> list[Finding]:
    """What is wrong with a name that becomes part of Kubernetes names (RFC 1123)."""
    if _DNS_LABEL.fullmatch(value):
        return []
    fix = "use lower-case letters, digits and '-', at most 63, beginning and ending with a letter or digit"
    return [refuse("spec/name", path, value, f"{value!r} cannot be part of a Kubernetes name.", fix)]


def _by_digest(path: str, image: str | None) -> list[Finding]:
    if image is None or _BY_DIGEST.fullmatch(image):
        return []
    fix = "name the image by digest: registry/name@sha256:<64 hex digits>"
    return [
        refuse(
            "spec/image-digest", path, image, f"{image!r} names a tag or a cut-off digest; what runs could change.", fix
        )
    ]


def _nothing_wakes(min_replicas: int) -> list[Finding]:
    if min_replicas != 0:
        return []
    message = "no replica would ever start: nothing in this plan wakes a service from zero."
    return [
        refuse("spec/wake", "/replicas/min", 0, message, "use 1 or more until KEDA and the gateway are in the plan")
    ]


@dataclass_transform(frozen_default=True, kw_only_default=True)
def spec(cls: type[T]) -> type[T]:
    """A frozen value that pydantic may parse; a key that it does not have is a mistake."""
    cls.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


@spec
class EnvironmentSpec:
    """The account and the place that everything of an environment is made in, and the limits set on it."""

    cloud: str
    account: str
    region: str
    budget_usd_per_hour: float | None = None
    exempt: tuple[str, ...] = ()

    def findings(self) -> list[Finding]:
        """What is impossible about this environment on every cloud."""
        budget = self.budget_usd_per_hour
        return [] if budget is None else _at_least("/budget_usd_per_hour", budget, 0)


@spec
class NetworkSpec:
    """A private network over some zones."""

    zones: tuple[str, ...]
    cidr: str = DEFAULT_CIDR
    nat: str = DEFAULT_NAT

    def findings(self) -> list[Finding]:
        """What is impossible about this network."""
        return [
            *_one_of("/nat", self.nat, NAT_LAYOUTS),
            *_network_range("/cidr", self.cidr, widest=16, narrowest=20),
        ]


@spec
class ClusterSpec:
    """A Kubernetes control plane with the few CPU nodes that its own add-ons need."""

    version: str
    access: tuple[str, ...]
    system_machine_types: tuple[str, ...] = ("m7i.large",)
    system_nodes: int = 2
    log_retention_days: int = 30

    def findings(self) -> list[Finding]:
        """What is impossible about this cluster."""
        ranges = [found for i, cidr in enumerate(self.access) for found in _network_range(f"/access/{i}", cidr)]
        return [*ranges, *_nobody_reaches_the_api(self.access), *_at_least("/system_nodes", self.system_nodes, 1)]


@spec
class PoolSpec:
    """Identical GPU nodes that scale together."""

    gpu: str
    max_nodes: int
    gpus_per_node: int = 1
    min_nodes: int = 0
    capacity: tuple[str, ...] = ("on-demand",)
    machine_types: tuple[str, ...] = ()
    purpose: str = "general"
    disk_gib: int = 200

    def findings(self) -> list[Finding]:
        """What is impossible about this pool on every cloud."""
        entries = [found for i, kind in enumerate(self.capacity) for found in _one_of(f"/capacity/{i}", kind, CAPACITY)]
        return [
            *entries,
            *_one_of("/purpose", self.purpose, PURPOSES),
            *_at_least("/gpus_per_node", self.gpus_per_node, 1),
            *_at_least("/min_nodes", self.min_nodes, 0),
            *_at_least("/max_nodes", self.max_nodes, self.min_nodes),
            *_at_least("/disk_gib", self.disk_gib, 50),
            *_no_capacity(self.capacity),
        ]


@spec
class StorageSpec:
    """A place for checkpoints, models and data."""

    kind: str
    expire_days: int | None = None

    def findings(self) -> list[Finding]:
        """What is impossible about this storage."""
        expiry = [] if self.expire_days is None else _at_least("/expire_days", self.expire_days, 1)
        return [*_one_of("/kind", self.kind, STORAGE_KINDS), *expiry]


@spec
class JobSpec:
    """A training job: its definition, and the run that lives, if any."""

    recipe: str
    nodes: int = 1
    run: str | None = None
    image: str | None = None

    def findings(self) -> list[Finding]:
        """What is impossible about this job."""
        run = [] if self.run is None else dns_label("/run", self.run)
        return [*_at_least("/nodes", self.nodes, 1), *run, *_by_digest("/image", self.image)]


@spec
class ModelSpec:
    """Which model a service loads: what a job's run exported."""

    job: str


@spec
class ReplicasSpec:
    """How many servers run, at least and at most."""

    min: int = 1
    max: int = 1


@spec
class ScaleOnSpec:
    """What makes a service grow between its two bounds; without a signal it stays at its minimum."""

    cpu_percent: int | None = None


@spec
class ServiceSpec:
    """A model server and how many of it."""

    model: ModelSpec
    replicas: ReplicasSpec = ReplicasSpec()
    scale_on: ScaleOnSpec = ScaleOnSpec()
    gpus: int | None = None
    expose: str = "internal"
    image: str | None = None
    propagation_seconds: int = 10
    drain_seconds: int = 60

    def findings(self) -> list[Finding]:
        """What is impossible about this service."""
        cpu = self.scale_on.cpu_percent
        return [
            *_at_least("/replicas/min", self.replicas.min, 0),
            *_at_least("/replicas/max", self.replicas.max, max(self.replicas.min, 1)),
            *_nothing_wakes(self.replicas.min),
            *([] if cpu is None else _at_least("/scale_on/cpu_percent", cpu, 1)),
            *_one_of("/expose", self.expose, EXPOSURES),
            *([] if self.gpus is None else _at_least("/gpus", self.gpus, 0)),
            *_at_least("/propagation_seconds", self.propagation_seconds, 0),
            *_at_least("/drain_seconds", self.drain_seconds, 1),
            *_by_digest("/image", self.image),
        ]
