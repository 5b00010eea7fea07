"""Which environment a command means: its plan, where its files are, and whether it is one of this machine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from springtide.local.home import Home, home
from springtide.offline.goyaml import ConfigError
from springtide.offline.plan import Plan
from springtide.offline.planner import environments, plan_environment, project_root
from springtide.spec import did_you_mean

LOCAL = "local"
"""Name of the cloud that this machine is."""
STOPPED = 1
"""Exit status of a command that something is in the way of."""


class UsageError(Exception):
    """What was asked for cannot be done; the message says what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An environment of this machine.

    Attributes:
        plan: What it is to be.
        home: Where its files are.
        root: Folder of its project.
    """

    plan: Plan
    home: Home
    root: Path

    @property
    def name(self) -> str:
        """The environment's name."""
        return str(self.plan.environment["name"])


def of(environment: str, folder: Path) -> Site:
    """The site of an environment of this machine.

    Args:
        environment: Its name.
        folder: Folder in its project.

    Raises:
        UsageError: there is no such environment, or it is a cloud's.
    """
    root, where = place(environment, folder)
    plan = plan_environment(root, environment)
    cloud = plan.environment.get("cloud")
    if cloud not in {LOCAL, None, ""}:
        raise UsageError(
            f"{environment} is an environment of {cloud}: `pulumi up -s {environment}` brings it up; "
            f"`springtide rehearse {environment}` tries its pools and workloads on this machine"
        )
    return Site(plan=plan, home=where, root=root)


def rehearsed(environment: str, folder: Path, planned: Callable[[Path, str], Plan]) -> Site:
    """A site of its own for a rehearsal: no environment that is up is touched.

    Raises:
        UsageError: there is no such environment.
    """
    root, _ = place(environment, folder)
    return Site(plan=planned(root, environment), home=home(f"{environment}-rehearsal", root), root=root)


def place(environment: str, folder: Path) -> tuple[Path, Home]:
    """Folder of the project, and where the environment's files are; nothing is planned for that.

    Raises:
        UsageError: there is no such environment.
    """
    root = project_root(folder.resolve())
    if root is None:
        raise UsageError(f"no Pulumi.yaml in {folder} or above: run this inside a project")
    _known(environment, root)
    return root, home(environment, root)


def _known(environment: str, root: Path) -> None:
    try:
        known = environments(root)
    except ConfigError as error:
        raise UsageError(str(error)) from error
    if environment not in known:
        hint = did_you_mean(environment, known, "")
        raise UsageError(
            f"no environment {environment!r}: {f'{hint} ' if hint else ''}The project has {', '.join(known) or 'none'}"
        )


def sound(plan: Plan, console: Console) -> bool:
    """Whether nothing stops the plan; what does is told."""
    stopping = [finding for finding in plan.findings if finding.stops]
    for finding in stopping:
        console.print(
            f"  {finding.where or finding.path}  {finding.message} {finding.fix}", highlight=False, markup=False
        )
    if stopping:
        console.print(f"springtide plan {plan.environment['name']} says more.", highlight=False)
    return not stopping


def complain(error: Exception, console: Console) -> None:
    """Tell what is in the way."""
    console.print(f"springtide: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
