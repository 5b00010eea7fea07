"""Steps that are lost when a training run is told to stop, or killed, at random instants: ours beside other trainers.

All train a small model and save every 20 steps, each as its own documents tell: torchrun with torch.save and a snapshot of its
own, as torch's examples do (bench/peers/restart_worker.py), Lightning with `ModelCheckpoint`, transformers' Trainer with
`save_steps`. Where a trainer has an option for SIGTERM that is off by default, it runs with and without. Ours and torchrun have
two processes, the others one, which is the easier case. A repeat is a run of its own that is hit once: SIGTERM to the first
process, as Kubernetes does, or SIGKILL to all of its processes at once, as a lost machine does. Instants are drawn from a seed,
the same for all, over two save intervals and more.

Lost is what was made after the step that a new start goes on from (of ours: what was begun). Of ours and torchrun that is the
newest checkpoint that is published; Lightning and Trainer are started again and say it. Where they would not start from what
the hit left behind, the newest checkpoint is deleted, as a person has to, and that is counted in `refused`.

For a SIGKILL the bound is the interval and the steps made while a save was on its way, since a checkpoint counts once it is
published: `over_interval` is the most that were seen of these.

Lightning and Trainer run in environments of their own, made once with `--prepare`; those that are not there are left out.

Usage: python bench/losses.py [--quick] [--count 100] [--trainer-count 100] [--rows lost_sigterm,lost_sigkill] [--after 0]
       python bench/losses.py --prepare
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, Protocol, Self

import torch

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import steps  # noqa: E402
from bench.restarts import torchrun  # noqa: E402
from tests.workloads.processes import job  # noqa: E402  the same runs as the tests'

PINS: Final = ROOT / "bench/peers/losses_transformers.txt"
PLACE: Final = ROOT / ".cache/peers/losses_transformers"
INTERVAL: Final = 20
SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.02
QUICK: Final = (2, 1)
COUNT: Final = 100
"""Instants of ours and of torchrun; the second of `QUICK` is of the other trainers."""
OURS: Final = f"tests.faults.recipes.tiny:steps=100000,save_every={INTERVAL},eval_every=100000"
NAMES: Final = {
    "torchrun": f"torchrun and torch.save (torch {torch.__version__})",
    "lightning": "Lightning 2.6.6",
    "lightning,exception": "Lightning 2.6.6, save_on_exception=True",
    "transformers": "transformers 5.23.0, Trainer",
    "transformers,jit": "transformers 5.23.0, Trainer, enable_jit_checkpoint=True",
}
"""Peers by their arm; after a comma, what is told to its script."""

ENVIRONMENTS: Final = {"lightning": steps.PLACE, "transformers": PLACE}

SIGNALS: Final = {"lost_sigterm": signal.SIGTERM, "lost_sigkill": signal.SIGKILL}


class Hit(Protocol):
    """A process that is hit."""

    pid: int

    def poll(self) -> object:
        """None while it lives."""

    def wait(self, timeout: float | None = None) -> object:
        """Until it has ended."""


class Arm(Protocol):
    """A trainer. Its runs live in folders, which start, tell the steps made, and the step that a new start goes on from."""

    refused: int
    """New starts that did not go on from what a hit had left behind."""

    def start(self, place: Path) -> Hit: ...  # noqa: D102  see above

    def made(self, place: Path) -> int: ...  # noqa: D102

    def saved(self, place: Path) -> int: ...  # noqa: D102


def main() -> None:
    """Prints each row as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="an instant or two each")
    parser.add_argument("--count", type=int, default=COUNT, help="instants of ours and of torchrun")
    parser.add_argument("--trainer-count", type=int, default=COUNT, help="instants of Lightning and of Trainer")
    parser.add_argument("--rows", default=",".join(SIGNALS), help=f"of {', '.join(SIGNALS)}")
    parser.add_argument(
        "--after", type=int, default=0, help="instants that an earlier run has had, and told as it went"
    )
    parser.add_argument("--prepare", action="store_true", help="make Trainer's environment and end")
    options = parser.parse_args()
    if options.prepare:
        prepare()
        return
    counts = QUICK if options.quick else (options.count, options.trainer_count)
    for row in measured_rows(counts, options.rows.split(","), options.after):
        print(json.dumps(row), flush=True)


