"""Compilation takes longer than anything else before the first step, and a machine may be taken away during it."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workloads.processes import Launcher, events, job, until

from springtide_workloads.contract import ExitCode

pytestmark = [
    pytest.mark.faults,
    pytest.mark.enable_socket,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("g++") is None, reason="no g++, with which torch compiles for the CPU"),
]

RECIPE = "gpt_tiny:steps=4,batch=4,context=32,width=32,layers=1,save_every=2,eval_every=4,compile=true"


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path_factory.mktemp("logs"))
    yield launcher
    launcher.close()


def test_told_while_the_model_is_compiled_it_leaves_at_once_and_the_next_start_trains_with_it(
    launch: Launcher, tmp_path: Path
) -> None:
    contract = job(tmp_path / "run", recipe=RECIPE, scratch_dir=str(tmp_path), procs_per_node=1)
    cache = tmp_path / "compiled"
    env = contract.to_env() | {"TORCHINDUCTOR_CACHE_DIR": str(cache)}

    first = launch.module("springtide_workloads.train", env=env)
    until(lambda: any(cache.rglob("*.cpp")) or any(cache.rglob("*.main.so")), while_alive=first)
    os.kill(first.popen.pid, signal.SIGTERM)
    code, text = first.ends()
    assert code == ExitCode.INTERRUPTED, text
    assert "nothing to lose" in text
    assert not {event["event"] for event in events(tmp_path / "run")} & {"started", "saved"}

    code, text = launch.module("springtide_workloads.train", env=env).ends()
    assert code == ExitCode.DONE, text
    assert list(cache.rglob("*.so")), "it was compiled"
