"""A shuffle that needs no memory: a keyed bijection of the whole numbers below `size`."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

ROUNDS: Final = 4
"""Feistel rounds: four of them with a good mixer look random to every statistical test (Luby and Rackoff, 1988)."""

_MASK64: Final = (1 << 64) - 1


def mix(words: Words) -> Words:
    """Scrambles each word by itself; the finalizer of SplitMix64 (Steele, Lea, Flood, 2014)."""
    words = words ^ (words >> np.uint64(30))
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words


def permute(index: Words, size: int, key: Words) -> Words:
    """Where each `index` goes in the permutation of `range(size)` that the `key` beside it names.

    Args:
        index: whole numbers below `size`, in any order.
        size: at least 1.
        key: one word per index, or a single one for all; equal keys mean one permutation.
    """
    # the network permutes a rectangle that is little larger (Black and Rogaway, 2002): whoever left the range walks on
    # along its cycle until back inside
    rows = math.isqrt(size - 1) + 1
    columns = -(-size // rows)
    out = _feistel(index, rows, columns, key)
    while (outside := out >= np.uint64(size)).any():
        out[outside] = _feistel(out[outside], rows, columns, key if len(key) == 1 else key[outside])
    return out


def keys(seed: int, epoch: Words) -> Words:
    """A key for each epoch, unlike those of other seeds."""
    return mix(mix(np.full_like(epoch, seed & _MASK64)) + epoch + np.uint64(1))


def stream(seed: int, *names: int) -> int:
    """A seed for what `names` name, unlike that of other names."""
    for name in names:
        seed = int(keys(seed, word(name))[0])
    return seed


def word(number: int) -> Words:
    """One word, as an array: numpy's arrays wrap around in silence, its scalars warn."""
    return np.array([number & _MASK64], dtype=np.uint64)


def _feistel(value: Words, rows: int, columns: int, key: Words) -> Words:
    here, there = np.uint64(columns), np.uint64(rows)
    left, right = np.divmod(value, here)
    for number in range(ROUNDS):
        # each round moves one coordinate by a hash of the other, which the inverse can take back; without the hash's
        # lowest bit, so that the sum fits a word
        left, right = right, (left + (mix(right ^ mix(key + np.uint64(number))) >> np.uint64(1))) % there
        here, there = there, here
    return left * here + right