def prepare() -> None:
    """The environment of transformers' Trainer; torch comes from uv's cache. Lightning's is that of bench/steps.py."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, str(PLACE)], check=True)
    subprocess.run([*uv, "pip", "install", "--python", str(PLACE / "bin/python"), "-r", str(PINS)], check=True)


def rows(quick: bool) -> Iterator[dict[str, Any]]:
    """The rows `lost_sigterm` and `lost_sigkill`, one a peer."""
    return measured_rows(QUICK if quick else (COUNT, COUNT), SIGNALS)


def measured_rows(counts: tuple[int, int], wanted: Iterable[str], after: int = 0) -> Iterator[dict[str, Any]]:
    """Rows of so many instants of ours and torchrun, and of the others, but for those that were had before."""
    with ExitStack() as stack:
        arms = _arms(stack)
        for row in wanted:
            # SIGKILL asks nobody what it would do about SIGTERM
            chosen = {name: arm for name, arm in arms.items() if row == "lost_sigterm" or "," not in name}
            for arm in chosen.values():
                arm.refused = 0
            raw = measured(row, chosen, counts, after)
            yield from (_row(row, name, raw, chosen[name]) for name in list(raw)[1:] if raw[name])


def measured(row: str, arms: Mapping[str, Arm], counts: tuple[int, int], after: int = 0) -> dict[str, list[int]]:
    """Steps lost at each instant, the arms taking turns."""
    chance = random.Random(row)  # noqa: S311  instants, not secrets
    raw: dict[str, list[int]] = {name: [] for name in arms}
    instants = [chance.random() for _ in range(max(counts))]
    for at in range(after, max(counts)):
        here = {name: arm for name, arm in arms.items() if at < counts[isinstance(arm, Warm)]}
        for name, arm in here.items():
            raw[name].append(lost(arm, SIGNALS[row], instants[at]))
        print(row, at, {name: raw[name][-1] for name in here}, file=sys.stderr, flush=True)
    return raw


def lost(arm: Arm, number: signal.Signals, instant: float) -> int:
    """One run that is hit once, some time after its first save: the steps that were made and are not in its checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        process = arm.start(place)
        try:
            until(lambda: arm.made(place) > INTERVAL + 2, place, process)
            time.sleep(instant)
            if number is signal.SIGTERM:
                os.kill(process.pid, number)
                process.wait(SECONDS)
        finally:
            # the id of one that was waited for may be another's by now
            end(tree(process.pid) if process.poll() is None else [])
            process.wait()
        return max(arm.made(place) - arm.saved(place), 0)


def _row(row: str, name: str, raw: Mapping[str, list[int]], arm: Arm) -> dict[str, Any]:
    worst, peer = max(raw["ours"]), max(raw[name])
    return {
        "row": row, "ours": worst, "peer": peer, "peer_name": NAMES[name], "ratio": round(worst / peer, 3) if peer else None,
        "unit": "steps lost, most", "interval": INTERVAL, "over_interval": max(worst - INTERVAL, 0),
        "count": len(raw["ours"]), "peer_count": len(raw[name]),
        "refused": arm.refused, "raw": {"ours": raw["ours"], name: raw[name]},
    }  # fmt: skip


class Ours:
    """Our trainer."""

    refused = 0

    def start(self, place: Path) -> Hit:
        """As a container starts it."""
        contract = job(place / "run", recipe=OURS, scratch_dir=str(place))
        env = contract.to_env() | {"PYTHONPATH": str(ROOT), "FAULT_PLACE": str(place), "FAULT_STEP_SECONDS": "0.01"}
        return started([sys.executable, "-m", "springtide_workloads.train"], env, place)

    def made(self, place: Path) -> int:
        """Steps that rank 0 has begun."""
        return lines(place / "steps-0")

    def saved(self, place: Path) -> int:
        """See `published`."""
        return published(place / "run")


class Torchrun:
    """The peer that torch brings."""

    refused = 0

    def start(self, place: Path) -> Hit:
        """Two processes on this machine."""
        command, env = torchrun(place)
        return started(command, env | {"RESTART_PLACE": str(place)}, place)

    def made(self, place: Path) -> int:
        """Steps that rank 0 has made."""
        return lines(place / "steps")

    def saved(self, place: Path) -> int:
        """See `snapshot`."""
        return snapshot(place / "saved.pt")


