"""Seconds from SIGKILL of a training process to the first step after it: our agent beside `torchrun --max-restarts 3`.

Both run the same processes, bench/peers/restart_worker.py: two ranks of a small model on gloo, which save every 20 steps and
go on from there. What differs is who starts them again, and from what. Arms take turns; each repeat is a launch of its own.

Usage: python bench/restarts.py [--quick]
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from springtide_workloads.contract import Device, TrainingContract
from springtide_workloads.local import _free_port as free_port

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 5
QUICK_REPEATS = 3
STEPS_BEFORE = 50
"""Steps until the kill: by then a checkpoint is there."""
SETTLE_SECONDS = 5.0
"""And so long after the first step, as a run has that was not killed at once: our standby is ready then."""
SECONDS = 180
"""How long a launch may take."""


def ours(place: Path) -> tuple[list[str], dict[str, str]]:
    """Command and environment of our agent."""
    job = TrainingContract(
        run="restart", recipe="gpt_tiny", artifacts_url=place.as_uri(), device=Device.CPU, nodes=1, procs_per_node=2,
        master_addr="127.0.0.1", master_port=free_port(), node_rank=0, notice_seconds=0, grace_seconds=30,
        shutdown_seconds=30, save_deadline_seconds=30,
    )  # fmt: skip
    return [sys.executable, "-m", "bench.peers.restart_ours"], job.to_env()


def torchrun(_place: Path) -> tuple[list[str], dict[str, str]]:
    """Command and environment of torchrun, alone on its machine."""
    run = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "--max-restarts",
        "3",
    ]
    return [*run, str(ROOT / "bench/peers/restart_worker.py")], {"OMP_NUM_THREADS": "1"}


def seconds(arm: Callable[[Path], tuple[list[str], dict[str, str]]]) -> float:
    """One launch, one kill: until the first step of a new process."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        command, env = arm(place)
        env = os.environ | env | {"RESTART_PLACE": folder}
        with (place / "log").open("wb") as log:
            launched = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            return measured(place, launched)
        finally:
            for pid in (launched.pid, *below(launched.pid)):
                os.kill(pid, signal.SIGKILL)
            launched.wait()


def measured(place: Path, launched: "subprocess.Popen[bytes]") -> float:
    """Kills rank 1 when training runs, and waits for it to run again."""
    until(lambda: len(steps(place)) >= STEPS_BEFORE, place, launched)
    time.sleep(SETTLE_SECONDS)
    old = steps(place)[-1][1]
    killed = time.monotonic()
    os.kill(int((place / "rank-1").read_text()), signal.SIGKILL)
    until(lambda: steps(place)[-1][1] != old, place, launched)
    return next(at for at, pid, _ in steps(place) if pid != old and at > killed) - killed


def steps(place: Path) -> list[tuple[float, int, int]]:
    """Time, process and number of each step so far."""
    path = place / "steps"
    lines = path.read_text().splitlines() if path.exists() else []
    # the last one may be half written
    return [(float(at), int(pid), int(step)) for at, pid, step in map(str.split, lines[:-1])]


def until(condition: Callable[[], bool], place: Path, launched: "subprocess.Popen[bytes]") -> None:
    """Waits for a condition, often looking."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        if launched.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"ended or took too long:\n{(place / 'log').read_text()}")
        time.sleep(0.05)


def below(pid: int) -> list[int]:
    """Descendants of a process."""
    children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [each for child in children for each in below(child)]


def rows(quick: bool) -> Iterator[dict[str, Any]]:
    """The row `restart`."""
    arms = {"ours": ours, "torchrun": torchrun}
    raw: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(QUICK_REPEATS if quick else REPEATS):
        for name, arm in arms.items():
            raw[name].append(round(seconds(arm), 3))
    mine, peer = statistics.median(raw["ours"]), statistics.median(raw["torchrun"])
    yield {
        "row": "restart", "ours": mine, "peer": peer, "peer_name": f"torchrun --max-restarts 3 (torch {torch.__version__})",
        "ratio": round(mine / peer, 3), "unit": "s from SIGKILL to the first step", "raw": raw,
    }  # fmt: skip


def main() -> None:
    """Prints each row as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="3 repeats instead of 5")
    for row in rows(parser.parse_args().quick):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
