"""One forward pass for a batch of rows at different places of their texts, against pages of what was before."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from springtide_workloads.models.gpt import GPT
from springtide_workloads.serve.generate.cache import Cache, written_to
from springtide_workloads.serve.generate.pages import SIZE


class Kernel(Protocol):
    """What a batch computes with."""

    def __call__(self, tokens: Tensor, positions: Tensor, table: Tensor, last: Tensor) -> Tensor:
        """Logits `[batch, vocab]` of what follows the token at index `last` of each row.

        Args:
            tokens: ids `[batch, time]`; rows are padded at their end.
            positions: their places in their texts; -1 for padding.
            table: pages of each row `[batch, pages]`, as many as the furthest position needs.
            last: index of each row's last token that is no padding.
        """


class PagedGPT:
    """The GPT's own layers, with attention over the cache."""

    def __init__(self, model: GPT, cache: Cache) -> None:
        self._model, self._cache = model, cache

    def __call__(self, tokens: Tensor, positions: Tensor, table: Tensor, last: Tensor) -> Tensor:
        """As `Kernel` says."""
        model: Any = self._model
        rotation = model.rotation[:, positions.clamp(min=0)][:, :, None]
        x = model.tokens(tokens)
        for block, mix in zip(model.blocks, self._cache.mixes(positions, table), strict=True):
            x = block(x, rotation, mix)
        ends = x[torch.arange(len(x), device=x.device), last]
        logits: Tensor = model.head(model.norm(ends), model.tokens.weight)
        return logits


class WholeText:
    """Any other model: pages hold the tokens themselves, and every text is read again for each token."""

    def __init__(self, model: nn.Module, *, pages: int, context: int, device: torch.device) -> None:
        self._model, self._spare, self._context = model, pages, context
        self._pool = torch.zeros((pages + 1) * SIZE, dtype=torch.int64, device=device)

    def __call__(self, tokens: Tensor, positions: Tensor, table: Tensor, last: Tensor) -> Tensor:
        """As `Kernel` says; the model must not look ahead, since rows are padded at their end."""
        self._pool.index_copy_(0, written_to(positions, table, self._spare), tokens.flatten())
        texts = self._pool.view(-1, SIZE).index_select(0, table.flatten()).view(len(table), -1)
        ends = positions.gather(1, last[:, None])[:, 0]
        seen = min(int(ends.max()) + 1, self._context)
        logits: Tensor = self._model(texts[:, :seen])
        return logits[torch.arange(len(ends), device=ends.device), ends]
