"""The programs of a local control plane: one table of what is built, and which of the machine's own serve instead."""

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from springtide.local.builds.toolchain import MODULES, BuildError, Version, numbers, shown, target
from springtide.tools import ThisMachine

_KUBERNETES = (
    # Without them a server calls itself v0.0.0, and clients that check versions refuse it.
    "k8s.io/component-base/version.gitVersion=v{version}",
    "k8s.io/component-base/version.gitMajor={major}",
    "k8s.io/component-base/version.gitMinor={minor}",
)
_ANSWER_SECONDS = 10.0
_LEGIBLE = 12
"""Digits of a digest that folders are named by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a first build takes, unoptimised and in the table's order: each finds what those before it left.

    Measured with Go 1.26.8 on 2 cores; disk in MiB.
    """

    seconds: int
    """Time, downloads included."""

    downloaded: int
    """Sources, in Go's module cache."""
    compiled: int
    """Packages, in Go's build cache."""
    size: int
    """The program itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that is built here.

    Attributes:
        name: Its command.
        module: Module whose version it has.
        package: Its main package.
        folder: Folder of `tools` whose go.mod pins it.
        needs: Disk for a first build.
        variables: Variables of its code that are set to the version when it is linked.
        answer: What it says to `--version`. None: it says nothing, and is never taken from the PATH.
        since: Oldest version that serves in its place; by default, any of the same minor version.
    """

    name: str
    module: str
    package: str
    folder: str
    needs: Needs
    variables: tuple[str, ...] = ()
    answer: str | None = None
    since: Version | None = None

    @property
    def version(self) -> Version:
        """The version that is built, as go.mod pins it."""
        return pinned(self.folder, self.module)

    @property
    def label(self) -> str:
        """Its name and version; what we wrote ourselves has none."""
        return f"{self.name} {shown(self.version)}" if any(self.version) else self.name

    def flags(self, *, optimised: bool) -> list[str]:
        """Flags of the build. Not optimised, it is made in two thirds of the time, and does as well on one machine."""
        major, minor, *_ = self.version
        stated = [item.format(version=shown(self.version), major=major, minor=minor) for item in self.variables]
        linked = ["-ldflags", " ".join(["-s -w", *(f"-X {item}" for item in stated)])]
        return linked if optimised else ["-gcflags", "all=-N -l", *linked]

    def serves(self, version: Version) -> bool:
        """Whether a program of that version does what ours does."""
        if self.since is not None:
            return self.since <= version and version[0] == self.version[0]
        return version[:2] == self.version[:2]

    def place(self, cache: Path, *, optimised: bool) -> Path:
        """Where it lies when it is built. What it is built from and how is part of the path, so what is there fits."""
        made_of = [contents(self.folder), self.package, *self.flags(optimised=optimised), *target()]
        return cache / "tools" / self.name / digest(made_of) / self.name


def _kubernetes(name: str, needs: Needs) -> Program:
    return Program(
        name=name,
        module="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        folder="cluster",
        needs=needs,
        variables=_KUBERNETES,
        answer=r"Kubernetes v(\d+\.\d+\.\d+)",
    )


def _keda(name: str, package: str, needs: Needs) -> Program:
    module = "github.com/kedacore/keda/v2"
    stated = (f"{module}/version.Version={{version}}",)
    return Program(
        name=name, module=module, package=f"{module}/cmd/{package}", folder="keda", needs=needs, variables=stated
    )


_ALL = (
    _kubernetes("kube-apiserver", Needs(seconds=253, downloaded=600, compiled=1900, size=120)),
    Program(
        name="kwok",
        module="sigs.k8s.io/kwok",
        package="sigs.k8s.io/kwok/cmd/kwok",
        folder="cluster",
        needs=Needs(seconds=22, downloaded=50, compiled=100, size=75),
        answer=r"kwok version v(\d+\.\d+\.\d+)",
    ),
    _kubernetes("kube-controller-manager", Needs(seconds=76, downloaded=0, compiled=530, size=110)),
    _kubernetes("kube-scheduler", Needs(seconds=5, downloaded=30, compiled=20, size=85)),
    Program(
        name="karpenter",
        module="sigs.k8s.io/karpenter",
        package="sigs.k8s.io/karpenter/kwok",
        folder="cluster",
        needs=Needs(seconds=16, downloaded=15, compiled=200, size=50),
        variables=("sigs.k8s.io/karpenter/pkg/operator.Version={version}",),
    ),
    Program(
        name="etcd",
        module="go.etcd.io/etcd/server/v3",
        package="go.etcd.io/etcd/server/v3",
        folder="cluster",
        needs=Needs(seconds=6, downloaded=5, compiled=60, size=35),
        answer=r"etcd Version: (\d+\.\d+\.\d+)",
        since=(3, 4),  # Debian 12's, 3.4.23, was run with this API server
    ),
    _kubernetes("kubelet", Needs(seconds=11, downloaded=80, compiled=130, size=100)),
    Program(
        name="pause",
        module="springtide.local/pause",
        package="springtide.local/pause",
        folder="pause",
        needs=Needs(seconds=5, downloaded=0, compiled=40, size=2),
    ),
    _keda("keda-operator", "operator", Needs(seconds=223, downloaded=1400, compiled=2300, size=200)),
    _keda("keda-adapter", "adapter", Needs(seconds=41, downloaded=30, compiled=400, size=150)),
)
PROGRAMS = {program.name: program for program in _ALL}
"""In the order that builds fastest: the API server's packages serve nearly all of the others."""


def on_path(program: Program) -> Path | None:
    """The machine's own, where its version fits. One that is silent, fails, hangs or is another program does not."""
    where = shutil.which(program.name)
    if where is None:
        return None
    version = answered(program, Path(where))
    return Path(where) if version is not None and program.serves(version) else None


def answered(program: Program, path: Path) -> Version | None:
    """The version that a program says of itself; None where it says none as ours says it."""
    if program.answer is None:
        return None
    answer = ThisMachine(limit_seconds=_ANSWER_SECONDS).ask(str(path), "--version")
    said = re.match(program.answer, answer.out)
    return numbers(said[1]) if answer.good and said is not None else None


def chosen(wanted: Sequence[str]) -> list[Program]:
    """The programs of these names, in the order that builds fastest.

    Raises:
        BuildError: a name is none of ours.
    """
    unknown = sorted(set(wanted) - set(PROGRAMS))
    if unknown:
        raise BuildError(f"nothing is built under the name {', '.join(unknown)}", f"Names are {', '.join(PROGRAMS)}.")
    return [program for name, program in PROGRAMS.items() if name in wanted]


def first(program: Program) -> Program:
    """The program of the same go.mod that is built first, and whose packages most of the others share."""
    return next(item for item in _ALL if item.folder == program.folder)


def pinned(folder: str, module: str) -> Version:
    """The version of a module that a go.mod requires; one of our own, which needs none, is 0.0.0."""
    text = (MODULES / folder / "go.mod").read_text()
    found = re.search(rf"^\s*{re.escape(module)} v(\d+\.\d+\.\d+)\b", text, re.MULTILINE)
    return (0, 0, 0) if found is None else numbers(found[1])


def contents(folder: str) -> str:
    """What lies in a folder of `tools`: every version and checksum, and sources of ours."""
    files = sorted(file for file in (MODULES / folder).iterdir() if file.is_file())
    return digest([f"{file.name}\n{file.read_text()}" for file in files])


def digest(parts: Sequence[str]) -> str:
    """A short name for what parts say together."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_LEGIBLE]
