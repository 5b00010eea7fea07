"""What a recipe says: everything about a training run but where it runs."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from springtide_workloads.models import ModelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW:
    """AdamW; weight decay for matrices only. The rate warms up linearly, then falls along a half cosine."""

    lr: float
    """Highest learning rate."""
    floor: float = 0.02
    """Lowest rate of the cosine, as a part of `lr`."""
    warmup: float = 0.05
    """Part of all steps spent warming up."""
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer over a model's parameters."""
        matrices = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=self.lr, betas=self.betas, weight_decay=self.weight_decay)

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of the step after `step` of `steps`."""
        warm = min(1.0, (step + 1) / max(1.0, self.warmup * steps))
        cosine = 0.5 * (1.0 + math.cos(math.pi * step / steps))
        return self.lr * warm * max(self.floor, cosine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A complete training run. Two runs of one recipe on equal machines give equal weights."""

    name: str
    """As it was asked for: `name[:key=value,...]`."""
    model: ModelConfig
    optimizer: AdamW
    steps: int
    batch: int
    """Windows of text a step, over all ranks; a multiple of their number."""
    save_every: int
    """Steps from checkpoint to checkpoint: what a kill without notice may cost."""
    eval_every: int
    log_every: int = 50
    keep: int = 3
    """Newest checkpoints that are not deleted."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    bf16: bool = False
    """Whether matrix products run in bfloat16; weights and optimizer stay in float32."""
    threads: int = 1
    """Threads of each process on a CPU. With 1, equal runs end bit for bit equal."""
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain data; a run never goes on under another one."""
        data = asdict(self) | {"model": {"kind": self.model.kind, **self.model.to_json()}}
        plain: dict[str, Any] = json.loads(json.dumps(data))
        return plain
