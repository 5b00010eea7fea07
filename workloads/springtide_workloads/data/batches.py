"""Which bytes are trained on at which step: a pure function of one integer."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from springtide_workloads.data.corpus import Text
from springtide_workloads.data.permutation import Words, keys, permute


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """Shuffled windows of a text. Each start is visited once an epoch, every epoch in another order.

    Sample `i` is the same for any number of ranks, so a run may go on with more or fewer of them.
    """

    text: Text
    context: int
    batch: int
    """Windows a step, over all ranks; a multiple of `world`."""
    seed: int
    rank: int
    world: int

    def at(self, position: int) -> tuple[Tensor, Tensor]:
        """This rank's inputs and targets, `[batch / world, context]`, when `position` samples are behind the run."""
        share = self.batch // self.world
        samples = np.arange(share, dtype=np.uint64) + np.uint64(position + self.rank * share)
        return windows(self.text, self._starts(samples), self.context)

    def _starts(self, samples: Words) -> Words:
        size = self.text.size - self.context
        epoch, index = np.divmod(samples, np.uint64(size))
        return permute(index, size, keys(self.seed, epoch))


def windows(text: Text, starts: Words, context: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets, one byte apart, of the windows that begin at `starts`."""
    rows = text[starts[:, None].astype(np.int64) + np.arange(context + 1)]
    tokens = torch.from_numpy(rows.astype(np.int64))
    return tokens[:, :-1], tokens[:, 1:]


def held_out_windows(text: Text, context: int) -> tuple[Tensor, Tensor]:
    """The text cut into windows that do not overlap: every byte but the first is a target once, save a short tail."""
    count = (text.size - 1) // context
    return windows(text, np.arange(count, dtype=np.uint64) * np.uint64(context), context)
