"""`springtide doctor`: what of this machine and account keeps an environment from being deployed, each with its fix."""

import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from springtide import bootstrap, settings
from springtide.doctor import engine, tools
from springtide.doctor.model import Check, Row, State, good, unknown, wrong
from springtide.doctor.once import Once
from springtide.offline.command import QUIET_SECONDS
from springtide.offline.config import read_project
from springtide.offline.report import printable
from springtide.spec import SpecError
from springtide.target import Target, find
from springtide.tools import Machine, ThisMachine

LIMIT_SECONDS = 15.0
"""Time for one answer: a command line that asks its cloud takes a few."""
_STYLES = {State.GOOD: "green", State.LATER: "yellow", State.UNKNOWN: "yellow", State.WRONG: "bold red"}


def run(environment: str, folder: Path, console: Console, machine: Machine | None = None, form: str = "text") -> int:
    """Check everything, print what was found.

    Args:
        environment: Name of the environment.
        folder: Folder in the project.
        console: Where the table goes.
        machine: What is looked at. Default: this machine.
        form: `text`, a table, or `json`, for programs.

    Returns:
        1 when something that a deployment needs is missing, else 0.

    Raises:
        springtide.target.UsageError: there is no such environment, or its file does not say where it is.
    """
    target = find(environment, folder)
    rows = examine(target, ThisMachine(limit_seconds=LIMIT_SECONDS) if machine is None else machine)
    if form == "json":
        console.file.write(json.dumps(data(target, rows), indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    else:
        console.print(table(target, rows))
        console.print(Text(verdict(target, rows)))
    return int(bool(_named(rows, State.WRONG)))


def examine(target: Target, machine: Machine) -> list[Row]:
    """What every check says, in their order; they run side by side, and whoever waits is told for which."""
    every, asked = [*engine.CHECKS, *_of_cloud(target.cloud), *tools.CHECKS], Once(machine=machine)
    with ThreadPoolExecutor(len(every)) as pool:
        answers = {pool.submit(_asked, check, asked, target): check for check in every}
        first = file(target)
        _watch(answers)
        return [*first, *(row for answer in answers for row in answer.result())]


def verdict(target: Target, rows: Sequence[Row]) -> str:
    """What it comes to, in a sentence; what nobody could tell is not passed over."""
    bad, open_ = _named(rows, State.WRONG), _named(rows, State.UNKNOWN)
    rest = f"; cannot tell: {', '.join(open_)}" if open_ else ""
    if bad:
        return f"{target.name} cannot be deployed from here: {', '.join(bad)}{rest}"
    return f"{target.name}: nothing is known to be missing{rest}" if rest else f"{target.name}: all set"


def data(target: Target, rows: Sequence[Row]) -> dict[str, Any]:
    """What was found, for programs."""
    place = {key: getattr(target, key) for key in ("name", "cloud", "account", "region", "platform")}
    return {"environment": place, "deployable": not _named(rows, State.WRONG), "checks": [asdict(row) for row in rows]}


def file(target: Target) -> Sequence[Row]:
    """The file, all of it: an environment's, or a bootstrap stack's, which alone says whose workflows are trusted.

    What is wrong in it is the plan's to say.
    """
    project = read_project(target.root).name
    try:
        if "github" in target.config:
            bootstrap.parse(target.name, target.config)
        else:
            settings.parse(target.name, target.config, lambda name: settings.neighbour(target.root, name, project))
    except SpecError as error:
        return wrong("file", f"{target.shown}: {str(error).splitlines()[0]}", f"springtide plan {target.name}")
    return good("file", target.shown)


def table(target: Target, rows: Sequence[Row]) -> Table:
    """What was found, for people. What programs said is shown as it is: none of it is markup, or steers a terminal."""
    made = Table(title=f"{target.name} · {target.cloud} · {target.region} · {target.account}", title_justify="left")
    for name in ("", "found", "fix"):
        made.add_column(name, overflow="fold")
    made.add_column("", justify="right", no_wrap=True)
    for row in rows:
        words = (Text(printable(text)) for text in (row.check, row.found, row.fix))
        made.add_row(*words, Text(row.state.value, style=_STYLES[row.state]))
    return made


def _of_cloud(cloud: str) -> Sequence[Check]:
    """The checks of a cloud; a cloud is found by its file being here."""
    if cloud not in {module.name for module in iter_modules(__path__)}:
        return [lambda _machine, _target: unknown("account", f"nothing here can look at an account of {cloud}")]
    checks: tuple[Check, ...] = import_module(f"{__name__}.{cloud}").CHECKS
    return checks


def _named(rows: Sequence[Row], state: State) -> list[str]:
    """The checks that came out so, each once."""
    return list(dict.fromkeys(row.check for row in rows if row.state is state))


def _watch(answers: Mapping[Future[Sequence[Row]], Check]) -> None:
    """Say after a while whose answers are still to come."""
    late = wait(answers, timeout=QUIET_SECONDS).not_done
    if late:
        names = ", ".join(_title(check) for answer, check in answers.items() if answer in late)
        sys.stderr.write(f"asking: {names} …\n")


def _title(check: Check) -> str:
    """A check for who waits: `aws account` for `account` of the module `aws`."""
    return f"{check.__module__.rpartition('.')[2]} {check.__name__}".replace("_", " ")


def _asked(check: Check, machine: Machine, target: Target) -> Sequence[Row]:
    """What a check says. Programs change what they answer; no check may take the others down."""
    try:
        return check(machine, target)
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        name = check.__name__.replace("_", " ")
        return unknown(name, f"an answer that this version does not understand ({type(error).__name__}: {error})")
