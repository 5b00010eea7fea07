"""Low-rank adapters (Hu et al., 2021): a frozen model learns a small correction beside each of its matrices.

A layer computes `W x + (alpha / rank) B A x`. A is drawn, B starts at zero, so training starts at the model as it was given;
what was learnt can be added to W once and for all, and then costs a server nothing.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own name for it

from springtide_workloads.errors import ConfigError
from springtide_workloads.models.config import ModelConfig, config_of

ADAPTER = ".adapter_"
"""Part of the name of every trained tensor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoRAConfig:
    """A model of another kind whose matrices are frozen and get adapters."""

    kind: ClassVar = "lora"
    base: ModelConfig
    rank: int = 8
    """Width of the correction; what is trained grows with it."""
    alpha: float = 16.0
    """Weight of the correction, divided by the rank."""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"adapters of rank {self.rank} cannot be built: the rank must be at least 1")

    @property
    def context(self) -> int:
        """Tokens that the model sees at most."""
        return self.base.context

    @property
    def vocab(self) -> int:
        """Tokens that the model knows."""
        return self.base.vocab

    def build(self) -> nn.Module:
        """The frozen model with fresh adapters; its own weights are to be loaded."""
        return adapted(self.base.build(), rank=self.rank, alpha=self.alpha)

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` reads it back."""
        return {"base": {"kind": self.base.kind, **self.base.to_json()}, "rank": self.rank, "alpha": self.alpha}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "LoRAConfig":
        """The inverse of `to_json`."""
        return cls(base=config_of(data["base"]), rank=data["rank"], alpha=data["alpha"])


class AdaptedLinear(nn.Linear):
    """A frozen linear layer and its adapter. Its weight has the name that it had without one."""

    def __init__(self, linear: nn.Linear, *, rank: int, alpha: float) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.scale = alpha / rank
        self.adapter_a = nn.Parameter(torch.empty(rank, linear.in_features))
        self.adapter_b = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.adapter_a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """What the layer gave, corrected."""
        correction = F.linear(F.linear(x, self.adapter_a), self.adapter_b)
        return F.linear(x, self.weight, self.bias) + self.scale * correction

    def merged(self) -> Tensor:
        """The weight with the correction in it."""
        return self.weight + self.scale * (self.adapter_b @ self.adapter_a)


def adapted(model: nn.Module, *, rank: int, alpha: float) -> nn.Module:
    """The model with every linear layer adapted and everything else frozen; changed in place."""
    model.requires_grad_(requires_grad=False)
    linears = [(name, layer) for name, layer in model.named_modules() if type(layer) is nn.Linear]
    for name, layer in linears:
        parent, _, last = name.rpartition(".")
        model.get_submodule(parent).register_module(last, AdaptedLinear(layer, rank=rank, alpha=alpha))
    return model


@torch.no_grad()
def merged(tensors: dict[str, Tensor], *, rank: int, alpha: float) -> dict[str, Tensor]:
    """Weights of the plain model, with what the adapters learnt in them; tensors without adapters stay as they are."""
    plain = {name: tensor for name, tensor in tensors.items() if ADAPTER not in name}
    for name in [name for name in tensors if name.endswith(f"{ADAPTER}a")]:
        layer = name.removesuffix(f"{ADAPTER}a")
        correction = tensors[f"{layer}{ADAPTER}b"] @ tensors[name]
        plain[f"{layer}.weight"] = plain[f"{layer}.weight"] + alpha / rank * correction
    return plain


def adapters(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What was trained, and nothing else."""
    return {name: tensor for name, tensor in tensors.items() if ADAPTER in name}
