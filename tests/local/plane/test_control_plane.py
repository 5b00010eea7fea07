"""Starting and stopping, with small programs in the places of the great ones."""

import datetime as dt
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from springtide.local.home import Home
from springtide.local.plane import control_plane as plane
from springtide.local.plane import process, state
from springtide.local.plane.certificates import keys
from springtide.local.plane.control_plane import ControlPlane, LocalError
from springtide.local.plane.process import Program, Started
from springtide.local.plane.programs import Health, Service, Site

NOW = dt.datetime.now(dt.UTC)
_SOON = 10.0
ALWAYS = Health()


class Remembers:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def say(self, text: str) -> None:
        """Nothing that a test asks for."""

    def doing(self, text: str) -> None:
        self.told.append(text)


def nothing() -> None:
    """No real node was started."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Home]:
    """An environment; nothing that was started in it outlives the test."""
    found = Home(environment="local", cache=tmp_path / "cache", root=tmp_path / "local")
    yield found
    plane.stop(found, Remembers(), nothing)


@pytest.fixture
def control(here: Home) -> ControlPlane:
    made = keys(here.keys, NOW)
    here.logs.mkdir()
    return ControlPlane(site=Site(home=here, binaries={}, keys=made, ports={}))


@pytest.fixture
def tail(tmp_path: Path) -> Callable[[str], Path]:
    """A program under another's name that runs until it is told to end."""

    def named(name: str) -> Path:
        made = tmp_path / "bin" / name
        made.parent.mkdir(exist_ok=True)
        return Path(shutil.copy(str(shutil.which("tail")), made))

    return named


def shell(script: str, name: str = "one", health: Health = ALWAYS, seconds: float = _SOON) -> Service:
    return Service(program=Program(name=name, words=("/bin/sh", "-c", script)), health=health, seconds=seconds)


def pid(of: Home, name: str = "one") -> int:
    return plane.running(of)[name].pid


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + _SOON
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_what_runs_stays_as_it_is(control: ControlPlane, here: Home) -> None:
    one = shell("exec sleep 60")
    control.ensure([one], Remembers())
    before = pid(here)
    again = Remembers()
    control.ensure([one], again)
    assert pid(here) == before
    assert again.told == []


def test_what_ended_is_started_again_in_its_place_of_the_order(control: ControlPlane, here: Home) -> None:
    both = [shell("exec sleep 60", "one"), shell("exec sleep 60", "two")]
    control.ensure(both, Remembers())
    before = pid(here, "one"), pid(here, "two")
    os.kill(before[0], signal.SIGKILL)
    until(lambda: "one" in plane.fallen(here))
    control.ensure(both, Remembers())
    assert list(plane.running(here)) == ["one", "two"]
    assert pid(here, "one") != before[0]
    assert pid(here, "two") == before[1]


def test_another_program_takes_the_place_of_the_one_that_runs(control: ControlPlane, here: Home) -> None:
    control.ensure([shell("exec sleep 60")], Remembers())
    before = plane.running(here)["one"]
    control.ensure([shell("exec sleep 61")], Remembers())
    assert not before.alive
    assert pid(here) != before.pid


def test_one_that_is_slow_for_a_moment_stays(control: ControlPlane, here: Home, tmp_path: Path) -> None:
    """As the API server is, when the store under it was started again."""
    good = tmp_path / "good"
    good.touch()
    one = shell("exec sleep 60", health=Health(command=("/bin/ls", str(good))))
    control.ensure([one], Remembers())
    before = pid(here)
    good.unlink()
    soon = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.5; touch {good}"])
    control.ensure([one], Remembers())
    assert pid(here) == before
    soon.wait()


def test_one_that_is_not_well_any_more_is_started_again(
    control: ControlPlane, here: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plane, "_RECOVERS_SECONDS", 0.2)
    good = tmp_path / "good"
    one = shell(f"touch {good}; exec sleep 60", health=Health(command=("/bin/ls", str(good))))
    control.ensure([one], Remembers())
    before = pid(here)
    good.unlink()
    control.ensure([one], Remembers())
    assert pid(here) != before


def test_one_that_ends_while_it_starts_is_told_with_its_last_words_and_its_log(
    control: ControlPlane, here: Home
) -> None:
    ends = shell("echo address already in use >&2; exit 1", health=Health(command=("/bin/false",)))
    with pytest.raises(LocalError) as told:
        control.ensure([ends], Remembers())
    assert "one ended while it started; its last words:\naddress already in use" in str(told.value)
    assert str(here.logs / "one.log") in told.value.fix


def test_one_that_never_gets_well_is_told_with_how_long_we_waited(control: ControlPlane, here: Home) -> None:
    with pytest.raises(LocalError, match=r"one is not well after 0 s") as told:
        control.ensure([shell("exec sleep 60", health=Health(command=("/bin/false",)), seconds=0.2)], Remembers())
    assert str(here.logs / "one.log") in told.value.fix


