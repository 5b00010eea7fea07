"""The whole trainer as processes of their own, stopped, killed, frozen and starved at known places: what was done stays done."""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.trainings import EVERY, RECIPE, STEPS, Training, at, workers
from tests.workloads.processes import Launcher, Process, events, export_of, until

from springtide_workloads.contract import NO_PROGRESS_RESTARTS, ExitCode

pytestmark = [pytest.mark.faults, pytest.mark.enable_socket, pytest.mark.timeout(400)]

BEGUN = 20
"""Step of the checkpoint that most of these runs go on from."""


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path_factory.mktemp("logs"))
    yield launcher
    launcher.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Training]]:
    """Makes runs of this recipe that nothing has happened to yet, for the length of the module."""
    place = tmp_path_factory.mktemp("runs")
    launcher = Launcher(place)
    yield lambda name: Training(launcher, place / name)
    launcher.close()


@pytest.fixture(scope="module")
def undisturbed(runs: Callable[[str], Training]) -> Training:
    """A run from its beginning to its end."""
    training = runs("undisturbed")
    code, text = training.start().ends()
    assert code == ExitCode.DONE, text
    return training


@pytest.fixture(scope="module")
def begun(runs: Callable[[str], Training]) -> Path:
    """A run whose machine was lost after its second checkpoint."""
    training = runs("begun")
    process = training.start(f"block@1@{BEGUN + 2}")
    until(lambda: training.saved() == BEGUN and training.said("blocked"), while_alive=process)
    process.kill_all()
    return training.place


@pytest.fixture
def training(launch: Launcher, tmp_path: Path, begun: Path) -> Training:
    """A run of the test's own that goes on from there."""
    shutil.copytree(begun, tmp_path / "run")
    return Training(launch, tmp_path / "run")


def interrupted(training: Training, process: Process) -> int:
    """The step at which a run that was told to stop has ended: every step that was made is saved."""
    code, text = process.ends()
    assert code == ExitCode.INTERRUPTED, text
    step = int(training.last("interrupted")["step"])
    assert training.made() - training.saved() <= 1, text
    assert step == training.saved(), text
    return step


def ends_as(training: Training, other: Training) -> None:
    """The run goes on to the other one's weights."""
    code, text = training.start().ends()
    assert code == ExitCode.DONE, text
    assert training.digest() == other.digest(), text


def test_told_while_processes_start_and_restore_it_leaves_at_once_and_loses_nothing(
    training: Training, undisturbed: Training
) -> None:
    moments: list[Callable[[Process], object]] = [
        lambda _: True,
        workers,
        lambda _: (training.place / "lease/00000002.json").exists(),
    ]
    for moment in moments:
        process = training.start()
        until(lambda: moment(process), while_alive=process)  # noqa: B023  used at once
        process.told(signal.SIGTERM)
        code, text = process.ends()
        # a signal to a Python that has not come to its first line yet ends it as any program
        assert code in {ExitCode.INTERRUPTED, -signal.SIGTERM}, text
        assert training.saved() >= BEGUN
    ends_as(training, undisturbed)


def test_told_in_the_first_steps_it_saves_them(launch: Launcher, tmp_path: Path, undisturbed: Training) -> None:
    training = Training(launch, tmp_path / "run")
    process = training.start(slow={"step": 0.3})
    at(training, process, 0)
    process.told(signal.SIGTERM)
    assert 1 <= interrupted(training, process) < 10
    ends_as(training, undisturbed)


def test_told_in_an_evaluation_it_does_not_finish_that_first(training: Training, undisturbed: Training) -> None:
    process = training.start(slow={"evaluate": 0.5})
    until(lambda: training.said("evaluating"), while_alive=process)
    process.told(signal.SIGTERM)
    assert interrupted(training, process) == 40
    assert training.count("evaluated") == 0
    ends_as(training, undisturbed)


def test_told_while_a_slow_store_takes_a_save_it_publishes_that_and_one_more(
    training: Training, undisturbed: Training
) -> None:
    process = training.start(slow={"save": 1.0, "step": 0.02})
    until(lambda: training.said("saving") and training.made() > BEGUN + EVERY + 2, while_alive=process)
    process.told(signal.SIGTERM)
    step = interrupted(training, process)
    saved = [each["step"] for each in events(training.place) if each["event"] == "saved"]
    assert saved[-2:] == [BEGUN + EVERY, step]
    ends_as(training, undisturbed)


def test_told_while_one_rank_waits_for_its_data_all_save_and_leave(training: Training, undisturbed: Training) -> None:
    process = training.start("block@1@27")
    until(lambda: training.said("blocked") and training.made() == 27, while_alive=process)
    process.told(signal.SIGTERM)
    assert interrupted(training, process) == 27
    ends_as(training, undisturbed)


@pytest.mark.parametrize("rank", [0, 1])
def test_one_rank_that_is_told_is_enough(training: Training, undisturbed: Training, rank: int) -> None:
    process = training.start(slow={"step": 0.1})
    at(training, process, BEGUN + 1)
    os.kill(workers(process)[rank], signal.SIGTERM)
    assert BEGUN + 1 < interrupted(training, process) < STEPS
    if rank:
        ends_as(training, undisturbed)


