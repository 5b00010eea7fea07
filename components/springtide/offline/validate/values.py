"""Layer 2: every value that the table knows, against the cloud's API model and the rules beside it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from springtide.offline.paths import child
from springtide.offline.plan import Resource
from springtide.offline.validate import table
from springtide.offline.validate.constraint import PLACEHOLDER, Verdict, judge
from springtide.offline.validate.shape import Node
from springtide.offline.validate.words import finding, spoken
from springtide.spec import Finding

FAMILIES = {"aws": "aws", "kubernetes": "k8s"}
"""First word of a rule id, by the package of a type token."""
_UNLISTED = "not in the table"


def check(resource: Resource, nodes: Iterable[Node]) -> Iterator[Finding]:
    """Findings about the values of one resource. What only the cloud knows is never judged."""
    for node in nodes:
        entry = table.entry(resource.type, node) if node.judged else None
        for constraint in entry.constraints if entry else ():
            if isinstance(node.value, str) and constraint.test is None and PLACEHOLDER.search(node.value):
                continue
            for verdict in judge(node.value, constraint):
                yield _finding(resource, node, verdict, constraint.source)
        yield from _missing(resource, node)


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
    package = resource.type.split(":")[0]
    return FAMILIES.get(package, package)


@dataclass(frozen=True, slots=True)
class Tally:
    """Which paths of a resource type occur in a plan, and which of them are not checked, with the reason."""

    paths: set[str] = field(default_factory=set)
    unchecked: dict[str, str] = field(default_factory=dict)

    def add(self, resource: Resource, nodes: Iterable[Node], *, schema: bool) -> None:
        """Count a resource's leaves; `schema` says that one checked the resource as a whole."""
        for node in nodes:
            if node.leaf and node.pattern not in self.paths:
                self.paths.add(node.pattern)
                entry = _entry(resource.type, node)
                if not (entry and entry.checks) and not (schema and not (entry and entry.why)):
                    self.unchecked[node.pattern] = entry.why if entry and entry.why else _UNLISTED

    def numbers(self) -> dict[str, int]:
        """The counts as the plan holds them."""
        return {"paths": len(self.paths), "checked": len(self.paths) - len(self.unchecked)}


def _entry(token: str, node: Node) -> table.Entry | None:
    """What the table says of a leaf; an empty or unknown container stands for what it would hold."""
    inside = replace(node, pattern=f"{node.pattern}/*", local=f"{node.local}/*")
    return table.entry(token, node) or table.entry(token, inside)


def reasons(tallies: Mapping[str, Tally]) -> dict[str, dict[str, str]]:
    """Type → unchecked path → why, for the types that have any."""
    return {token: dict(sorted(tally.unchecked.items())) for token, tally in sorted(tallies.items()) if tally.unchecked}
