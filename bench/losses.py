"""Steps that are lost when a training run is told to stop, or killed, at random instants: ours beside torchrun.

Both train a small model on two processes and save every 20 steps; the peer with torch.save and its own snapshot, as torch's
examples do (bench/peers/restart_worker.py). A repeat is a run of its own that is hit once: SIGTERM to the first process, as
Kubernetes does, or SIGKILL to all of its processes at once, as a lost machine does. Lost is what was begun after the step that a
new start goes on from: the newest published checkpoint. Instants are drawn from a seed, over two save intervals and more.

For a SIGKILL the bound is the interval and the steps made while a save was on its way, since a checkpoint counts once it is
published: `in_flight` is the most that were seen.

Usage: python bench/losses.py [--quick] [--count 100] [--peer-count 20]
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import torch

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.restarts import below, torchrun  # noqa: E402
from tests.workloads.processes import job  # noqa: E402  the same runs as the tests'

INTERVAL: Final = 20
SECONDS: Final = 120.0
QUICK: Final = 3
OURS: Final = f"tests.faults.recipes.tiny:steps=100000,save_every={INTERVAL},eval_every=100000"
SIGNALS: Final = {"lost_sigterm": signal.SIGTERM, "lost_sigkill": signal.SIGKILL}


def main() -> None:
    """Prints each row as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} instants each")
    parser.add_argument("--count", type=int, default=100, help="instants of ours")
    parser.add_argument("--peer-count", type=int, default=20, help="instants of the peer")
    options = parser.parse_args()
    for row in rows(options.quick, options.count, options.peer_count):
        print(json.dumps(row), flush=True)


def rows(quick: bool, count: int = 100, peer_count: int = 20) -> Iterator[dict[str, Any]]:
    """The rows `lost_sigterm` and `lost_sigkill`."""
    mine, theirs = (QUICK, QUICK) if quick else (count, peer_count)
    for row, number in SIGNALS.items():
        chance = random.Random(row)  # noqa: S311  instants, not secrets
        raw: dict[str, list[int]] = {"ours": [], "torchrun": []}
        for at in range(max(mine, theirs)):
            if at < mine:
                raw["ours"].append(lost(_Ours(), number, chance.random()))
            if at < theirs:
                raw["torchrun"].append(lost(_Torchrun(), number, chance.random()))
        worst, peer = max(raw["ours"]), max(raw["torchrun"])
        yield {
            "row": row, "ours": worst, "peer": peer, "peer_name": f"torchrun and torch.save (torch {torch.__version__})",
            "ratio": round(worst / peer, 3) if peer else None, "unit": "steps lost, most", "interval": INTERVAL,
            "count": mine, "peer_count": theirs, "raw": raw,
        }  # fmt: skip


class _Ours:
    """Our trainer."""

    def start(self, place: Path) -> "subprocess.Popen[bytes]":
        contract = job(place / "run", recipe=OURS, scratch_dir=str(place))
        env = contract.to_env() | {"PYTHONPATH": str(ROOT), "FAULT_PLACE": str(place), "FAULT_STEP_SECONDS": "0.01"}
        return started([sys.executable, "-m", "springtide_workloads.train"], env, place)

    def made(self, place: Path) -> int:
        path = place / "steps-0"
        return len(path.read_text().split()) if path.exists() else 0

    def saved(self, place: Path) -> int:
        folders = (place / "run/checkpoints").glob("step-*/manifest*.json")
        return max((int(each.parent.name.removeprefix("step-")) for each in folders), default=0)


class _Torchrun:
    """The peer."""

    def start(self, place: Path) -> "subprocess.Popen[bytes]":
        command, env = torchrun(place)
        return started(command, env | {"RESTART_PLACE": str(place)}, place)

    def made(self, place: Path) -> int:
        path = place / "steps"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def saved(self, place: Path) -> int:
        path = place / "saved.pt"
        return int(torch.load(path)["step"]) if path.exists() else 0


def started(command: list[str], env: dict[str, str], place: Path) -> "subprocess.Popen[bytes]":
    """A process in a session of its own."""
    with (place / "log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=os.environ | env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def lost(arm: _Ours | _Torchrun, number: signal.Signals, instant: float) -> int:
    """One run that is hit once, some time after its first save: the steps that were begun and are not in its checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        process = arm.start(place)
        try:
            until(lambda: arm.made(place) > INTERVAL + 2, place, process)
            time.sleep(instant)
            if number is signal.SIGTERM:
                process.send_signal(number)
                process.wait(SECONDS)
            else:
                end([process.pid, *below(process.pid)])
        finally:
            end([process.pid, *_left(process.pid)])
            process.wait()
        return max(arm.made(place) - arm.saved(place), 0)


def _left(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        return below(pid)
    return []


def end(pids: list[int]) -> None:
    """Kills processes that are there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def until(condition: Callable[[], bool], place: Path, process: "subprocess.Popen[bytes]") -> None:
    """Waits for a condition, often looking."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"ended or took too long:\n{(place / 'log').read_text()}")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