def test_a_rank_that_is_frozen_is_named_and_all_start_again(training: Training, undisturbed: Training) -> None:
    code, text = training.start("stop@1@25").ends()
    assert code == ExitCode.DONE, text
    assert re.search(r"rank 1 was frozen in phase \w+ of step 25", text), text
    assert (training.count("stuck"), training.count("restarted")) == (1, 1)
    assert training.last("restored")["step"] == BEGUN
    assert training.digest() == undisturbed.digest()


def test_a_full_disk_is_told_with_rank_and_phase_and_the_checkpoint_before_is_good(
    training: Training, undisturbed: Training
) -> None:
    # a limit on the size of any file stands for a disk that is full: the write ends short, then fails
    code, text = training.start(prefix=("prlimit", "--fsize=50000")).ends()
    assert code == ExitCode.STORAGE, text
    assert re.search(rf"rank \d failed in phase 'write' of saving step {BEGUN + EVERY}: cannot write file://", text), (
        text
    )
    assert "Traceback" not in text
    assert (training.saved(), training.count("restarted")) == (BEGUN, 0)
    assert not list(training.place.glob("checkpoints/*/*.part-*"))
    ends_as(training, undisturbed)
    assert training.last("restored")["step"] == BEGUN


def test_a_bug_of_a_recipe_ends_the_run_and_is_not_tried_again(training: Training) -> None:
    code, text = training.start("bug@1@25").ends()
    assert code == ExitCode.BUG, text
    assert "ValueError: a mistake of the recipe's author" in text
    assert (training.count("restarted"), training.last("failed")["code"]) == (0, "BUG")


def test_a_rank_that_is_killed_at_the_same_step_for_ever_ends_as_no_progress(training: Training) -> None:
    code, text = training.start("kill@1@25").ends()
    assert code == ExitCode.NO_PROGRESS, text
    assert training.count("restarted") == NO_PROGRESS_RESTARTS
    assert training.saved() == BEGUN


def test_a_second_agent_waits_for_the_first_and_takes_over_what_it_saved(
    training: Training, undisturbed: Training, launch: Launcher
) -> None:
    first = training.start("block@1@25")
    until(lambda: training.said("blocked") and training.made() == 25, while_alive=first)
    second = Training(launch, training.place).start()
    until(lambda: "waiting for run 'tiny'" in second.text(), while_alive=second)
    time.sleep(1)
    assert first.popen.poll() is None
    first.told(signal.SIGTERM)
    assert [first.wait(), second.wait()] == [ExitCode.INTERRUPTED, ExitCode.DONE], first.text() + second.text()
    saved = [each["step"] for each in events(training.place) if each["event"] == "saved"]
    # the life before was killed as soon as its second checkpoint was there: maybe before it could tell of it
    assert [step for step in saved if step != BEGUN] == [10, 25, 30, 40, 50, STEPS]
    assert training.last("restored")["step"] == 25
    assert training.digest() == undisturbed.digest()


def test_a_run_without_time_for_a_save_leaves_at_once_with_what_it_has(
    training: Training, undisturbed: Training
) -> None:
    process = training.start("block@1@27", save_deadline_seconds=0)
    until(lambda: training.said("blocked") and training.made() == 27, while_alive=process)
    process.told(signal.SIGTERM)
    code, text = process.ends()
    assert code == ExitCode.INTERRUPTED, text
    assert training.saved() == BEGUN
    ends_as(training, undisturbed)


def test_an_exact_run_on_2_then_1_then_2_processes_has_the_bits_of_one_that_nobody_disturbed(
    launch: Launcher, tmp_path: Path
) -> None:
    recipe = f"{RECIPE}:exact=4"
    alone = Training(launch, tmp_path / "alone", recipe)
    code, text = alone.start(procs_per_node=1).ends()
    assert code == ExitCode.DONE, text
    training = Training(launch, tmp_path / "run", recipe)
    for processes, step in ((2, 25), (1, 43)):
        process = training.start(f"block@0@{step}", procs_per_node=processes)
        until(lambda: training.said("blocked") and training.saved() == step // EVERY * EVERY, while_alive=process)  # noqa: B023  used at once
        process.kill_all()
    ends_as(training, alone)
    assert [each["world"] for each in events(training.place) if "world" in each] == [2, 1, 2]


def test_tuning_starts_at_the_loss_of_the_given_model_and_improves_it(
    launch: Launcher, tmp_path: Path, undisturbed: Training
) -> None:
    recipe = f"tuned:start={undisturbed.place.as_uri()},adapters=4,steps=150,eval_every=10,lr=0.02"
    training = Training(launch, tmp_path / "tuned", recipe)
    code, text = training.start().ends()
    assert code == ExitCode.DONE, text
    before = export_of(undisturbed.place)["held_out_loss"]
    losses = [each["held_out_loss"] for each in events(training.place) if each["event"] == "evaluated"]
    assert losses[0] == pytest.approx(before, rel=0.02)
    assert losses[-1] < before - 0.02
    assert export_of(training.place)["model"]["kind"] == "gpt"
    assert (training.place / "export/adapters.safetensors").exists()
