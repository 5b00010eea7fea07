"""Samples from token shards, in memory maps or through a node's cache."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from springtide_workloads.data.cache import ShardCache, free_budget
from springtide_workloads.data.dataset import (
    EVALUATION_WINDOWS,
    Batch,
    Lazy,
    chunked,
    inputs_and_targets,
    of_chunk,
)
from springtide_workloads.data.manifest import Manifest, Shard
from springtide_workloads.data.order import Order, Places
from springtide_workloads.data.permutation import Words, stream
from springtide_workloads.data.shards import Folder, Source, Windows, read_manifest, window_count
from springtide_workloads.data.strata import Mixture
from springtide_workloads.errors import ConfigError
from springtide_workloads.storage import Store

GIB: Final = 1 << 30
MIXTURE: Final = 0
"""First name of the stream that draws strata; stratum `n` has the stream `n + 1`."""

TABLES: Final = 8
"""Chunks whose places are remembered."""


class ShardDataset:
    """Windows of `context` tokens and the one after them, none across two shards.

    Without `block_bytes` and with one stratum, every window comes once an epoch in a uniformly keyed order. With several
    strata the weights decide how often one is drawn, exactly in each period, and each has epochs of its own.
    """

    def __init__(
        self, manifest: Manifest, source: Source, *, context: int, seed: int, block_bytes: int | None = None
    ) -> None:
        self._manifest = manifest
        self._source = source
        self._context = context
        self._seed = seed
        self._shards = [shard for stratum in manifest.strata for shard in manifest.train(stratum.name)]
        self._held = Windows(source, manifest, manifest.held_out, length=context + 1, stride=context)
        self._mixture = Mixture.of({each.name: each.weight for each in manifest.strata}, stream(seed, MIXTURE))
        self._orders, self._firsts = self._ordered(block_bytes)
        room = sum(order.most() for order in self._orders)
        self._train = Windows(source, manifest, self._shards, length=context + 1, stride=context, room=room)
        self._table = lru_cache(TABLES)(self._chunk)
        self._blocks: list[tuple[tuple[int, int], tuple[int, int]]] = []
        self._blocked = block_bytes is not None

    @property
    def size(self) -> int:
        """Windows of all strata."""
        return sum(order.total for order in self._orders)

    @property
    def tokens_per_sample(self) -> int:
        """Tokens that a sample has as targets."""
        return self._context

    @property
    def baseline(self) -> float | None:
        """None: counting pairs would read the whole data."""
        return None

    @property
    def cached_bytes(self) -> int:
        """What a cache must hold at a time: two blocks of each stratum, and all that is held out."""
        held = sum(map(self._manifest.size_of, self._manifest.held_out))
        return held + sum(order.most() for order in self._orders)

    def read_ahead(self) -> None:
        """Sends for the whole data set, unless it is visited block by block."""
        if not self._blocked:
            self._source.ahead([*self._manifest.held_out, *self._shards])

    def take(self, samples: Words) -> Batch:
        """Inputs and targets of the samples."""
        places = Places(*chunked(samples, self._table))
        if self._blocked:
            self._visit(samples)
        return inputs_and_targets(self._train.gather(places))

    def held_out(self) -> Sequence[Batch]:
        """Every window of the held-out shards, in their order."""
        counts = [self._windows_of(shard) for shard in self._manifest.held_out]
        starts = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))

        def make(at: int) -> Batch:
            index = np.arange(at * EVALUATION_WINDOWS, min((at + 1) * EVALUATION_WINDOWS, starts[-1]))
            shards = np.searchsorted(starts, index, side="right") - 1
            return inputs_and_targets(self._held.gather(Places(shards, index - starts[shards])))

        return Lazy(int(-(-starts[-1] // EVALUATION_WINDOWS)), make)

    def describe(self) -> str:
        """How much of what."""
        tokens = sum(shard.tokens for shard in self._shards)
        kind = self._manifest.tokenizer.get("kind", "unknown")
        strata = "" if len(self._orders) == 1 else f", {len(self._orders)} strata"
        return f"{tokens:,} tokens ({kind}) in {len(self._shards)} shards{strata}"

    def close(self) -> None:
        """Ends reading ahead."""
        self._source.close()

    def _ordered(self, block_bytes: int | None) -> tuple[list[Order], NDArray[np.int64]]:
        orders, firsts, first = [], [], 0
        total = sum(each.weight for each in self._manifest.strata)
        for number, stratum in enumerate(self._manifest.strata):
            shards = self._manifest.train(stratum.name)
            orders.append(
                Order(
                    windows=np.array([self._windows_of(shard) for shard in shards], dtype=np.uint64),
                    sizes=np.array([self._manifest.size_of(shard) for shard in shards], dtype=np.int64),
                    block_bytes=None if block_bytes is None else int(block_bytes * stratum.weight / total),
                    seed=stream(self._seed, number + 1),
                )
            )
            firsts.append(first)
            first += len(shards)
        empty = [s.name for s, order in zip(self._manifest.strata, orders, strict=True) if not order.total]
        if empty:
            raise ConfigError(
                f"no shard of {', '.join(empty)} has {self._context + 1} tokens: pack more text or take a smaller context"
            )
        return orders, np.array(firsts, dtype=np.int64)

    def _windows_of(self, shard: Shard) -> int:
        return window_count(shard, length=self._context + 1, stride=self._context)

    def _chunk(self, number: int) -> NDArray[np.int64]:
        """Shard and window of each sample of a chunk."""
        strata, draws = self._mixture.draws(of_chunk(number))
        found = np.empty((2, len(draws)), dtype=np.int64)
        for stratum in np.unique(strata).tolist():
            here = np.flatnonzero(strata == stratum)
            shards, windows = self._orders[stratum].places(draws[here])
            found[:, here] = shards + self._firsts[stratum], windows
        return found

    def _visit(self, samples: Words) -> None:
        """Lets go of blocks that are behind, and sends for those that come."""
        spans = self._mixture.spans(int(samples.min()), int(samples.max()))
        ends = [
            (order.block(first), order.block(last)) for order, (first, last) in zip(self._orders, spans, strict=True)
        ]
        if ends == self._blocks:
            return
        self._blocks = ends
        now = [number for stratum, both in enumerate(ends) for block in both for number in self._block(stratum, *block)]
        after = [
            number for stratum, (_, last) in enumerate(ends) for number in self._block(stratum, last[0], last[1] + 1)
        ]
        self._train.keep_only(set(now))
        self._source.ahead([self._shards[number] for number in dict.fromkeys([*now, *after])])

    def _block(self, stratum: int, epoch: int, block: int) -> list[int]:
        """Numbers of a block's shards."""
        return [int(self._firsts[stratum]) + number for number in self._orders[stratum].shards_of(epoch, block)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardData:
    """Token shards and their manifest below the data URL, as `springtide-data pack` makes them.

    Shards of file:// are mapped where they lie. Others come through a cache below the scratch folder that all processes
    of a node share: the whole data set where it fits. Where it does not, `block_gib` must say so, and the shuffle is that
    of `order.py`. The order depends on this configuration and the manifest alone, never on a node's disk.
    """

    context: int
    """Tokens that a sample shows a model."""
    vocab: int
    """Tokens that the model knows; the data may have fewer."""
    seed: int = 0
    block_gib: float | None = None
    """GiB of shards that are shuffled together. Default None: all, the best shuffle."""
    cache_gib: float | None = None
    """GiB of disk for shards of an object store. Default None: nine tenths of what is free."""

    def build(self, url: str | None, scratch: Path) -> ShardDataset:
        """Opens the shards.

        Raises:
            ConfigError: when there is no such data, or it does not fit the model or the disk; with what to change.
            StorageError: when the manifest cannot be read.
        """
        if url is None:
            raise ConfigError("this recipe reads token shards: set SPRINGTIDE_DATA_URL to where their manifest lies")
        store = Store(url)
        manifest = read_manifest(store)
        source, budget = self._source(store, manifest, scratch)
        block = None if self.block_gib is None else int(self.block_gib * GIB)
        mistakes = list(self._mistakes(manifest))
        if mistakes:
            raise ConfigError(f"{url} does not fit the recipe:" + "".join(f"\n  - {mistake}" for mistake in mistakes))
        dataset = ShardDataset(manifest, source, context=self.context, seed=self.seed, block_bytes=block)
        if budget is not None and dataset.cached_bytes > budget:
            raise ConfigError(
                f"{url} needs {dataset.cached_bytes / GIB:.3g} GiB of cache and {scratch} may take {budget / GIB:.3g} GiB: "
                "set block_gib to less than half of that, raise cache_gib, or give the pool larger disks"
            )
        dataset.read_ahead()
        return dataset

    def _source(self, store: Store, manifest: Manifest, scratch: Path) -> tuple[Source, int | None]:
        parts = urlsplit(store.url)
        if parts.scheme == "file":
            return Folder(Path(unquote(parts.path)), manifest), None
        budget = free_budget(scratch) if self.cache_gib is None else int(self.cache_gib * GIB)
        return ShardCache(store, scratch, budget, manifest), budget

    def _mistakes(self, manifest: Manifest) -> Iterator[str]:
        if manifest.vocab > self.vocab:
            yield f"its tokens go up to {manifest.vocab - 1} and the model knows {self.vocab}: set vocab={manifest.vocab}"
        if not any(shard.tokens > self.context for shard in manifest.held_out):
            yield f"no held-out shard has {self.context + 1} tokens: pack more text or take a smaller context"
        for name in ("context", "block_gib", "cache_gib"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                yield f"{name} is {value}: it must be above 0"
