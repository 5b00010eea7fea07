"""The programs of the local control plane: found on the PATH, or built once from pinned modules and kept in the cache.

A program lies in a folder that is named by what it is made of, and is moved there whole: what is there is right, a
build that was cut off leaves nothing that anybody takes for a program, and versions do not overwrite each other.
"""

import functools
import math
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from springtide.local.builds import compiler, space
from springtide.local.builds.definitions import definitions
from springtide.local.builds.programs import PROGRAMS, Program, answered, chosen, first, on_path
from springtide.local.builds.toolchain import BuildError, Go, go
from springtide.local.home import Home, home
from springtide.local.lock import alone
from springtide.local.progress import Progress, Terminal, step

_UNUSED_SECONDS = 30 * 24 * 3600.0
"""A program that nothing asked for in that time is removed: one of another version."""

_OPTIMISING = 1.5
"""Times as long as a build takes that does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """What a control plane is started from.

    Attributes:
        paths: Every program that was wanted, by name.
        resource_definitions: Folder with `karpenter/*.yaml` and `keda/*.yaml`.
    """

    paths: Mapping[str, Path]
    resource_definitions: Path


def ready(home: Home, wanted: Sequence[str], *, optimised: bool = False) -> dict[str, Path]:
    """Those of the wanted programs that are there. What we built comes first: it is what runs already.

    Raises:
        BuildError: a name is none of ours.
    """
    places = [(program, program.place(home.cache, optimised=optimised)) for program in chosen(wanted)]
    there = {program.name: place if place.exists() else on_path(program) for program, place in places}
    return {name: path for name, path in there.items() if path is not None}


def binaries(home: Home, wanted: Sequence[str], progress: Progress, *, optimised: bool = False) -> Binaries:
    """Every program that is wanted, built where it is not there.

    Args:
        home: Whose cache keeps them.
        wanted: Names, keys of `programs.PROGRAMS`.
        progress: Who is told.
        optimised: Whether the compiler does its best, which takes half as long again.

    Raises:
        BuildError: something cannot be built, with what to do about it.
    """
    try:
        return _binaries(home, wanted, progress, optimised=optimised)
    except OSError as error:
        raise BuildError(
            f"{error.filename or home.cache} cannot be written: {error.strerror}",
            f"Let {home.cache} be writable and have room, or name another folder in SPRINGTIDE_HOME.",
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A program that is to be built, where, and how."""

    program: Program
    place: Path
    flags: Sequence[str]

    @property
    def begun(self) -> bool:
        """Whether a build was begun before: it left most of the packages in Go's caches."""
        return compiler.log_of(self.place).exists()


def _binaries(home: Home, wanted: Sequence[str], progress: Progress, *, optimised: bool) -> Binaries:
    toolchain = functools.cache(functools.partial(go, home.cache, progress))
    there = ready(home, wanted, optimised=optimised)
    tasks = [
        _Task(
            program=program,
            place=program.place(home.cache, optimised=optimised),
            flags=program.flags(optimised=optimised),
        )
        for program in chosen(wanted)
        if program.name not in there
    ]
    if tasks:
        paid = _paid([task for task in tasks if not task.begun], home.cache, optimised=optimised)
        space.check(toolchain(), paid, {task.program.name: task.place for task in tasks})
        progress.say(_announced(tasks, _paid(tasks, home.cache, optimised=optimised), optimised=optimised))
    resource_definitions = definitions(home.cache, toolchain, progress)
    for number, task in enumerate(tasks, 1):
        _build(task, toolchain(), progress, f"build {task.program.name} ({number} of {len(tasks)})")
    paths = {**there, **{task.program.name: task.place for task in tasks}}
    _keep(home.cache, [resource_definitions, *(path.parent for path in paths.values())])
    return Binaries(paths={name: paths[name] for name in wanted}, resource_definitions=resource_definitions)


def _paid(tasks: Sequence[_Task], cache: Path, *, optimised: bool) -> list[Program]:
    """Programs whose packages are compiled: those that are built, and those whose packages these share."""
    built = [task.program for task in tasks]
    shared = {first(program).name: first(program) for program in built}.values()
    unbuilt = [item for item in shared if not item.place(cache, optimised=optimised).exists()]
    return [*built, *(item for item in unbuilt if item not in built)]


def _announced(tasks: Sequence[_Task], paid: Sequence[Program], *, optimised: bool) -> str:
    """What is to be built, and how long that takes from nothing."""
    seconds = sum(item.needs.seconds for item in paid) * (_OPTIMISING if optimised else 1)
    listed = ", ".join(task.program.label for task in tasks)
    return f"to build, once, in up to {math.ceil(seconds / 60)} min on 2 cores: {listed}"


def _build(task: _Task, go: Go, progress: Progress, text: str) -> None:
    """Build a program into its place, unless another process does so while we wait for it."""
    part, folder = task.place.with_name(f"{task.place.name}.part"), task.place.parent.parent
    with alone(folder / "lock", lambda: progress.say(f"{text}: another process builds it, waiting")):
        if task.place.exists():
            return
        compiler.end_builds(folder)
        part.unlink(missing_ok=True)
        task.place.parent.mkdir(exist_ok=True)
        with step(progress, text):
            compiler.build(task.program, part, go, task.flags, lambda: progress.doing(text))
        _try(task.program, part)
        part.rename(task.place)


def _try(program: Program, part: Path) -> None:
    """A program that cannot run here is found before anything is started from it."""
    if program.answer is not None and answered(program, part) != program.version:
        raise BuildError(
            f"{part} was built and does not run",
            "See that programs may run on its file system (no `noexec`); SPRINGTIDE_HOME moves the cache elsewhere.",
        )


def _keep(cache: Path, used: Iterable[Path]) -> None:
    """Mark what is used, and remove what nobody used for long."""
    for folder in used:
        if folder.is_relative_to(cache):
            os.utime(folder)
    oldest = time.time() - _UNUSED_SECONDS
    for folder in (cache / "tools").glob("*/*/"):
        if folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Build every program; the exit status is 1 where that fails, and then the reason was told."""
    terminal = Terminal(Console())
    try:
        found = binaries(home("build", Path.cwd()), tuple(PROGRAMS), terminal)
    except BuildError as error:
        terminal.done()
        terminal.console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    terminal.done()
    terminal.console.print(f"{len(found.paths)} programs are built", highlight=False)
    return 0
