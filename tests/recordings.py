"""What this repository's program registers for an environment, recorded once a test process, with what tests ask of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from springtide.offline.plan import Resource
from springtide.offline.record import record
from springtide.spec import Finding

from .environment_files import ENVIRONMENTS, project


@dataclass(frozen=True)
class Recorded:
    """The resources and warnings of one environment."""

    resources: tuple[Resource, ...]
    warnings: tuple[Finding, ...]
    outputs: dict[str, dict[str, Any]]

    def all(self, kind: str) -> list[Resource]:
        """Resources of a type, named by its end: `NodeGroup`."""
        return [item for item in self.resources if item.type.rpartition(":")[2] == kind]

    def one(self, kind: str, name: str, below: str = "") -> Resource:
        """The resource of that type and name, and with `below` in its URN where there are several."""
        [found] = [item for item in self.all(kind) if item.name == name and below in item.urn]
        return found

    def children(self, component: Resource) -> list[Resource]:
        """Resources whose parent is `component`."""
        return [item for item in self.resources if item.parent == component.urn]

    def needs(self, one: Resource, other: Resource) -> bool:
        """Whether `one` is made after `other`, and so destroyed before it."""
        return other.urn in self.before(one.urn)

    def before(self, urn: str) -> set[str]:
        """Everything that must exist before a resource: what it depends on, its provider, and theirs in turn."""
        by_urn = {item.urn: item for item in self.resources}
        found: set[str] = set()
        todo = list(_directly(by_urn[urn]))
        while todo:
            if (current := todo.pop()) not in found:
                found.add(current)
                todo += _directly(by_urn[current])
        return found

    def names(self) -> list[str]:
        """`type chain::name` of every resource, sorted: what a user's aliases would have to name."""
        return sorted(item.urn.split("::", 2)[2] for item in self.resources)


def job_of(workload: Resource) -> dict[str, Any]:
    """The spec of a Deployment or a Job; of a JobSet, that of its one Job."""
    spec: dict[str, Any] = workload.inputs["spec"]
    if "replicatedJobs" not in spec:
        return spec
    [replicated] = spec["replicatedJobs"]
    found: dict[str, Any] = replicated["template"]["spec"]
    return found


def pod_of(workload: Resource) -> dict[str, Any]:
    """The spec of the pods that a workload makes."""
    found: dict[str, Any] = job_of(workload)["template"]["spec"]
    return found


def variables_of(workload: Resource) -> dict[str, str]:
    """Variables of a workload's one container; those with a reference are empty."""
    [container] = pod_of(workload)["containers"]
    return {item["name"]: item.get("value", "") for item in container["env"]}


def _directly(item: Resource) -> Iterator[str]:
    yield from item.depends_on
    if item.provider is not None:
        yield item.provider


@cache
def of_file(name: str) -> Recorded:
    """The recording of `tests/environments/Pulumi.<name>.yaml`."""
    return of_text((ENVIRONMENTS / f"Pulumi.{name}.yaml").read_text(encoding="utf-8"), name)


@cache
def of_text(text: str, name: str = "dev") -> Recorded:
    """The recording of an environment file."""
    with TemporaryDirectory() as folder:
        found = record(project(Path(folder), text, name), name)
    return Recorded(found.resources, found.warnings, found.outputs)
