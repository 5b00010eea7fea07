import signal
from pathlib import Path

import pytest
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.contract import NO_PROGRESS_RESTARTS, ContractError, ExitCode
from springtide_workloads.errors import ConfigError, Interrupted, NoProgress, StorageError
from springtide_workloads.train.agent import Patience
from springtide_workloads.train.exits import (
    PEER_LOST,
    OutOfMemory,
    code_of,
    explain,
    kills_for_memory,
    most_severe,
    restartable,
    stopping,
)

GLOO = "[/build/third_party/gloo/gloo/transport/tcp/pair.cc:545] Read error: Connection reset by peer."


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), ExitCode.CONFIG),
        (ContractError(()), ExitCode.CONFIG),
        (StorageError("x"), ExitCode.STORAGE),
        (Interrupted("x"), ExitCode.INTERRUPTED),
        (NoProgress("x"), ExitCode.NO_PROGRESS),
        (ValueError("x"), ExitCode.BUG),
        (RuntimeError("shape mismatch"), ExitCode.BUG),
        (RuntimeError(GLOO), PEER_LOST),
        (dist.DistNetworkError("x"), PEER_LOST),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert code_of(error) == code


def test_expected_endings_are_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (ConfigError("wrong setting"), RuntimeError(GLOO)):
        explain(error)
    assert "Traceback" not in (told := capsys.readouterr().err)
    assert "springtide: wrong setting" in told


def test_bugs_keep_their_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="a bug") as caught:
        int("a bug")
    explain(caught.value)
    assert "test_exits.py" in capsys.readouterr().err


codes = st.sampled_from([0, 1, 2, 75, 76, 77, PEER_LOST, -signal.SIGKILL, -signal.SIGSEGV, 134])


@given(st.lists(codes, min_size=1), st.booleans())
def test_a_run_told_to_stop_never_ends_as_done(ended: list[int], told: bool) -> None:
    code = most_severe(ended, told_to_stop=told)
    assert code != ExitCode.DONE or not told
    assert (code == ExitCode.BUG) == bool({1, 134} & set(ended))


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        ([0, 0], ExitCode.DONE),
        ([75, -15], ExitCode.INTERRUPTED),
        ([PEER_LOST, 77], ExitCode.STORAGE),
        ([77, 2], ExitCode.CONFIG),
        ([PEER_LOST, 1, 75], ExitCode.BUG),
        ([3], ExitCode.BUG),
    ],
)
def test_the_most_severe_process_speaks_for_the_container(ended: list[int], code: ExitCode) -> None:
    assert most_severe(ended, told_to_stop=False) == code


@pytest.mark.parametrize(
    ("ended", "again"),
    [
        ({0: -9}, True),
        ({0: -9, 1: PEER_LOST}, True),
        ({0: -11, 1: -15}, True),
        ({0: -9, 1: 75}, False),
        ({0: 1, 1: PEER_LOST}, False),
        ({0: 77}, False),
        ({}, False),
    ],
)
def test_only_kills_and_their_consequences_are_worth_a_restart(ended: dict[int, int], again: bool) -> None:
    assert restartable(ended) == again


def test_patience_ends_after_restarts_without_a_new_checkpoint() -> None:
    patience = Patience(newest=lambda: None)
    assert [patience.lasts() for _ in range(NO_PROGRESS_RESTARTS + 1)] == [True] * NO_PROGRESS_RESTARTS + [False]


def test_a_new_checkpoint_renews_patience() -> None:
    steps = iter([None, None, 10, 10, 10, 20, 20, 20, 20])
    patience = Patience(newest=lambda: next(steps), limit=3)
    assert [patience.lasts() for _ in range(9)] == [True] * 8 + [False]


def test_a_run_that_went_back_made_no_progress_but_may_try_again() -> None:
    steps = iter([30, 30, 20, 20, 20, 20])
    patience = Patience(newest=lambda: next(steps), limit=3)
    assert [patience.lasts() for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.parametrize(
    ("ended", "told"), [([75, 75], True), ([75], True), ([75, PEER_LOST], False), ([-9], False), ([], False)]
)
def test_processes_that_agreed_to_stop_are_given_time(ended: list[int], told: bool) -> None:
    assert stopping(ended) == told


def test_the_kernel_is_asked_how_often_it_killed_for_memory(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/pod/container\n")
    assert kills_for_memory(tmp_path, own) is None
    (tmp_path / "memory.events").write_text("oom 3\noom_kill 2\noom_group_kill 0\n")
    assert kills_for_memory(tmp_path, own) == 2
    (tmp_path / "pod/container").mkdir(parents=True)
    (tmp_path / "pod/container/memory.events").write_text("oom_kill 5\n")
    assert kills_for_memory(tmp_path, own) == 5
    assert kills_for_memory(tmp_path, tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("counts", "codes", "happened"),
    [
        ([2, 3], {0: -9, 1: PEER_LOST}, True),
        ([2, 2], {0: -9}, False),
        ([2, 3], {0: 1}, False),
        ([None, None], {0: -9}, False),
    ],
)
def test_a_process_killed_for_memory_is_told_with_what_to_do(
    counts: list[int | None], codes: dict[int, int], happened: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    OutOfMemory(count=iter(counts).__next__).explain(codes)
    assert ("give the job more memory" in capsys.readouterr().err) == happened
