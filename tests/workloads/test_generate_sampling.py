"""Draws: by the seed alone, in the proportions of the model, and nothing that was cut off."""

import math
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.workloads.generating import one_thread
from torch import Tensor

from springtide_workloads.serve.generate.sampling import Choice, choose, log_probabilities, uniform

__all__ = ["one_thread"]  # a fixture that works by being here

SEEDS = st.integers(0, 2**63 - 1)


def choice(count: int, *, temperature: float = 1.0, top_p: float = 1.0, top_k: int = 0, seed: int = 0) -> Choice:
    """Rows of one seed, each a draw further than the one before it."""
    return Choice(
        temperature=torch.full((count,), temperature, dtype=torch.float64),
        top_p=torch.full((count,), top_p, dtype=torch.float64),
        top_k=torch.full((count,), top_k),
        seed=torch.full((count,), seed),
        drawn=torch.arange(count),
    )


def drawn(chances: list[float], count: int, **ways: Any) -> Counter[int]:
    logits = torch.tensor(chances).log().expand(count, -1)
    return Counter(choose(logits, choice(count, **ways), greedy=False, cut=True).tolist())


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_draws_are_spread_evenly_and_no_two_seeds_are_alike(seed: int) -> None:
    count = 4096
    found = uniform(torch.full((count,), seed), torch.arange(count))
    assert 0 <= float(found.min()) < float(found.max()) < 1
    # six standard errors: one in half a billion
    assert float(found.mean()) == pytest.approx(0.5, abs=6 * math.sqrt(1 / 12 / count))
    other = uniform(torch.full((count,), (seed + 1) % 2**63), torch.arange(count))
    correlation = torch.corrcoef(torch.stack((found, other)))[0, 1]
    assert abs(float(correlation)) < 6 / math.sqrt(count)


def test_draws_are_those_of_splitmix() -> None:
    """Two scrambles, recomputed by whole numbers without a sign."""

    def scrambled(z: int) -> int:
        z = (z + 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    for seed, count in [(0, 0), (1, 5), (2**63 - 1, 1000)]:
        wanted = (scrambled((scrambled(seed) + count * 0x9E3779B97F4A7C15) % 2**64) >> 11) / 2**53
        assert float(uniform(torch.tensor([seed]), torch.tensor([count]))[0]) == wanted


def test_tokens_come_in_the_proportions_of_the_model() -> None:
    found = drawn([0.5, 0.3, 0.2], 10_000)
    assert [found[token] / 10_000 for token in range(3)] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_temperature_sharpens_and_none_takes_the_likeliest() -> None:
    cold = drawn([0.5, 0.3, 0.2], 4_000, temperature=0.5)
    assert cold[0] / 4_000 == pytest.approx(0.25 / 0.38, abs=0.04)
    assert drawn([0.3, 0.5, 0.2], 50, temperature=0.0) == {1: 50}
    assert drawn([0.3, 0.5, 0.2], 50, temperature=1e-300) == {1: 50}


def test_top_p_keeps_the_fewest_that_reach_it_and_top_k_the_first() -> None:
    chances = [0.1, 0.5, 0.3, 0.1]
    assert set(drawn(chances, 2_000, top_p=0.5)) == {1}
    assert set(drawn(chances, 2_000, top_p=0.51)) == {1, 2}
    assert set(drawn(chances, 2_000, top_p=1e-9)) == {1}
    assert set(drawn(chances, 2_000, top_k=2)) == {1, 2}
    assert set(drawn(chances, 2_000)) == {0, 1, 2, 3}


@settings(max_examples=40, deadline=None)
@given(
    seed=SEEDS,
    ways=st.lists(st.tuples(st.floats(0, 2), st.floats(0.01, 1), st.integers(0, 20)), min_size=1, max_size=6),
)
def test_a_row_draws_the_same_whatever_the_others_do(seed: int, ways: list[tuple[float, float, int]]) -> None:
    logits = torch.randn(len(ways), 16, generator=torch.Generator().manual_seed(seed % 2**32))

    def rows(at: list[int]) -> Choice:
        heat, top_p, top_k = zip(*(ways[each] for each in at), strict=True)
        return Choice(
            temperature=torch.tensor(heat, dtype=torch.float64),
            top_p=torch.tensor(top_p, dtype=torch.float64),
            top_k=torch.tensor(top_k),
            seed=torch.tensor([seed for _ in at]),
            drawn=torch.tensor(at),
        )

    every = list(range(len(ways)))
    together = choose(logits, rows(every), greedy=False, cut=True)
    for at in every:
        heat, top_p, top_k = ways[at]
        alone = choose(logits[at : at + 1], rows([at]), greedy=heat == 0, cut=top_p < 1 or top_k > 0)
        assert int(alone[0]) == int(together[at])


def test_log_probabilities_are_those_before_temperature_and_cuts() -> None:
    logits: Tensor = torch.tensor([[0.5, 0.3, 0.2]]).log()
    own, values, ids = log_probabilities(logits, torch.tensor([2]), 5)
    assert float(own[0].exp()) == pytest.approx(0.2)
    assert ids.tolist() == [[0, 1, 2]]
    assert values[0].exp().tolist() == pytest.approx([0.5, 0.3, 0.2])