def test_what_stands_behind_one_that_fails_is_not_started(control: ControlPlane, here: Home) -> None:
    ends = shell("exit 1", health=Health(command=("/bin/false",)))
    with pytest.raises(LocalError):
        control.ensure([shell("exec sleep 60", "first"), ends, shell("exec sleep 60", "last")], Remembers())
    assert list(plane.running(here)) == ["first"]


def test_a_program_that_cannot_run_is_told_by_its_file(control: ControlPlane, tmp_path: Path) -> None:
    missing = Program(name="one", words=(str(tmp_path / "etcd"),))
    with pytest.raises(LocalError, match="No such file") as told:
        control.ensure([Service(program=missing, health=Health())], Remembers())
    assert str(tmp_path / "etcd") in str(told.value)


def test_a_disk_that_is_full_while_it_starts_is_told(control: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(state, "write", full)
        with pytest.raises(LocalError, match="No space left on device") as told:
            control.ensure([shell("sleep 0.2")], Remembers())
    assert "SPRINGTIDE_HOME" in told.value.fix


def test_one_of_another_user_is_told_and_left(
    control: ControlPlane, here: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.ensure([shell("exec sleep 60")], Remembers())

    def refuses(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", refuses)
        with pytest.raises(LocalError, match="one cannot be stopped: Operation not permitted"):
            control.ensure([shell("exec sleep 61")], Remembers())
        with pytest.raises(LocalError, match="local cannot be taken down: Operation not permitted") as told:
            plane.stop(here, Remembers(), nothing)
    assert "who brought it up" in told.value.fix
    assert list(plane.running(here)) == ["one"]


@pytest.mark.parametrize("damage", ["{ half", None], ids=["damaged", "gone"])
def test_a_lost_state_does_not_make_two_of_one(
    control: ControlPlane, here: Home, tail: Callable[[str], Path], damage: str | None
) -> None:
    """Two etcds on one folder would wait for each other for ever."""
    words = (str(tail("etcd")), "-f", str(here.root / "etcd.db"))
    (here.root / "etcd.db").touch()
    one = Service(program=Program(name="etcd", words=words), health=Health())
    control.ensure([one], Remembers())
    before = plane.running(here)["etcd"]
    until(lambda: plane.strays(here))
    here.state.unlink() if damage is None else here.state.write_text(damage)
    control.ensure([one], Remembers())
    assert not before.alive
    until(lambda: [item.pid for item in plane.strays(here)] == [pid(here, "etcd")])


def test_only_what_is_named_like_ours_and_works_in_this_environment_is_ours(
    here: Home, tmp_path: Path, tail: Callable[[str], Path]
) -> None:
    files = {name: tmp_path / name / "logs" for name in ("local", "local-2")}
    for file in files.values():
        file.parent.mkdir()
        file.touch()
    people = [("tail", "-f", str(files["local"])), (str(tail("etcd")), "-f", str(files["local-2"]))]
    ours = [(str(tail("kwok")), "-f", str(files["local"]))]
    begun = [subprocess.Popen(words) for words in (*people, *ours)]
    try:
        until(lambda: [item.pid for item in plane.strays(here)] == [begun[-1].pid])
        plane.stop(here, Remembers(), nothing)
        assert begun[-1].poll() is not None
        assert [item.poll() for item in begun[:-1]] == [None, None]
    finally:
        for item in begun:
            item.kill()
            item.wait()


def test_a_module_of_ours_is_known_by_its_name(here: Home, tmp_path: Path) -> None:
    """The command line of a Python program begins with Python, whoever wrote it."""
    folder = tmp_path / "springtide" / "local" / "real"
    folder.mkdir(parents=True)
    for package in (folder, folder.parent, folder.parent.parent):
        (package / "__init__.py").touch()
    (folder / "twins.py").write_text("import time; time.sleep(60)")
    mine, theirs = f"--kubeconfig={here.root}/kubeconfig", f"--kubeconfig={here.root}-2/kubeconfig"
    begun = [
        subprocess.Popen([sys.executable, "-m", "springtide.local.real.twins", words], cwd=tmp_path)
        for words in (mine, theirs)
    ]
    try:
        until(lambda: [item.pid for item in plane.strays(here)] == [begun[0].pid])
    finally:
        for item in begun:
            item.kill()
            item.wait()


def test_the_last_started_is_stopped_first(control: ControlPlane, here: Home) -> None:
    names = ("etcd", "kube-apiserver", "kwok")
    control.ensure([shell("exec sleep 60", name) for name in names], Remembers())
    begun = plane.running(here)
    progress = Remembers()
    plane.stop(here, progress, nothing)
    assert progress.told == ["stopping kwok", "stopping kube-apiserver", "stopping etcd"]
    assert not any(item.alive for item in begun.values())


def test_what_is_to_be_cleaned_is_cleaned_between_processes_and_files(control: ControlPlane, here: Home) -> None:
    control.ensure([shell("exec sleep 60")], Remembers())
    begun = plane.running(here)["one"]
    seen: list[tuple[bool, bool]] = []
    plane.stop(here, Remembers(), clean=lambda: seen.append((begun.alive, here.logs.is_dir())))
    assert seen == [(False, True)]
    assert not here.root.exists()


def test_what_runs_stored_stays(control: ControlPlane, here: Home) -> None:
    control.ensure([shell("exec sleep 60")], Remembers())
    here.storage.mkdir()
    (here.storage / "model").write_text("kept")
    for _ in range(2):
        plane.stop(here, Remembers(), nothing)
        assert [file.name for file in here.root.iterdir()] == ["storage"]
        assert (here.storage / "model").read_text() == "kept"


@pytest.mark.parametrize("content", [None, "", "{ half", '{"version": 99}'])
def test_a_start_that_was_cut_off_is_cleared_away(here: Home, content: str | None) -> None:
    (here.root / "keys").mkdir(parents=True)
    (here.root / "kubeconfig.part").touch()
    if content is not None:
        here.state.write_text(content)
    plane.stop(here, Remembers(), nothing)
    assert not here.root.exists()


def test_a_state_of_another_day_harms_nobody(here: Home) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        began = psutil.Process(stranger.pid).create_time() - 86400
        state.write(here.state, state.State(processes={"etcd": Started(pid=stranger.pid, began=began, digest="d")}))
        assert plane.running(here) == {}
        assert list(plane.fallen(here)) == ["etcd"]
        plane.stop(here, Remembers(), nothing)
        assert stranger.poll() is None
        stranger.kill()


def test_a_second_command_waits_for_the_first_and_says_so(here: Home) -> None:
    script = (
        "import sys; from pathlib import Path; from springtide.local.home import Home\n"
        "from springtide.local.plane.control_plane import only\n"
        f"here = Home(environment='local', cache=Path('/'), root=Path({str(here.root)!r}))\n"
        "with only(here, lambda: print('waits', flush=True)): print('has it', flush=True)"
    )
    with plane.only(here, nothing):
        second = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        assert second.stdout.readline() == "waits\n"
        assert second.poll() is None
    rest, _ = second.communicate(timeout=_SOON)
    assert rest == "has it\n"


loopback = pytest.mark.enable_socket


@loopback
def test_a_kubeconfig_is_for_its_owner_and_names_the_environment(here: Home) -> None:
    made = plane.prepare(here, {})
    found = json.loads(here.kubeconfig.read_text())
    assert found["current-context"] == "springtide-local"
    [context] = found["contexts"]
    assert context["name"] == "springtide-local"
    assert found["clusters"][0]["cluster"]["server"] == made.site.server
    assert stat.S_IMODE(here.kubeconfig.stat().st_mode) == 0o600


@loopback
def test_prepared_twice_changes_no_file(here: Home) -> None:
    def written() -> dict[Path, tuple[int, bytes]]:
        files = [file for file in here.root.rglob("*") if file.is_file() and file != here.state]
        return {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in files}

    first = plane.prepare(here, {})
    before = written()
    assert plane.prepare(here, {}) == first
    assert written() == before


@loopback
def test_a_kubeconfig_that_others_may_read_is_closed_again(here: Home) -> None:
    plane.prepare(here, {})
    here.kubeconfig.chmod(0o644)
    plane.prepare(here, {})
    assert stat.S_IMODE(here.kubeconfig.stat().st_mode) == 0o600


@loopback
def test_a_port_that_somebody_took_meanwhile_is_replaced_everywhere(here: Home) -> None:
    first = plane.prepare(here, {})
    taken = first.site.ports["kube-apiserver"]
    with socket.create_server(("127.0.0.1", taken)):
        second = plane.prepare(here, {})
    assert second.site.ports["kube-apiserver"] != taken
    assert {name for name in first.site.ports if first.site.ports[name] != second.site.ports[name]} == {
        "kube-apiserver"
    }
    for file in (here.kubeconfig, second.site.kubeconfig("kube-scheduler"), second.site.kubeconfig("admin")):
        assert second.site.server in file.read_text()


@loopback
def test_a_port_stays_while_its_own_program_listens_on_it(here: Home) -> None:
    first = plane.prepare(here, {})
    script = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
    begun = process.start(
        Program(name="karpenter", words=(sys.executable, "-c", script, str(first.site.ports["karpenter-health"]))),
        here.logs / "karpenter.log",
    )
    state.write(here.state, state.read(here.state).having("karpenter", begun))
    until(lambda: psutil.Process(begun.pid).net_connections())
    assert plane.prepare(here, {}).site.ports == first.site.ports
    process.stop(begun, 0)


@loopback
def test_too_little_room_is_told_before_anything_is_written(here: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(here.root.parent)._replace(free=100 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(LocalError, match=r"has 100 MB left; a control plane needs 400") as told:
        plane.prepare(here, {})
    assert "another disk" in told.value.fix
    assert not here.kubeconfig.exists()


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    inside = Home(environment="local", cache=tmp_path, root=tmp_path / "file" / "local")
    with pytest.raises(LocalError, match="cannot be written: Not a directory") as told:
        plane.prepare(inside, {})
    assert "SPRINGTIDE_HOME" in told.value.fix
