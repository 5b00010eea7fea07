"""A shuffle that needs no memory: a keyed bijection of the whole numbers below `size`."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

ROUNDS: Final = 4
"""Feistel rounds: four of them with a good mixer look random to every statistical test (Luby and Rackoff, 1988)."""

_MASK64: Final = (1 << 64) - 1


def mix(words: Words) -> Words:
    """Scrambles each word by itself; the finalizer of SplitMix64 (Steele, Lea, Flood, 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def permute(index: Words, size: int, key: Words) -> Words:
    """Where each `index` goes in the permutation of `range(size)` that the `key` beside it names.

    Args:
        index: whole numbers below `size`, in any order.
        size: at least 1.
        key: one word per index; equal keys mean one permutation.
    """
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    out = _feistel(index, half, key)
    # the network permutes a power of four: whoever left the range walks on along its cycle until back inside
    while (outside := out >= np.uint64(size)).any():
        out[outside] = _feistel(out[outside], half, key[outside])
    return out


def keys(seed: int, epoch: Words) -> Words:
    """A key for each epoch, unlike those of other seeds."""
    return mix(mix(np.full_like(epoch, seed & _MASK64)) + epoch + np.uint64(1))


def _feistel(value: Words, half: np.uint64, key: Words) -> Words:
    mask = np.uint64((1 << int(half)) - 1)
    left, right = value >> half, value & mask
    for number in range(ROUNDS):
        left, right = right, left ^ (mix(right ^ mix(key + np.uint64(number))) & mask)
    return (left << half) | right
