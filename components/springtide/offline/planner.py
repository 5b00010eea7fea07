"""Plans one environment: records its program, validates what that registers, and asks the policies."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import springtide_policies as policies
from springtide import catalog
from springtide.lines import lines, located
from springtide.offline.config import Project, read_environment, read_project
from springtide.offline.cost import list_price
from springtide.offline.goyaml import ConfigError
from springtide.offline.plan import Plan, Resource
from springtide.offline.record import MistakeError, ProgramError, Recording, record, relative
from springtide.offline.views import EnvironmentView, View
from springtide.spec import Finding, Outcome, Severity, Source

CRASHED = "program/crashed"
"""Rule of the finding that stands for a program's own failure."""
_REFUSED = "program/refused"
_ENCRYPTED = "«config#"
"""How the placeholder for an encrypted value begins."""
_PREFIX, _SUFFIX = "Pulumi.", ".yaml"
_PLACE = ("cloud", "region", "account")
_LONGEST_PLACE = 64
"""Whatever is longer is no name of a cloud, a region or an account."""


def project_root(start: Path) -> Path | None:
    """The nearest folder at or above `start` that holds a Pulumi.yaml."""
    return next((folder for folder in (start, *start.parents) if (folder / "Pulumi.yaml").is_file()), None)


def environments(root: Path) -> tuple[str, ...]:
    """Names of the project's environments, ascending: one for each `Pulumi.<name>.yaml`.

    Raises:
        ConfigError: Pulumi.yaml cannot be read.
    """
    files = read_project(root).environments.glob(f"{_PREFIX}?*{_SUFFIX}")
    return tuple(sorted(file.name.removeprefix(_PREFIX).removesuffix(_SUFFIX) for file in files))


def plan_environment(root: Path, environment: str) -> Plan:
    """What an environment's program would create, with everything that was found out about it.

    A program that cannot run, for a mistake in the environment file or one of its own, makes a plan without resources
    whose findings say why.

    Args:
        root: Folder of Pulumi.yaml.
        environment: Name of the environment.

    Raises:
        ConfigError: Pulumi.yaml cannot be read.
    """
    return attempt(root, environment).plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A plan, and what only those who wrote the program want to see."""

    plan: Plan
    traceback: str = ""
    """Where the program failed, if it did; it names files of this machine and so is no part of the plan."""


def attempt(root: Path, environment: str) -> Attempt:
    """`plan_environment`, with the program's traceback where it crashed."""
    start = time.perf_counter()
    project = read_project(root)
    try:
        return Attempt(plan=_plan(root, project, record(root, environment)))
    except MistakeError as error:
        message = _without_root(str(error), root)
        placed = _with_own_lines(root, project, environment, error.findings)
        findings = (*map(_readable, placed),) or (_stopped(_REFUSED, message, "change what the message names"),)
        traceback = ""
    except ProgramError as error:
        fix = "this is the program's fault, not the environment file's: see its traceback"
        findings = (_stopped(CRASHED, _without_root(str(error), root), fix),)
        traceback = error.traceback
    plan = _without_resources(root, project, environment, findings, time.perf_counter() - start)
    return Attempt(plan=plan, traceback=traceback)


def _plan(root: Path, project: Project, recording: Recording) -> Plan:
    start = time.perf_counter()
    resources = recording.resources
    _require_views(resources)
    asked = policies.evaluate([item.to_json() for item in resources], _facts(resources))
    place = EnvironmentView.among(resources)
    known = {key: getattr(place[0], key) for key in _PLACE} if place else {}
    return Plan(
        environment=_environment(root, project, recording.environment, known),
        made_with=_made_with(),
        resources=resources,
        outputs=recording.outputs,
        findings=tuple(_with_lines(root, project, recording, (*recording.warnings, *recording.findings, *asked))),
        coverage=recording.coverage,
        seconds={
            "run": round(recording.seconds["run"], 3),
            "validate": round(recording.seconds["validate"] + time.perf_counter() - start, 3),
        },
    )


