"""What a recipe says: everything about a training run but where it runs."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own name for it

from springtide_workloads.data.dataset import Batch, DataConfig
from springtide_workloads.models import ModelConfig, described
from springtide_workloads.train.parallel import Parallel


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
        """The optimizer over those of a model's parameters that are trained."""
        trained = [p for p in model.parameters() if p.requires_grad]
        matrices = [p for p in trained if p.ndim > 1]
        others = [p for p in trained if p.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=self.lr, betas=self.betas, weight_decay=self.weight_decay
        )

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of the step after `step` of `steps`."""
        warm = min(1.0, (step + 1) / max(1.0, self.warmup * steps))
        cosine = 0.5 * (1.0 + math.cos(math.pi * step / steps))
        return self.lr * warm * max(self.floor, cosine)


def cross_entropy(model: nn.Module, batch: Batch) -> Tensor:
    """Mean negative log likelihood of each token's successor, in nats: batch is inputs and targets, `[rows, time]`."""
    inputs, targets = batch
    return F.cross_entropy(model(inputs).flatten(0, 1).float(), targets.flatten())


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A complete training run. Two runs of one recipe on equal machines give equal weights."""

    name: str
    """As it was asked for: `name[:key=value,...]`."""
    model: ModelConfig
    data: DataConfig
    optimizer: AdamW
    steps: int
    batch: int
    """Samples a step, over all ranks; a multiple of their number."""
    eval_every: int
    save_every: int | None = None
    """Steps from checkpoint to checkpoint: what a kill without notice may cost. Default None: chosen while the run goes,
    from what a save costs and how often work is lost."""
    loss: Callable[[nn.Module, Batch], Tensor] = cross_entropy
    """What is made small: the mean over the batch's rows."""
    start: str | None = None
    """Weights to begin with: URL of a finished run, or of a `*.safetensors`. Default None: freshly drawn ones."""
    parallel: Parallel = Parallel()  # noqa: RUF009  frozen
    """How the processes divide the work."""
    accumulate: int = 1
    """Parts that a rank computes its share of a batch in, one after the other: less memory, the same step."""
    exact: int | None = None
    """Logical slots of a run whose weights are the same bits for any number of ranks up to them. Default None: not asked."""
    compile: bool = False
    """Whether `torch.compile` is used."""
    checkpoint_activations: str = "none"
    """What is computed again in the backward pass instead of kept: none, selective or full."""
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
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _plain(value) for name, value in values.items()} | {"model": described(self.model)}


def _plain(value: Any) -> Any:
    """What JSON can hold: dataclasses by their fields and their name, functions by where they are."""
    if is_dataclass(value) and not isinstance(value, type):
        inner = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__, **inner}
    if callable(value):
        return f"{value.__module__}:{value.__qualname__}"
    return list(value) if isinstance(value, tuple) else value
