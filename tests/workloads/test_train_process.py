"""The trainer's whole process tree: agent and workers, killed and told to stop in every way that matters."""

import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tests.workloads.processes import (
    FIRST_PROCESS,
    STEADY,
    Launcher,
    Process,
    children,
    events,
    export_of,
    has_namespaces,
    job,
    published,
    until,
)

from springtide_workloads.contract import NO_PROGRESS_RESTARTS, Device, Env, ExitCode
from springtide_workloads.errors import ConfigError
from springtide_workloads.recipes import resolve
from springtide_workloads.train.agent import _fits

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(300)]


COMING_AND_GOING = {"joined", "left", "progress"}


def kinds(place: Path) -> list[str]:
    """What happened to the run; that agents come, report and go is `test_goodput`'s."""
    return [event["event"] for event in events(place) if event["event"] not in COMING_AND_GOING]


def test_training_here_ends_with_a_table_of_what_was_reached(
    local_training: tuple[Process, Path], finished: Path
) -> None:
    code, text = local_training[0].ends()
    export = export_of(finished)
    assert code == ExitCode.DONE
    assert f"held-out loss     {export['held_out_loss']:.3f}" in text
    assert f"bigram baseline   {export['bigram_loss']:.3f}" in text
    assert str(finished / "export") in text


def test_a_run_killed_twice_reaches_the_weights_of_an_undisturbed_one(
    launch: Launcher, tmp_path: Path, finished: Path
) -> None:
    place = tmp_path / "run"
    lost_machine = launch.train(job(place))
    until(lambda: published(place, 20), while_alive=lost_machine)
    lost_machine.kill_all()

    lost_process = launch.train(replace(job(place), usd_per_hour=31.2))
    until(lambda: kinds(place)[-2:] == ["restored", "saved"], while_alive=lost_process)
    os.kill(children(lost_process.popen.pid)[1], signal.SIGKILL)
    code, text = lost_process.ends()
    assert code == ExitCode.DONE, text
    assert re.search(r"cost per 1,000 useful steps +\$0\.\d", text)
    assert (kinds(place).count("restored"), kinds(place).count("restarted")) == (2, 1)
    assert export_of(place)["sha256"] == export_of(finished)["sha256"]


def test_one_node_told_to_stop_stops_all_after_one_save(launch: Launcher, tmp_path: Path, finished: Path) -> None:
    place = tmp_path / "run"
    contract = job(place, nodes=2, procs_per_node=1)
    nodes = [launch.train(replace(contract, node_rank=rank)) for rank in range(2)]
    until(lambda: published(place, 20), while_alive=nodes[1])
    nodes[1].told(signal.SIGTERM)
    assert [node.wait() for node in nodes] == [ExitCode.INTERRUPTED] * 2, nodes[0].text() + nodes[1].text()
    *_, saved, interrupted = (each for each in events(place) if each["event"] not in COMING_AND_GOING)
    assert (saved["event"], interrupted["event"]) == ("saved", "interrupted")
    assert 20 <= saved["step"] == interrupted["step"] < 120
    assert published(place, saved["step"])

    resumed = launch.train(job(place))
    assert resumed.wait() == ExitCode.DONE, resumed.text()
    assert export_of(place)["sha256"] == export_of(finished)["sha256"]


def test_nodes_that_are_lost_and_replaced_are_met_by_those_that_stayed(
    launch: Launcher, tmp_path: Path, finished: Path
) -> None:
    place = tmp_path / "run"
    contract = job(place, nodes=2, procs_per_node=1)
    nodes = [launch.train(replace(contract, node_rank=rank)) for rank in range(2)]
    for lost in (1, 0):
        before = kinds(place).count("saved")
        until(lambda: kinds(place).count("saved") > before, while_alive=nodes[lost])  # noqa: B023  used at once
        nodes[lost].kill_all()
        nodes[lost] = launch.train(replace(contract, node_rank=lost))
    assert [node.wait() for node in nodes] == [ExitCode.DONE] * 2, nodes[0].text() + nodes[1].text()
    assert kinds(place).count("restored") == 2
    assert export_of(place)["sha256"] == export_of(finished)["sha256"]


