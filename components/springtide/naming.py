"""Names in an environment file: of the environment, of its parts, and of the Kubernetes objects that parts become."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from springtide.pool import name_findings
from springtide.sections import EnvironmentFile
from springtide.spec import Finding, dns_label, refuse
from springtide.spec.work import service_name

LONGEST_NAME = 40
"""Leaves room for what cloud and Kubernetes names put around a name, at most 63 characters in all."""


def findings(name: str, file: EnvironmentFile) -> list[Finding]:
    """What is wrong with the names of an environment and of its parts."""
    groups: dict[str, Iterable[str]] = {
        "storage": file.storage, "pools": file.pools, "queues": file.queues, "jobs": file.jobs,
        "services": file.services,
    }  # fmt: skip
    found = [
        finding
        for group, names in groups.items()
        for item in names
        for finding in [*_name(f"/{group}/{item}", item), *_too_long(f"/{group}/{item}", item, LONGEST_NAME)]
    ]
    own = [*dns_label("", name), *_too_long("", name, LONGEST_NAME // 2)]
    renamed = [replace(finding, fix=f"rename the file Pulumi.{name}.yaml: {finding.fix}") for finding in own]
    return [*renamed, *found, *_one_name_twice(file)]


def _name(path: str, name: str) -> list[Finding]:
    group = path.split("/")[1]
    return _NAMES.get(group, dns_label)(path, name)


_NAMES = {"pools": name_findings, "jobs": service_name, "services": service_name}
"""What names of a part must be, where that is more than a label."""


def _too_long(path: str, name: str, most: int) -> list[Finding]:
    if len(name) <= most:
        return []
    message = f"{name!r} has {len(name)} characters; names of cloud resources are made of it."
    return [refuse("spec/name", path, name, message, f"use at most {most}")]


def _one_name_twice(file: EnvironmentFile) -> list[Finding]:
    """Runs and services whose Kubernetes objects would have the same name."""
    owners: dict[str, str] = {}
    found = []
    for path, name, owner in _kubernetes_names(file):
        if name in owners:
            message = f"{owner} and {owners[name]} would both be {name!r} in Kubernetes."
            found.append(refuse("spec/name", path, name, message, "rename one of them"))
        owners.setdefault(name, owner)
    return found


def _kubernetes_names(file: EnvironmentFile) -> Iterator[tuple[str, str, str]]:
    for name, job in file.jobs.items():
        if job.run is not None:
            yield f"/jobs/{name}/run", f"{name}-{job.run}", f"the run of job {name}"
    for name in file.services:
        yield f"/services/{name}", name, f"service {name}"
