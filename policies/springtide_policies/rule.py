"""The rule: one pure function over a graph and facts, with four outcomes for everything it looks at."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from springtide.spec import Finding, Outcome, Severity, Source
from springtide_policies.facts import Facts
from springtide_policies.graph import Field, Graph, Node, UnknownInputError

T = TypeVar("T")


class Level(StrEnum):
    """How much is at stake when a rule is broken. `CRITICAL` and `HIGH` stop a deployment, the others are told."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def severity(self) -> Severity:
        """The same in the words of a finding."""
        return Severity.ERROR if self in (Level.CRITICAL, Level.HIGH) else Severity.WARNING


class Scope(StrEnum):
    """How much a rule must see: `RESOURCE` rules answer for each resource alone, `STACK` rules need them all."""

    RESOURCE = "resource"
    STACK = "stack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a rule says about one place; see `passed`, `failed`, `cannot_tell`, `not_applicable`."""

    outcome: Outcome
    place: Field | None = None
    """None for a verdict on the stack as a whole."""
    path: str = ""
    """JSON Pointer in the resource's inputs, or in the environment file for the stack as a whole."""
    message: str = ""
    value: Any = None
    allowed: tuple[Any, ...] = ()
    fix: str = ""
    also: tuple[str, ...] = ()
    """Names beside the resource's own under which an exception may stand."""


Check = Callable[[Graph, Facts], Iterable[Verdict]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A policy, ready to be served by any front end."""

    name: str
    """As exceptions and policy packs name it: `gpu-max-required`."""
    title: str
    """The claim that holds when the rule passes, as a part of a sentence."""
    why: str
    about: str
    """What it looks at, in the plural, for when there is none of it."""
    level: Level
    scope: Scope
    blocks: bool
    """Whether a `CANNOT_TELL` stops a deployment."""
    fix: str
    source: str
    """Where the demand comes from."""
    check: Check
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Facts beside exceptions that the rule reads, by name, each with its JSON schema: what a pack can be told."""

    @property
    def id(self) -> str:
        """The `rule` of its findings."""
        return f"policy/{self.name}"

    def stops(self, outcome: Outcome) -> bool:
        """Whether a finding with this outcome stops a deployment."""
        fails = outcome is Outcome.FAIL and self.level.severity is Severity.ERROR
        return fails or (outcome is Outcome.CANNOT_TELL and self.blocks)

    def assess(self, graph: Graph, facts: Facts) -> tuple[Finding, ...]:
        """All outcomes in the graph's order; a single `NOT_APPLICABLE` where there is nothing to look at."""
        verdicts = tuple(self.check(graph, facts)) or (not_applicable(f"there are no {self.about}"),)
        return tuple(self._finding(verdict, facts) for verdict in verdicts)

    def _finding(self, verdict: Verdict, facts: Facts) -> Finding:
        entry = self._exception(verdict, facts)
        if entry:
            verdict = Verdict(outcome=Outcome.NOT_APPLICABLE, place=verdict.place, message=f"`{entry}` is exempt")
        return Finding(
            rule=self.id,
            outcome=verdict.outcome,
            severity=self.level.severity,
            source=Source.POLICY,
            message=self._message(verdict),
            fix=(verdict.fix or self.fix) if verdict.outcome in ASKING else "",
            urn="" if verdict.place is None else verdict.place.node.urn,
            path=verdict.path,
            value=verdict.value,
            allowed=verdict.allowed,
            blocks=self.blocks and verdict.outcome is Outcome.CANNOT_TELL,
        )

    def _message(self, verdict: Verdict) -> str:
        if verdict.outcome is Outcome.CANNOT_TELL:
            return f"cannot tell whether {self.title}: {verdict.message}"
        return verdict.message or self.title

    def _exception(self, verdict: Verdict, facts: Facts) -> str:
        if verdict.place is None or verdict.outcome not in ASKING:
            return ""
        return facts.exempts(self.name, (*verdict.place.node.names, *verdict.also))


ASKING = (Outcome.FAIL, Outcome.CANNOT_TELL)
"""The outcomes that ask somebody to do something."""


def passed(place: Field | None) -> Verdict:
    """The claim holds here."""
    return Verdict(outcome=Outcome.PASS, place=place, path="" if place is None else place.path)


def failed(
    place: Field, message: str, *, allowed: Iterable[Any] = (), fix: str = "", also: Iterable[str] = ()
) -> Verdict:
    """The claim does not hold here; `fix` defaults to the rule's."""
    return Verdict(
        outcome=Outcome.FAIL, place=place, path=place.path, message=message,
        value=place.shown, allowed=tuple(allowed), fix=fix, also=tuple(also),
    )  # fmt: skip


def cannot_tell(place: Field, why: str, *, path: str | None = None, fix: str = "") -> Verdict:
    """Something that the claim depends on is not known; `path` says what, where it is not the place itself."""
    unknown = place.path if path is None else path
    return Verdict(outcome=Outcome.CANNOT_TELL, place=place, path=unknown, message=why, fix=fix)


def not_applicable(reason: str) -> Verdict:
    """The claim says nothing about this stack."""
    return Verdict(outcome=Outcome.NOT_APPLICABLE, message=reason)


def judge(check: Callable[[T], Verdict], subject: T) -> Verdict:
    """The verdict of `check`, or cannot-tell with the path where it read what only the cloud knows."""
    try:
        return check(subject)
    except UnknownInputError as unknown:
        return unknown_input(unknown)


def each(check: Callable[[Node, Facts], Iterable[Verdict]]) -> Check:
    """A check of the whole graph from one of a single resource; an unknown in one of them hides no other."""

    def check_all(graph: Graph, facts: Facts) -> Iterator[Verdict]:
        for node in graph.nodes:
            yield from _guarded(check(node, facts))

    return check_all


def _guarded(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    try:
        yield from verdicts
    except UnknownInputError as unknown:
        yield unknown_input(unknown)


def unknown_input(unknown: UnknownInputError) -> Verdict:
    """Cannot tell, because of a value that only the cloud knows."""
    paths = ", ".join(unknown.paths)
    fix = "write a value that is known before the deployment"
    return cannot_tell(unknown.field, f"{paths} is not known before the deployment", path=unknown.paths[0], fix=fix)
