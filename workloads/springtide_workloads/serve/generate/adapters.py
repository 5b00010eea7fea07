"""Requests of different adapters in one batch: the model's matrices are computed once, each row's correction beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from springtide_workloads.finish.quantize import NONE
from springtide_workloads.models.exported import Exported
from springtide_workloads.models.lora import ADAPTER, merged


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """What a run learnt beside the first model."""

    tensors: Mapping[str, Tensor]
    rank: int
    alpha: float


class Chosen:
    """Which adapter each row has of the batch that is being computed."""

    def __init__(self) -> None:
        self.rows: Tensor | None = None

    def __call__(self, rows: Tensor | None) -> None:
        """Adapters of the rows, 0 for none; None when no row has one."""
        self.rows = rows


class ByRow(nn.Module):
    """A linear layer of any kind, and adapters of which each row of the batch has one."""

    def __init__(self, linear: nn.Module, a: Tensor, b: Tensor, chosen: Chosen) -> None:
        """The layer beside its adapters.

        Args:
            linear: the layer as it was.
            a: `[adapters, rank, columns]`; zeros where a row has none.
            b: `[adapters, rows, rank]`, with the scale in it.
            chosen: told of each batch.
        """
        super().__init__()
        self.linear = linear
        self.chosen = chosen
        self.register_buffer("a", a)
        self.register_buffer("b", b)

    def forward(self, x: Tensor) -> Tensor:
        """`[batch, time, columns]` to `[batch, time, rows]`."""
        out: Tensor = self.linear(x)
        rows = self.chosen.rows
        if rows is None:
            return out
        a, b = self.get_buffer("a")[rows].to(x.dtype), self.get_buffer("b")[rows].to(x.dtype)
        return out + x @ a.mT @ b.mT


def adapter_of(first: Exported, further: Exported, learnt: Mapping[str, Tensor] | None) -> Adapter | None:
    """What a further export learnt beside the first; None when it is a model of its own.

    Args:
        first: the export whose matrices are computed.
        further: another.
        learnt: the tensors of its `adapters.safetensors`, if it has them.
    """
    how: Any = further.about.recipe.get("model", {})
    if learnt is None or how.get("kind") != "lora" or first.config != further.config:
        return None
    rank, alpha = int(how["rank"]), float(how["alpha"])
    if {first.about.quantization, further.about.quantization} != {NONE}:
        return None
    # trained beside these very weights: then the further model is the first with the correction in it
    wanted = merged({**first.tensors, **learnt}, rank=rank, alpha=alpha)
    same = all(torch.allclose(wanted[name], tensor, rtol=1e-4, atol=1e-5) for name, tensor in further.tensors.items())
    return Adapter(tensors=learnt, rank=rank, alpha=alpha) if same else None


def adapt(model: nn.Module, adapters: Sequence[Adapter]) -> Chosen:
    """Puts adapters beside a model's layers, changed in place: number 0 is none, the first one is number 1."""
    chosen = Chosen()
    halves = {name for adapter in adapters for name in adapter.tensors}
    rank = max((adapter.rank for adapter in adapters), default=0)
    for layer in sorted(name.removesuffix(f"{ADAPTER}a") for name in halves if name.endswith(f"{ADAPTER}a")):
        a, b = _stacked(layer, adapters, rank)
        parent, _, last = layer.rpartition(".")
        model.get_submodule(parent).register_module(last, ByRow(model.get_submodule(layer), a, b, chosen))
    return chosen


def _stacked(layer: str, adapters: Sequence[Adapter], rank: int) -> tuple[Tensor, Tensor]:
    """Both halves of every adapter of a layer; shorter ones are filled up with zeros."""
    shape_a = next(a.tensors[f"{layer}{ADAPTER}a"] for a in adapters if f"{layer}{ADAPTER}a" in a.tensors)
    shape_b = next(a.tensors[f"{layer}{ADAPTER}b"] for a in adapters if f"{layer}{ADAPTER}b" in a.tensors)
    every_a = torch.zeros(len(adapters) + 1, rank, shape_a.shape[1])
    every_b = torch.zeros(len(adapters) + 1, shape_b.shape[0], rank)
    for number, adapter in enumerate(adapters, start=1):
        if f"{layer}{ADAPTER}a" in adapter.tensors:
            every_a[number, : adapter.rank] = adapter.tensors[f"{layer}{ADAPTER}a"].float()
            scale = adapter.alpha / adapter.rank
            every_b[number, :, : adapter.rank] = scale * adapter.tensors[f"{layer}{ADAPTER}b"].float()
    return every_a, every_b
