"""Exceptions must name a rule that exists: a misspelt one would free nothing, or later something else."""

from collections.abc import Iterator, Sequence

from springtide.spec import Outcome
from springtide_policies.facts import Facts
from springtide_policies.graph import Graph
from springtide_policies.rule import Level, Rule, Scope, Verdict, passed


def exemptions_rule(rules: Sequence[str]) -> Rule:
    """The rule that judges the exceptions from rules of these names."""

    def check(_graph: Graph, facts: Facts) -> Iterator[Verdict]:
        return (_known(index, entry, rules) for index, entry in enumerate(facts.exempt))

    return Rule(
        name="exemption-known",
        title="every exception names a rule and a resource",
        why="An exception with a misspelt rule says that somebody decided something which then did not happen.",
        about="exceptions",
        level=Level.HIGH,
        scope=Scope.STACK,
        blocks=True,  # exceptions are plain text: there is nothing to be unknown
        fix="write `<rule>:<name of the resource or pool>`, or remove the entry",
        source="Springtide: interfaces of the environment file",
        check=check,
    )


def _known(index: int, entry: str, rules: Sequence[str]) -> Verdict:
    rule, _, name = entry.partition(":")
    if rule in rules and name:
        return passed(None)
    what = f"there is no rule {rule!r}" if name else "it names no resource"
    return Verdict(
        outcome=Outcome.FAIL,
        path=f"/policies/exempt/{index}",
        message=f"exception {entry!r}: {what}.",
        value=entry,
        allowed=tuple(f"{known}:<name>" for known in rules),
    )
