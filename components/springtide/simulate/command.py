"""`springtide simulate`: plans, a trace, and what comes of them, in one of three forms."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from springtide.simulate import page, text
from springtide.simulate.figures import figures
from springtide.simulate.find import service_of
from springtide.simulate.mistake import UsageError
from springtide.simulate.options import Options
from springtide.simulate.plans import Planned, planned
from springtide.simulate.replay import replay
from springtide.simulate.report import Report, Side, to_json
from springtide.simulate.service import Service
from springtide.simulate.trace import Trace, read_trace

_SAID = {
    "slots": "slots", "prompt_rate": "prompt_rate", "token_rate": "token_rate", "boot": "boot_seconds",
    "image": "image_seconds", "load": "load_seconds", "deadline": "deadline_seconds", "tail": "tail_seconds",
    "scale": "scale",
}  # fmt: skip
"""Argument of the command → option of the simulation."""


def run(given: argparse.Namespace, folder: Path) -> int:
    """Simulate, and write what came of it.

    Args:
        given: The command's arguments, as `springtide.simulate.arguments` reads them.
        folder: Folder in the project.

    Raises:
        UsageError: nothing was simulated, for the reason that the message gives.
    """
    options = options_of(vars(given))
    names = [given.environment, *([given.against] if given.against is not None else [])]
    _writable(given.out)
    with ThreadPoolExecutor(len(names)) as workers:
        plans = [*workers.map(lambda name: planned(name, folder), names)]
    services = [_service(item, given.service, options) for item in plans]
    trace = read_trace(given.trace, options)
    sides = tuple(_side(service, trace, options) for service in services)
    report = Report(sides=sides, trace=given.trace.name, options=options)
    _write(_FORMS[given.form](report), given.out)
    return 0


def options_of(given: Mapping[str, Any]) -> Options:
    """The options that were said; the others keep their defaults."""
    said = {option: given[name] for name, option in _SAID.items() if given.get(name) is not None}
    return replace(Options(), **said)


def _service(item: Planned, name: str | None, options: Options) -> Service:
    found = service_of(item.plan, item.platform, name, options)
    return replace(found, notes=(*found.notes, *item.notes))


def _side(service: Service, trace: Trace, options: Options) -> Side:
    done = replay(service, trace, tail_seconds=options.tail_seconds)
    return Side(service=service, figures=figures(done, options.deadline_seconds))


def _as_json(report: Report) -> str:
    return json.dumps(to_json(report), indent=2, ensure_ascii=False) + "\n"


_FORMS: dict[str, Callable[[Report], str]] = {"text": text.render, "html": page.render, "json": _as_json}


def _writable(out: Path | None) -> None:
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise UsageError(f"{out} cannot be written: {'it is a folder' if out.is_dir() else 'no such folder'}")


def _write(content: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(content)
        return
    try:
        out.write_text(content, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error
