"""Useful steps of a training run under a seeded schedule of faults, as a part of what the same run makes undisturbed.

Both arms train the same recipe (bench/peers/goodput_recipe.py) on two processes and save every 50 steps: our trainer, and
torchrun with retries over a worker that saves and loads a snapshot with torch.save (bench/peers/goodput_torchrun.py). A fault
comes every 15 to 25 s and is one of three; kinds and instants come from a seed, the same for both arms:

- `rank`: SIGKILL to one training process; the launcher goes on with others.
- `tree`: SIGKILL to all processes, as a lost machine does; started again at once.
- `told`: SIGTERM to the launcher, as Kubernetes does; started again when it has ended.

Useful steps are the different ones that the run has behind it when the time is over; of a run that is not back by then, those
that it had saved. Time begins with the first step of the first launch, with faults and without; arms take turns.

Beside it is the account of our run, from its event log, once it was told to end: its parts sum to the wall time (`parts_off` is
by what part of it they do not), and its useful steps should be those of the recipe's own log. `before_the_log_seconds` is what
the first launch took until it could say anything, by this process's clock.

A step has 30 ms in it in which nobody computes: on two cores the arms would otherwise share them with each other's starts.
Other cores, other prices of a start: the figures say little of another machine.

Usage: python bench/faulted.py [--quick] [--repeats 5] [--seconds 120] [--peers torchrun,torchft]
       python bench/faulted.py --prepare
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.losses import end, published, snapshot, tree  # noqa: E402
from tests.workloads.processes import job  # noqa: E402  the same runs as the tests'

from springtide_workloads.storage import Store  # noqa: E402
from springtide_workloads.train.goodput import account, to_json  # noqa: E402

PINS: Final = ROOT / "bench/peers/goodput_torchft.txt"
PLACE: Final = ROOT / ".cache/peers/goodput_torchft"
INTERVAL: Final = 50
RECIPE: Final = f"bench.peers.goodput_recipe.noted:save_every={INTERVAL}"
STEP_SECONDS: Final = 0.03
SECONDS, QUICK_SECONDS = 120.0, 30.0
"""Of one run."""
GAP, QUICK_GAP = (15.0, 25.0), (8.0, 10.0)
"""Seconds from fault to fault, at least and at most."""
REPEATS: Final = 5
KINDS: Final = ("rank", "tree", "told")
SEED: Final = 20261123
ARRIVES_SECONDS: Final = 120.0
"""How long the first launch may take."""
ENDS_SECONDS: Final = 60.0
"""How long a launcher that was told to end may take, before it is killed."""
LOOK_SECONDS: Final = 0.02


class Fault(NamedTuple):
    """One fault, so many seconds after the first step."""

    at: float
    kind: str
    rank: int


def main() -> None:
    """Prints the row as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"ours only, once, {QUICK_SECONDS:.0f} s")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--peers", default="", help=f"of {', '.join(PEERS)}; default: all that are there")
    parser.add_argument("--prepare", action="store_true", help="make torchft's environment and end")
    options = parser.parse_args()
    if options.prepare:
        prepare()
        return
    peers = [each for each in options.peers.split(",") if each]
    if unknown := set(peers) - PEERS.keys():
        parser.error(f"--peers {','.join(sorted(unknown))}: use {', '.join(PEERS)}")
    for row in rows(options.quick, options.repeats, options.seconds, peers):
        print(json.dumps(row), flush=True)