def test_a_finished_run_is_done_at_once_and_needs_no_other_node(launch: Launcher, finished: Path) -> None:
    code, text = launch.train(job(finished, nodes=8, procs_per_node=1, node_rank=3)).ends()
    assert code == ExitCode.DONE, text
    assert "run 'tiny' is finished" in text


def test_a_bug_ends_as_a_bug_with_its_traceback(launch: Launcher, tmp_path: Path) -> None:
    code, text = launch.train(job(tmp_path / "run", procs_per_node=1, recipe=f"{STEADY},lr=1e30")).ends()
    assert code == ExitCode.BUG
    assert "FloatingPointError" in text
    assert kinds(tmp_path / "run") == ["started", "failed"]


def test_wrong_settings_end_as_config_and_all_are_told(launch: Launcher, tmp_path: Path) -> None:
    env = job(tmp_path).to_env() | {Env.NODES.value: "0", Env.RUN.value: "No Name"}
    code, text = launch.module("springtide_workloads.train", env=env).ends()
    assert code == ExitCode.CONFIG
    assert "PET_NNODES is '0'" in text
    assert "SPRINGTIDE_RUN is 'No Name'" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"recipe": "gpt_tiny:batch=3"}, "which 2 processes cannot share evenly"),
        ({"device": Device.CUDA, "procs_per_node": 8}, "torch sees"),
        ({"node_rank": None}, "PET_NODE_RANK is missing"),
    ],
)
def test_settings_that_cannot_work_here_are_refused_before_any_process_starts(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    contract = job(tmp_path, **changes)
    with pytest.raises(ConfigError, match=told):
        _fits(contract, resolve(contract.recipe))


def test_storage_that_fails_in_the_middle_ends_as_storage(launch: Launcher, tmp_path: Path) -> None:
    place = tmp_path / "run"
    process = launch.train(job(place))
    until(lambda: published(place, 20), while_alive=process)
    (place / "checkpoints").rename(tmp_path / "away")
    (place / "checkpoints").write_text("in the way")
    code, text = process.ends()
    assert code == ExitCode.STORAGE, text
    assert "cannot write file://" in text
    assert "Traceback" not in text
    shutil.rmtree(tmp_path / "away")


def test_storage_that_cannot_be_opened_ends_as_storage(launch: Launcher, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, text = launch.train(job(tmp_path / "file" / "run")).ends()
    assert code == ExitCode.STORAGE
    assert "Traceback" not in text


def test_processes_that_always_die_end_as_no_progress(launch: Launcher, tmp_path: Path) -> None:
    process = launch.train(job(tmp_path / "run", procs_per_node=1))
    dead: set[int] = set()
    while process.popen.poll() is None:
        for pid in set(children(process.popen.pid)) - dead:
            os.kill(pid, signal.SIGKILL)
            dead.add(pid)
    code, text = process.ends()
    assert code == ExitCode.NO_PROGRESS, text
    assert kinds(tmp_path / "run") == ["restarted"] * NO_PROGRESS_RESTARTS + ["failed"]


@pytest.mark.skipif(not has_namespaces(), reason="this machine lets nobody make process namespaces")
def test_a_first_process_that_waits_for_other_nodes_can_be_told_to_stop(launch: Launcher, tmp_path: Path) -> None:
    contract = job(tmp_path / "run", nodes=2, procs_per_node=1)
    process = launch.train(contract, prefix=FIRST_PROCESS)
    until(lambda: listening(contract.master_port), while_alive=process)
    process.told(signal.SIGTERM)
    assert process.wait() == ExitCode.INTERRUPTED, process.text()


def listening(port: int) -> bool:
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    return any(f":{port:04X} " in line and " 0A " in line for table in tables for line in table.splitlines())
