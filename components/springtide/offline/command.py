"""`springtide plan`: which environments, planned side by side, compared with a base, written in one of four forms."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, replace
from difflib import get_close_matches
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TextIO

from springtide.lines import located
from springtide.offline import markdown, page, text, upgrade
from springtide.offline.base import BasePlans, BaseRefError, plan_base
from springtide.offline.cost import estimate
from springtide.offline.diff import compare
from springtide.offline.goyaml import ConfigError
from springtide.offline.plan import Plan
from springtide.offline.planner import Attempt, attempt, environments, project_root
from springtide.offline.report import Base, Report, printable, verdict

QUIET_SECONDS = 2.0
"""How long a plan may take before the command says what it is doing."""
_WHATEVER_ELSE = "backslashreplace"
"""How a file's name that is no UTF-8 is written: as JSON would."""
_COLUMNS = 100
"""Width of text that goes to no terminal."""


class UsageError(Exception):
    """What was asked for cannot be done; the message says what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What `springtide plan` was asked for."""

    environments: tuple[str, ...]
    every: bool = False
    """All environments of the project; the plan is then a list, however many there are."""
    form: str = "text"
    base: str | None = None
    out: Path | None = None


def run(request: Request, folder: Path) -> int:
    """Plan, and write the plan to standard output or to a file.

    Args:
        request: What was asked for.
        folder: Folder in the project.

    Returns:
        1 when a finding stops an environment, else 0.

    Raises:
        UsageError: nothing was planned, for the reason that the message gives.
    """
    root = project_root(folder.resolve())
    if root is None:
        raise UsageError(f"no Pulumi.yaml in {folder} or above: run this inside a project")
    try:
        names = chosen(request, environments(root))
    except ConfigError as error:
        raise UsageError(str(error)) from error
    _writable(request.out)
    attempts, base = _plan_and_compare(root, names, _base_of(request))
    plans = [stepping(item.plan, base, root) for item in attempts]
    _write(_content(request, plans, base), request.out)
    _say(
        *(
            f"{name}: the program failed\n{item.traceback}"
            for name, item in zip(names, attempts, strict=True)
            if item.traceback
        )
    )
    if request.out is not None:
        _say(*map(verdict, plans))
    return int(any(finding.stops for plan in plans for finding in plan.findings))


def chosen(request: Request, known: Sequence[str]) -> tuple[str, ...]:
    """The environments to plan, each once.

    Raises:
        UsageError: one of them does not exist, or none was named where there are several.
    """
    if not known:
        raise UsageError("this project has no environments: add a file Pulumi.<name>.yaml where Pulumi.yaml says")
    if request.every and request.environments:
        raise UsageError("name environments or say --all, not both")
    if request.every:
        return tuple(known)
    if not request.environments:
        if len(known) > 1:
            raise UsageError(f"which environment? Name one or more of {', '.join(known)}, or say --all")
        return tuple(known)
    for name in request.environments:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"no environment {name!r}: {hint}The project has {', '.join(known)}")
    return tuple(dict.fromkeys(request.environments))


def _base_of(request: Request) -> str | None:
    if request.base is not None and request.form == _DATA:
        _say("a plan's JSON holds no comparison: --base is left aside")
        return None
    return request.base


def _content(request: Request, plans: Sequence[Plan], base: BasePlans | None) -> str:
    """The plans in the form asked for."""
    if request.form == _DATA:
        data = [plan.to_json() for plan in plans]
        several = request.every or len(plans) > 1
        return json.dumps(data if several else data[0], indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    reports = [Report.of(plan, None if base is None else _joined(plan, base)) for plan in plans]
    return _RENDERINGS[request.form](reports, _Reader.of(request.out))


def _plan_and_compare(root: Path, names: Sequence[str], ref: str | None) -> tuple[list[Attempt], BasePlans | None]:
    """The plans in the order of their names, and the base's, all at the same time.

    Raises:
        UsageError: the reference is no commit.
    """
    with _workers(len(names)) as workers, ThreadPoolExecutor(1) as beside:
        tasks: dict[str, Future[Attempt]] = {name: workers.submit(attempt, root, name) for name in names}
        compared = None if ref is None else beside.submit(plan_base, root, ref, names)
        _watch({**tasks, **({} if compared is None else {f"base {ref}": compared})})
        try:
            return [task.result() for task in tasks.values()], None if compared is None else compared.result()
        except BaseRefError as error:
            raise UsageError(str(error)) from error


def _workers(count: int) -> Executor:
    """One process per environment, as many at once as there are processors; a single one needs no second process."""
    most = min(count, os.cpu_count() or 1)
    if count == 1:
        return ThreadPoolExecutor(1)
    # An interrupt reaches every process of a terminal, and one of them is enough to speak of it.
    return ProcessPoolExecutor(
        most, mp_context=get_context("spawn"), initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_DFL)
    )


