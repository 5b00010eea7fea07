"""Is a plan one that its clouds would take? Answered without a cloud, in two layers.

`shape` holds every resource against the provider SDK's own input classes: names, nesting, types, required
members. `values` holds what is left against the clouds' API models through one table, and Kubernetes objects
against the JSON schemas of the cluster's version, custom resources against their CRDs. What none of them can judge is
counted, with its reason. Rules among the members of a CRD (CEL) are no part of it: only an API server runs those.

    validation = validate(plan.resources)
    validation.findings       # empty when nothing is wrong
    validation.coverage       # {"aws:eks/nodeGroup:NodeGroup": {"paths": 41, "checked": 40}, …}
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from springtide.offline.plan import Resource
from springtide.offline.validate import inputs, kubernetes, values
from springtide.offline.validate.shape import Shaped, inspect
from springtide.offline.validate.words import cannot_tell
from springtide.spec import Finding

__all__ = ["Validation", "validate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What validation found out about a plan."""

    findings: tuple[Finding, ...]
    """In the order of the resources; at most one about each path."""
    coverage: dict[str, dict[str, int]]
    """Type → `paths`, the distinct input paths of that type in the plan, and `checked`, those whose value is judged.

    A path counts as checked when an API member or a rule limits its value (more than "a text"), and, in a Kubernetes
    object, when the schema of its kind knows it. List indexes and map keys do not make a path another one.
    """
    unchecked: dict[str, dict[str, str]]
    """Type → path → why its value is not judged."""


def validate(resources: Sequence[Resource]) -> Validation:
    """Check every resource that a plan creates; components and resources that are only read are left out.

    A value known to the cloud alone (`Resource.unknown`) or hidden (`Resource.secret`) is counted and not judged.
    """
    minor, findings = kubernetes.version(resources)
    found = list(findings)
    tallies: dict[str, values.Tally] = defaultdict(values.Tally)
    for resource in resources:
        if resource.custom and resource.id is None and not resource.type.startswith("pulumi:pulumi:"):
            shaped = inspect(resource)
            found += _once_a_path(_findings(resource, shaped, minor))
            schema = kubernetes.is_object(resource.type) and kubernetes.has_schema(resource, minor)
            tallies[resource.type].add(resource, shaped.nodes, schema=schema)
    return Validation(
        findings=tuple(found),
        coverage={token: tally.numbers() for token, tally in sorted(tallies.items())},
        unchecked={token: tally.unchecked for token, tally in sorted(tallies.items()) if tally.unchecked},
    )


def _findings(resource: Resource, shaped: Shaped, minor: str) -> Iterator[Finding]:
    yield from shaped.findings
    yield from values.check(resource, shaped.nodes)
    if kubernetes.is_object(resource.type):
        yield from kubernetes.check(resource, minor)
    elif inputs.record_of(resource.type) is None:
        yield cannot_tell(resource, "sdk/unknown-type", "", f"no installed provider SDK knows {resource.type}")


def _once_a_path(findings: Iterator[Finding]) -> list[Finding]:
    """The first finding about each path: a later layer would say the same in other words."""
    first: dict[str, Finding] = {}
    for item in findings:
        first.setdefault(item.path, item)
    return list(first.values())
