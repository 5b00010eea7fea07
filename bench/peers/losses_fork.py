"""Processes of a trainer that is imported once: a line of standard input, a folder and words, is one of them.

What a trainer's import takes says nothing of what it loses, and a hundred instants would pay for it a hundred times.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

STEPS, BATCH, WIDTH = 1_000_000, 8, 256
STEP_SECONDS = 0.005
"""By how much longer a step takes, as in restart_worker.py."""

Work = Callable[[Path, set[str]], None]
"""A training run in a folder, with what was asked for."""


def model() -> nn.Module:
    """What restart_worker.py trains."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return nn.Sequential(*(layer for _ in range(4) for layer in (nn.Linear(WIDTH, WIDTH), nn.ReLU())))


class Samples(torch.utils.data.Dataset[Tensor]):
    """Random samples, as many as the steps take."""

    def __len__(self) -> int:
        """Of all steps."""
        return STEPS * BATCH

    def __getitem__(self, _: int) -> Tensor:
        """One sample."""
        return torch.randn(WIDTH)


def note(place: Path, step: int) -> None:
    """A step is made."""
    with (place / "steps").open("a") as file:
        file.write(f"{step}\n")


def resumed(place: Path, step: int) -> None:
    """A new start says what it goes on from, before its first step."""
    whole = place / "resumed.new"
    whole.write_text(str(step))
    whole.rename(place / "resumed")


def serve(work: Work) -> None:
    """Forks a process for each line and says its id, until there are no more lines."""
    # nobody asks how they ended
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        folder, *words = line.split()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(_worked(work, Path(folder), set(words)))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _worked(work: Work, place: Path, words: set[str]) -> int:
    os.setsid()
    log = os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(log, number)
    try:
        work(place, words)
    except BaseException:  # noqa: BLE001  a process ends with its code, whatever was raised
        traceback.print_exc()
        return 1
    return 0
