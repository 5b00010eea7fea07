"""What every rendering of a plan says: the same words and figures in the terminal, on the page and in the comment."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from springtide.offline import quota
from springtide.offline.cost import Cost, estimate
from springtide.offline.diff import ABSENT, Comparison
from springtide.offline.idle import Amount
from springtide.offline.paths import steps
from springtide.offline.plan import Plan, Resource
from springtide.offline.replacement import Action
from springtide.offline.views import (
    ClusterView,
    ControllersView,
    EnvironmentView,
    FileSystemView,
    JobView,
    NetworkView,
    PoolView,
    QueueView,
    ServiceView,
    StorageView,
    View,
)
from springtide.spec import Finding, Outcome, Severity

_ORDER: tuple[type[View], ...] = (
    EnvironmentView, NetworkView, ClusterView, ControllersView, StorageView, FileSystemView, PoolView, QueueView, JobView,
    ServiceView,
)  # fmt: skip
_RANKS = {view.TYPE: rank for rank, view in enumerate(_ORDER)}
STOPS, WARNINGS, UNSURE = "Stops the plan", "Warnings", "Cannot tell"
"""Titles of the groups of findings."""
_POINTS = "floor: the nodes always kept; now: what started runs and minimum replicas need; ceiling: the most there is."
LONGEST_VALUE = 120
"""Characters of a value that are shown before the rest is cut."""
LONGEST_MESSAGE = 4_000
"""Characters of a message; it may repeat a value, and a comment has room for some 60,000 in all."""
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a plan is compared with."""

    ref: str
    """The git reference that was asked for."""
    comparison: Comparison | None = None
    """None where the base cannot be planned; `note` says why."""
    cost: Cost | None = None
    """The base's cost; None where there is no such environment, or no plan of it."""
    note: str = ""
    rolls: tuple[str, ...] = ()
    """Which nodes are exchanged, and in which order an upgrade goes, in sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A plan with what it costs and what it changes."""

    plan: Plan
    cost: Cost
    base: Base | None = None

    @classmethod
    def of(cls, plan: Plan, base: Base | None = None) -> "Report":
        """Price a plan and join it with its comparison."""
        return cls(plan=plan, cost=estimate(plan), base=base)

    @property
    def comparison(self) -> Comparison | None:
        """What changes against the base, where that is known."""
        return None if self.base is None else self.base.comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingGroup:
    """Findings that mean the same for whoever reads them."""

    title: str
    findings: tuple[Finding, ...]
    stops: bool


def printable(text: object) -> str:
    """Text without control, invisible and direction-changing characters: names in a plan are untrusted."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(text))


def message_of(finding: Finding) -> str:
    """A finding's message as a reader sees it; one that repeats a book is cut."""
    text = printable(finding.message)
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 1]}…"


def usd(amount: Amount, digits: int = 2) -> str:
    """A figure in USD per hour; `≥` where a part of it has no price, `?` where all of it has none."""
    if amount.complete:
        return f"{amount.usd:,.{digits}f}"
    return f"≥ {amount.usd:,.{digits}f}" if amount.usd else "?"


