"""Records what a stack's program registers, without engine, cloud, account or network.

The program runs in a process of its own (`springtide.offline.program`) with an environment of its own: what a machine has
set for a cloud, a cluster or Pulumi never reaches it. This module imports neither the SDK nor the components.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from springtide.offline.config import Project, full_key, read_environment, read_project
from springtide.offline.goyaml import ConfigError
from springtide.offline.plan import Resource
from springtide.spec import Finding, Source, refuse

LIMIT_SECONDS = 60.0
"""Time for one run of a program; a plan runs it twice."""

ON = "on"
"""Key of an environment file that names the platform its work runs on."""
_GRACE_SECONDS = 5.0
"""Time for the child to say by itself that a run took too long."""
_KEPT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR")
"""What a program may see of the machine's environment variables."""


class ProgramError(Exception):
    """The program's own fault, or ours: it crashed, or never came to an end.

    Attributes:
        traceback: Where; empty for a program that was stopped.
    """

    def __init__(self, message: str, traceback: str = "") -> None:
        self.traceback = traceback
        super().__init__(message)


class MistakeError(Exception):
    """The user can mend it. `str()` is the whole text for people.

    Attributes:
        findings: The same as data, where the error has any.
    """

    def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
        self.findings = tuple(findings)
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What one environment's program registers."""

    project: str
    environment: str
    file: Path
    """The environment file."""
    resources: tuple[Resource, ...]
    """In topological order, ties by URN; the root stack is not among them."""
    outputs: dict[str, dict[str, Any]]
    """The stack's exports, each with `value` and `unknown`."""
    component_outputs: dict[str, dict[str, Any]]
    """What components registered as outputs, by URN."""
    warnings: tuple[Finding, ...]
    """What components warned of."""
    findings: tuple[Finding, ...]
    """What the clouds' own models say of the resources; see `springtide.offline.validate`."""
    coverage: dict[str, dict[str, int]]
    """How much of the inputs they judged, by type."""
    seconds: dict[str, float]
    """`run`, the whole recording with the start of the child, and `validate`."""


def record(  # noqa: PLR0913  all but two have a default
    root: Path,
    environment: str,
    *,
    config: Mapping[str, Any] | None = None,
    file: Path | None = None,
    roots: Sequence[Path] = (),
    limit_seconds: float = LIMIT_SECONDS,
) -> Recording:
    """Run an environment's program and say what it registers.

    Args:
        root: Folder of Pulumi.yaml.
        environment: Name of the environment, which is the stack's.
        config: Configuration instead of the environment file's, as its `config:` would hold it.
        file: The environment file, where it is not `Pulumi.<environment>.yaml` in the project's folder for them.
        roots: Folders to import packages from, before any other.
        limit_seconds: Time for one run of the program.

    Raises:
        MistakeError: Pulumi.yaml or the environment file is wrong, or the program asks for what no plan can give.
        ProgramError: the program crashed or never ended.
    """
    start = time.perf_counter()
    try:
        project = read_project(root.resolve())
        place = file or project.environments / f"Pulumi.{environment}.yaml"
        given = read_environment(place, project.name) if config is None else dict(config)
        _present(root, project.program)
    except ConfigError as error:
        raise MistakeError(str(error), [_unreadable(root, error)]) from error
    config = project.defaults | given
    request = _request(root, environment, project, config, limit_seconds)
    request["stacks"] = _platform_of(root, environment, project, config, roots, limit_seconds)
    answer = _child(request, roots, limit_seconds)
    validating = answer["validation"]["seconds"]
    return Recording(
        project=project.name,
        environment=environment,
        file=place,
        resources=tuple(Resource.from_json(item) for item in answer["resources"]),
        outputs=answer["outputs"],
        component_outputs=answer["component_outputs"],
        warnings=tuple(Finding.from_json(item) for item in answer["warnings"]),
        findings=tuple(Finding.from_json(item) for item in answer["validation"]["findings"]),
        coverage=answer["validation"]["coverage"],
        seconds={"run": time.perf_counter() - start - validating, "validate": validating},
    )


