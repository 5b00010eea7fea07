"""Steps that are compiled: of few shapes, which are all compiled before a server is ready.

Rows are always as many as there are slots, and pages the next power of two. Prompts, which come in any shape, are not compiled.
On a CPU this was slower than torch's own kernels wherever it was tried; it is meant for GPUs.
"""

import time
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor

from springtide_workloads.errors import ConfigError
from springtide_workloads.serve.generate.batch import Batch
from springtide_workloads.serve.generate.kernel import Kernel
from springtide_workloads.tell import tell

FEWEST_PAGES: Final = 8
"""Pages that a compiled step looks at at least: fewer would save little, and each shape takes seconds to compile."""


class CompiledSteps:
    """Steps of one token a row go through compiled code, prompts through the kernel as it is."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._compiled: Any = torch.compile(kernel, dynamic=False)

    def __call__(self, tokens: Tensor, positions: Tensor, table: Tensor, last: Tensor) -> Tensor:
        """As `Kernel` says."""
        kernel = self._compiled if tokens.shape[1] == 1 else self._kernel
        logits: Tensor = kernel(tokens, positions, table, last)
        return logits


def compiled(batch: Batch) -> Batch:
    """The batch with its steps compiled, which takes from seconds to minutes.

    Raises:
        ConfigError: when they cannot be, for want of a compiler say.
    """
    whole = batch.rows.table.shape[1]
    made = replace(
        batch,
        kernel=CompiledSteps(batch.kernel),
        padded=lambda _: batch.slots,
        widened=lambda pages: _width(pages, whole),
    )
    started = time.perf_counter()
    widths = sorted({_width(pages, whole) for pages in range(1, whole + 1)})
    # before anything is compiled, the memory it works in must have its size: its shape is part of what is compiled
    _once(replace(made, kernel=batch.kernel), whole)
    try:
        for width in widths:
            _once(made, width)
    except Exception as error:
        raise ConfigError(f"compile=true, and a step cannot be compiled here: {error}") from error
    tell(f"compiled steps of {len(widths)} shapes in {time.perf_counter() - started:.0f} s")
    return made


def _width(pages: int, whole: int) -> int:
    """Pages that are looked at for so many: of few sizes, each twice the one before."""
    return min(max(FEWEST_PAGES, 1 << (pages - 1).bit_length()), whole)


@torch.inference_mode()
def _once(batch: Batch, width: int) -> None:
    rows = torch.full((batch.slots,), batch.rows.nobody, device=batch.rows.token.device)
    zeros = torch.zeros_like(rows)
    batch.kernel(zeros[:, None], zeros[:, None], batch.rows.table[rows, :width], zeros)
