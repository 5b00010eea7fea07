"""One model stored in several ways, side by side: how good, how large, how fast."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from springtide_workloads.data.dataset import Batch
from springtide_workloads.finish.evaluate import held_out_loss
from springtide_workloads.finish.quantize import KINDS, quantized, stored_bytes
from springtide_workloads.models.exported import Exported

REPEATS: Final = 15
PREFILL_ROWS: Final = 8
"""Windows read at once when prompts are read; one token of one answer is what decoding is measured with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way to store the model."""

    stored_as: str
    held_out_loss: float
    mib: float
    prompt_tokens_per_s: float
    answer_tokens_per_s: float
    """Of one answer at a time, without a cache of what was read: a forward pass of one token."""


def rows(found: Exported, held_out: Sequence[Batch], device: torch.device) -> Iterator[Row]:
    """Measures the model as it is, in bfloat16, and in each kind of quantization, on one device."""
    for name, change in _WAYS.items():
        model = change(found.build()).to(device)
        loss = held_out_loss(model, held_out, device)
        window = torch.zeros(PREFILL_ROWS, found.config.context, dtype=torch.long, device=device)
        yield Row(
            stored_as=name,
            held_out_loss=loss,
            mib=stored_bytes(model) / 2**20,
            prompt_tokens_per_s=window.numel() / _seconds(model, window),
            answer_tokens_per_s=1 / _seconds(model, window[:1, :1]),
        )


def _as_bfloat16(model: nn.Module) -> nn.Module:
    return model.to(torch.bfloat16)


def _as_it_is(model: nn.Module) -> nn.Module:
    return model


def _as(kind: str) -> Callable[[nn.Module], nn.Module]:
    return lambda model: quantized(model, kind)


_WAYS: Final[dict[str, Callable[[nn.Module], nn.Module]]] = {
    "float32": _as_it_is,
    "bfloat16": _as_bfloat16,
    **{kind: _as(kind) for kind in KINDS},
}


@torch.inference_mode()
def _seconds(model: nn.Module, tokens: torch.Tensor) -> float:
    """Median seconds of a forward pass."""
    taken = []
    for _ in range(REPEATS + 2):
        started = time.perf_counter()
        model(tokens)
        if tokens.device.type == "cuda":
            torch.cuda.synchronize(tokens.device)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[2:])


def written(found: Iterator[Row]) -> str:
    """The rows as a table."""
    head = ("stored as", "held-out loss", "MiB", "prompt tokens/s", "answer tokens/s")
    lines = [head]
    lines += [
        (
            row.stored_as, f"{row.held_out_loss:.4f}", f"{row.mib:.2f}",
            f"{row.prompt_tokens_per_s:,.0f}", f"{row.answer_tokens_per_s:,.0f}",
        )
        for row in found
    ]  # fmt: skip
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "".join(_line(line, widths) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if at == 0 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join((first, *rest)) + "\n"
