"""A step from one Kubernetes version to another: what is refused, in which order it goes, and which nodes it exchanges."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from springtide.offline.diff import Comparison, ResourceChange
from springtide.offline.plan import Plan
from springtide.offline.replacement import Action
from springtide.offline.rolling import EKS_CLUSTER, KARPENTER_POOL, NODE_CLASS, NODE_GROUP, NODE_POOL, WHY, rolls, waits
from springtide.offline.upgrade_aws import ADDON
from springtide.offline.upgrade_aws import follow as follow_eks
from springtide.offline.upgrade_gcp import GKE_CLUSTER
from springtide.offline.upgrade_gcp import follow as follow_gke
from springtide.offline.views import ClusterView
from springtide.spec import Finding, Outcome, Severity, Source

_RULE = "upgrade/one-minor"
_DOWN = "upgrade/no-way-back"
_PATH = "/cluster/version"
_ORDER: tuple[tuple[str, frozenset[str]], ...] = (
    ("control plane", frozenset({EKS_CLUSTER, GKE_CLUSTER})),
    ("add-ons", frozenset({ADDON})),
    ("nodes", frozenset({NODE_GROUP, NODE_POOL})),
    ("Karpenter and its machines", frozenset({"kubernetes:helm.sh/v3:Release", KARPENTER_POOL, NODE_CLASS})),
)
_FOLLOW: Mapping[str, Callable[[ClusterView, str, str, Plan], Iterable[str]]] = {"aws": follow_eks, "gcp": follow_gke}
"""Cloud → what is to be said of what stays behind when the control plane goes on."""
_NODES_STAY = frozenset({"gcp"})
"""Clouds whose nodes are of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A cluster's way from one version to another."""

    cluster: ClusterView
    old: tuple[int, int]
    new: tuple[int, int]

    @property
    def words(self) -> str:
        """`1.34 → 1.35`."""
        return f"{_text(self.old)} → {_text(self.new)}"


def steps(base: Plan, plan: Plan) -> tuple[Step, ...]:
    """The clusters whose minor version changes; those that somebody else keeps are theirs to upgrade."""
    before = {cluster.name: cluster for cluster in ClusterView.among(base.resources)}
    ours = [cluster for cluster in ClusterView.among(plan.resources) if cluster.existing is None]
    pairs = [(before[cluster.name], cluster) for cluster in ours if cluster.name in before]
    found = [(cluster, minor(old.version), minor(cluster.version)) for old, cluster in pairs]
    return tuple(
        Step(cluster=cluster, old=old, new=new)
        for cluster, old, new in found
        if old is not None and new is not None and old != new
    )


def findings(base: Plan, plan: Plan) -> tuple[Finding, ...]:
    """What no cloud does: a minor version skipped, and a way back."""
    return tuple(finding for step in steps(base, plan) for finding in _findings(step))


def order(base: Plan, plan: Plan, comparison: Comparison) -> tuple[str, ...]:
    """In which order an upgrade goes, with what it touches at each stage, and what is left to do for the nodes."""
    return tuple(sentence for step in steps(base, plan) for sentence in _ordered(step, plan, comparison))


def rolled(plan: Plan, comparison: Comparison) -> tuple[str, ...]:
    """One sentence for each thing whose nodes are exchanged though it stays, or are to be made otherwise from now on."""
    pools = {pool.urn: pool for pool in plan.pools()}
    parents = {resource.urn: resource.parent for resource in plan.resources}
    karpenter = bool(plan.of_type(KARPENTER_POOL))
    kept = {pool.urn for pool in plan.of_type(NODE_POOL) if waits(pool)}
    sentences = (
        f"{change.name}: nodes that are there stay as they are until they end; new ones are made as it says."
        if change.urn in kept
        else _rolled(change, getattr(pools.get(parents.get(change.urn) or ""), "purpose", ""))
        for change in comparison.changes
        if (change.rolls_nodes and (karpenter or change.type != EKS_CLUSTER))
        or (change.urn in kept and change.action is Action.UPDATE and rolls(change.type, _paths(change)))
    )
    return tuple(dict.fromkeys(sentences))


def minor(version: str) -> tuple[int, int] | None:
    """Major and minor of `1.35` or `1.35.2-gke.100`; None where it begins with neither."""
    parts = version.split(".")[:2]
    numbers = [int(part) for part in parts if part.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None  # noqa: PLR2004  major and minor


def _findings(step: Step) -> Iterator[Finding]:
    (major, old), (new_major, new) = step.old, step.new
    if step.new < step.old:
        message = f"Kubernetes goes from {_text(step.old)} up only: no cloud takes a control plane back."
        yield _refused(step, _DOWN, message, step.old, "leave it; to go back, make another cluster and move the work")
    elif new_major == major and new - old > 1:
        message = f"Kubernetes is at {_text(step.old)}, and a control plane goes up by one minor version at a time."
        then = ", ".join(_text((major, each)) for each in range(old + 2, new + 1))
        following = (major, old + 1)
        yield _refused(step, _RULE, message, following, f"write {_text(following)}, deploy it, and go on with {then}")


def _refused(step: Step, rule: str, message: str, allowed: tuple[int, int], fix: str) -> Finding:
    return Finding(
        rule=rule,
        outcome=Outcome.FAIL,
        severity=Severity.ERROR,
        source=Source.SPEC,
        message=message,
        path=_PATH,
        value=step.cluster.version,
        allowed=(_text(allowed),),
        fix=fix,
    )


def _ordered(step: Step, plan: Plan, comparison: Comparison) -> Iterator[str]:
    cloud = step.cluster.cloud
    always = {"control plane"} if cloud in _NODES_STAY else {"control plane", "nodes"}
    yield f"Kubernetes {step.words}, in this order: {'; '.join(_stages(comparison, always))}."
    if cloud in _FOLLOW:
        yield from _FOLLOW[cloud](step.cluster, _text(step.old), _text(step.new), plan)


def _stages(comparison: Comparison, always: Container[str]) -> Iterator[str]:
    for stage, kinds in _ORDER:
        touched = _names(comparison.changes, kinds)
        if touched or stage in always:
            yield f"{stage}{f' ({touched})' if touched else ''}"


def _names(changes: Iterable[ResourceChange], kinds: frozenset[str]) -> str:
    acting = (Action.UPDATE, Action.REPLACE, Action.UPDATE_OR_REPLACE)
    found = (change.name for change in changes if change.type in kinds and change.action in acting)
    return ", ".join(dict.fromkeys(found))


def _paths(change: ResourceChange) -> Iterator[str]:
    return (item.path for item in change.changes)


def _rolled(change: ResourceChange, purpose: str) -> str:
    if change.type not in WHY:
        return f"{change.name}: its nodes are exchanged, one after another."
    idle, budget = "once no run is on them", "within their pool's budget of disruption"
    when = idle if purpose == "training" else budget
    if change.type == EKS_CLUSTER:
        when = f"{budget}, those of training pools {idle}"
    return f"{change.name}: Karpenter's machines {WHY[change.type]} and are exchanged {when}."


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
