"""Which stratum a sample comes from: exact counts in every period, and no state but the sample's own number."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from springtide_workloads.data.permutation import Words, keys, permute, stream
from springtide_workloads.errors import ConfigError

PERIOD: Final = 1000
"""Samples in which every stratum has its exact share: weights count to a tenth of a percent."""


def shares(weights: tuple[float, ...], period: int = PERIOD) -> tuple[int, ...]:
    """`period` divided in proportion to the weights, by largest remainder; of equal ones the earlier gets more."""
    total = sum(map(Fraction, weights))
    quotas = [Fraction(weight) * period / total for weight in weights]
    counts = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(weights)), key=lambda at: (counts[at] - quotas[at], at))
    for at in by_remainder[: period - sum(counts)]:
        counts[at] += 1
    return tuple(counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Maps sample numbers to draws from strata: a bijection, computed for each sample by itself.

    Within a period the places of a stratum are shuffled; each period is shuffled in its own way.
    """

    ends: Words
    """Where each stratum's part of a period ends, before the shuffle."""
    counts: Words
    seed: int

    @classmethod
    def of(cls, weights: dict[str, float], seed: int) -> Self:
        """A mixture in the order of `weights`.

        Raises:
            ConfigError: when a stratum is too light to be drawn once in a period.
        """
        counts = (1,) if len(weights) == 1 else shares(tuple(weights.values()))
        light = [name for name, count in zip(weights, counts, strict=True) if not count]
        if light:
            raise ConfigError(
                f"the weights of {', '.join(light)} are below one sample in {PERIOD}: raise them, or drop the strata"
            )
        whole = np.array(counts, dtype=np.uint64)
        return cls(ends=np.cumsum(whole, dtype=np.uint64), counts=whole, seed=seed)

    def draws(self, samples: Words) -> tuple[NDArray[np.intp], Words]:
        """For each sample: its stratum, and how many samples of that stratum come before it."""
        if len(self.counts) == 1:
            return np.zeros(len(samples), dtype=np.intp), samples
        size = int(self.ends[-1])
        period, place = np.divmod(samples, np.uint64(size))
        place = permute(place, size, keys(stream(self.seed, len(self.counts)), period))
        stratum = np.searchsorted(self.ends, place, side="right")
        first = self.ends[stratum] - self.counts[stratum]
        return stratum, period * self.counts[stratum] + (place - first)

    def spans(self, first: int, last: int) -> list[tuple[int, int]]:
        """For each stratum: draws from and to which all its samples lie that are among `first` to `last`."""
        size, counts = int(self.ends[-1]), self.counts.tolist()
        return [(first // size * count, (last // size + 1) * count - 1) for count in counts]
