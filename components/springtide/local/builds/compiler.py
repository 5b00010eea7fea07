"""One run of the compiler: watched, ended with its caller, and explained where it fails."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from springtide.local.builds.programs import Program
from springtide.local.builds.toolchain import MODULES, BuildError, Go
from springtide.local.lock import held

_LOOK_SECONDS = 1.0
"""How often who waits hears of it."""
_DIES_SECONDS = 10.0
_LINES = 8
"""Last lines of a log that an error shows."""
_NOISE = "go: downloading "


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a build fails.

    Attributes:
        said: What Go's words hold then, a pattern.
        means: What that means.
        fix: What to do.
    """

    said: str
    means: str
    fix: str


CAUSES = (
    Cause(
        said=r"dial tcp|no such host|i/o timeout|TLS handshake|proxyconnect|connection (reset|refused)|x509:"
        r"|GOPROXY=off|unexpected EOF|(403|404|407|410|429|50\d) [A-Z]",
        means="its modules could not be downloaded",
        fix="Let Go reach its module proxy: `go env GOPROXY` names it; HTTPS_PROXY leads through a proxy of yours. "
        "Then run this again: what came so far is kept.",
    ),
    Cause(
        said=r"no space left on device|disk quota exceeded",
        means="the disk is full",
        fix="Make room and run this again: what was compiled so far is kept. "
        "SPRINGTIDE_HOME, GOCACHE and GOMODCACHE name other folders.",
    ),
    Cause(
        said=r"signal: killed|cannot allocate memory|out of memory",
        means="the memory did not suffice",
        fix="Let 3 GiB be free, or run this again with GOGC=50 and GOMAXPROCS=1: slower, and smaller.",
    ),
    Cause(
        said=r"checksum mismatch|SECURITY ERROR",
        means="a module is not the one whose checksum is pinned",
        fix="Run `go clean -modcache`, and ask who runs your module proxy why it serves other content.",
    ),
    Cause(
        said=r"permission denied|read-only file system|operation not permitted",
        means="a file cannot be written",
        fix="Let the folders of `go env GOCACHE GOMODCACHE` and our cache be yours; SPRINGTIDE_HOME moves ours.",
    ),
)
"""The first that fits is told."""
_OTHERWISE = Cause(
    said="",
    means="it does not compile",
    fix="Please report the log: these versions are pinned, and built together before.",
)


def build(program: Program, out: Path, go: Go, flags: Sequence[str], tell: Callable[[], None]) -> None:
    """Build a program.

    Args:
        program: Which.
        out: File that becomes it; the log and the compiler's own files lie beside it.
        go: The toolchain.
        flags: Flags of the build.
        tell: Called every second.

    Raises:
        BuildError: it failed.
    """
    log, work = log_of(out), out.with_name("work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    words = [str(go.path), "build", "-o", str(out), *flags, program.package]
    try:
        # Temporary files are often kept in memory, which is short enough while a linker runs.
        status = _watched(words, MODULES / program.folder, {**go.variables, "GOTMPDIR": str(work)}, log, tell)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if status != 0:
        raise explained(f"{program.name} cannot be built", log.read_text(errors="replace"), log)


def log_of(place: Path) -> Path:
    """The log of a program's build, which lies beside it."""
    return place.with_name("build.log")


def _watched(words: Sequence[str], folder: Path, variables: dict[str, str], log: Path, tell: Callable[[], None]) -> int:
    """Run a command to its end, or to ours."""
    with log.open("w") as out, subprocess.Popen(  # noqa: S603  a list of words, no shell
        words, cwd=folder, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stdout=out, stderr=out
    ) as process:  # fmt: skip
        try:
            while True:
                try:
                    return process.wait(_LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    tell()
        finally:
            if process.returncode is None:
                end(psutil.Process(process.pid))


def explained(what: str, said: str, log: Path | None = None) -> BuildError:
    """What a failure means.

    Args:
        what: What did not come to be.
        said: What Go said.
        log: Where all of it can be read.
    """
    lines = [line for line in said.splitlines() if not line.startswith(_NOISE)]
    cause = next((item for item in CAUSES if re.search(item.said, "\n".join(lines))), _OTHERWISE)
    shown = [*lines[-_LINES:], *([] if log is None else [f"the whole log: {log}"])]
    return BuildError("\n  ".join([f"{what}: {cause.means}", *shown]), cause.fix)


def end_builds(folder: Path) -> None:
    """End builds of a program whose builder is gone, as after a `kill -9`; call it only while no builder can live."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "build" in words and any(word.startswith(f"{folder}/") and word.endswith(".part") for word in words):
            end(process)


def end_abandoned(cache: Path) -> None:
    """End every build into a cache that nobody waits for any more."""
    for folder in (cache / "tools").glob("*/"):
        if not held(folder / "lock"):
            end_builds(folder)


def end(process: psutil.Process) -> None:
    """End a process and all that it started, at once."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=_DIES_SECONDS)
