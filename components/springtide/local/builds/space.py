"""Whether the disk has room for a build, asked before it begins: minutes later it would fail in the middle."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from springtide.local.builds.programs import PROGRAMS, Program
from springtide.local.builds.toolchain import MODULES, BuildError, Go

_MIB = 2**20
_ANSWER_SECONDS = 20.0


def check(go: Go, paid: Sequence[Program], places: Mapping[str, Path]) -> None:
    """Refuse a build that will not fit.

    Args:
        go: Whose caches are filled.
        paid: Programs whose packages are compiled.
        places: Where those will lie that are built, by name.

    Raises:
        BuildError: with the folder, what is needed there, and what is free.
    """
    short = [
        f"{folder} needs {needed} MiB and has {free}"
        for folder, needed in needs(go, paid, places).items()
        if (free := shutil.disk_usage(folder).free // _MIB) < needed
    ]
    if short:
        raise BuildError(
            f"the disk has no room to build {', '.join(places)}: {'; '.join(short)}",
            "Make room there, or name folders elsewhere: SPRINGTIDE_HOME, GOCACHE, GOMODCACHE.",
        )


def needs(go: Go, paid: Sequence[Program], places: Mapping[str, Path]) -> dict[Path, int]:
    """MiB that builds take, under the name of one folder on each file system."""
    mib: dict[int, int] = defaultdict(int)
    folders: dict[int, Path] = {}
    for folder, size in _parts(paid, places, *_caches(go)):
        there = next(item for item in (folder, *folder.parents) if item.exists())
        device = there.stat().st_dev
        mib[device] += size
        folders.setdefault(device, there)
    return {folders[device]: size for device, size in mib.items()}


def _parts(
    paid: Sequence[Program], places: Mapping[str, Path], compiled: Path, downloaded: Path
) -> Iterator[tuple[Path, int]]:
    """What each folder gets."""
    ours, sizes = next(iter(places.values())).parent, [PROGRAMS[name].needs.size for name in places]
    yield compiled, sum(item.needs.compiled for item in paid)
    yield downloaded, sum(item.needs.downloaded for item in paid)
    yield ours, sum(sizes)
    # While one is built, its packages and itself lie there once more.
    yield ours, max((item.needs.compiled for item in paid), default=0) + max(sizes)


def _caches(go: Go) -> tuple[Path, Path]:
    """Where Go keeps compiled packages and sources."""
    answer = go.ask("env", "-json", "GOCACHE", "GOMODCACHE", folder=MODULES, limit_seconds=_ANSWER_SECONDS)
    said = answer.json() if answer.good else None
    if said is None:
        raise BuildError(f"{go.path} does not say where its caches are: {answer.why}", "Let `go env GOCACHE` answer.")
    return Path(said["GOCACHE"]), Path(said["GOMODCACHE"])
