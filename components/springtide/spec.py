"""Specs, the frozen values inside every component, their rules, and the findings that all checks speak in."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Any, Self, TypeVar, dataclass_transform

T = TypeVar("T")

CAPACITY = ("spot", "on-demand", "reserved")
PURPOSES = ("training", "serving", "general")
STORAGE_KINDS = ("bucket",)
DEFAULT_CIDR = "10.0.0.0/16"
DEFAULT_NAT = "one"
NAT_LAYOUTS = ("one", "per-zone")
EXPOSURES = ("none",)
FEWEST_ZONES = 2
"""A control plane spans two zones at least (EKS; elsewhere it is what survives the loss of one)."""
MOST_ZONES = 8
MOST_OF_ANYTHING = 1_000_000
"""As many as the address plan of a network has places for; the largest region of any cloud has six."""
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BY_DIGEST = re.compile(rf"\S+@{_DIGEST.pattern}")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[ T]00:00:00.*")


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


def did_you_mean(value: str, known: Iterable[str], otherwise: str) -> str:
    """The remedy for a name that is not known: the nearest one that is, if any is near."""
    near = get_close_matches(value.lower(), list(known), n=1)
    return f"did you mean {near[0]}?" if near else otherwise


def _one_of(path: str, value: str, allowed: tuple[str, ...]) -> list[Finding]:
    if value in allowed:
        return []
    fix = did_you_mean(value, allowed, "use one of them" if len(allowed) > 1 else f"use {allowed[0]}")
    return [refuse("spec/one-of", path, value, f"{value!r} is not known here.", fix, allowed=allowed)]


def _distinct(path: str, values: Sequence[str]) -> list[Finding]:
    again = (i for i, value in enumerate(values) if value in values[:i])
    return [
        refuse("spec/twice", f"{path}/{i}", values[i], f"{values[i]} is named twice.", "name it once") for i in again
    ]


def at_least(path: str, value: float, least: int) -> list[Finding]:
    """What is wrong with a number that has a lower bound; above a million, every number here is a slip."""
    if value < least:
        return [refuse("spec/at-least", path, value, f"{value} is below {least}.", f"use {least} or more")]
    if value > MOST_OF_ANYTHING:
        message = f"{value:g} is more than anything here can be."
        return [refuse("spec/at-most", path, value, message, f"use at most {MOST_OF_ANYTHING}")]
    return []


def _network_range(path: str, value: str, *, widest: int = 0, narrowest: int = 32) -> list[Finding]:
    try:
        network = IPv4Network(value, strict=False)
    except ValueError:
        fix = "write an address and the length of its prefix, such as 10.0.0.0/16"
        return [refuse("spec/cidr", path, value, f"{value!r} is no range of IPv4 addresses.", fix)]
    if str(network) != value:
        return [refuse("spec/cidr", path, value, f"{value} is not how that range is written.", f"write {network}")]
    if widest <= network.prefixlen <= narrowest:
        return []
    message = f"a /{network.prefixlen} is outside /{widest} to /{narrowest}."
    return [refuse("spec/cidr", path, value, message, f"use a /{widest}, such as {network.network_address}/{widest}")]


def zone_list(path: str, zones: tuple[str, ...]) -> list[Finding]:
    """What is wrong with a list of zones, whatever their names."""
    if FEWEST_ZONES <= len(zones) <= MOST_ZONES:
        return _distinct(path, zones)
    message = f"a cluster spans {FEWEST_ZONES} zones at least, a network {MOST_ZONES} at most; listed are {len(zones)}."
    return [refuse("spec/zones", path, list(zones), message, f"name {FEWEST_ZONES} to {MOST_ZONES}")]


def _nobody_reaches_the_api(access: tuple[str, ...]) -> list[Finding]:
    if access:
        return []
    message = "nobody could reach the Kubernetes API, not even the deployment."
    fix = "list the address ranges that deploy and administer, such as [203.0.113.0/24]"
    return [refuse("spec/api-reachable", "/access", [], message, fix)]


def _no_system_machines(names: tuple[str, ...]) -> list[Finding]:
    if names:
        return []
    message = "the add-ons need a machine to run on."
    return [refuse("spec/system-machine", "/system_machine_types", [], message, "name one, or leave the key out")]


def _no_capacity(capacity: tuple[str, ...]) -> list[Finding]:
    if capacity:
        return []
    message = "a pool needs at least one kind of capacity."
    return [refuse("spec/capacity", "/capacity", [], message, "name one", allowed=CAPACITY)]


def dns_label(path: str, value: str) -> list[Finding]:
    """What is wrong with a name that becomes part of Kubernetes names (RFC 1123)."""
    if _DNS_LABEL.fullmatch(value):
        return []
    if date := _DATE.fullmatch(value):
        message = f"without quotes, {date[1]} is a point in time to YAML."
        return [refuse("spec/name", path, value, message, f'put it in quotes: "{date[1]}"')]
    fix = "use lower-case letters, digits and '-', at most 63, beginning and ending with a letter or digit"
    return [refuse("spec/name", path, value, f"{value!r} cannot be part of a Kubernetes name.", fix)]


def _by_digest(path: str, image: str | None) -> list[Finding]:
    if image is None or _BY_DIGEST.fullmatch(image):
        return []
    message = f"{image!r} names a tag or a cut-off digest; what runs could change."
    fix = "name the image by digest: registry/name@sha256:<64 hex digits>"
    return [refuse("spec/image-digest", path, image, message, fix)]


def digest(path: str, value: str) -> list[Finding]:
    """What is wrong with the digest of an image."""
    if _DIGEST.fullmatch(value):
        return []
    fix = "write what the push printed: sha256: and 64 hex digits"
    return [refuse("spec/image-digest", path, value, f"{value!r} is no digest of an image.", fix)]


def _nothing_wakes(min_replicas: int) -> list[Finding]:
    if min_replicas != 0:
        return []
    message = "no replica would ever start: nothing in this plan wakes a service from zero."
    fix = "use 1 or more until KEDA and the gateway are in the plan"
    return [refuse("spec/wake", "/replicas/min", 0, message, fix)]


@dataclass_transform(frozen_default=True, kw_only_default=True)
def spec(cls: type[T]) -> type[T]:
    """A frozen value that pydantic may parse; a key that it does not have is a mistake."""
    cls.__pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # type: ignore[attr-defined]
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
        return [] if budget is None else at_least("/budget_usd_per_hour", budget, 0)


@spec
class NetworkSpec:
    """A private network over some zones."""

    zones: tuple[str, ...]
    cidr: str = DEFAULT_CIDR
    nat: str = DEFAULT_NAT

    def findings(self) -> list[Finding]:
        """What is impossible about this network."""
        return [
            *zone_list("/zones", self.zones),
            *_network_range("/cidr", self.cidr, widest=16, narrowest=20),
            *_one_of("/nat", self.nat, NAT_LAYOUTS),
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
        return [
            *ranges,
            *_nobody_reaches_the_api(self.access),
            *_distinct("/access", self.access),
            *_no_system_machines(self.system_machine_types),
            *_distinct("/system_machine_types", self.system_machine_types),
            *at_least("/system_nodes", self.system_nodes, 1),
        ]


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
            *at_least("/gpus_per_node", self.gpus_per_node, 1),
            *at_least("/min_nodes", self.min_nodes, 0),
            # A pool that may have no node is none: EKS takes no maximum of 0 either (its model's `Capacity`).
            *at_least("/max_nodes", self.max_nodes, max(self.min_nodes, 1)),
            *at_least("/disk_gib", self.disk_gib, 50),
            *_no_capacity(self.capacity),
            *_distinct("/capacity", self.capacity),
            *_distinct("/machine_types", self.machine_types),
        ]


@spec
class StorageSpec:
    """A place for checkpoints, models and data."""

    kind: str
    expire_days: int | None = None

    def findings(self) -> list[Finding]:
        """What is impossible about this storage."""
        expiry = [] if self.expire_days is None else at_least("/expire_days", self.expire_days, 1)
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
        return [*at_least("/nodes", self.nodes, 1), *run, *_by_digest("/image", self.image)]


@spec
class ModelSpec:
    """Which model a service loads: what a job's run exported."""

    job: str
    """Name of the training job whose run exported it."""


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
    expose: str = "none"
    image: str | None = None
    propagation_seconds: int = 10
    drain_seconds: int = 60

    def findings(self) -> list[Finding]:
        """What is impossible about this service."""
        cpu = self.scale_on.cpu_percent
        return [
            *at_least("/replicas/min", self.replicas.min, 0),
            *at_least("/replicas/max", self.replicas.max, max(self.replicas.min, 1)),
            *_nothing_wakes(self.replicas.min),
            *([] if cpu is None else at_least("/scale_on/cpu_percent", cpu, 1)),
            *_one_of("/expose", self.expose, EXPOSURES),
            *([] if self.gpus is None else at_least("/gpus", self.gpus, 0)),
            *at_least("/propagation_seconds", self.propagation_seconds, 0),
            *at_least("/drain_seconds", self.drain_seconds, 1),
            *_by_digest("/image", self.image),
        ]
