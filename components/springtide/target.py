"""Which environment a command is about: its project, its file, and the account and place that it lives in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from springtide import clouds
from springtide.lines import located
from springtide.offline.config import Project, full_key, read_environment, read_project
from springtide.offline.goyaml import ConfigError
from springtide.offline.planner import environments, project_root
from springtide.offline.record import relative
from springtide.parse import read
from springtide.sections import LOCAL
from springtide.spec import Finding, SpecError, did_you_mean, spec

PLATFORM = "on"
"""Key of a file that holds work alone: the environment whose platform it runs on."""


class UsageError(Exception):
    """What was asked for cannot be done; the message says what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An environment, as far as commands on it need to know."""

    name: str
    root: Path
    """Folder of Pulumi.yaml."""
    file: Path
    config: Mapping[str, Any]
    """What the file says, by key without the project's name; only the place was checked."""
    platform: str
    """Environment whose cluster it runs in: itself, unless it says `on:`."""
    cloud: str
    account: str
    region: str

    @property
    def shown(self) -> str:
        """The file as people name it."""
        return relative(self.root, self.file)

    def section(self, key: str) -> Mapping[str, Any]:
        """A section of the file; empty where it has none, or something else in its place."""
        found = self.config.get(key)
        return found if isinstance(found, Mapping) else {}


@spec
class _Place:
    cloud: str
    account: str
    region: str

    def findings(self) -> list[Finding]:
        """What is no place."""
        return clouds.cloud_findings(self.cloud) or clouds.load(self.cloud).account_findings(self.account)


def find(environment: str, folder: Path) -> Target:
    """The environment of that name, in a cloud.

    Args:
        environment: Its name.
        folder: Folder in the project.

    Raises:
        UsageError: there is no such environment, its file does not say where it is, or it is on this machine.
    """
    root = project_root(folder.resolve())
    if root is None:
        raise UsageError(f"no Pulumi.yaml in {folder} or above: run this inside a project")
    try:
        return _find(environment, root)
    except (ConfigError, SpecError) as error:
        raise UsageError(str(error)) from error


def _find(environment: str, root: Path) -> Target:
    """The environment of that name in the project.

    Raises:
        UsageError: it is not there, what it runs on is no platform, or it is on this machine.
        ConfigError: a file cannot be read.
        SpecError: its file does not say where it is.
    """
    project = read_project(root)
    file, config = _read(environment, root, project)
    platform = str(config.get(PLATFORM, environment))
    placed = (file, config) if platform == environment else _read(platform, root, project)
    if platform != environment and PLATFORM in placed[1]:
        message = (
            f"{environment} says `{PLATFORM}: {platform}`, and that is work on a platform itself: name the platform"
        )
        raise UsageError(message)
    if placed[1].get("cloud") == LOCAL:
        raise UsageError(_on_this_machine(platform))
    place = _place(*placed, root, project.name)
    return Target(
        name=environment,
        root=root,
        file=file,
        config=config,
        platform=platform,
        cloud=place.cloud,
        account=place.account,
        region=place.region,
    )


def _on_this_machine(environment: str) -> str:
    return (
        f"{environment} is on this machine: it has no account to look at and no registry to push to. "
        f"`springtide up {environment}` starts it, and makes its image"
    )


def _read(environment: str, root: Path, project: Project) -> tuple[Path, dict[str, Any]]:
    """An environment's file, and what it says by keys without the project's name."""
    known = environments(root)
    if environment not in known:
        hint = did_you_mean(environment, known, "")
        raise UsageError(
            f"no environment {environment!r}: {f'{hint} ' if hint else ''}The project has {', '.join(known) or 'none'}"
        )
    file = project.environments / f"Pulumi.{environment}.yaml"
    written = read_environment(file, project.name)
    return file, {full_key(key, project.name).removeprefix(f"{project.name}:"): value for key, value in written.items()}


def _place(file: Path, config: Mapping[str, Any], root: Path, project: str) -> _Place:
    """Where the environment is.

    Raises:
        SpecError: the file does not say, or says something else.
    """
    said = {key: config[key] for key in ("cloud", "account", "region") if config.get(key) is not None}
    place, mistakes = read(_Place, said)
    if place is None or mistakes:
        shown = relative(root, file)
        raise SpecError(located(mistakes, file.read_text(encoding="utf-8"), shown, project), shown)
    return place
