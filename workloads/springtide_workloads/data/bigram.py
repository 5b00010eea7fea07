"""The baseline a model must beat: guess each byte from the one before it, by counting."""

from typing import Final

import numpy as np

from springtide_workloads.data.corpus import Text

PSEUDO_COUNT: Final = 0.03
"""Added to each pair's count. Of 1, 0.1, 0.03, 0.01 and 0.001 the one that makes the baseline hardest to beat on the
shipped text (2.554, 2.519, 2.516, 2.517, 2.521 nats a byte; CPython 3.11)."""


def bigram_loss(train: Text, held_out: Text, *, context: int) -> float:
    """Mean negative log likelihood, in nats a byte, of just the targets that `held_out_windows` gives a model."""
    counts = np.full((256, 256), PSEUDO_COUNT)
    np.add.at(counts, (train[:-1], train[1:]), 1.0)
    log_likelihood = np.log(counts / counts.sum(axis=1, keepdims=True))
    targets = (held_out.size - 1) // context * context
    return float(-log_likelihood[held_out[:targets], held_out[1 : targets + 1]].mean())