def _require_views(resources: Sequence[Resource]) -> None:
    """Find out whether every component of Springtide's types is what its type says.

    Raises:
        ProgramError: one is not; the program registers it by itself, or with another version of Springtide.
    """
    try:
        for view in View.__subclasses__():
            view.among(resources)
    except ValueError as error:
        raise ProgramError(str(error)) from error


def _facts(resources: Sequence[Resource]) -> policies.Facts:
    """Prices of the machine types in the plan, and the limits that its environment declares."""
    prices = {}
    for cloud, region, machine in policies.machine_types([item.to_json() for item in resources]):
        found = list_price(cloud, region, machine, catalog.Capacity.ON_DEMAND)
        if found is not None:
            prices[cloud, region, machine] = policies.Price(
                usd_per_hour=found.usd_per_hour, date=found.date, source=found.source
            )
    limits = EnvironmentView.among(resources)
    budget = limits[0].budget_usd_per_hour if limits else None
    return policies.Facts(prices=prices, budget_usd_per_hour=budget, exempt=limits[0].exempt if limits else ())


def _with_lines(root: Path, project: Project, recording: Recording, findings: Sequence[Finding]) -> list[Finding]:
    """Findings about the environment file with their lines."""
    text = recording.file.read_text(encoding="utf-8")
    return located(findings, text, relative(root, recording.file), project.name)


def _with_own_lines(root: Path, project: Project, environment: str, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Findings with their lines, also those of a component: it knows no file, but where its arguments come from.

    A path that leads to nothing in the file is the argument of a component in a program of one's own.
    """
    if all(finding.where or not finding.path for finding in findings):
        return findings
    file = _file(project, environment)
    text, shown = file.read_text(encoding="utf-8", errors="replace"), relative(root, file)
    parts = {pointer.split("/")[1] for pointer in lines(text, project.name) if pointer}
    return [
        located([finding], text, shown, project.name)[0]
        if finding.path.partition("/")[2].partition("/")[0] in parts
        else finding
        for finding in findings
    ]


def _without_resources(
    root: Path, project: Project, environment: str, findings: Sequence[Finding], seconds: float
) -> Plan:
    return Plan(
        environment=_environment(root, project, environment, _said(project, environment)),
        made_with=_made_with(),
        resources=(),
        outputs={},
        findings=tuple(findings),
        seconds={"run": round(seconds, 3), "validate": 0.0},
    )


def _stopped(rule: str, message: str, fix: str) -> Finding:
    return Finding(
        rule=rule, outcome=Outcome.FAIL, severity=Severity.ERROR, source=Source.SETTINGS, message=message, fix=fix
    )


def _readable(finding: Finding) -> Finding:
    """A finding about a value of the file; what is said of one that is encrypted would be about its placeholder."""
    if not str(finding.value).startswith(_ENCRYPTED):
        return finding
    fix = "write it in plain, unless it is a password or a token, which have no place here"
    return replace(finding, value=None, message="this is encrypted, and a plan cannot decrypt it.", fix=fix)


def _without_root(message: str, root: Path) -> str:
    """A message whose paths are the project's, not this machine's."""
    return message.replace(f"{root.resolve()}{os.sep}", "")


def _said(project: Project, environment: str) -> dict[str, Any]:
    """What an environment file with mistakes says of its place, as far as that can be read."""
    try:
        config = read_environment(_file(project, environment))
    except ConfigError:
        return {}
    plain = {key.removeprefix(f"{project.name}:"): value for key, value in config.items()}
    said = {key: plain[key] for key in _PLACE if isinstance(plain.get(key), str)}
    return {key: value for key, value in said.items() if len(value) <= _LONGEST_PLACE}


def _environment(root: Path, project: Project, environment: str, place: Mapping[str, Any]) -> dict[str, Any]:
    file = relative(root, _file(project, environment))
    return {"name": environment, "project": project.name, "file": file, **place}


def _file(project: Project, environment: str) -> Path:
    return project.environments / f"{_PREFIX}{environment}{_SUFFIX}"


def _made_with() -> dict[str, str]:
    return {"springtide": _version("springtide"), "pulumi": _version("pulumi"), "catalog": catalog.date()}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
