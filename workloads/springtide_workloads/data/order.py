"""In which order the windows of a stratum's shards are visited: once an epoch each, every epoch another way.

With `block_bytes` the shards of an epoch are first shuffled, then cut into blocks that fit it, and windows are shuffled
within their block only. So a node needs few shards at a time. What that costs in randomness: two windows meet in one
batch only when their shards share a block, which is drawn anew each epoch; while a block is read, nothing of another one
is seen. Without `block_bytes` every order of all windows may come up.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from springtide_workloads.data.permutation import Words, permute, stream, word


class Places(NamedTuple):
    """Where samples lie, one entry a sample."""

    shards: NDArray[np.int64]
    windows: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One pass over a stratum."""

    shards: NDArray[np.int64]
    """Shard numbers in the order of their visit."""
    starts: Words
    """Windows before each of them, and all windows at the end."""
    blocks: NDArray[np.int64]
    """Where in `shards` each block starts, and their number at the end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Order:
    """The order of one stratum: a pure function of a draw's number."""

    windows: Words
    """Windows of each shard."""
    sizes: NDArray[np.int64]
    """Bytes of each shard."""
    block_bytes: int | None
    """Bytes of shards that are shuffled together; None for all. A larger shard is a block by itself."""
    seed: int
    total: int = field(init=False)
    """Windows of an epoch."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", int(self.windows.sum()))

    def places(self, draws: Words) -> Places:
        """Shard and window of each draw."""
        shards, windows = np.empty((2, len(draws)), dtype=np.int64)
        epochs, index = np.divmod(draws, np.uint64(self.total))
        for number in np.unique(epochs).tolist():
            here = np.flatnonzero(epochs == number)
            shards[here], windows[here] = self._in_epoch(number, index[here])
        return Places(shards, windows)

    def block(self, draw: int) -> tuple[int, int]:
        """Epoch and block that a draw falls in."""
        number, index = divmod(draw, self.total)
        epoch = self.epoch(number)
        return number, int(_block_of(epoch, np.array([index], dtype=np.uint64))[0])

    def shards_of(self, number: int, block: int) -> list[int]:
        """Shards of a block; a block past the last one is the first of the next epoch."""
        epoch = self.epoch(number)
        if block == len(epoch.blocks) - 1:
            return self.shards_of(number + 1, 0)
        visited: list[int] = epoch.shards[epoch.blocks[block] : epoch.blocks[block + 1]].tolist()
        return visited

    def most(self) -> int:
        """Bytes that two blocks in a row take at most."""
        whole = int(self.sizes.sum())
        if self.block_bytes is None:
            return whole
        return min(whole, 2 * max(self.block_bytes, int(self.sizes.max())))

    def epoch(self, number: int) -> Epoch:
        """The plan of an epoch."""
        return _epoch(self, number)

    def _in_epoch(self, number: int, index: Words) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        epoch = self.epoch(number)
        blocks = _block_of(epoch, index)
        mixed = np.empty_like(index)
        for block in np.unique(blocks).tolist():
            here = np.flatnonzero(blocks == block)
            first, end = epoch.starts[epoch.blocks[block : block + 2]]
            key = stream(self.seed, number, block)
            mixed[here] = permute(index[here] - first, int(end - first), word(key)) + first
        visit = np.searchsorted(epoch.starts, mixed, side="right") - 1
        return epoch.shards[visit], (mixed - epoch.starts[visit]).astype(np.int64)


def _block_of(epoch: Epoch, index: Words) -> NDArray[np.intp]:
    return np.searchsorted(epoch.starts[epoch.blocks], index, side="right") - 1


@lru_cache(maxsize=64)
def _epoch(order: Order, number: int) -> Epoch:
    count = len(order.windows)
    if order.block_bytes is None:
        shards = np.arange(count)
    else:
        key = stream(order.seed, number)
        shards = permute(np.arange(count, dtype=np.uint64), count, word(key)).astype(np.int64)
    starts = np.concatenate(([0], np.cumsum(order.windows[shards]))).astype(np.uint64)
    return Epoch(shards=shards, starts=starts, blocks=_blocks(order.sizes[shards].tolist(), order.block_bytes))


def _blocks(sizes: list[int], most: int | None) -> NDArray[np.int64]:
    starts, filled = [0], 0
    for at, size in enumerate(sizes):
        if most is not None and filled and filled + size > most:
            starts.append(at)
            filled = 0
        filled += size
    return np.array([*starts, len(sizes)])
