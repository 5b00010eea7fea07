"""Runs a stack's program without engine, cloud or account: the child process of `springtide.offline.record`.

Reads one JSON request from standard input and writes one JSON answer to standard output; what the program prints goes to
standard error. The SDK's state is global, hence a process of its own for each environment.
"""

import asyncio
import contextvars
import gc
import json
import logging
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import pulumi
from pulumi.runtime import Settings, configure, set_all_config
from pulumi.runtime.proto import engine_pb2
from pulumi.runtime.stack import run_in_stack

from springtide.offline.config import secret_keys, texts
from springtide.offline.monitor import Monitor
from springtide.offline.placeholder import WORLDS, marker
from springtide.offline.recording import Recorded, compared
from springtide.offline.validate import validate
from springtide.spec import Finding, finding_text

ORGANIZATION = "organization"
"""What the engine gives a program on a backend that knows no organizations."""

_RARELY: Final = (100_000, 20, 50)
"""Collector thresholds: importing a provider's SDK makes millions of objects that stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to run, and as what."""

    project: str
    stack: str
    root: str
    """Folder of Pulumi.yaml."""
    program: str
    """Folder of the program, or its file; it is the working folder, as under the engine."""
    config: dict[str, Any]
    """Configuration as an environment file holds it."""
    limit_seconds: float
    """Time for each of the two runs."""
    stacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Exports of the stacks that the program may refer to, by name."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The request in the parent's JSON."""
        return cls(**data)


def run(request: Request) -> Recorded:
    """Run the program in both worlds and compare.

    Raises:
        pulumi.RunError: the user can mend it: a bad setting, or something a plan cannot do.
        TimeoutError: an await of the program did not end within the limit.
        Exception: whatever else the program raised.
    """
    loop = asyncio.new_event_loop()  # before anything of the SDK runs: it binds its futures to the loop it finds
    asyncio.set_event_loop(loop)
    os.chdir(_folder(request))
    try:
        one, other = (_run_in(world, request, loop) for world in WORLDS)
    finally:
        loop.close()
    return compared(one, other, secret_config=bool(secret_keys(request.config, request.project)))


def _run_in(world: int, request: Request, loop: asyncio.AbstractEventLoop) -> Monitor:
    """One run in a context of its own, which is where the SDK keeps settings, configuration and root resource."""
    monitor = Monitor(request.project, request.stack, world, request.stacks)
    with _muted() if world else nullcontext():  # a program that is run twice must not be heard twice
        contextvars.copy_context().run(_run_program, monitor, world, request, loop)
    _forget_modules_in(_folder(request))
    gc.collect()  # the SDK's objects know each other; without this two runs take the memory of two
    return monitor


@contextmanager
def _muted() -> Iterator[None]:
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _run_program(monitor: Monitor, world: int, request: Request, loop: asyncio.AbstractEventLoop) -> None:
    config = texts(request.config, request.project, lambda path: marker("config", path, world))
    set_all_config(config, list(secret_keys(request.config, request.project)))
    configure(
        Settings(
            project=request.project,
            stack=request.stack,
            monitor=monitor,
            engine=_Log(),
            dry_run=False,  # as in an update, every output has a value
            organization=ORGANIZATION,
            root_directory=request.root,
        )
    )
    sys.argv = [request.program]
    program = run_in_stack(lambda: _execute(request.program))
    try:
        loop.run_until_complete(asyncio.wait_for(program, request.limit_seconds))
    except TimeoutError:
        count, last = len(monitor.registrations), next(reversed(monitor.registrations), "nothing")
        raise TimeoutError(
            f"the program awaits something that never comes: after {request.limit_seconds:g} s it had registered {count} "
            f"resources, {last} last"
        ) from None


def _execute(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def _folder(request: Request) -> Path:
    program = Path(request.program)
    return program if program.is_dir() else program.parent


def _forget_modules_in(folder: Path) -> None:
    """Let the next run execute the program's own modules again, as it does its `__main__`."""
    inner = [path for path in map(Path, sys.path) if path != folder and path.is_relative_to(folder)]
    for name, module in list(sys.modules.items()):
        file = Path(str(module.__dict__.get("__file__") or ""))
        if file.is_relative_to(folder) and not any(file.is_relative_to(path) for path in inner):
            del sys.modules[name]


def _chain(error: BaseException | None) -> list[BaseException]:
    """An error and those it came from; the SDK raises some that come from themselves."""
    chain: list[BaseException] = []
    while error is not None and not any(error is earlier for earlier in chain):
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _mistake(error: pulumi.RunError) -> dict[str, Any]:
    found = next((e.findings for e in _chain(error) if hasattr(e, "findings")), ())
    return {"mistake": {"message": str(error), "findings": [finding.to_json() for finding in found]}}


def _crash(error: BaseException) -> dict[str, Any]:
    text = "".join(traceback.format_exception(error))
    return {"crash": {"message": f"{type(error).__name__}: {error}", "traceback": text}}


class _Log:
    """Takes the place of the engine's log: says on standard error what no finding will say."""

    def Log(self, request: engine_pb2.LogRequest) -> None:  # noqa: N802  Pulumi's name
        """Print a message, unless it is for the SDK's own authors or a component's finding."""
        if request.severity == engine_pb2.DEBUG or request.message in map(_warning, _told()):
            return
        level = engine_pb2.LogSeverity.Name(request.severity).lower()
        print(f"{level}: {request.message}", file=sys.stderr)  # noqa: T201  the child's standard error is the log

    def RequirePulumiVersion(self, _request: Any) -> None:  # noqa: N802
        """Accept any demand on the CLI's version: there is no CLI here."""


def _warning(finding: Finding) -> str:
    """A finding as `springtide.component.tell` logs it."""
    return finding_text(finding).strip()


def _told() -> list[Finding]:
    """Warnings that Springtide's components gave, once each; found by name, because nothing here imports components."""
    told: list[Finding] = getattr(sys.modules.get("springtide.component"), "told", [])
    return [finding for index, finding in enumerate(told) if finding not in told[:index]]


def answer(request: Request) -> dict[str, Any]:
    """What the child says to a request: what was recorded, or whose fault it is that nothing was."""
    try:
        recorded = run(request)
        warnings = _told()
        start = time.perf_counter()
        # Here and not in the parent, for here the providers' SDKs are already imported.
        validation = validate(recorded.resources)
    except pulumi.RunError as error:
        return _mistake(error)
    except BaseException as error:  # noqa: BLE001  the program is not ours: whatever it raises is its answer
        return _crash(error)
    return {
        "resources": [resource.to_json() for resource in recorded.resources],
        "outputs": recorded.outputs,
        "component_outputs": recorded.component_outputs,
        "warnings": [finding.to_json() for finding in warnings],
        "validation": {
            "findings": [finding.to_json() for finding in validation.findings],
            "coverage": validation.coverage,
            "seconds": time.perf_counter() - start,
        },
    }


def main() -> None:
    """Serve one request."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent says what there is to say of an interrupt
    gc.set_threshold(*_RARELY)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # futures of a failed program are nobody's concern
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        json.dump(answer(Request.from_json(json.load(sys.stdin))), answers, sort_keys=True)


if __name__ == "__main__":
    main()
