"""Builds that go on while an environment is already up: a process of its own, which `down` can end.

python -m springtide.local.builds.background --cache FOLDER NAME… [--then COMMAND…]
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console

from springtide.local.builds import compiler
from springtide.local.builds.binaries import binaries
from springtide.local.builds.programs import chosen
from springtide.local.builds.toolchain import BuildError
from springtide.local.home import Home
from springtide.local.plane.process import spawn
from springtide.local.progress import Terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """A build in the background.

    Attributes:
        pid: Its process.
        began: When that process began, in seconds since 1970: other processes get the same number one day.
        names: What it builds.
        log: What it says.
    """

    pid: int
    began: float
    names: tuple[str, ...]
    log: Path

    @property
    def process(self) -> psutil.Process | None:
        """The process, while it works."""
        try:
            process = psutil.Process(self.pid)
            ours = process.create_time() == self.began and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if ours else None


def build_in_background(
    home: Home, names: Sequence[str], *, optimised: bool = False, then: Sequence[str] = ()
) -> Background:
    """Build programs in a process of its own, which outlives us. One that works already is left to it.

    Args:
        home: The environment that waits for them. Two environments share the cache: the second's process waits for
            the first's, and goes on in its place where that one is stopped.
        names: Names of programs.
        optimised: As for `build.binaries`.
        then: Command that the process becomes when all are built: what joins them to a running environment.

    Raises:
        BuildError: a name is none of ours.
    """
    chosen(names)
    found = background(home)
    if found is not None and found.process is not None:
        return found
    words = [sys.executable, "-m", "springtide.local.builds.background", "--cache", str(home.cache), *names]
    words += ["--optimised"] if optimised else []
    words += ["--then", *then] if then else []
    home.logs.mkdir(parents=True, exist_ok=True)
    log = home.logs / "build.log"
    log.unlink(missing_ok=True)
    pid = spawn(words, os.environ, log)
    made = Background(pid=pid, began=psutil.Process(pid).create_time(), names=tuple(names), log=log)
    part = _record(home).with_suffix(".part")
    part.write_text(json.dumps({**asdict(made), "log": str(log)}))
    part.rename(_record(home))
    return made


def background(home: Home) -> Background | None:
    """The environment's build in the background, at work or at its end; None where none was begun."""
    try:
        said = json.loads(_record(home).read_text())
        return Background(pid=said["pid"], began=said["began"], names=tuple(said["names"]), log=Path(said["log"]))
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None


def stop_building(home: Home) -> bool:
    """End the environment's build in the background, and builds that nobody waits for any more.

    Returns:
        Whether one was at work.
    """
    found = background(home)
    process = None if found is None else found.process
    if process is not None:
        compiler.end(process)
    _record(home).unlink(missing_ok=True)
    compiler.end_abandoned(home.cache)
    return process is not None


def _record(home: Home) -> Path:
    return home.root / "building.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what the words name; the exit status is 1 where that fails, and then the log says why."""
    parser = argparse.ArgumentParser(prog="python -m springtide.local.builds.background")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--optimised", action="store_true")
    parser.add_argument("names", nargs="+")
    parser.add_argument("--then", nargs=argparse.REMAINDER, default=[])
    given = parser.parse_args(arguments)
    console = Console(file=sys.stdout)
    home = Home(environment="", cache=given.cache, root=given.cache)
    try:
        binaries(home, given.names, Terminal(console), optimised=given.optimised)
    except BuildError as error:
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    console.print("built")
    sys.stdout.flush()
    if given.then:
        os.execv(given.then[0], given.then)  # noqa: S606  words of our own caller, no shell
    return 0


if __name__ == "__main__":
    sys.exit(main())