def rows(
    quick: bool, repeats: int = REPEATS, seconds: float = SECONDS, peers: Iterable[str] = ()
) -> Iterator[dict[str, Any]]:
    """The row `goodput`, one a peer (default: all that are there); without peers when it is to be quick."""
    seconds, gap, repeats = (QUICK_SECONDS, QUICK_GAP, 1) if quick else (seconds, GAP, repeats)
    named = [] if quick else [name for name in peers or PEERS if name != "torchft" or PLACE.exists()]
    arms: dict[str, type[_Arm]] = {"ours": _Ours} | {name: PEERS[name][1] for name in named}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in arms}
    for repeat in range(repeats):
        faults = schedule(SEED + repeat, seconds, gap)
        for name, arm in arms.items():
            found[name].append(compared(arm, seconds, faults))
            print(name, repeat, found[name][-1]["goodput"], found[name][-1]["faults"], file=sys.stderr, flush=True)
    figures = {name: statistics.median(each["goodput"] for each in runs) for name, runs in found.items()}
    for name in named or ["ours"]:
        peer = figures[name] if named else None
        yield {
            "row": "goodput", "ours": figures["ours"], "peer": peer, "peer_name": PEERS[name][0] if named else None,
            "ratio": round(figures["ours"] / peer, 3) if peer else None, "unit": "useful steps ÷ undisturbed steps",
            "repeats": repeats, "seconds": seconds, "raw": {"ours": found["ours"], name: found[name]},
        }  # fmt: skip


