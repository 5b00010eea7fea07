"""Programs found or built. Go is a script here; the processes, locks and signals are real."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.local.fake_go import FakeGo, Said, lives, program, says_itself

from springtide.local.builds import compiler, programs, space
from springtide.local.builds.binaries import binaries, ready
from springtide.local.builds.programs import PROGRAMS
from springtide.local.builds.toolchain import MODULES, BuildError, Go, shown
from springtide.local.home import Home

_SOON = 20.0
CLUSTER = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "karpenter"]


@pytest.fixture(name="fake")
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A machine whose PATH holds a fake Go that builds at once, and nothing else."""
    fake = FakeGo(tmp_path / "path")
    fake.does()
    monkeypatch.setenv("PATH", str(fake.folder))
    return fake


@pytest.fixture(name="home")
def home_of_a_test(tmp_path: Path) -> Home:
    return Home(environment="local", cache=tmp_path / "cache", root=tmp_path / "root")


@pytest.fixture(name="builder")
def start_builders(home: Home) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts builds in processes of their own, as a second `up` in another terminal would."""
    started = []

    def start(*names: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "springtide.local.builds.background", "--cache", str(home.cache), *names]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.communicate()
        compiler.end_abandoned(home.cache)


def until(true: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + _SOON
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def place(home: Home, name: str, *, optimised: bool = False) -> Path:
    return PROGRAMS[name].place(home.cache, optimised=optimised)


def test_what_is_wanted_is_built_and_runs(fake: FakeGo, home: Home) -> None:
    made = binaries(home, CLUSTER, Said())
    assert list(made.paths) == CLUSTER
    said = subprocess.run([made.paths["kwok"], "--version"], capture_output=True, text=True, check=True).stdout
    assert said.strip() == says_itself(PROGRAMS["kwok"])
    assert fake.built == [name for name in PROGRAMS if name in CLUSTER]


def test_the_api_server_is_built_first_because_the_others_share_its_packages(fake: FakeGo, home: Home) -> None:
    binaries(home, ["kwok", "kube-apiserver"], Said())
    assert fake.built == ["kube-apiserver", "kwok"]


@pytest.mark.usefixtures("fake")
def test_progress_says_what_and_how_many_of_how_many(home: Home) -> None:
    progress = Said()
    binaries(home, ["kwok", "etcd"], progress)
    assert (
        progress.lines[0]
        == f"to build, once, in up to 5 min on 2 cores: kwok {shown(PROGRAMS['kwok'].version)}, etcd 3.6.8"
    )
    assert {"build kwok (1 of 2)", "build etcd (2 of 2)"} <= set(progress.done)


def test_progress_goes_on_during_a_long_build(fake: FakeGo, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "_LOOK_SECONDS", 0.05)
    fake.does(seconds=0.5)
    progress = Said()
    binaries(home, ["kwok"], progress)
    assert progress.done.count("build kwok (1 of 1)") > 2


@pytest.mark.usefixtures("fake")
def test_a_first_build_says_how_long_it_may_take(home: Home) -> None:
    progress = Said()
    binaries(home, CLUSTER, progress)
    minutes = sum(PROGRAMS[name].needs.seconds for name in CLUSTER) / 60
    assert f"in up to {int(minutes) + 1} min" in progress.lines[0]


def test_what_is_built_is_not_built_again_and_needs_no_go(fake: FakeGo, home: Home) -> None:
    first = binaries(home, CLUSTER, Said())
    (fake.folder / "go").unlink()
    again = Said()
    assert binaries(home, CLUSTER, again) == first
    assert again.lines == []


def test_only_what_is_missing_is_built(fake: FakeGo, home: Home) -> None:
    binaries(home, ["kwok"], Said())
    binaries(home, ["kwok", "etcd"], Said())
    assert fake.built == ["kwok", "etcd"]


def test_an_optimised_program_lies_beside_the_other(fake: FakeGo, home: Home) -> None:
    quick = binaries(home, ["kwok"], Said()).paths["kwok"]
    best = binaries(home, ["kwok"], Said(), optimised=True).paths["kwok"]
    assert quick.exists()
    assert best.exists()
    assert ["all=-N -l" in item["words"] for item in fake.builds] == [True, False]


@pytest.mark.usefixtures("fake")
def test_a_changed_checksum_makes_another_program(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = place(home, "kwok"), place(home, "keda-operator")
    changed = shutil.copytree(MODULES, tmp_path / "modules")
    with (changed / "cluster" / "go.sum").open("a") as file:
        file.write("example.com/some v1.0.0 h1:else\n")
    monkeypatch.setattr(programs, "MODULES", changed)
    assert place(home, "kwok") != before[0]
    assert place(home, "keda-operator") == before[1]


def test_a_program_is_linked_with_the_version_that_go_mod_pins(fake: FakeGo, home: Home) -> None:
    binaries(home, ["kube-apiserver"], Said())
    words = fake.builds[0]["words"]
    pin = re.search(r"k8s.io/kubernetes (v1\.(\d+)\.\d+)", (MODULES / "cluster" / "go.mod").read_text())
    assert pin is not None
    linked = words[words.index("-ldflags") + 1]
    assert f"-X k8s.io/component-base/version.gitVersion={pin[1]} " in linked
    assert f"-X k8s.io/component-base/version.gitMinor={pin[2]}" in linked
    assert fake.builds[0]["folder"] == str(MODULES / "cluster")


def test_every_programs_module_is_pinned_and_listed_as_a_tool() -> None:
    for item in PROGRAMS.values():
        text = (MODULES / item.folder / "go.mod").read_text()
        own = f"module {item.module}\n" in text
        assert own or (item.package in text and item.version > (0, 0, 0)), item.name


def test_a_name_that_nothing_is_built_under_is_refused_with_those_that_are(home: Home) -> None:
    with pytest.raises(BuildError, match="kubeapiserver") as caught:
        binaries(home, ["kubeapiserver"], Said())
    assert "kube-apiserver" in caught.value.fix


# Resource definitions.


@pytest.mark.usefixtures("fake")
def test_resource_definitions_are_copied_for_both_controllers_and_can_be_written(home: Home) -> None:
    folder = binaries(home, ["kwok"], Said()).resource_definitions
    found = {str(file.relative_to(folder)) for file in folder.rglob("*.yaml")}
    assert found == {
        "karpenter/pkg_apis_crds.yaml",
        "karpenter/kwok_apis_crds.yaml",
        "keda/config_crd_bases.yaml",
    }
    assert all(file.stat().st_mode & 0o200 for file in folder.rglob("*.yaml"))


def test_a_module_that_cannot_be_downloaded_is_told_as_such(fake: FakeGo, home: Home) -> None:
    fake.does(err="proxy: dial tcp: lookup proxy: no such host")
    with pytest.raises(BuildError, match="resource definitions of sigs") as caught:
        binaries(home, ["kwok"], Said())
    assert "GOPROXY" in caught.value.fix


# The machine's own programs.


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("etcd", "etcd Version: 3.4.23\nGit SHA: Not provided"),
        ("etcd", "etcd Version: 3.6.11"),
        ("kube-apiserver", "Kubernetes v1.36.0"),
        ("kwok", "kwok version v0.8.3 go1.26.8 (linux/amd64)"),
    ],
)
def test_a_program_on_the_path_is_used_where_its_version_fits(fake: FakeGo, home: Home, name: str, said: str) -> None:
    own = program(fake.folder, name, f"echo '{said}'")
    assert ready(home, [name]) == {name: own}
    assert binaries(home, [name], Said()).paths == {name: own}
    assert fake.built == []


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("etcd", "echo 'etcd Version: 3.3.25'"),
        ("etcd", "echo 'etcd Version: 4.0.0'"),
        ("kube-apiserver", "echo Kubernetes v1.35.9"),
        ("kube-apiserver", "echo Kubernetes v1.37.0"),
        ("kwok", "echo kwok version v0.7.0"),
        ("kwok", "echo 'kwok version v0.8.0'; exit 1"),
        ("kwok", "echo 0.8.0"),
        ("kwok", "true"),
        ("kwok", "sleep 60"),
        ("karpenter", "echo karpenter 1.14.1"),
    ],
    ids=str,
)
def test_a_program_on_the_path_that_does_not_fit_is_not_used(
    fake: FakeGo, home: Home, monkeypatch: pytest.MonkeyPatch, name: str, script: str
) -> None:
    monkeypatch.setattr(programs, "_ANSWER_SECONDS", 0.5)
    own = program(fake.folder, name, script)
    assert ready(home, [name]) == {}
    assert programs.on_path(PROGRAMS[name]) is None
    assert own.exists()


def test_what_was_built_here_goes_before_what_comes_to_the_path_later(fake: FakeGo, home: Home) -> None:
    made = binaries(home, ["etcd"], Said()).paths
    program(fake.folder, "etcd", "echo 'etcd Version: 3.6.8'")
    assert ready(home, ["etcd"]) == made


@given(patch=st.integers(min_value=0), minor=st.integers(min_value=0, max_value=99))
def test_a_kubernetes_program_serves_for_every_patch_of_its_minor_version_and_no_other(patch: int, minor: int) -> None:
    ours = PROGRAMS["kube-scheduler"]
    assert ours.serves((1, minor, patch)) == (minor == ours.version[1])


# What can go wrong.

CAUSES = {
    'go: k8s.io/api@v0.36.3: Get "https://proxy/x": dial tcp: lookup proxy: no such host': "could not be downloaded",
    "go: k8s.io/api@v0.36.3: reading https://proxy/x: 403 Forbidden": "could not be downloaded",
    "go: k8s.io/api@v0.36.3: module lookup disabled by GOPROXY=off": "could not be downloaded",
    "compile: writing output: write $WORK/b012/_pkg_.a: no space left on device": "the disk is full",
    "k8s.io/api/core/v1: /go/pkg/tool/compile: signal: killed": "the memory did not suffice",
    "verifying k8s.io/api@v0.36.3: checksum mismatch": "checksum is pinned",
    "open /home/ada/.cache/go-build/00: permission denied": "a file cannot be written",
    "# k8s.io/api/core/v1\ntypes.go:12:2: undefined: some": "it does not compile",
}


@pytest.mark.parametrize(("said", "means"), CAUSES.items())
def test_a_failed_build_is_told_with_its_cause_its_last_lines_and_its_log(
    fake: FakeGo, home: Home, said: str, means: str
) -> None:
    binaries(home, ["etcd"], Said())
    fake.does(err=said)
    with pytest.raises(BuildError) as caught:
        binaries(home, ["kwok"], Said())
    log = place(home, "kwok").with_name("build.log")
    assert re.match(f"kwok cannot be built: .*{means}", caught.value.message)
    assert said.splitlines()[-1] in caught.value.message
    assert str(log) in caught.value.message
    assert "downloading" not in caught.value.message
    assert said in log.read_text()


def test_a_failed_build_leaves_no_program_and_the_next_one_succeeds(fake: FakeGo, home: Home) -> None:
    binaries(home, ["etcd"], Said())
    fake.does(err="undefined: some")
    with pytest.raises(BuildError):
        binaries(home, ["kwok"], Said())
    assert not place(home, "kwok").exists()
    fake.does()
    assert binaries(home, ["kwok"], Said()).paths["kwok"].exists()


def test_a_program_that_was_built_and_does_not_run_is_not_taken(fake: FakeGo, home: Home) -> None:
    fake.does(mode=0o644)
    with pytest.raises(BuildError, match="was built and does not run") as caught:
        binaries(home, ["kwok"], Said())
    assert "noexec" in caught.value.fix
    assert not place(home, "kwok").exists()


def test_a_cache_that_cannot_be_written_is_told_with_the_variable_that_moves_it(fake: FakeGo, home: Home) -> None:
    home.cache.write_text("a file stands where the folder should be")
    with pytest.raises(BuildError, match=str(home.cache)) as caught:
        binaries(home, ["kwok"], Said())
    assert "SPRINGTIDE_HOME" in caught.value.fix
    assert fake.built == []


# Disk.


def free(monkeypatch: pytest.MonkeyPatch, mib: int) -> None:
    """Let every disk have so much room."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=mib * 2**20))


