"""Whether pods can really run here: each thing that is missing is told with what brings it."""

from pathlib import Path

import pytest

from springtide.local.real.ability import Surroundings, lacking


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ptp", "host-local"):
        (tmp_path / name).touch()
    return tmp_path


def here(folder: Path, *, platform: str = "linux", user_id: int = 0, without: str = "") -> Surroundings:
    return Surroundings(
        platform=platform,
        user_id=user_id,
        which=lambda name: None if name == without else f"/usr/bin/{name}",
        plugin_folders=[folder],
    )


def test_a_machine_with_everything_lacks_nothing(folder: Path) -> None:
    assert lacking(here(folder)) == ()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"platform": "darwin"}, "containers need Linux"),
        ({"user_id": 1000}, "sudo"),
        ({"without": "containerd"}, "containerd not found: apt-get install containerd"),
        ({"without": "runc"}, "runc not found: apt-get install"),
    ],
)
def test_what_is_missing_is_told_with_what_brings_it(folder: Path, said: dict[str, object], reason: str) -> None:
    [found] = lacking(here(folder, **said))  # type: ignore[arg-type]
    assert reason in found


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    assert len(lacking(here(tmp_path, user_id=1000, without="runc"))) == 3
