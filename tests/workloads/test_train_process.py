"""The trainer's whole process tree: agent and workers, killed and told to stop in every way that matters."""

import shutil
import signal
import time
from pathlib import Path

import pytest

from springtide_workloads.contract import Env, ExitCode
from tests.workloads.processes import (
    FIRST_PROCESS,
    TINY,
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

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(300)]

SLOW = TINY.replace("steps=60", "steps=100000")
"""The same run with no end, for those that are stopped before it."""


def test_training_here_ends_with_a_table_of_what_was_reached(local_training: tuple[Process, Path], finished: Path) -> None:
    process, _ = local_training
    code, text = process.ends()
    export = export_of(finished)
    assert code == ExitCode.DONE
    assert f"held-out loss     {export['held_out_loss']:.3f}" in text
    assert f"bigram baseline   {export['bigram_loss']:.3f}" in text
    assert str(finished / "export") in text


def test_a_run_killed_twice_reaches_the_weights_of_an_undisturbed_one(
    launch: Launcher, tmp_path: Path, finished: Path
) -> None:
    place = tmp_path / "run"
    first = launch.train(job(place))
    until(lambda: published(place, 10), while_alive=first)
    first.kill_all()

    second = launch.train(job(place))
    until(lambda: events(place)[-1]["event"] == "saved" and len(children(second.popen.pid)) == 2, while_alive=second)
    victim = children(second.popen.pid)[1]
    import os

    os.kill(victim, signal.SIGKILL)
    code, text = second.ends()
    assert code == ExitCode.DONE, text
    kinds = [event["event"] for event in events(place)]
    assert kinds.count("restored") == 2
    assert kinds.count("restarted") == 1
    assert export_of(place)["sha256"] == export_of(finished)["sha256"]


def test_one_node_told_to_stop_stops_all_after_one_save(launch: Launcher, tmp_path: Path, finished: Path) -> None:
    place = tmp_path / "run"
    contract = job(place, nodes=2, procs_per_node=1)
    nodes = [launch.train(replace_rank(contract, rank)) for rank in range(2)]
    until(lambda: published(place, 10), while_alive=nodes[1])
    nodes[1].told(signal.SIGTERM)
    assert [node.wait() for node in nodes] == [ExitCode.INTERRUPTED] * 2, nodes[0].text() + nodes[1].text()
    *_, saved, interrupted = events(place)
    assert (saved["event"], interrupted["event"]) == ("saved", "interrupted")
    assert saved["step"] == interrupted["step"] > 10
    assert published(place, saved["step"])
