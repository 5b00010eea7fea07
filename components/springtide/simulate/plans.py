"""Plans to simulate: recorded now, or read from a file; what has no image yet is planned with a stand-in."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from springtide.offline.config import full_key, read_environment, read_project
from springtide.offline.goyaml import ConfigError
from springtide.offline.plan import Plan
from springtide.offline.planner import environments, project_root
from springtide.offline.record import ON, MistakeError, ProgramError, record
from springtide.simulate.mistake import UsageError
from springtide.spec.pool import FABRICS

_IMAGES = {"digest": "sha256:" + "0" * 64, "fabrics": [name for name in FABRICS if name not in ("auto", "none")]}
"""Stands for the image that will be pushed."""
_LOCAL = "local"
"""Cloud whose image is made by `springtide up`."""
_NOTE = "No image is pushed yet: the plan is the one that a pushed image will have."


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An environment's plan, and that of the platform it runs on, if that is another."""

    plan: Plan
    platform: Plan | None
    notes: tuple[str, ...] = ()


def planned(name: str, folder: Path) -> Planned:
    """The plan of an environment.

    Args:
        name: Of the environment, or of a file with a plan as JSON.
        folder: Folder in the project.

    Raises:
        UsageError: there is no such environment, or it cannot be planned.
    """
    if name.endswith(".json"):
        return Planned(plan=_read(folder / name), platform=None)
    root = project_root(folder.resolve())
    if root is None:
        raise UsageError(f"no Pulumi.yaml in {folder} or above: run this inside a project")
    try:
        return _planned(name, root)
    except (ConfigError, MistakeError, ProgramError) as error:
        raise UsageError(f"{name} cannot be planned: {error}") from error


def _planned(name: str, root: Path) -> Planned:
    known = environments(root)
    if name not in known:
        raise UsageError(f"no environment {name!r}: the project has {', '.join(known) or 'none'}")
    project = read_project(root)
    given = read_environment(project.environments / f"Pulumi.{name}.yaml", project.name)
    said = {full_key(key, project.name).removeprefix(f"{project.name}:"): value for key, value in given.items()}
    waits = "images" not in said and said.get("cloud") != _LOCAL
    config = {**given, full_key("images", project.name): _IMAGES} if waits else given
    with ThreadPoolExecutor(2) as workers:
        platform = workers.submit(_recorded, str(said[ON]), root, None) if ON in said else None
        plan = _recorded(name, root, config)
        return Planned(
            plan=plan, platform=None if platform is None else platform.result(), notes=(_NOTE,) if waits else ()
        )


def _recorded(name: str, root: Path, config: Mapping[str, Any] | None) -> Plan:
    """What the environment's program registers, with the configuration of its file unless another is given."""
    found = record(root, name, config=config)
    place = {"name": name, "project": found.project}
    return Plan(environment=place, made_with={}, resources=found.resources, outputs=found.outputs)


def _read(file: Path) -> Plan:
    try:
        return Plan.from_json(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{file} holds no plan: write one with `springtide plan ENV --format json`") from error
