"""Runs of the recipe with faults, and what became of them."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.workloads.processes import Launcher, Process, children, events, export_of, job, until

from springtide_workloads.contract import Layout

RECIPE = "tests.faults.recipes.tiny"
EVERY = 10
STEPS = 60
ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Training:
    """One run, from process tree to process tree."""

    launch: Launcher
    place: Path
    recipe: str = RECIPE
    faults: Path = field(init=False)
    """Where the newest tree leaves its words: what is left of the one before may still write its own."""

    def start(
        self, fault: str = "", *, prefix: tuple[str, ...] = (), slow: Mapping[str, float] | None = None, **changes: Any
    ) -> Process:
        """Starts a tree that goes on with the run."""
        self.faults = Path(tempfile.mkdtemp(prefix="faults-", dir=self.place.parent))
        contract = job(self.place, **{"recipe": self.recipe, "scratch_dir": str(self.faults)} | changes)
        env = contract.to_env() | {"PYTHONPATH": str(ROOT), "FAULT_PLACE": str(self.faults), "FAULT": fault}
        env |= {f"FAULT_{name.upper()}_SECONDS": str(value) for name, value in (slow or {}).items()}
        return self.launch.module("springtide_workloads.train", env=env, prefix=prefix)

    def said(self, word: str) -> bool:
        return (self.faults / word).exists()

    def made(self, rank: int = 0) -> int:
        """Steps that the newest tree's rank has begun, of all steps of the run; 0 when it began none."""
        steps = self.steps(rank)
        return steps[-1] + 1 if steps else 0

    def steps(self, rank: int = 0) -> list[int]:
        """Steps made before each one that the newest tree's rank has begun."""
        path = self.faults / f"steps-{rank}"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def lost(self) -> int:
        """Most steps that the newest tree has made for nothing at one time: by a restart in place, or by its own end."""
        steps = self.steps()
        redone = [before + 1 - after for before, after in pairwise(steps)]
        return max([*redone, self.made() - self.saved() if steps else 0])

    def saved(self) -> int:
        """Step of the newest published checkpoint; 0 without any."""
        folders = (self.place / Layout.CHECKPOINTS).glob("step-*/manifest*.json")
        return max((int(each.parent.name.removeprefix("step-")) for each in folders), default=0)

    def last(self, kind: str) -> dict[str, Any]:
        return [each for each in events(self.place) if each["event"] == kind][-1]

    def count(self, kind: str) -> int:
        return sum(each["event"] == kind for each in events(self.place))

    def digest(self) -> str:
        return str(export_of(self.place)["sha256"])


def workers(process: Process) -> list[int]:
    """The agent's training processes: each leads a session, which the standby does not."""
    return [pid for pid in children(process.popen.pid) if leads(pid)]


def leads(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def at(training: Training, process: Process, step: int) -> None:
    """Waits until the newest tree has begun this step on both ranks."""
    until(lambda: min(training.made(rank) for rank in range(2)) > step, while_alive=process)