def shown(value: object) -> str:
    """A value as a reader sees it: JSON, placeholders named by what they stand for, secrets hidden, cut when long."""
    if value is ABSENT:
        return "(absent)"
    if isinstance(value, Mapping) and "$secret" in value:
        return "(secret)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = printable(re.sub(r"«[^»]*::([^:»#]+)#/?([^»]*)»", r"«\1.\2»", text))
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def count_of(number: int, noun: str) -> str:
    """`1 pool`, `2 pools`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def made(plan: Plan) -> tuple[Resource, ...]:
    """What the cloud and the cluster will hold: no components, no providers, nothing that is only read."""
    return tuple(
        item for item in plan.resources if item.custom and item.id is None and not item.type.startswith("pulumi:")
    )


def components(plan: Plan) -> tuple[Resource, ...]:
    """The components in the order in which a reader wants them: the place, what stands there, what runs on it."""
    found = [item for item in plan.resources if not item.custom and not item.type.startswith("pulumi:")]
    return tuple(sorted(found, key=lambda item: (item.urn.count("$"), _RANKS.get(item.type, len(_RANKS)))))


def coverage(plan: Plan) -> str:
    """How much of what the plan says was judged by value; empty where nothing was validated."""
    paths, checked = (sum(item[key] for item in plan.coverage.values()) for key in ("paths", "checked"))
    if not paths:
        return ""
    partly = [kind for kind, item in sorted(plan.coverage.items()) if item["checked"] < item["paths"]]
    rest = f"; not wholly: {', '.join(map(short_type, partly))}" if partly else ""
    return f"{checked} of {paths} input paths ({checked / paths:.1%}) checked against the clouds' own models{rest}"


def short_type(resource_type: str) -> str:
    """`nodeGroup` of `aws:eks/nodeGroup:NodeGroup`, `Job` of `kubernetes:batch/v1:Job`."""
    package, middle, last = (*resource_type.split(":"), "", "")[:3]
    return f"{package} {middle.partition('/')[0]} {last}".strip() if package == "aws" else last


def type_counts(resources: Iterable[Resource]) -> str:
    """`3 Subnet, 1 Vpc`: the most frequent first."""
    counts = Counter(item.type.rpartition(":")[2] for item in resources)
    ranked = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in ranked)


def bounds(*points: object) -> str:
    """Floor, now and ceiling on one line."""
    return " / ".join(str(point) for point in points)


def finding_groups(plan: Plan) -> tuple[FindingGroup, ...]:
    """What asks for attention, the worst first; passed checks and those that do not apply are left out."""
    sorted_out: dict[str, list[Finding]] = {STOPS: [], WARNINGS: [], UNSURE: []}
    for item in plan.findings:
        if item.outcome in (Outcome.FAIL, Outcome.CANNOT_TELL):
            unsure = UNSURE if item.outcome is Outcome.CANNOT_TELL else WARNINGS
            sorted_out[STOPS if item.stops else unsure].append(item)
    return tuple(
        FindingGroup(title=title, findings=tuple(_ordered(items)), stops=title == STOPS)
        for title, items in sorted_out.items()
        if items
    )


def place_of(finding: Finding) -> str:
    """Where a finding's value is: `stacks/Pulumi.dev.yaml:12 pools.train.gpu`, or a resource and its property."""
    owner = " ".join((short_type(type_in(finding.urn)), finding.urn.rpartition("::")[2])) if finding.urn else ""
    path = ".".join(steps(finding.path))
    return printable(" ".join(part for part in (finding.where, owner, path) if part))


def type_in(urn: str) -> str:
    """The resource's own type token within its URN."""
    parts = urn.split("::")
    return parts[2].rpartition("$")[2] if len(parts) > 2 else ""  # noqa: PLR2004  stack, project, types


def verdict(plan: Plan) -> str:
    """The plan in one sentence."""
    groups = {group.title: len(group.findings) for group in finding_groups(plan)}
    name = printable(plan.environment.get("name", "?"))
    warned = count_of(groups.get(WARNINGS, 0), "warning")
    if stopping := groups.get(STOPS):
        return f"{name} is stopped by {count_of(stopping, 'finding')}; {warned}."
    return f"{name} can be deployed: {count_of(len(made(plan)), 'resource')}, {warned}."


def change_summary(comparison: Comparison) -> str:
    """`2 created, 1 replaced, 40 unchanged`; what may be dangerous first."""
    words = {
        Action.UPDATE_OR_REPLACE: "updated or replaced (not known which)", Action.KEEP: "held as they are",
        Action.REPLACE: "replaced", Action.DELETE: "deleted", Action.UPDATE: "updated", Action.CREATE: "created",
    }  # fmt: skip
    counted = [(len(comparison.of(action)), words[action]) for action in Action]
    parts = [f"{count} {word}" for count, word in counted if count] or ["nothing changes"]
    return ", ".join([*parts, f"{comparison.unchanged} unchanged"])


def disturbed_runs(comparison: Comparison) -> tuple[str, ...]:
    """One sentence for each running job that the change disturbs, with all reasons."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for hit in comparison.hits:
        reasons.setdefault((hit.job, hit.run), []).append(hit.why)
    return tuple(f"run {run} of job {job}: {'; '.join(why)}" for (job, run), why in reasons.items())


def headline(plan: Plan) -> tuple[str, ...]:
    """Where a plan's resources are: cloud, region, the platform they run on, account and file, as far as it says so."""
    known = plan.environment
    return (
        *([f"on platform {plan.platform}"] if plan.platform else []),
        *(str(known[key]) for key in ("cloud", "region") if known.get(key)),
        *([f"account {known['account']}"] if known.get("account") else []),
        *([str(known["file"])] if known.get("file") else []),
    )


def quota_rows(plan: Plan) -> tuple[tuple[str, str, str, str], ...]:
    """What to ask for before the first node can come: quota, place, for whom, how much."""
    return tuple((ask.name, ask.place, ask.who, ask.amount) for ask in quota.asks(plan))


def legend(cost: Cost) -> tuple[str, ...]:
    """How the figures are to be read, where they come from and what they leave out."""
    return (
        *([_POINTS] if cost.pools else []),
        *(["On-demand bounds what spot can cost."] if "spot" in cost.capacities else []),
        *cost.notes,
        *(["?: the catalog has no price."] if cost.unpriced else []),
        *(f"Prices of {line}" for line in cost.provenance),
        *([f"Not in the figures: {'; '.join(cost.unpriced)}."] if cost.unpriced else []),
    )


def budget(report: Report) -> str:
    """The limit that the environment sets itself, in words; empty where it sets none."""
    limits = (item.budget_usd_per_hour for item in EnvironmentView.among(report.plan.resources))
    limit = next((limit for limit in limits if limit is not None), None)
    return "" if limit is None else f"{limit:,.2f} USD/h"


def headline_figures(cost: Cost) -> tuple[tuple[str, Amount, Amount, Amount], ...]:
    """Rows of the cost summary: label, floor, now and ceiling in USD per hour."""
    idle = cost.idle_total
    return (("Idle floor", idle, idle, idle), *(_pools_figures(cost, capacity) for capacity in cost.capacities))


def _pools_figures(cost: Cost, capacity: str) -> tuple[str, Amount, Amount, Amount]:
    floor, now, ceiling = (cost.pools_total(capacity, point) for point in ("floor", "now", "ceiling"))
    return (f"GPU pools, {capacity}", floor, now, ceiling)


def _ordered(findings: Iterable[Finding]) -> list[Finding]:
    severe = {Severity.ERROR: 0, Severity.WARNING: 1}
    return sorted(
        findings, key=lambda item: (severe[item.severity], item.source, item.rule, item.where, item.urn, item.path)
    )


def resource_label(change: Any) -> str:
    """A resource in a list of changes: its type and its name."""
    return printable(f"{short_type(change.type)} {change.name}")