def published(run: Path) -> int:
    """Step of the newest published checkpoint of a run of ours; 0 without any."""
    folders = (run / "checkpoints").glob("step-*/manifest*.json")
    return max((int(each.parent.name.removeprefix("step-")) for each in folders), default=0)


def snapshot(path: Path) -> int:
    """Step of a peer's snapshot; 0 where it is not there."""
    return int(torch.load(path)["step"]) if path.exists() else 0


def lines(path: Path) -> int:
    """How many lines there are."""
    return path.read_text().count("\n") if path.exists() else 0


class Warm:
    """A trainer whose processes are forked from one that has imported it (bench/peers/losses_fork.py)."""

    def __init__(self, python: Path, module: str, words: str) -> None:
        env = os.environ | {"PYTHONPATH": str(ROOT), "SAVE_EVERY": str(INTERVAL), "OMP_NUM_THREADS": "1"}
        self.words = words
        self.refused = 0
        self._served = subprocess.Popen(
            [str(python), "-m", module], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._served.communicate()

    def start(self, place: Path, *words: str) -> Hit:
        """A process; with `again` one that goes on."""
        asked: Any = self._served.stdin
        told: Any = self._served.stdout
        print(place, self.words, *words, file=asked, flush=True)
        return Forked(int(told.readline()))

    def made(self, place: Path) -> int:
        """Steps that it has made."""
        return lines(place / "steps")

    def saved(self, place: Path) -> int:
        """What a new start says that it goes on from."""
        said = place / "resumed"
        said.unlink(missing_ok=True)
        while not self._resumes(place, said):
            self.refused += 1
            _drop_newest(place / "saved")
        return int(said.read_text())

    def _resumes(self, place: Path, said: Path) -> bool:
        process = self.start(place, "again")
        try:
            deadline = time.monotonic() + SECONDS
            while not said.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS)
            return said.exists()
        finally:
            end([process.pid])
            process.wait()


class Forked:
    """A process that is another's child, and which nobody has to wait for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None while it is there."""
        return None if Path(f"/proc/{self.pid}").exists() else 0

    def wait(self, timeout: float | None = None) -> int:
        """Until it is not."""
        deadline = time.monotonic() + (SECONDS if timeout is None else timeout)
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"process {self.pid} does not end")
            time.sleep(LOOK_SECONDS)
        return 0


def _drop_newest(saved: Path) -> None:
    """Deletes the checkpoint that was written last."""
    found = sorted(saved.iterdir(), key=lambda each: each.stat().st_mtime)
    if not found:
        raise RuntimeError(f"it does not start from nothing:\n{(saved.parent / 'log').read_text()[-3000:]}")
    shutil.rmtree(found[-1]) if found[-1].is_dir() else found[-1].unlink()


def _arms(stack: ExitStack) -> dict[str, Arm]:
    """Ours, torchrun, and those whose environments are there."""
    arms: dict[str, Arm] = {"ours": Ours(), "torchrun": Torchrun()}
    for name in (name for name in NAMES if name not in arms):
        trainer, _, words = name.partition(",")
        python = ENVIRONMENTS[trainer] / "bin/python"
        if python.exists():
            arms[name] = stack.enter_context(Warm(python, f"bench.peers.losses_{trainer}", words))
    return arms


def started(command: list[str], env: dict[str, str], place: Path) -> "subprocess.Popen[bytes]":
    """A process in a session of its own."""
    with (place / "log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=os.environ | env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def tree(pid: int) -> list[int]:
    """A process and everything below it that is there; itself in any case."""
    below: list[int] = []
    # any thread may have children; who ends meanwhile has none
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            below += [each for child in path.read_text().split() for each in tree(int(child))]
    return [pid, *below]


def end(pids: list[int]) -> None:
    """Kills processes that are there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def until(condition: Callable[[], bool], place: Path, process: Hit) -> None:
    """Waits for a condition, often looking."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"ended or took too long:\n{(place / 'log').read_text()}")
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