def _watch(tasks: Mapping[str, Future[Any]]) -> None:
    """Wait for everything; whatever takes long is named once when it has, and again when it is done."""
    start = time.perf_counter()
    pending = wait(tasks.values(), timeout=QUIET_SECONDS).not_done
    slow = {task: name for name, task in tasks.items() if task in pending}
    if slow:
        _say(f"planning {', '.join(slow.values())} …")
    for task in as_completed(slow):
        _say(f"{slow[task]}: {time.perf_counter() - start:.1f} s")


def stepping(plan: Plan, base: BasePlans | None, root: Path) -> Plan:
    """The plan with what is wrong about the step from its base."""
    before = None if base is None else base.plans.get(plan.environment["name"])
    found = () if before is None else upgrade.findings(before, plan)
    if not found:
        return plan
    file = plan.environment["file"]
    text_of_file = (root / file).read_text(encoding="utf-8")
    return replace(
        plan, findings=(*plan.findings, *located(found, text_of_file, file, plan.environment["project"]))
    )  # fmt: skip


def _joined(plan: Plan, base: BasePlans) -> Base:
    """A plan's base, or why there is none."""
    name = plan.environment["name"]
    before = base.plans.get(name)
    if base.note:
        return Base(ref=base.ref, note=base.note)
    if not plan.resources:
        return Base(ref=base.ref, note="this plan is stopped before anything is registered")
    if before is None:
        return Base(ref=base.ref, comparison=compare(None, plan))
    if not before.resources:
        why = next((finding.message for finding in before.findings if finding.stops), "nothing is registered there")
        return Base(ref=base.ref, note=f"the base's own plan is stopped: {why}")
    try:
        comparison = compare(before, plan)
        rolls = (*upgrade.order(before, plan, comparison), *upgrade.rolled(plan, comparison))
        return Base(ref=base.ref, comparison=comparison, cost=estimate(before), rolls=rolls)
    except ValueError as error:
        return Base(ref=base.ref, note=str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Who reads text: how wide their window is, and whether it shows colour."""

    width: int
    color: bool

    @classmethod
    def of(cls, out: Path | None) -> "_Reader":
        terminal = out is None and sys.stdout.isatty()
        dumb = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        width = shutil.get_terminal_size((_COLUMNS, 24)).columns if out is None else _COLUMNS
        return cls(width=width, color=terminal and not dumb)


def _as_text(reports: Sequence[Report], reader: _Reader) -> str:
    return "\n\n".join(text.render(report, width=reader.width, color=reader.color) for report in reports)


def _as_markdown(reports: Sequence[Report], _reader: _Reader) -> str:
    """The comments, within one comment's limit together."""
    limit = markdown.BUDGET // len(reports) - 1
    return "\n".join(markdown.render(report, limit=limit) for report in reports)


def _as_html(reports: Sequence[Report], _reader: _Reader) -> str:
    return page.render(reports)


_RENDERINGS = {"text": _as_text, "markdown": _as_markdown, "html": _as_html}
_DATA = "json"
FORMS = (*_RENDERINGS, _DATA)


def _writable(out: Path | None) -> None:
    """Find out before the work whether its result can be kept.

    Raises:
        UsageError: it cannot.
    """
    if out is None:
        return
    if out.is_dir():
        raise UsageError(f"{out} is a folder: name a file")
    target = out if out.exists() else out.absolute().parent
    if not os.access(target, os.W_OK):
        raise UsageError(f"{out} cannot be written: {'no such folder' if not target.exists() else 'permission denied'}")


def _write(content: str, out: Path | None) -> None:
    if out is None:
        _utf8(sys.stdout).write(content)
        return
    try:
        out.write_text(content, encoding="utf-8", errors=_WHATEVER_ELSE)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error


def _utf8(stream: TextIO) -> TextIO:
    """The stream in UTF-8, whatever the machine's locale says: plans hold more than ASCII."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8", errors=_WHATEVER_ELSE)
    return stream


def _say(*lines: str) -> None:
    """Tell people what is going on, apart from the plan itself."""
    for line in lines:
        _utf8(sys.stderr).write("\n".join(map(printable, line.splitlines())) + "\n")
