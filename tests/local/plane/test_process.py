"""Processes that outlive who started them: known again, ended whole, and never mistaken for another."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from springtide.local.plane.process import MARK, Program, Started, last_lines, memory_bytes, start, stop

SLEEPS = ("/bin/sleep", "60")
_SOON = 10.0
Begin = Callable[..., Started]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Start a program; nothing of it outlives the test."""
    begun: list[Started] = []

    def go(*words: str, **more: object) -> Started:
        begun.append(start(Program(name="one", words=words, **more), tmp_path / "one.log"))  # type: ignore[arg-type]
        return begun[-1]

    yield go
    for item in begun:
        stop(item, 0)


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + _SOON
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def ended(started: Started) -> None:
    os.waitpid(started.pid, 0)


def test_it_has_a_session_of_its_own_so_that_no_terminal_ends_it(begin: Begin) -> None:
    started = begin(*SLEEPS)
    assert os.getsid(started.pid) == started.pid != os.getsid(0)


def test_what_it_says_goes_to_the_end_of_its_log(begin: Begin, tmp_path: Path) -> None:
    for word in ("first", "second"):
        ended(begin("/bin/sh", "-c", f"echo {word}; echo {word} >&2"))
    assert (tmp_path / "one.log").read_text() == "first\nfirst\nsecond\nsecond\n"


def test_it_gets_our_variables_and_its_own(begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    ended(begin("/bin/sh", "-c", "echo $OURS $ITS", environment={"ITS": "2"}))
    assert last_lines(tmp_path / "one.log") == "1 2"


def test_a_program_that_is_not_there_is_told_at_once(begin: Begin, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        begin(str(tmp_path / "nothing"))


def test_it_is_alive_until_it_ends_also_while_nobody_asked_for_its_status(begin: Begin) -> None:
    started = begin(*SLEEPS)
    assert started.alive
    os.kill(started.pid, signal.SIGKILL)
    until(lambda: psutil.Process(started.pid).status() == psutil.STATUS_ZOMBIE)
    assert not started.alive


def test_one_whose_threads_still_end_is_not_gone(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API server that was killed keeps its port for another 150 ms."""
    started = begin(*SLEEPS)
    monkeypatch.setattr(psutil.Process, "status", lambda _: psutil.STATUS_ZOMBIE)
    monkeypatch.setattr(psutil.Process, "num_threads", lambda _: 2)
    assert started.alive
    monkeypatch.setattr(psutil.Process, "num_threads", lambda _: 1)
    assert not started.alive
    monkeypatch.undo()


def test_a_kind_word_is_enough_for_one_that_listens(begin: Begin, tmp_path: Path) -> None:
    started = begin("/bin/sh", "-c", "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.05; done")
    until(lambda: "up" in last_lines(tmp_path / "one.log"))
    stop(started, _SOON)
    assert not started.alive
    assert last_lines(tmp_path / "one.log").endswith("bye")


def test_one_that_does_not_listen_is_killed_when_patience_ends(begin: Begin, tmp_path: Path) -> None:
    started = begin("/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done")
    until(lambda: "up" in last_lines(tmp_path / "one.log"))
    began = time.monotonic()
    stop(started, 0.3)
    assert not started.alive
    assert 0.3 <= time.monotonic() - began < _SOON


@pytest.mark.parametrize("leader_was", ["alive", "killed", "killed and forgotten"])
def test_what_it_started_itself_ends_with_it(begin: Begin, tmp_path: Path, leader_was: str) -> None:
    started = begin("/bin/sh", "-c", "sleep 60 & echo $!; wait")
    until(lambda: last_lines(tmp_path / "one.log"))
    child = psutil.Process(int(last_lines(tmp_path / "one.log")))
    if leader_was != "alive":
        os.kill(started.pid, signal.SIGKILL)
        until(lambda: not started.alive)
    if leader_was == "killed and forgotten":
        ended(started)
    assert child.is_running()
    stop(started, _SOON)
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_stopping_what_ended_long_ago_is_no_error(begin: Begin) -> None:
    started = begin("/bin/true")
    ended(started)
    stop(started, 0)
    stop(started, 0)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else's process, the first of its session."""
    with subprocess.Popen(SLEEPS, start_new_session=True) as made:
        yield made
        made.kill()


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_number_that_the_system_gave_again_is_never_killed(stranger: subprocess.Popen[bytes], hours: int) -> None:
    """Earlier: the usual case. Later: after a restart of a machine whose clock is wrong."""
    began = psutil.Process(stranger.pid).create_time() + hours * 3600
    stale = Started(pid=stranger.pid, began=began, digest="ours")
    assert not stale.alive
    stop(stale, 0.2)
    assert stranger.poll() is None


def test_a_daemon_whose_session_has_our_old_number_is_never_killed(tmp_path: Path) -> None:
    """Daemons start in a session, and its first process ends: all that is left of that number is the session's."""
    told = tmp_path / "daemon"
    leader = subprocess.run(
        ["/bin/sh", "-c", f"sleep 60 & echo $$ $! > {told}"],
        start_new_session=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert leader.returncode == 0
    number, daemon = map(int, told.read_text().split())
    assert os.getsid(daemon) == number
    try:
        stop(Started(pid=number, began=time.time() - 60, digest="ours"), 0.2)
        assert psutil.Process(daemon).status() != psutil.STATUS_ZOMBIE
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_ours_is_known_again_when_the_clock_was_put_right(begin: Begin) -> None:
    """Begin is what the clock said; when it is set, the same process seems to have begun at another time."""
    started = begin(*SLEEPS)
    until(lambda: MARK in psutil.Process(started.pid).environ())
    assert replace(started, began=started.began + 3600).alive
    assert not replace(started, began=started.began + 3600, digest="another").alive


def test_one_of_another_user_is_told_and_not_passed_over(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    started = begin(*SLEEPS)

    def refuses(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", refuses)
        with pytest.raises(PermissionError):
            stop(started, 0)


def test_what_it_starts_carries_which_program_it_is(begin: Begin, tmp_path: Path) -> None:
    started = begin(sys.executable, "-c", f"import os; print(os.environ['{MARK}'])")
    ended(started)
    assert last_lines(tmp_path / "one.log") == started.digest


def test_another_word_variable_or_content_makes_it_another_program(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("a")
    one = Program(name="one", words=("a", "b"), environment={"c": "d"}, files=(file,))
    before = one.digest
    assert replace(one, name="two").digest == before
    assert replace(one, patience_seconds=1).digest == before
    others = {replace(one, words=("ab",)).digest, replace(one, environment={}).digest, replace(one, files=()).digest}
    file.write_text("b")
    assert len({before, one.digest, *others}) == 5


def test_a_file_that_is_not_there_yet_is_another_than_one_that_is(tmp_path: Path) -> None:
    one = Program(name="one", words=("a",), files=(tmp_path / "later",))
    before = one.digest
    (tmp_path / "later").write_text("there")
    assert one.digest != before


def test_last_words_are_few_and_short_and_none_where_there_is_no_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log) == ""
    log.write_bytes(b"early\n" + b"x" * 200_000 + b"\xff\n" + b"\n".join(b"%d" % n for n in range(11)))
    lines = last_lines(log).splitlines()
    assert lines[-1] == "10"
    assert len(lines) == 12
    assert max(map(len, lines)) == 300


def test_memory_is_of_those_that_run(begin: Begin) -> None:
    gone = begin("/bin/true")
    ended(gone)
    assert memory_bytes([gone]) == 0
    assert memory_bytes([begin(*SLEEPS), gone]) > 0
