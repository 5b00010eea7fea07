"""What is shipped: two wheels of one source tree."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"springtide", "springtide_policies", "springtide_workloads"}


def build(project: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(project)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT / "workloads", tmp_path_factory.mktemp("slim"))


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        files = (name for name in archive.namelist() if ".dist-info/" not in name)
        return {name: archive.read(name) for name in files}


def sources(package: Path) -> set[str]:
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", str(package)],
                            cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()  # fmt: skip
    return {str(Path(name).relative_to(package.parent)) for name in listed}


def test_the_wheel_holds_three_packages_and_nothing_beside_them(whole: Path) -> None:
    assert {name.split("/")[0] for name in contents(whole)} == PACKAGES


@pytest.mark.parametrize(
    "package", ["components/springtide", "policies/springtide_policies", "workloads/springtide_workloads"]
)
def test_the_wheel_ships_every_file_of_a_package_data_included(whole: Path, package: str) -> None:
    assert sources(Path(package)) <= set(contents(whole))


def test_both_wheels_ship_the_same_workloads_byte_for_byte(whole: Path, slim: Path) -> None:
    shared = {name: data for name, data in contents(whole).items() if name.startswith("springtide_workloads/")}
    assert contents(slim) == shared


def test_both_wheels_have_one_version() -> None:
    versions = {
        tomllib.loads((ROOT / place / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        for place in (".", "workloads")
    }
    assert len(versions) == 1


def test_the_slim_wheels_needs_are_those_of_the_torch_and_serve_extras() -> None:
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    slim = tomllib.loads((ROOT / "workloads" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = whole["optional-dependencies"]
    assert sorted(slim["dependencies"]) == sorted([*extras["torch"], *extras["serve"]])


def test_the_wheels_contents_are_sound(whole: Path, slim: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "check_wheel_contents",
        "--config",
        str(ROOT / "pyproject.toml"),
        str(whole),
        str(slim),
    ]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
