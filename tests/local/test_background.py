"""Builds that go on while an environment is up: real processes, which every test sees to their end."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.local.fake_go import FakeGo, lives

from springtide.local.builds.background import background, build_in_background, stop_building
from springtide.local.builds.binaries import ready
from springtide.local.builds.programs import PROGRAMS
from springtide.local.builds.toolchain import BuildError
from springtide.local.home import Home

_SOON = 20.0
KEDA = ("keda-operator", "keda-adapter")


@pytest.fixture(name="fake")
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A machine whose PATH holds a fake Go and nothing else."""
    fake = FakeGo(tmp_path / "path")
    fake.does()
    monkeypatch.setenv("PATH", str(fake.folder))
    return fake


@pytest.fixture(name="home_of")
def homes_of_one_machine(tmp_path: Path) -> Iterator[Callable[[str], Home]]:
    """Environments that share a cache; nothing that they began outlives the test."""
    homes: dict[str, Home] = {}

    def make(name: str) -> Home:
        return homes.setdefault(name, Home(environment=name, cache=tmp_path / "cache", root=tmp_path / name))

    try:
        yield make
    finally:
        for home in homes.values():
            stop_building(home)
        psutil.wait_procs(psutil.Process().children(), timeout=_SOON)


@pytest.fixture(name="home")
def home_of_a_test(home_of: Callable[[str], Home]) -> Home:
    return home_of("local")


def until(true: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + _SOON
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def at_work(home: Home) -> bool:
    found = background(home)
    return found is not None and found.process is not None


@pytest.mark.usefixtures("fake")
def test_programs_are_built_while_we_go_on(home: Home) -> None:
    made = build_in_background(home, KEDA)
    until(lambda: not at_work(home))
    assert set(ready(home, KEDA)) == set(KEDA)
    assert "built" in made.log.read_text()


def test_it_outlives_the_terminal_of_who_began_it(fake: FakeGo, home: Home) -> None:
    fake.does(seconds=60)
    made = build_in_background(home, KEDA)
    assert os.getsid(made.pid) == made.pid != os.getsid(0)


def test_one_that_is_at_work_is_left_to_it(fake: FakeGo, home: Home) -> None:
    fake.does(seconds=60)
    first = build_in_background(home, KEDA)
    assert build_in_background(home, KEDA) == first == background(home)


def test_what_comes_then_comes_when_all_are_built(fake: FakeGo, home: Home) -> None:
    fake.does(seconds=0.3)
    places = [str(PROGRAMS[name].place(home.cache, optimised=False)) for name in KEDA]
    lists = "import json, pathlib, sys; print(json.dumps([pathlib.Path(word).exists() for word in sys.argv[1:]]))"
    made = build_in_background(home, KEDA, then=[sys.executable, "-c", lists, *places])
    until(lambda: not at_work(home))
    assert json.loads(made.log.read_text().splitlines()[-1]) == [True, True]


def test_what_comes_then_does_not_come_after_a_failure_and_the_log_says_why(fake: FakeGo, home: Home) -> None:
    fake.does(err="no such host")
    made = build_in_background(home, KEDA, then=[sys.executable, "-c", "print('never')"])
    until(lambda: not at_work(home))
    assert "never" not in made.log.read_text()
    assert "could not be downloaded" in made.log.read_text()
    assert "Traceback" not in made.log.read_text()


def test_stopping_ends_the_builder_and_its_compiler(fake: FakeGo, home: Home) -> None:
    fake.does(seconds=60)
    made = build_in_background(home, KEDA)
    until(lambda: fake.builds)
    assert stop_building(home)
    assert not lives(made.pid)
    assert not any(lives(item["pid"]) for item in fake.builds)
    assert background(home) is None
    assert not stop_building(home)


def test_stopping_ends_the_compiler_of_a_builder_that_was_killed(fake: FakeGo, home: Home) -> None:
    fake.does(seconds=60)
    made = build_in_background(home, KEDA)
    until(lambda: fake.builds)
    psutil.Process(made.pid).kill()
    until(lambda: not at_work(home))
    assert all(lives(item["pid"]) for item in fake.builds)
    assert not stop_building(home)
    assert not any(lives(item["pid"]) for item in fake.builds)


def test_a_process_that_got_the_number_of_a_builder_is_left_alone(fake: FakeGo, home: Home) -> None:
    fake.does(seconds=60)
    made = build_in_background(home, KEDA)
    stop_building(home)
    stranger = psutil.Process(os.getppid())
    record = {"pid": stranger.pid, "began": made.began, "names": [], "log": str(made.log)}
    (home.root / "building.json").write_text(json.dumps(record))
    assert not at_work(home)
    assert not stop_building(home)
    assert stranger.is_running()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": 1}'])
def test_a_record_that_was_cut_off_is_none(home: Home, text: str) -> None:
    home.root.mkdir()
    (home.root / "building.json").write_text(text)
    assert background(home) is None
    assert not stop_building(home)


def test_a_second_environments_build_goes_on_where_the_first_is_stopped(
    fake: FakeGo, home_of: Callable[[str], Home]
) -> None:
    fake.does(seconds=60)
    build_in_background(home_of("one"), KEDA)
    until(lambda: fake.builds)
    waiting = build_in_background(home_of("two"), KEDA)
    until(lambda: "waiting" in waiting.log.read_text())
    fake.does()
    stop_building(home_of("one"))
    until(lambda: not at_work(home_of("two")))
    assert set(ready(home_of("two"), KEDA)) == set(KEDA)


def test_a_name_that_nothing_is_built_under_is_refused_before_a_process_begins(home: Home) -> None:
    with pytest.raises(BuildError, match="kedaa"):
        build_in_background(home, ["kedaa"])
    assert background(home) is None
