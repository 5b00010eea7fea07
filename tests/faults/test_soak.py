"""The whole trainer hit at a hundred random instants of its life, in every way: nothing is lost that need not be, and the
run ends with the bits of one that nobody disturbed. `SOAK_INSTANTS` says how many of each kind; half an hour and more.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from tests.faults.trainings import EVERY, Training, workers
from tests.workloads.processes import Launcher, Process, descendants

from springtide_workloads.contract import ExitCode

pytestmark = [pytest.mark.soak, pytest.mark.enable_socket, pytest.mark.timeout(7200)]

INSTANTS = int(os.environ.get("SOAK_INSTANTS", "100"))
STEP_SECONDS = 0.05
"""Of 60 steps: training takes a good part of a life, beside starting, evaluating and exporting."""
IN_FLIGHT = 4
"""Steps that may be made while a save is on its way: until it is published, a kill costs the interval before it as well."""
LONGEST_SECONDS = 6.0
"""Latest instant of a life; one that is over by then was not hit."""


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path_factory.mktemp("logs"))
    yield launcher
    launcher.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The digest of a run from its beginning to its end."""
    place = tmp_path_factory.mktemp("undisturbed")
    launcher = Launcher(place)
    training = Training(launcher, place / "run")
    code, text = training.start().ends()
    assert code == ExitCode.DONE, text
    yield training.digest()
    launcher.close()


def one_rank(process: Process, chance: random.Random) -> list[int]:
    return [chance.choice(found)] if (found := workers(process)) else []


def the_agent(process: Process, _: random.Random) -> list[int]:
    return [process.popen.pid]


def the_tree(process: Process, _: random.Random) -> list[int]:
    return [process.popen.pid, *descendants(process.popen.pid)]


TARGETS: Final[Mapping[str, Callable[[Process, random.Random], list[int]]]] = {
    "one rank": one_rank,
    "the agent": the_agent,
    "the whole tree": the_tree,
}


def hit(process: Process, target: str, number: int, chance: random.Random) -> bool:
    """Sends the signal; False where the target was not there (any more)."""
    try:
        pids = TARGETS[target](process, chance)
    except (FileNotFoundError, ProcessLookupError):
        return False
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return bool(pids)


def _there(process: Process, target: str, chance: random.Random) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return bool(TARGETS[target](process, chance))
    return False


def lives(
    training: Training, target: str, number: int, chance: random.Random, most: int
) -> Iterator[tuple[Process, bool]]:
    """One tree after the other, each hit once at a random instant, until the run is done; ended, and whether it was hit."""
    hits = 0
    while True:
        process = training.start(slow={"step": STEP_SECONDS})
        # before there is anybody to hit, time does not count
        while process.popen.poll() is None and not _there(process, target, chance):
            time.sleep(0.005)
        until = time.monotonic() + chance.uniform(0, LONGEST_SECONDS)
        while hits < most and time.monotonic() < until and process.popen.poll() is None:
            time.sleep(0.005)
        struck = hits < most and process.popen.poll() is None and hit(process, target, number, chance)
        hits += struck
        process.wait()
        yield process, struck
        if process.popen.returncode == ExitCode.DONE:
            return


@pytest.mark.parametrize("target", TARGETS)
def test_told_at_any_instant_it_loses_at_most_a_step(
    launch: Launcher, tmp_path: Path, undisturbed: str, target: str
) -> None:
    chance = random.Random(f"told {target}")
    hits, run = 0, 0
    while hits < INSTANTS:
        run += 1
        training = Training(launch, tmp_path / f"run-{run}")
        for process, struck in lives(training, target, signal.SIGTERM, chance, INSTANTS - hits):
            code, text = process.ends()
            hits += struck
            # a Python that has not come to its first line yet is ended by the kernel, and has said nothing; one that was done
            # already is done
            too_early = {-signal.SIGTERM} if struck and not text.strip() else set()
            assert code in {ExitCode.INTERRUPTED, ExitCode.DONE} | too_early, (code, text)
            assert training.lost() <= 1, text
        assert training.digest() == undisturbed


@pytest.mark.parametrize("target", TARGETS)
def test_killed_at_any_instant_it_loses_at_most_an_interval(
    launch: Launcher, tmp_path: Path, undisturbed: str, target: str
) -> None:
    chance = random.Random(f"killed {target}")
    hits, run = 0, 0
    while hits < INSTANTS:
        run += 1
        training = Training(launch, tmp_path / f"run-{run}")
        for process, struck in lives(training, target, signal.SIGKILL, chance, INSTANTS - hits):
            code, text = process.ends()
            hits += struck
            assert code in {ExitCode.DONE, -signal.SIGKILL}, text
            assert training.lost() <= EVERY + IN_FLIGHT, text
        assert training.digest() == undisturbed
