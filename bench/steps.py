"""Seconds of a training step in our loop beside those of loops that do nothing else: what votes, watching and the diary cost.

The arms make the same steps (bench/peers/steps_recipe.py): same model, data, order, optimizer, schedule and clipping, one
process, one thread, nothing saved or evaluated before the end; their last losses must be equal. A step is from one call of the
loss to the next. Arms take turns; each repeat is a process of its own, whose first steps are not counted.

accelerate and Lightning run in an environment of their own, made once with `python bench/steps.py --prepare`.

Usage: python bench/steps.py [--quick] [--prepare]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from springtide_workloads.contract import Device, TrainingContract
from springtide_workloads.local import _free_port as free_port

ROOT: Final = Path(__file__).resolve().parent.parent
PINS: Final = ROOT / "bench/peers/steps_trainers.txt"
PLACE: Final = ROOT / ".cache/peers/steps_trainers"
REPEATS, QUICK_REPEATS = 5, 2
SAME: Final = 1e-5
"""Losses that differ by less are equal: torch sums in another order where somebody clips in another way."""
WARM: Final = 20
"""Steps of each process that are not counted."""
SIZES: Final = {
    "small": "steps=400,width=64,layers=2,context=64,batch=8",
    "larger": "steps=120,width=256,layers=4,context=128,batch=8",
}
PEERS: Final = {"bare": "bare torch", "accelerate": "accelerate", "lightning": "Lightning"}


def main() -> None:
    """Prints each row as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help=f"one size, {QUICK_REPEATS} repeats instead of {REPEATS}")
    parser.add_argument("--prepare", action="store_true", help="make the peers' environment and end")
    options = parser.parse_args()
    if options.prepare:
        prepare()
        return
    for row in rows(options.quick):
        print(json.dumps(row), flush=True)


def prepare() -> None:
    """The environment of the other trainers; torch comes from uv's cache."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, str(PLACE)], check=True)
    subprocess.run([*uv, "pip", "install", "--python", str(PLACE / "bin/python"), "-r", str(PINS)], check=True)


def rows(quick: bool) -> Iterator[dict[str, Any]]:
    """The rows `step_overhead`; trainers whose environment is not there are left out."""
    peers = [name for name in PEERS if name == "bare" or (PLACE / "bin/python").exists()]
    repeats = QUICK_REPEATS if quick else REPEATS
    for size, text in list(SIZES.items())[: 1 if quick else None]:
        raw: dict[str, list[float]] = {name: [] for name in ("ours", *peers)}
        losses: dict[str, float] = {}
        for _ in range(repeats):
            for name, found in raw.items():
                seconds, losses[name] = ours(text) if name == "ours" else theirs(name, text)
                found.append(round(seconds * 1000, 3))
        mine = statistics.median(raw["ours"])
        for name in peers:
            peer = statistics.median(raw[name])
            yield {
                "row": "step_overhead", "size": size, "ours": mine, "peer": peer, "peer_name": PEERS[name],
                "ratio": round(mine / peer, 4), "unit": "ms a step, median", "repeats": repeats,
                "same_last_loss": abs(losses["ours"] - losses[name]) < SAME, "raw": {"ours": raw["ours"], name: raw[name]},
            }  # fmt: skip


def ours(text: str) -> tuple[float, float]:
    """Median seconds a step in our own trainer, as a container runs it, and the last loss."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        recipe = f"bench.peers.steps_recipe.timed:{text}"
        job = TrainingContract(
            run="steps", recipe=recipe, artifacts_url=(place / "run").as_uri(), scratch_dir=folder, device=Device.CPU, nodes=1,
            procs_per_node=1, master_addr="127.0.0.1", master_port=free_port(), metrics_port=free_port(), node_rank=0,
            notice_seconds=0, grace_seconds=30, shutdown_seconds=30, save_deadline_seconds=30,
        )  # fmt: skip
        run([sys.executable, "-m", "springtide_workloads.train"], place, text, job.to_env())
        events = [json.loads(line) for line in (place / "run/events.jsonl").read_text().splitlines()]
        said = [event["loss"] for event in events if event.get("loss") is not None]
        return measured(place), said[-1]


def theirs(name: str, text: str) -> tuple[float, float]:
    """The same in another loop."""
    python = sys.executable if name == "bare" else str(PLACE / "bin/python")
    with tempfile.TemporaryDirectory() as folder:
        env = {"STEPS_RECIPE": f"bench.peers.steps_recipe.timed:{text}", "PYTHONPATH": f"{ROOT}:{ROOT / 'workloads'}"}
        said = run([python, "-m", "bench.peers.steps_bare", name], Path(folder), text, env)
        return measured(Path(folder)), float(said.split()[-1])


def run(command: list[str], place: Path, text: str, env: dict[str, str]) -> str:
    """A process to its end; what it said."""
    count = next(part.removeprefix("steps=") for part in text.split(",") if part.startswith("steps="))
    more = {"STEPS_FILE": str(place / "stamps"), "STEPS_COUNT": count, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | more | env, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def measured(place: Path) -> float:
    """Median seconds from step to step."""
    stamps = [float(each) for each in (place / "stamps").read_text().split()][WARM:]
    return statistics.median(after - before for before, after in pairwise(stamps))


if __name__ == "__main__":
    main()