def _platform_of(  # noqa: PLR0913, PLR0917  what `record` was given
    root: Path,
    environment: str,
    project: Project,
    config: Mapping[str, Any],
    roots: Sequence[Path],
    limit_seconds: float,
) -> dict[str, dict[str, Any]]:
    """The exports of the platform that an environment's work runs on, if it does, by the platform's name.

    Raises:
        MistakeError: the platform cannot be planned.
        ProgramError: its program crashed.
    """
    own = {full_key(key, project.name): value for key, value in config.items()}
    platform = own.get(full_key(ON, project.name))
    file = project.environments / f"Pulumi.{platform}.yaml"
    # What is no name of an environment beside this one, the settings refuse with its line.
    if not isinstance(platform, str) or platform == environment or "/" in platform or not file.is_file():
        return {}
    try:
        there = record(root, platform, roots=roots, limit_seconds=limit_seconds)
    except MistakeError as error:
        if error.findings and all(found.rule != "settings/file" for found in error.findings):
            return {}  # mistakes of its own, which the work's settings name by its line
        raise MistakeError(f"the platform {platform}, which {environment} runs on, has mistakes:\n{error}") from error
    return {platform: {name: _readable(output["value"], name) for name, output in there.outputs.items()}}


def _readable(value: Any, name: str) -> Any:
    """An export as another program gets it: a plan holds no secrets, so a placeholder stands for one."""
    return f"«{name}#secret»" if isinstance(value, dict) and value.keys() == {"$secret"} else value


def relative(root: Path, file: Path) -> str:
    """The file as people name it; one outside the project by its name alone."""
    whole, above = file.resolve(), root.resolve()
    return whole.relative_to(above).as_posix() if whole.is_relative_to(above) else file.name


def _present(root: Path, program: Path) -> None:
    """Find out whether there is a program.

    Raises:
        ConfigError: there is none.
    """
    if not (program.is_file() or (program / "__main__.py").is_file()):
        what = f"there is no program in {relative(root, program) or program}: it would be __main__.py"
        raise ConfigError(
            root / "Pulumi.yaml", None, what, "name the program's folder after `main:`, or write one there"
        )


def _unreadable(root: Path, error: ConfigError) -> Finding:
    """A file that cannot be read, as a finding about it."""
    place = relative(root, error.file)
    found = refuse("settings/file", "", None, f"{error.what}.", error.fix, source=Source.SETTINGS)
    return replace(found, where=place if error.line is None else f"{place}:{error.line}")


def _request(
    root: Path, environment: str, project: Project, config: Mapping[str, Any], limit_seconds: float
) -> dict[str, Any]:
    return {
        "project": project.name,
        "stack": environment,
        "root": str(root.resolve()),
        "program": str(project.program.resolve()),
        "config": dict(config),
        "limit_seconds": limit_seconds,
    }


def _child(request: Mapping[str, Any], roots: Sequence[Path], limit_seconds: float) -> dict[str, Any]:
    """What the child answers; a program that blocks the event loop is stopped from outside.

    Raises:
        MistakeError: the child says that the user can mend it.
        ProgramError: it says otherwise, or says nothing.
    """
    command = [sys.executable, "-P", "-m", "springtide.offline.program"]
    limit = 2 * limit_seconds + _GRACE_SECONDS
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module
            command, input=json.dumps(request), stdout=subprocess.PIPE, text=True, env=_environment(roots), timeout=limit,
            encoding="utf-8", check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ProgramError(f"the program did not end within {limit:g} s") from None
    if done.returncode != 0 or not done.stdout:
        raise ProgramError(f"the program ended its own process with exit status {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "mistake" in answer:
        found = [Finding.from_json(item) for item in answer["mistake"]["findings"]]
        raise MistakeError(answer["mistake"]["message"], found)
    if "crash" in answer:
        raise ProgramError(answer["crash"]["message"], answer["crash"]["traceback"])
    return answer


def _environment(roots: Sequence[Path]) -> dict[str, str]:
    """The child's environment variables. It imports what we can import; what the interpreter finds by itself is left out."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    own = [entry for entry in sys.path if entry and not Path(entry).is_relative_to(sys.prefix)]
    inherited = [entry for entry in own if not Path(entry).is_relative_to(sys.base_prefix)]
    path = os.pathsep.join([*(str(root.resolve()) for root in roots), *inherited])
    return kept | {"PYTHONPATH": path, "PYTHONUTF8": "1"}
