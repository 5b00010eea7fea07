"""Processes killed, frozen, stuck and told to stop, one by one and together: the agent sees, names and mends it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workloads.processes import Launcher, Process, children, descendants, events, free_port, job, until

from springtide_workloads.contract import ExitCode

pytestmark = [pytest.mark.faults, pytest.mark.enable_socket, pytest.mark.timeout(240)]


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path_factory.mktemp("logs"))
    yield launcher
    launcher.close()


def pretend(
    launch: Launcher, place: Path, what: str = ":", *, env: dict[str, str] | None = None, **changes: Any
) -> Process:
    """An agent whose two processes pretend to train."""
    contract = job(place, **changes)
    return launch.module("tests.faults.pretend", env=contract.to_env() | {"PRETEND": what} | (env or {}))


def workers(process: Process) -> list[int]:
    """The agent's training processes: each leads a session, which the standby does not."""
    return [pid for pid in children(process.popen.pid) if os.getsid(pid) == pid]


def kinds(place: Path) -> list[str]:
    return [event["event"] for event in events(place)]


def steps(place: Path, generation: int = 1) -> int:
    return len(list((place / f"tiny/{generation}").glob("*-0"))) if (place / "tiny").exists() else 0


def listening(port: int) -> bool:
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    return any(f":{port:04X} " in line and " 0A " in line for table in tables for line in table.splitlines())


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_killed_process_costs_one_restart(launch: Launcher, tmp_path: Path) -> None:
    code, text = pretend(launch, tmp_path, "kill:1").ends()
    assert code == ExitCode.DONE, text
    assert "processes ended {1: -9}; starting all again" in text
    assert kinds(tmp_path) == ["restarted"]


def test_a_frozen_process_is_named_and_killed_within_seconds(launch: Launcher, tmp_path: Path) -> None:
    process = pretend(launch, tmp_path, "freeze:1")
    until(lambda: steps(tmp_path) > 5, while_alive=process)
    frozen = time.monotonic()
    until(lambda: "rank 1 was frozen in phase data of step 5" in process.text(), while_alive=process)
    assert time.monotonic() - frozen < 6, "3 s, and the rest for a busy machine"
    code, text = process.ends()
    assert code == ExitCode.DONE, text
    assert kinds(tmp_path) == ["stuck", "restarted"]
    assert 2 <= events(tmp_path)[0]["seconds"] < 4


def test_a_stuck_process_is_blamed_with_its_stack_and_not_the_one_that_waits(launch: Launcher, tmp_path: Path) -> None:
    code, text = pretend(launch, tmp_path, "stuck:1", env={"SPRINGTIDE_STUCK_SECONDS": "2"}).ends()
    assert code == ExitCode.DONE, text
    assert "rank 1 was stuck in phase data of step 5" in text
    assert "in act" in text, "the stack of the one that is stuck"
    assert "in agreed" in text, "and of the one that waits"
    assert kinds(tmp_path) == ["stuck", "restarted"]


def test_a_process_that_computes_without_a_heartbeat_is_left_alone(launch: Launcher, tmp_path: Path) -> None:
    code, text = pretend(launch, tmp_path, "compute:1").ends()
    assert code == ExitCode.DONE, text
    assert kinds(tmp_path) == []


@pytest.mark.parametrize("what", ["told:0", "told:1"])
def test_any_one_process_told_to_stop_stops_all(launch: Launcher, tmp_path: Path, what: str) -> None:
    code, text = pretend(launch, tmp_path, what).ends()
    assert code == ExitCode.INTERRUPTED, text
    assert text.count("saved after") == 2
    assert kinds(tmp_path) == []


def test_an_agent_told_twice_saves_once_also_when_a_process_is_frozen(launch: Launcher, tmp_path: Path) -> None:
    process = pretend(launch, tmp_path, env={"PRETEND_STEPS": "1000"})
    until(lambda: steps(tmp_path) > 5, while_alive=process)
    os.kill(workers(process)[1], signal.SIGSTOP)
    process.told(signal.SIGTERM)
    time.sleep(0.1)
    process.told(signal.SIGTERM)
    code, text = process.ends()
    assert code == ExitCode.INTERRUPTED, text
    assert text.count("saved after") == 2
    assert "frozen" not in text


def test_a_process_told_before_its_first_step_ends_the_node_at_once(launch: Launcher, tmp_path: Path) -> None:
    process = pretend(launch, tmp_path, env={"PRETEND_STARTS": "100"})
    until((tmp_path / "tiny/1/started-1").exists, while_alive=process)
    os.kill(workers(process)[1], signal.SIGTERM)
    assert process.wait() == ExitCode.INTERRUPTED, process.text()


def test_an_agent_told_while_it_starts_again_leaves_nobody_behind(launch: Launcher, tmp_path: Path) -> None:
    process = pretend(launch, tmp_path, env={"PRETEND_STEPS": "1000"})
    until(lambda: steps(tmp_path) > 5, while_alive=process)
    tree = descendants(process.popen.pid)
    os.kill(workers(process)[0], signal.SIGKILL)
    until(lambda: "starting all again" in process.text(), while_alive=process)
    process.told(signal.SIGTERM)
    tree += descendants(process.popen.pid) if process.popen.poll() is None else []
    assert process.wait() == ExitCode.INTERRUPTED, process.text()
    until(lambda: gone(tree))


def test_an_agent_told_while_others_have_not_come_leaves_as_interrupted(launch: Launcher, tmp_path: Path) -> None:
    port = free_port()
    process = pretend(launch, tmp_path, nodes=2, master_port=port)
    until(lambda: listening(port), while_alive=process)
    process.told(signal.SIGTERM)
    assert process.wait() == ExitCode.INTERRUPTED, process.text()


def test_a_killed_agent_leaves_nobody_behind(launch: Launcher, tmp_path: Path) -> None:
    process = pretend(launch, tmp_path, env={"PRETEND_STEPS": "1000"})
    until(lambda: steps(tmp_path) > 5, while_alive=process)
    tree = descendants(process.popen.pid)
    process.told(signal.SIGKILL)
    process.wait()
    until(lambda: gone(tree))
    assert process.text().count("saved after") == 2


def test_a_killed_standby_is_replaced_and_nobody_else_notices(launch: Launcher, tmp_path: Path) -> None:
    process = pretend(launch, tmp_path, env={"PRETEND_STEPS": "300"})
    until(lambda: steps(tmp_path) > 5, while_alive=process)
    before = workers(process)
    (standby,) = set(children(process.popen.pid)) - set(before)
    os.kill(standby, signal.SIGKILL)
    until(lambda: len(children(process.popen.pid)) == 3 and gone([standby]), while_alive=process)
    assert workers(process) == before
    os.kill(before[0], signal.SIGKILL)
    code, text = process.ends()
    assert code == ExitCode.DONE, text
    assert kinds(tmp_path) == ["restarted"]


def test_a_process_lost_on_one_node_starts_both_nodes_again(launch: Launcher, tmp_path: Path) -> None:
    contract = job(tmp_path, nodes=2, procs_per_node=1)
    settings: dict[str, Any] = {"nodes": 2, "procs_per_node": 1, "master_port": contract.master_port}
    nodes = [pretend(launch, tmp_path, "kill:0", node_rank=rank, **settings) for rank in range(2)]
    assert [node.wait() for node in nodes] == [ExitCode.DONE] * 2, nodes[0].text() + nodes[1].text()
    assert kinds(tmp_path) == ["restarted"]
