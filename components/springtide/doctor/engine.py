"""Pulumi on this machine: the command line, what it runs programs with, its plugins, and where it keeps state."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from springtide.doctor.model import Check, Row, good, later, shown, unanswered, unknown, version_in, wrong
from springtide.target import Target
from springtide.tools import ABSENT, Machine

FLOOR = (3, 259, 0)
"""The oldest command line that the plan was compared with (tests/engine)."""
LANGUAGE_HOST = "pulumi-language-python"
_INSTALL = "install it as pulumi.com/docs/install says"
_LOCAL = "file://"


def command_line(machine: Machine, _target: Target) -> Sequence[Row]:
    """The Pulumi CLI, new enough."""
    answer = machine.ask("pulumi", "version")
    if answer.status == ABSENT:
        return wrong("pulumi", "not on the PATH", _INSTALL)
    found = version_in(answer.out)
    if not found:
        return unknown("pulumi", answer.why if not answer.good else "it says no version", _INSTALL)
    if found < FLOOR:
        return wrong("pulumi", f"{shown(found)}; {shown(FLOOR)} is the oldest that was tried", _INSTALL)
    return good("pulumi", shown(found))


def language_host(machine: Machine, target: Target) -> Sequence[Row]:
    """What the CLI runs Python programs with, and the virtual environment that it takes for that."""
    pulumi = machine.find("pulumi")
    beside = [] if pulumi is None else [Path(pulumi).parent, Path(pulumi).resolve().parent]
    places = [*filter(None, [machine.find(LANGUAGE_HOST)]), *(str(at / LANGUAGE_HOST) for at in beside)]
    there = next((place for place in places if Path(place).is_file()), None)
    if there is None:
        return wrong(LANGUAGE_HOST, "neither on the PATH nor beside pulumi", f"it comes with pulumi: {_INSTALL}")
    python = _python(target.root)
    if python is not None and not python.exists():
        return wrong(
            LANGUAGE_HOST, f"the project's {python.parent.parent.name} has no Python", "make plan: it sets that up"
        )
    return good(LANGUAGE_HOST, there)


def plugins(machine: Machine, target: Target) -> Sequence[Row]:
    """The providers' plugins, in the versions of the SDKs that the program imports."""
    wanted = {name: needed for name in (target.cloud, "kubernetes") if (needed := _sdk(name))}
    answer = machine.ask("pulumi", "plugin", "ls", "--json", folder=target.root)
    listed = answer.json()
    if not answer.good or not isinstance(listed, list):
        return unanswered("plugins", "pulumi", answer, "pulumi plugin ls")
    there = {(item.get("name"), item.get("version")) for item in listed if item.get("kind") == "resource"}
    missing = {name: needed for name, needed in wanted.items() if (name, needed) not in there}
    if not missing:
        return good("plugins", ", ".join(f"{name} {needed}" for name, needed in wanted.items()))
    named = ", ".join(f"{name} {needed}" for name, needed in missing.items())
    install = "; ".join(f"pulumi plugin install resource {name} v{needed}" for name, needed in missing.items())
    return later("plugins", f"not installed: {named}", f"the first `pulumi up` fetches them; before that: {install}")


def backend(machine: Machine, target: Target) -> Sequence[Row]:
    """Where state lies, and whether we may read it."""
    answer = machine.ask("pulumi", "whoami", "--json", "--non-interactive", folder=target.root)
    if answer.status == ABSENT:
        return unanswered("state", "pulumi", answer, "")
    said = answer.json()
    if not answer.good or not isinstance(said, dict):
        return wrong("state", answer.why, "pulumi login BACKEND, which the bootstrap stack gives (docs/bootstrap.md)")
    place = str(said.get("url", "a backend without an address"))
    if place.startswith(_LOCAL):
        return later("state", f"{place}: on this machine alone", "before others deploy: docs/bootstrap.md")
    return good("state", f"{place} as {said.get('user')}")


CHECKS: tuple[Check, ...] = (command_line, language_host, plugins, backend)


def _sdk(name: str) -> str:
    """Version of a provider's SDK; empty where there is none, as for a cloud that needs no provider."""
    try:
        return version(f"pulumi-{name}")
    except PackageNotFoundError:
        return ""


def _python(root: Path) -> Path | None:
    """The interpreter that Pulumi.yaml names by its virtual environment, if it names one."""
    project = yaml.safe_load((root / "Pulumi.yaml").read_text(encoding="utf-8"))
    runtime = project.get("runtime")
    options = runtime.get("options") if isinstance(runtime, dict) else None
    folder = options.get("virtualenv") if isinstance(options, dict) else None
    return None if folder is None else root / str(folder) / "bin" / "python"
