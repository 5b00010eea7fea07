"""Springtide's policies: what is unwise, as pure functions over a stack's resources and a few dated facts.

`evaluate` serves the offline plan and tests; `policies/__main__.py` serves the same rules to the Pulumi engine.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from springtide.spec import Finding
from springtide_policies import pools
from springtide_policies.facts import ENVIRONMENT, Facts, MachineKey, Price
from springtide_policies.graph import Graph
from springtide_policies.registry import RULES
from springtide_policies.rule import ASKING, Level, Rule, Scope

__all__ = [
    "ASKING",
    "ENVIRONMENT",
    "RULES",
    "Facts",
    "Graph",
    "Level",
    "MachineKey",
    "Price",
    "Rule",
    "Scope",
    "assess",
    "evaluate",
    "machine_types",
]


def evaluate(resources: Sequence[Mapping[str, Any]], facts: Facts) -> tuple[Finding, ...]:
    """What asks somebody to do something: the failing findings, and those that cannot tell.

    Args:
        resources: Resources in the plan's JSON format (`springtide.offline.plan.Resource.to_json`).
        facts: Prices of `machine_types(resources)`, the budget and the exceptions.

    Returns:
        Findings by rule, then in the order of the resources; the same findings for the same arguments.
    """
    return tuple(finding for finding in assess(resources, facts) if finding.outcome in ASKING)


def assess(resources: Sequence[Mapping[str, Any]], facts: Facts, rules: Iterable[Rule] = RULES) -> tuple[Finding, ...]:
    """Every outcome of every rule, passes and what does not apply included, as a table shows them."""
    graph = Graph.of(resources)
    return tuple(finding for rule in rules for finding in rule.assess(graph, facts))


def machine_types(resources: Sequence[Mapping[str, Any]]) -> tuple[MachineKey, ...]:
    """The machine types that pools may buy, ascending: what `Facts.prices` should hold where a price is known."""
    found = {
        (pools.described_by(pool).shown, pool.at("region").shown, machine.shown)
        for pool in Graph.of(resources).of_type(pools.GPU_POOL)
        for machine in pool.at("machineTypes").members()
    }
    return tuple(sorted(key for key in found if all(isinstance(part, str) for part in key)))
