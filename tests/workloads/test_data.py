from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.data.bigram import bigram_loss
from springtide_workloads.data.corpus import Corpus, load, split
from springtide_workloads.data.dataset import TextDataset
from springtide_workloads.data.permutation import Words, keys, permute
from springtide_workloads.errors import ConfigError

ALPHABET = np.arange(200, dtype=np.uint8)


def shuffled(size: int, seed: int, epoch: int) -> list[int]:
    index = np.arange(size, dtype=np.uint64)
    order: list[int] = permute(index, size, keys(seed, np.full(size, epoch, dtype=np.uint64))).tolist()
    return order


@given(st.integers(1, 3000), st.integers(0, 2**63), st.integers(0, 1000))
def test_a_permutation_hits_every_number_once(size: int, seed: int, epoch: int) -> None:
    assert sorted(shuffled(size, seed, epoch)) == list(range(size))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [tuple(shuffled(1000, seed, epoch)) for seed in range(5) for epoch in range(5)]
    assert len(set(orders)) == 25


def test_a_permutation_looks_random() -> None:
    steps = np.abs(np.diff(shuffled(10_000, 0, 0)))
    # neighbours of a random order lie a third of the range apart on average, with a standard error of 24
    assert steps.mean() == pytest.approx(10_000 / 3, abs=5 * 24)


@pytest.fixture
def data() -> TextDataset:
    return TextDataset(Corpus(train=ALPHABET, held_out=ALPHABET, source="test"), context=8, seed=3)


def samples(first: int, last: int) -> Words:
    return np.arange(first, last, dtype=np.uint64)


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=30))
def test_a_sample_is_the_same_whoever_asks_for_it_and_with_which_others(numbers: list[int]) -> None:
    data = TextDataset(Corpus(train=ALPHABET, held_out=ALPHABET, source="test"), context=8, seed=3)
    together = data.take(np.array(numbers, dtype=np.uint64))[0].tolist()
    assert together == [data.take(samples(number, number + 1))[0][0].tolist() for number in numbers]


def test_targets_are_the_bytes_that_follow(data: TextDataset) -> None:
    inputs, targets = data.take(samples(0, 12))
    assert (inputs[:, 1:] == targets[:, :-1]).all()
    assert (targets == inputs + 1).all()


def test_an_epoch_visits_every_start_once_even_when_batches_straddle_its_end(data: TextDataset) -> None:
    assert data.size == 200 - 8
    parts = [data.take(samples(first, first + 12))[0] for first in range(0, 2 * data.size, 12)]
    assert sorted(int(row[0]) for part in parts for row in part) == sorted(2 * list(range(data.size)))


def test_held_out_windows_make_each_byte_a_target_once(data: TextDataset) -> None:
    inputs, targets = (np.concatenate(parts) for parts in zip(*data.held_out(), strict=True))
    assert targets.flatten().tolist() == list(range(1, 193))
    assert inputs.flatten().tolist() == list(range(192))


def test_the_bigram_baseline_is_what_counting_gives() -> None:
    train = np.frombuffer(b"ababababab", dtype=np.uint8)
    likely, total = 5 + 0.03, 5 + 256 * 0.03
    assert bigram_loss(train, np.frombuffer(b"ab", dtype=np.uint8), context=1) == pytest.approx(-np.log(likely / total))


def test_the_bigram_baseline_sees_the_targets_that_a_model_sees() -> None:
    tail = np.frombuffer(b"abababab" + b"zzz", dtype=np.uint8)
    train = np.frombuffer(b"ab" * 50, dtype=np.uint8)
    assert bigram_loss(train, tail, context=7) == bigram_loss(train, tail[:8], context=7)


def test_no_paragraph_lies_in_both_parts_and_none_twice_in_one() -> None:
    texts = ["\n\n".join(f"paragraph {n % 300}" for n in range(500)) for _ in range(2)]
    corpus = split(texts, source="test")
    kept, held = (bytes(part).decode().split("\n\n") for part in (corpus.train, corpus.held_out))
    assert set(kept).isdisjoint(held)
    assert len(kept) + len(held) == len({*kept, *held}) == 300
    assert 10 <= len(held) <= 60


def test_more_text_moves_no_paragraph_across() -> None:
    few = [f"paragraph {n}" for n in range(100)]
    before = split(["\n\n".join(few)], source="test")
    after = split(["\n\n".join([*few, "another", "one more"])], source="test")
    assert bytes(after.held_out).startswith(bytes(before.held_out))


def test_the_shipped_text_is_enough_for_every_context() -> None:
    corpus = load(None, at_least=1025)
    assert corpus.train.size > 250_000
    assert 0.05 < corpus.held_out.size / corpus.train.size < 0.2


def test_text_comes_from_the_text_files_below_a_url(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("\n\n".join(f"line {n}" for n in range(100)))
    (tmp_path / "b.bin").write_text("not this")
    corpus = load(tmp_path.as_uri(), at_least=10)
    assert b"line" in bytes(corpus.train)
    assert b"not this" not in bytes(corpus.train)


def test_too_little_text_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("short")
    with pytest.raises(ConfigError, match="SPRINGTIDE_DATA_URL"):
        load(tmp_path.as_uri(), at_least=10)