def prepare() -> None:
    """The environment of torchft; torch comes from uv's cache."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, str(PLACE)], check=True)
    subprocess.run([*uv, "pip", "install", "--python", str(PLACE / "bin/python"), "-r", str(PINS)], check=True)


def schedule(seed: int, seconds: float, gap: tuple[float, float]) -> list[Fault]:
    """Faults of a run, the same for a seed; the last one leaves time to come back from it."""
    chance = random.Random(seed)  # noqa: S311  instants, not secrets
    faults: list[Fault] = []
    kinds: list[str] = []
    at = chance.uniform(*gap)
    while at < seconds - gap[0]:
        # each kind once, then each once more: a few faults show them all
        kinds = kinds[1:] if len(kinds) > 1 else chance.sample(KINDS, len(KINDS))
        faults.append(Fault(round(at, 3), kinds[0], chance.randrange(2)))
        at += chance.uniform(*gap)
    return faults


def compared(arm: "type[_Arm]", seconds: float, faults: Sequence[Fault]) -> dict[str, Any]:
    """One run with faults beside one without."""
    disturbed, undisturbed = (ran(arm, seconds, each) for each in (faults, ()))
    useful, whole = disturbed["useful_steps"], undisturbed["useful_steps"]
    faulted = [f"{fault.kind}@{fault.at:.1f}" for fault in faults]
    return {"goodput": round(useful / whole, 4), "undisturbed_steps": whole, "faults": faulted} | disturbed


def ran(arm: "type[_Arm]", seconds: float, faults: Sequence[Fault]) -> dict[str, Any]:
    """One run of so many seconds; what became of it."""
    with tempfile.TemporaryDirectory() as folder:
        run = arm(Path(folder))
        try:
            launched = time.time()
            run.launch()
            run.arrive()
            deadline = time.monotonic() + seconds
            for fault in faults:
                run.wait(deadline - seconds + fault.at)
                run.hit(fault)
            run.wait(deadline)
            return run.figures() | run.accounted(launched)
        finally:
            run.kill()


@dataclass(slots=True)
class _Arm:
    """A run, from launcher to launcher."""

    place: Path
    launches: int = 0
    missed: int = 0
    """Faults that found nobody to hit."""
    process: "subprocess.Popen[bytes]" = field(init=False)

    def command(self) -> tuple[list[str], dict[str, str]]:
        """What to start, and its environment."""
        raise NotImplementedError

    def saved(self) -> int:
        """Step that a new start goes on from."""
        raise NotImplementedError

    def accounted(self, launched: float) -> dict[str, Any]:  # noqa: ARG002  ours looks at it
        """What the run says of itself; ends it."""
        return {}

    def launch(self) -> None:
        command, env = self.command()
        more = {"GOODPUT_PLACE": str(self.place), "GOODPUT_STEP_SECONDS": str(STEP_SECONDS), "OMP_NUM_THREADS": "1"}
        self.launches += 1
        with (self.place / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)} | more | env, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def arrive(self) -> None:
        """Until every rank has begun a step."""
        deadline = time.monotonic() + ARRIVES_SECONDS
        while not all((self.place / f"rank-{rank}").exists() for rank in range(2)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"ended or took too long:\n{(self.place / 'log').read_text()}")
            time.sleep(LOOK_SECONDS)

    def wait(self, until: float) -> None:
        """Until then; a launcher that gives up is started again."""
        while time.monotonic() < until:
            if self.process.poll() is not None:
                self.launch()
            time.sleep(LOOK_SECONDS)

    def hit(self, fault: Fault) -> None:
        if fault.kind == "rank":
            pid = self.pid(fault.rank)
            self.missed += pid is None
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            return
        if fault.kind == "told":
            self.told()
        self.kill()
        self.launch()

    def kill(self) -> None:
        """Every process of the run at once."""
        # the id of one that was waited for may be another's by now
        end(tree(self.process.pid) if self.process.poll() is None else [])
        self.process.wait()

    def told(self) -> None:
        """SIGTERM, and the time to heed it."""
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDS_SECONDS)

    def pid(self, rank: int) -> int | None:
        """The process of a rank that has begun a step, where it is there."""
        path = self.place / f"rank-{rank}"
        text = path.read_text() if path.exists() else ""
        return int(text) if text and int(text) in tree(self.process.pid) else None

    def figures(self) -> dict[str, Any]:
        """Steps by the log that the recipe writes, of a run that is still there."""
        # what follows the last end of a line is nothing, or half written
        notes = [line.split() for line in (self.place / "steps").read_text().split("\n")[:-1]]
        steps = [int(step) for _, _, step in notes]
        back = int(notes[-1][1]) in tree(self.process.pid)
        return {
            "useful_steps": steps[-1] if back else self.saved(), "redone_steps": len(steps) - 1 - max(steps),
            "back": back, "launches": self.launches, "missed": self.missed,
        }  # fmt: skip


class _Ours(_Arm):
    """Our trainer."""

    def command(self) -> tuple[list[str], dict[str, str]]:
        contract = job(self.place / "run", recipe=RECIPE, scratch_dir=str(self.place))
        return [sys.executable, "-m", "springtide_workloads.train"], contract.to_env()

    def saved(self) -> int:
        return published(self.place / "run")

    def accounted(self, launched: float) -> dict[str, Any]:
        self.told()
        ended = time.time()
        goodput = account(Store((self.place / "run").as_uri()), int(ended * 1000))
        parts = sum(goodput.parts.values())
        return {
            "account": to_json(goodput), "parts_off": abs(parts - goodput.wall_ms) / goodput.wall_ms,
            "before_the_log_seconds": round(ended - launched - goodput.wall_ms / 1000, 3),
        }  # fmt: skip


class _Torchrun(_Arm):
    """torchrun, which starts all ranks again."""

    def command(self) -> tuple[list[str], dict[str, str]]:
        run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        worker = str(ROOT / "bench/peers/goodput_torchrun.py")
        return [*run, "--max-restarts", "1000", worker], {"GOODPUT_RECIPE": RECIPE}

    def saved(self) -> int:
        return snapshot(self.place / "snapshot.pt")


class _Torchft(_Arm):
    """torchft, whose replica groups go on without each other."""

    def command(self) -> tuple[list[str], dict[str, str]]:
        worker = [str(PLACE / "bin/python"), str(ROOT / "bench/peers/goodput_torchft.py")]
        return worker, {"GOODPUT_RECIPE": RECIPE, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "workloads")))}

    def saved(self) -> int:
        return snapshot(self.place / "snapshot.pt")

    def figures(self) -> dict[str, Any]:
        """Both groups note their steps, so lines say nothing of what was redone."""
        return _Arm.figures(self) | {"redone_steps": None}


PEERS: Final[Mapping[str, tuple[str, type[_Arm]]]] = {
    "torchrun": (f"torchrun with retries (torch {torch.__version__})", _Torchrun),
    "torchft": ("torchft 0.2.0, two replica groups", _Torchft),
}
"""What they are called, and their arms; torchft has an environment of its own, and is left out without it."""


if __name__ == "__main__":
    main()
