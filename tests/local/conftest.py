"""Control planes of this machine for tests: one that a session shares, and a folder for tests that bring up their own."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.local.patience import Silent

from springtide.local.builds.binaries import binaries
from springtide.local.builds.programs import PROGRAMS
from springtide.local.home import HOME, Home, home
from springtide.local.plane import control_plane as plane
from springtide.local.plane.control_plane import ControlPlane


@pytest.fixture(scope="session")
def programs() -> Path:
    """What is built for this machine, wherever tests put their environments."""
    return home("tests", Path("/")).cache


@pytest.fixture(scope="session")
def built(programs: Path) -> Mapping[str, Path]:
    """Every program of the local environment; those that are not there yet are built."""
    return binaries(Home(environment="tests", cache=programs, root=programs), tuple(PROGRAMS), Silent()).paths


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder with a short name: sockets in it need one."""
    with tempfile.TemporaryDirectory(prefix="st-") as found:
        yield Path(found)


@pytest.fixture(scope="session")
def control_plane(short_folder: Path, programs: Path, built: Mapping[str, Path]) -> Iterator[ControlPlane]:
    """Kubernetes itself, and what plays its nodes: for tests that put objects into it and leave it whole."""
    here = Home(environment="tests", cache=programs, root=short_folder / "shared")
    made = plane.prepare(here, built)
    try:
        made.start_core(Silent())
        yield made
    finally:
        plane.stop(here, Silent(), clean=lambda: None)


@pytest.fixture(scope="module")
def springtide_home(programs: Path, built: Mapping[str, Path]) -> Iterator[Path]:  # noqa: ARG001  it is built before its folder moves
    """A folder for `SPRINGTIDE_HOME`, with what is built already. Sockets in it need a short name."""
    folder = Path(tempfile.mkdtemp(prefix="st-"))
    (folder / "cache").symlink_to(programs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME, str(folder))
        yield folder
    shutil.rmtree(folder)
