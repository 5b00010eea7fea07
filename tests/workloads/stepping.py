"""Runs of a few steps on random tokens, by any kind of parallelism: what the ranks of a test's world execute."""

import hashlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from springtide_workloads.data.dataset import Batch
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.recipes import AdamW
from springtide_workloads.recipes.config import cross_entropy
from springtide_workloads.train.exact import Exact
from springtide_workloads.train.parallel import Parallel
from springtide_workloads.train.ranks import Ranks
from springtide_workloads.train.stepper import Stepper, stepper

STEPS = 4
LR = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a stepper reads of a recipe."""

    parallel: Parallel = field(default_factory=Parallel)
    compile: bool = False
    checkpoint_activations: str = "none"
    bf16: bool = False
    optimizer: AdamW = field(default_factory=lambda: AdamW(lr=LR))
    loss: Callable[[nn.Module, Batch], Tensor] = cross_entropy
    batch: int = 8
    accumulate: int = 1
    exact: int | None = None
    clip: float = 0.5
    """Small enough to matter in every step."""
    threads: int = 1
    seed: int = 3


def model(dropout: float = 0.0) -> nn.Module:
    """A tiny GPT, the same on every rank."""
    torch.manual_seed(1)
    return GPTConfig(layers=2, heads=4, width=32, context=16, vocab=64, dropout=dropout).build()


def batch(number: int, part: range) -> Batch:
    """This part of a batch."""
    tokens = torch.randint(0, 64, (8, 17), generator=torch.Generator().manual_seed(number))[part.start : part.stop]
    return tokens[:, :-1], tokens[:, 1:]


def prepared(ranks: Ranks, choice: Choice, dropout: float = 0.0) -> Stepper:
    """A stepper of this rank."""
    return stepper(model(dropout), choice, rank=ranks.rank, world=ranks.world, device=ranks.device)


def curves(ranks: Ranks, choices: Mapping[str, Choice]) -> dict[str, list[float]]:
    """Losses of the first steps, then of an evaluation, for each choice."""
    return {name: curve(ranks, choice) for name, choice in choices.items()}


def curve(ranks: Ranks, choice: Choice) -> list[float]:
    """Losses of one choice, over all ranks."""
    torch.use_deterministic_algorithms(mode=False)
    run = prepared(ranks, choice)
    run.warm_up(batch(98, range(3)))
    losses = [
        ranks.mean(float(run.step(batch(number, run.part), lr=LR, number=number))) for number in range(STEPS)
    ]  # fmt: skip
    return [*losses, ranks.mean(float(run.loss(batch(99, range(8)))))]


def digest(run: Stepper) -> str:
    """SHA-256 of the weights and of all that the optimizer remembers."""
    hashed = hashlib.sha256()
    for name, tensor in run.model.state_dict().items():
        hashed.update(name.encode() + tensor.contiguous().numpy().tobytes())
    for parameter in run.model.parameters():
        for name, value in sorted(run.optimizer.state[parameter].items()):
            hashed.update(name.encode() + torch.as_tensor(value).contiguous().numpy().tobytes())
    return hashed.hexdigest()


def digests(ranks: Ranks, choice: Choice, dropout: float = 0.0) -> tuple[str, list[float]]:
    """Digest after the steps, and the losses on the way."""
    run = prepared(ranks, choice, dropout)
    if ranks.main:
        # exact needs no warm-up, and none changes its bits
        _warm(run)
    losses = [float(run.step(batch(number, run.part), lr=LR, number=number)) for number in range(STEPS)]
    return digest(run), losses


def _warm(run: Stepper) -> None:
    if run.mesh.size() == 1 or isinstance(run, Exact):
        run.warm_up(batch(98, range(3)))


def killed(  # noqa: PLR0913, PLR0917  one life of a run
    ranks: Ranks, choice: Choice, path: Path, steps: int, every: int, victim: int, after: int
) -> str | None:
    """Goes on from what is saved; one rank is killed `after` steps of this life, or before the last one.

    Returns the digest at the end, None for a life cut short.
    """
    run = prepared(ranks, choice, dropout=0.1)
    done = _restored(run, path)
    try:
        for number in range(done, steps):
            if ranks.rank == victim and number == min(done + after, steps - 1):
                os.kill(os.getpid(), signal.SIGKILL)
            run.step(batch(number, run.part), lr=LR, number=number)
            if (number + 1) % every == 0 and ranks.main:
                _save(run, path, number + 1)
    except RuntimeError:
        # gloo's word for a rank that is gone
        return None
    return digest(run)


def _save(run: Stepper, path: Path, done: int) -> None:
    state = {"model": run.model.state_dict(), "optimizer": run.optimizer.state_dict(), "done": done}
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def _restored(run: Stepper, path: Path) -> int:
    if not path.exists():
        return 0
    state: dict[str, Any] = torch.load(path)
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    return int(state["done"])
