"""Layer 2: every value that the table knows, against the cloud's API model and the rules beside it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from springtide.offline.paths import child
from springtide.offline.plan import Resource
from springtide.offline.validate import table
from springtide.offline.validate.constraint import Verdict, judge
from springtide.offline.validate.inputs import PROVIDER_PREFIX
from springtide.offline.validate.shape import Node
from springtide.offline.validate.words import finding, spoken
from springtide.spec import Finding

FAMILIES = {"aws": "aws", "kubernetes": "k8s"}
"""First word of a rule id, by the package of a type token."""
_UNLISTED = "not in the table"


def check(resource: Resource, nodes: Iterable[Node]) -> Iterator[Finding]:
    """Findings about the values of one resource.

    What only the cloud knows is never judged; of a document that holds placeholders, what stands around them is.
    """
    for node in nodes:
        entry = table.entry(resource.type, node)
        for constraint in entry.constraints if entry else ():
            if node.judged or (constraint.sees_around and _is_partly_known(node.value)):
                for verdict in judge(node.value, constraint):
                    yield _finding(resource, node, verdict, constraint.source)
        yield from _missing(resource, node)


def _is_partly_known(value: Any) -> bool:
    """Whether a value that the cloud completes is JSON text of an object, with placeholders somewhere inside."""
    return isinstance(value, str) and value.lstrip().startswith("{")


def _finding(resource: Resource, node: Node, verdict: Verdict, source: str) -> Finding:
    message = f"`{spoken(node.path)}` {verdict.told}" + (f" ({source})" if source else "")
    return finding(
        resource, f"{_family(resource)}/{verdict.code}", node.path, message,
        value=node.value, allowed=verdict.allowed, fix=verdict.fix,
    )  # fmt: skip


def _missing(resource: Resource, node: Node) -> Iterator[Finding]:
    """Members that the API demands of an object, though the SDK does not."""
    if node.judged and isinstance(node.value, dict):
        for name in table.required(resource.type).get(node.pattern, ()):
            if node.value.get(name) is None:
                path = child(node.path, name)
                message = f"`{spoken(node.path)}` needs `{name}`, which is not given"
                yield finding(resource, f"{_family(resource)}/required", path, message, fix=f"set `{spoken(path)}`")


def _family(resource: Resource) -> str:
    package = resource.type.removeprefix(PROVIDER_PREFIX).partition(":")[0]
    return FAMILIES.get(package, package)


@dataclass(frozen=True, slots=True)
class Tally:
    """Which paths of a resource type occur in a plan, and which of them are not checked, with the reason."""

    paths: set[str] = field(default_factory=set)
    unchecked: dict[str, str] = field(default_factory=dict)

    def add(self, resource: Resource, nodes: Iterable[Node], *, schema: bool) -> None:
        """Count a resource's leaves; `schema` says that one has checked the resource as a whole."""
        for node in nodes:
            if node.leaf and node.pattern not in self.paths:
                self.paths.add(node.pattern)
                reason = _reason(resource.type, node, schema=schema)
                if reason:
                    self.unchecked[node.pattern] = reason

    def numbers(self) -> dict[str, int]:
        """The counts as the plan holds them."""
        return {"paths": len(self.paths), "checked": len(self.paths) - len(self.unchecked)}


def _reason(token: str, node: Node, *, schema: bool) -> str:
    """Why a leaf's value is not judged; empty when it is. An empty or unknown container stands for what it would hold."""
    inside = replace(node, pattern=f"{node.pattern}/*", local=f"{node.local}/*")
    entry = table.entry(token, node) or table.entry(token, inside)
    if entry is None:
        return node.why or ("" if schema else _UNLISTED)
    return "" if entry.checks else entry.why
