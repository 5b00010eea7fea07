"""A control plane as processes: started once, started again after any loss, and gone without a trace."""

import os
import signal
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from springtide.local.home import Home, home
from springtide.local.plane import control_plane as plane
from springtide.local.plane.control_plane import ControlPlane
from springtide.local.plane.process import Started

pytestmark = [pytest.mark.local, pytest.mark.enable_socket]
CORE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")


class Silent:
    """Nobody is told."""

    def say(self, text: str) -> None:
        """Nothing."""

    def doing(self, text: str) -> None:
        """Nothing."""


def nothing() -> None:
    """No real node was started."""


@pytest.fixture(scope="module")
def other(springtide_home: Path, built: Mapping[str, Path]) -> Iterator[Home]:
    found = home("other", springtide_home)
    plane.prepare(found, built).start_core(Silent())
    yield found
    plane.stop(found, Silent(), nothing)


def numbers(of: Home) -> dict[str, int]:
    return {name: item.pid for name, item in plane.running(of).items()}


def test_all_of_it_runs_when_start_returns(control_plane: ControlPlane) -> None:
    assert tuple(plane.running(control_plane.home)) == CORE


def test_starting_what_runs_changes_nothing(control_plane: ControlPlane) -> None:
    before = numbers(control_plane.home)
    control_plane.start_core(Silent())
    assert numbers(control_plane.home) == before


def test_keys_are_for_their_owner_alone(control_plane: ControlPlane) -> None:
    secrets = [*control_plane.home.keys.iterdir(), control_plane.home.kubeconfig]
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets} == {0o600}
    assert stat.S_IMODE(control_plane.home.keys.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", CORE)
def test_a_process_that_was_killed_is_started_again_and_the_others_stay(control_plane: ControlPlane, name: str) -> None:
    before = numbers(control_plane.home)
    os.kill(before[name], signal.SIGKILL)
    end = time.monotonic() + 10
    while name not in plane.fallen(control_plane.home) and time.monotonic() < end:
        time.sleep(0.05)
    assert name in plane.fallen(control_plane.home)
    control_plane.start_core(Silent())
    after = numbers(control_plane.home)
    assert after.keys() == before.keys()
    assert {key for key in after if after[key] != before[key]} == {name}


def test_two_environments_stand_side_by_side(control_plane: ControlPlane, other: Home) -> None:
    mine, theirs = numbers(control_plane.home), numbers(other)
    assert set(mine) == set(theirs) == set(CORE)
    assert not set(mine.values()) & set(theirs.values())


def test_stop_leaves_no_process_and_no_file_but_what_was_stored(
    springtide_home: Path, built: Mapping[str, Path]
) -> None:
    found = home("gone", springtide_home)
    plane.prepare(found, built).start_core(Silent())
    found.storage.mkdir()
    (found.storage / "model").write_text("kept")
    started: list[Started] = list(plane.running(found).values())
    found.state.write_text("{ damaged")
    plane.stop(found, Silent(), nothing)
    assert not any(item.alive for item in started)
    assert [file.name for file in found.root.iterdir()] == ["storage"]
    assert (found.storage / "model").read_text() == "kept"


def test_stopping_what_never_was_is_no_error(springtide_home: Path) -> None:
    plane.stop(home("never", springtide_home), Silent(), nothing)
