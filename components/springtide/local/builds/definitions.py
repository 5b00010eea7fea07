"""Custom resource definitions of Karpenter and KEDA, from the modules that their programs are built from."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from springtide.local.builds import compiler
from springtide.local.builds.programs import contents, digest
from springtide.local.builds.toolchain import MODULES, Go
from springtide.local.lock import alone
from springtide.local.progress import Progress, step

_FETCH_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where definitions come from.

    Attributes:
        folder: Folder of `tools` whose go.mod pins the module.
        module: The module.
        paths: Folders in it whose YAML files are definitions, all of them.
    """

    folder: str
    module: str
    paths: tuple[str, ...]


SOURCES = {
    "karpenter": Source(folder="cluster", module="sigs.k8s.io/karpenter", paths=("pkg/apis/crds", "kwok/apis/crds")),
    "keda": Source(folder="keda", module="github.com/kedacore/keda/v2", paths=("config/crd/bases",)),
}
"""By the folder that they get."""


def definitions(cache: Path, toolchain: Callable[[], Go], progress: Progress) -> Path:
    """The folder with the definitions, filled where it is not there yet.

    Raises:
        BuildError: a module cannot be had.
    """
    place = cache / "tools" / "resource_definitions" / digest([repr(SOURCES), contents("cluster"), contents("keda")])
    if place.exists():
        return place
    with alone(place.parent / "lock", lambda: progress.say("another process copies resource definitions: waiting")):
        if not place.exists():
            with step(progress, "copy resource definitions"):
                _copy(place, toolchain())
    return place


def _copy(place: Path, go: Go) -> None:
    part = place.with_name(f"{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for name, source in SOURCES.items():
        root = _module(source, go)
        (part / name).mkdir(parents=True)
        for file in sorted(file for path in source.paths for file in (root / path).glob("*.yaml")):
            shutil.copyfile(file, part / name / file.name)  # their content alone: Go's copies are read-only
    part.rename(place)


def _module(source: Source, go: Go) -> Path:
    """The folder in which Go keeps a module, downloaded where it is not there; its checksum is the pinned one."""
    folder = MODULES / source.folder
    answer = go.ask("mod", "download", "-json", source.module, folder=folder, limit_seconds=_FETCH_SECONDS)
    said = answer.json() or {}
    if not answer.good or "Dir" not in said:
        complaint = said.get("Error") or answer.err or answer.why
        raise compiler.explained(f"the resource definitions of {source.module} cannot be had", complaint)
    return Path(said["Dir"])
