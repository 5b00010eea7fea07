"""Keys and values of many sequences in pages of one pool, and attention over them."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  PyTorch's own name for it

from springtide_workloads.models import ModelConfig
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.serve.generate.pages import SIZE


def page_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
    """What a page takes: keys and values of its tokens over all layers; of a model without a cache, the tokens."""
    if not isinstance(config, GPTConfig):
        return SIZE * torch.int64.itemsize
    return 2 * config.layers * SIZE * config.width * dtype.itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where each row of a batch writes, and what it sees. The same for all layers."""

    write: Tensor
    """Place in the pool of each token `[batch × time]`."""
    table: Tensor
    """Pages of each row, one after the other: `[batch × pages]`."""
    mask: Tensor
    """Whether a token sees a place of its row `[batch, 1, time, pages × SIZE]`."""

    @classmethod
    def of(cls, positions: Tensor, table: Tensor, spare: int) -> Self:
        """Places of tokens at `positions` `[batch, time]`; those of a negative position are padding."""
        mask = torch.arange(table.shape[1] * SIZE, device=table.device) <= positions.clamp(min=0)[..., None]
        return cls(write=written_to(positions, table, spare), table=table.flatten(), mask=mask[:, None])


def written_to(positions: Tensor, table: Tensor, spare: int) -> Tensor:
    """Place in the pool of each token `[batch × time]`; padding, whose position is negative, goes to the spare page."""
    seen = positions.clamp(min=0)
    page = table.gather(1, seen // SIZE)
    return torch.where(positions < 0, spare * SIZE, page * SIZE + seen % SIZE).flatten()


class Cache:
    """The pool: `count` pages of every layer, and a spare one, to which what belongs nowhere is written."""

    def __init__(self, config: GPTConfig, count: int, device: torch.device, dtype: torch.dtype) -> None:
        self.spare = count
        self._heads = config.heads
        shape = ((count + 1) * SIZE, config.heads, config.width // config.heads)
        # zeros: what is masked is still multiplied, and memory as it was found may hold a NaN
        self._layers = [
            (torch.zeros(shape, dtype=dtype, device=device), torch.zeros(shape, dtype=dtype, device=device))
            for _ in range(config.layers)
        ]
        self._scratch = torch.empty(2, 0, SIZE * config.width, dtype=dtype, device=device)

    def mixes(self, positions: Tensor, table: Tensor) -> list["PagedMix"]:
        """Attention of each layer for one batch."""
        places = Places.of(positions, table, self.spare)
        scratch = self._scratch_for(len(places.table))
        return [PagedMix(keys, values, places, scratch) for keys, values in self._layers]

    def _scratch_for(self, pages: int) -> Tensor:
        """Where the pages of a batch are laid side by side, layer after layer: fresh memory each time costs ten times more."""
        if self._scratch.shape[1] < pages:
            self._scratch = self._scratch.new_empty(2, pages, self._scratch.shape[2])
        return self._scratch[:, :pages]


class PagedMix:
    """Attention of one layer: writes the new keys and values to their pages, then looks at all of each row's pages."""

    def __init__(self, keys: Tensor, values: Tensor, places: Places, scratch: Tensor) -> None:
        self._keys, self._values, self._places, self._scratch = keys, values, places, scratch

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What each query finds."""
        keys, values = self._kept(self._keys, k, self._scratch[0]), self._kept(self._values, v, self._scratch[1])
        return F.scaled_dot_product_attention(q, keys, values, attn_mask=self._places.mask)

    def _kept(self, pool: Tensor, new: Tensor, scratch: Tensor) -> Tensor:
        batch, heads, _, size = new.shape
        pool.index_copy_(0, self._places.write, new.transpose(1, 2).reshape(-1, heads, size).to(pool.dtype))
        # whole pages are rows: a copy of 16 tokens at a time
        torch.index_select(pool.view(-1, SIZE * heads * size), 0, self._places.table, out=scratch)
        return scratch.view(batch, -1, heads, size).transpose(1, 2).to(new.dtype)
