"""Which token comes next, for all rows at once.

A draw is a function of the request's seed and of how many tokens it drew before, never of a generator that rows share: who
else is in the batch cannot change it.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

# steps of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), as signed numbers
_GOLDEN: Final = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST: Final = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND: Final = 0x94D049BB133111EB - (1 << 64)
_FLOAT_BITS: Final = 53

COLDEST: Final = 1e-6
"""Least temperature that is not 0: below it, numbers would be too big to be told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How each row chooses; all `[batch]`."""

    temperature: Tensor
    top_p: Tensor
    top_k: Tensor
    """0 for all tokens."""
    seed: Tensor
    drawn: Tensor
    """Tokens that the row drew before."""


def uniform(seed: Tensor, drawn: Tensor) -> Tensor:
    """A number from 0 to below 1 for each seed and count, evenly spread, in double precision."""
    # the seed is scrambled first: neighbouring seeds would otherwise walk the same sequence, one step apart
    mixed = _scrambled(_scrambled(seed) + _GOLDEN * drawn)
    return _right(mixed, 64 - _FLOAT_BITS).double() * 2.0**-_FLOAT_BITS


def _scrambled(z: Tensor) -> Tensor:
    z = z + _GOLDEN
    z = (z ^ _right(z, 30)) * _FIRST
    z = (z ^ _right(z, 27)) * _SECOND
    return z ^ _right(z, 31)


def _right(z: Tensor, bits: int) -> Tensor:
    """Shifted with zeros coming in, which torch's signed numbers do not do."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def choose(logits: Tensor, choice: Choice, *, greedy: bool, cut: bool) -> Tensor:
    """The next token of each row `[batch]`.

    Args:
        logits: `[batch, vocab]`.
        choice: how each row chooses.
        greedy: no row draws; saves time.
        cut: some row leaves unlikely tokens out. False saves a sort, and changes no row's token.
    """
    likeliest = logits.argmax(-1)
    if greedy:
        return likeliest
    # the temperature of rows that do not draw is of no account, as long as it divides
    heat = torch.where(choice.temperature > 0, choice.temperature, 1.0).clamp(min=COLDEST)
    chances = torch.softmax(logits.double() / heat[:, None], -1)
    if cut:
        chances = chances * _allowed(chances, choice)
    reached = chances.cumsum(-1)
    aim = uniform(choice.seed, choice.drawn) * reached[:, -1]
    drawn = torch.searchsorted(reached, aim[:, None], right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
    return torch.where(choice.temperature > 0, drawn, likeliest)


def _allowed(chances: Tensor, choice: Choice) -> Tensor:
    """Whether a token may be drawn: the fewest likeliest that reach `top_p`, and of those the first `top_k`."""
    ordered, order = chances.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    most = torch.where(choice.top_k > 0, choice.top_k, chances.shape[-1])
    rank = torch.arange(chances.shape[-1], device=chances.device)
    # a row that leaves nothing out must be the same with others that do: rounding must not cut its tail
    likely = (before < choice.top_p[:, None]) | (choice.top_p[:, None] >= 1)
    kept = (likely & (rank < most[:, None])) | (rank == 0)
    return torch.zeros_like(kept).scatter(-1, order, kept)


def log_probabilities(logits: Tensor, chosen: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of each row: that of its chosen token, the `most` highest, and whose they are."""
    every = torch.log_softmax(logits.double(), -1)
    values, ids = every.topk(min(most, logits.shape[-1]), -1)
    return every.gather(-1, chosen[:, None])[:, 0], values, ids
