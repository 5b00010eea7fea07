"""What a training loop needs of data, and the smallest kind: text read into memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, overload

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from springtide_workloads.data.bigram import bigram_loss
from springtide_workloads.data.corpus import Corpus, load
from springtide_workloads.data.permutation import Words, keys, permute

EVALUATION_WINDOWS: Final = 32
"""Held-out windows in one batch; between two of them a run can be told to stop."""

CHUNK: Final = 4096
"""Samples whose places are computed at once: numpy's price per call is then shared by many."""

Batch = tuple[Tensor, ...]
"""Tensors on the CPU, equally long; the first is the model's input."""


class Dataset(Protocol):
    """Samples by number. Sample `i` is the same for any number of ranks, and in every process and thread."""

    @property
    def size(self) -> int:
        """Samples of an epoch."""

    @property
    def tokens_per_sample(self) -> int:
        """Targets in one sample."""

    @property
    def baseline(self) -> float | None:
        """Loss that a model must beat, in nats a token: counting pairs of bytes. None where that says nothing."""

    def take(self, samples: Words) -> Batch:
        """The samples of these numbers, from 0 and across epochs without end.

        Raises:
            StorageError: when they cannot be read.
        """

    def held_out(self) -> Sequence[Batch]:
        """Batches for evaluation; one is read when it is asked for."""

    def describe(self) -> str:
        """How much of what, in a few words."""

    def close(self) -> None:
        """Ends what runs in the background."""


class DataConfig(Protocol):
    """A recipe's choice of data: frozen, and the same wherever it runs."""

    def build(self, url: str | None, scratch: Path) -> Dataset:
        """Opens the data at `url`. Processes of one node are given the same `scratch` folder.

        Raises:
            ConfigError: when the data is missing, wrong, or too little for the recipe.
            StorageError: when it cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Lazy(Sequence[Batch]):
    """Batches that are made when they are asked for."""

    length: int
    make: Callable[[int], Batch]

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, at: int) -> Batch: ...

    @overload
    def __getitem__(self, at: slice) -> "list[Batch]": ...

    def __getitem__(self, at: int | slice) -> "Batch | list[Batch]":
        if isinstance(at, slice):
            return [self.make(each) for each in range(*at.indices(self.length))]
        if not -self.length <= at < self.length:
            raise IndexError(at)
        return self.make(at % self.length)

    def __iter__(self) -> Iterator[Batch]:
        return map(self.make, range(self.length))


def inputs_and_targets(rows: NDArray[np.int64]) -> Batch:
    """Windows split into what a model sees and what it guesses, one token apart."""
    tokens = torch.from_numpy(rows)
    return tokens[:, :-1], tokens[:, 1:]


def chunked(samples: Words, table: Callable[[int], NDArray[np.int64]]) -> NDArray[np.int64]:
    """What `table` says of each sample; it is asked for whole chunks, `[columns, CHUNK]` of the samples in it."""
    first, last = (int(end) // CHUNK for end in (samples.min(), samples.max()))
    if first == last:
        return table(first)[:, (samples - np.uint64(first * CHUNK)).astype(np.intp)]
    chunks, places = np.divmod(samples, np.uint64(CHUNK))
    parts = [(chunks == number, table(number)) for number in np.unique(chunks).tolist()]
    found = np.empty((parts[0][1].shape[0], len(samples)), dtype=np.int64)
    for here, values in parts:
        found[:, here] = values[:, places[here].astype(np.intp)]
    return found


def of_chunk(number: int) -> Words:
    """Sample numbers of a chunk."""
    return np.arange(number * CHUNK, (number + 1) * CHUNK, dtype=np.uint64)


class TextDataset:
    """Shuffled windows of a text. Each start is visited once an epoch, every epoch in another order."""

    def __init__(self, corpus: Corpus, *, context: int, seed: int) -> None:
        self._corpus = corpus
        self._context = context
        self._seed = seed
        self._windows = sliding_window_view(corpus.train, context + 1)

    @property
    def size(self) -> int:
        """Starts at which a whole window fits."""
        return len(self._windows)

    @property
    def tokens_per_sample(self) -> int:
        """Bytes that a sample has as targets."""
        return self._context

    @property
    def baseline(self) -> float | None:
        """Loss of counting pairs of bytes, in nats a byte."""
        return bigram_loss(self._corpus.train, self._corpus.held_out, context=self._context)

    def take(self, samples: Words) -> Batch:
        """Inputs and targets of the samples."""
        epoch, index = np.divmod(samples, np.uint64(self.size))
        starts = permute(index, self.size, keys(self._seed, epoch))
        return inputs_and_targets(self._windows[starts.astype(np.intp)].astype(np.int64))

    def held_out(self) -> Sequence[Batch]:
        """The held-out text cut into windows that do not overlap: each byte but the first a target once, save a tail."""
        text = self._corpus.held_out
        windows = sliding_window_view(text, self._context + 1)[:: self._context]

        def make(at: int) -> Batch:
            rows = windows[at * EVALUATION_WINDOWS : (at + 1) * EVALUATION_WINDOWS]
            return inputs_and_targets(rows.astype(np.int64))

        return Lazy(-(-len(windows) // EVALUATION_WINDOWS), make)

    def describe(self) -> str:
        """How much of which text."""
        return f"{self._corpus.train.size:,} bytes of {self._corpus.source}"

    def close(self) -> None:
        """Nothing runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextData:
    """The `*.txt` files below the data URL; without a URL, the language reference that every CPython ships."""

    context: int
    """Bytes that a sample shows a model."""
    seed: int = 0

    def build(self, url: str | None, scratch: Path) -> TextDataset:  # noqa: ARG002  text needs no disk
        """Reads the text.

        Raises:
            ConfigError: when there is less than one window in a part of it.
            StorageError: when it cannot be read.
        """
        return TextDataset(load(url, at_least=self.context + 1), context=self.context, seed=self.seed)
