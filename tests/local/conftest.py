"""A control plane of this machine for tests, built once and shared by the tests of a module."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from springtide.local.build import binaries
from springtide.local.home import HOME, Home, home
from springtide.local.plane import control_plane as plane
from springtide.local.plane.control_plane import ControlPlane
from springtide.local.programs import PROGRAMS
from springtide.local.real import node


class Silent:
    """Nobody is told."""

    def say(self, text: str) -> None:
        """Nothing."""

    def doing(self, text: str) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def built() -> Mapping[str, Path]:
    """Every program of the local environment; those that are not there yet are built."""
    return binaries(home("tests", Path("/")), tuple(PROGRAMS), Silent()).paths


@pytest.fixture(scope="module")
def springtide_home(built: Mapping[str, Path]) -> Iterator[Path]:  # noqa: ARG001  it is built before its folder moves
    """A folder for `SPRINGTIDE_HOME`, with what is built already. Sockets in it need a short name."""
    folder = Path(tempfile.mkdtemp(prefix="st-"))
    (folder / "cache").symlink_to(home("tests", Path("/")).cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME, str(folder))
        yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def here(springtide_home: Path) -> Iterator[Home]:
    """Folders of an environment; whatever runs in them at the end is stopped."""
    found = home("tests", springtide_home)
    yield found
    plane.stop(found, Silent(), clean=lambda: node.clean(found, Silent()))


@pytest.fixture(scope="module")
def control_plane(here: Home, built: Mapping[str, Path]) -> ControlPlane:
    """Kubernetes itself, and what plays its nodes."""
    made = plane.prepare(here, built)
    made.start_core(Silent())
    return made