def needed(*names: str) -> int:
    """MiB that a first build of programs takes, the API server's packages among them, all of it on one disk."""
    needs = [PROGRAMS[name].needs for name in names]
    compiled = [item.compiled for item in (*needs, PROGRAMS["kube-apiserver"].needs)]
    downloaded = [item.downloaded for item in (*needs, PROGRAMS["kube-apiserver"].needs)]
    sizes = [item.size for item in needs]
    return sum(compiled) + max(compiled) + sum(downloaded) + sum(sizes) + max(sizes)


def test_a_build_that_will_not_fit_is_refused_before_it_begins(
    fake: FakeGo, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, needed("kwok") - 1)
    with pytest.raises(BuildError, match=f"needs {needed('kwok')} MiB and has {needed('kwok') - 1}") as caught:
        binaries(home, ["kwok"], Said())
    assert "SPRINGTIDE_HOME" in caught.value.fix
    assert fake.built == []


@pytest.mark.usefixtures("fake")
def test_a_build_that_just_fits_is_begun(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, needed("kwok"))
    assert binaries(home, ["kwok"], Said()).paths["kwok"].exists()


def test_what_is_built_needs_no_room(fake: FakeGo, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    binaries(home, ["kwok"], Said())
    free(monkeypatch, 0)
    assert binaries(home, ["kwok"], Said()).paths["kwok"].exists()
    assert fake.built == ["kwok"]


def test_a_build_that_was_cut_off_needs_room_for_its_program_only(
    fake: FakeGo, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    binaries(home, ["etcd"], Said())
    fake.does(err="no space left on device")
    with pytest.raises(BuildError):
        binaries(home, ["kwok"], Said())
    fake.does()
    free(monkeypatch, 2 * PROGRAMS["kwok"].needs.size)
    assert binaries(home, ["kwok"], Said()).paths["kwok"].exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_small_disk_of_its_own_is_named_with_what_it_lacks(fake: FakeGo, home: Home) -> None:
    home.cache.mkdir()
    mounted = subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "none", str(home.cache)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this root may not mount")
    try:
        with pytest.raises(BuildError, match=rf"{home.cache} needs \d+ MiB and has [01]\n"):
            binaries(home, ["kwok"], Said())
        assert fake.built == []
    finally:
        subprocess.run(["/bin/umount", str(home.cache)], check=True)


def test_a_go_that_does_not_know_its_caches_is_told_with_its_words(tmp_path: Path, home: Home) -> None:
    path = program(tmp_path, "go", "echo 'GOCACHE is not defined and $HOME is not' >&2; exit 1")
    with pytest.raises(BuildError, match="GOCACHE is not defined"):
        space.check(Go(path=path, version=(1, 26, 8)), [PROGRAMS["kwok"]], {"kwok": place(home, "kwok")})


@pytest.mark.usefixtures("fake")
def test_programs_and_caches_on_one_disk_are_added_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, needed("kwok", "etcd") - 1)
    with pytest.raises(BuildError, match=f"kwok, etcd: .* needs {needed('kwok', 'etcd')} MiB"):
        binaries(home, ["kwok", "etcd"], Said())


def test_packages_that_the_api_server_shares_are_paid_for_once(home: Home, fake: FakeGo) -> None:
    progress = Said()
    binaries(home, ["kube-apiserver"], progress)
    binaries(home, ["kwok"], progress)
    minutes = PROGRAMS["kube-apiserver"].needs.seconds // 60 + 1
    assert [f"up to {minutes} min" in line for line in progress.lines] == [True, False]
    assert fake.built == ["kube-apiserver", "kwok"]


# Several at once, and the sudden end.


def test_two_at_once_build_once_and_the_second_says_that_it_waits(
    fake: FakeGo, builder: Callable[..., subprocess.Popen[str]], home: Home
) -> None:
    fake.does(seconds=2)
    first = builder("kwok")
    until(lambda: fake.built)
    second = builder("kwok")
    said = [process.communicate(timeout=_SOON)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    assert fake.built == ["kwok"]
    assert "another process builds it, waiting" in said[1]
    assert "another process" not in said[0]
    assert place(home, "kwok").exists()


def test_after_kill_9_in_the_middle_the_next_build_ends_the_orphan_and_succeeds(
    fake: FakeGo, builder: Callable[..., subprocess.Popen[str]], home: Home
) -> None:
    fake.does(seconds=60)
    process = builder("kwok")
    until(lambda: place(home, "kwok").with_name("kwok.part").exists())
    process.send_signal(signal.SIGKILL)
    process.wait(_SOON)
    [orphan] = [item["pid"] for item in fake.builds]
    assert lives(orphan)
    assert not place(home, "kwok").exists()
    fake.does()
    made = binaries(home, ["kwok"], Said()).paths["kwok"]
    assert not lives(orphan)
    assert says_itself(PROGRAMS["kwok"]) in made.read_text()
    assert not made.with_name("kwok.part").exists()
    assert not made.with_name("work").exists()


def test_ctrl_c_ends_the_compiler_and_removes_its_files(
    fake: FakeGo, builder: Callable[..., subprocess.Popen[str]], home: Home
) -> None:
    fake.does(seconds=60)
    process = builder("kwok")
    until(lambda: place(home, "kwok").with_name("kwok.part").exists())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=_SOON)
    assert process.returncode != 0
    assert not any(lives(item["pid"]) for item in fake.builds)
    assert not place(home, "kwok").with_name("work").exists()


def test_a_build_that_somebody_waits_for_is_not_abandoned(
    fake: FakeGo, builder: Callable[..., subprocess.Popen[str]], home: Home
) -> None:
    fake.does(seconds=60)
    process = builder("kwok")
    until(lambda: place(home, "kwok").with_name("kwok.part").exists())
    compiler.end_abandoned(home.cache)
    assert all(lives(item["pid"]) for item in fake.builds)
    assert process.poll() is None


def test_a_running_program_is_no_build(fake: FakeGo, home: Home) -> None:
    fake.does(answers={item.package: "'; exec sleep 60; echo '" for item in PROGRAMS.values()})
    made = binaries(home, ["karpenter"], Said()).paths["karpenter"]
    with subprocess.Popen([made, "build", "-o"], env={"PATH": "/bin"}) as process:
        try:
            compiler.end_builds(home.cache / "tools" / "karpenter")
            assert psutil.Process(process.pid).is_running()
            assert process.poll() is None
        finally:
            process.kill()


# What nobody uses any more.


@pytest.mark.usefixtures("fake")
def test_programs_of_other_versions_go_when_nobody_used_them_for_a_month(home: Home) -> None:
    old = binaries(home, ["kwok"], Said(), optimised=True).paths["kwok"].parent
    recent = home.cache / "tools" / "kwok" / "recent"
    recent.mkdir()
    a_month_ago = time.time() - 31 * 24 * 3600
    os.utime(old, (a_month_ago, a_month_ago))
    made = binaries(home, ["kwok"], Said())
    assert not old.exists()
    assert recent.exists()
    assert made.paths["kwok"].exists()


@pytest.mark.usefixtures("fake")
def test_what_is_used_stays_however_old_it_is(home: Home) -> None:
    made = binaries(home, ["kwok"], Said())
    for folder in (made.paths["kwok"].parent, made.resource_definitions):
        os.utime(folder, (0, 0))
    assert binaries(home, ["kwok"], Said()) == made
    assert made.paths["kwok"].exists()
    assert made.resource_definitions.exists()
