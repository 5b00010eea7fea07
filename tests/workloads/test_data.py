from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.data.batches import Batches, held_out_windows
from springtide_workloads.data.bigram import bigram_loss
from springtide_workloads.data.corpus import Text, load, split
from springtide_workloads.data.permutation import keys, permute
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


def batches(rank: int = 0, world: int = 1, batch: int = 12, text: Text = ALPHABET) -> Batches:
    return Batches(text=text, context=8, batch=batch, seed=3, rank=rank, world=world)


@pytest.mark.parametrize("world", [2, 3, 4, 6])
def test_samples_are_the_same_for_any_number_of_ranks(world: int) -> None:
    whole = batches().at(120)[0].tolist()
    parts = [row for rank in range(world) for row in batches(rank, world).at(120)[0].tolist()]
    assert parts == whole


def test_targets_are_the_bytes_that_follow() -> None:
    inputs, targets = batches().at(0)
    assert (inputs[:, 1:] == targets[:, :-1]).all()
    assert (targets == inputs + 1).all()


def test_an_epoch_visits_every_start_once_even_when_batches_straddle_its_end() -> None:
    starts = 200 - 8
    drawn = [row[0] for position in range(0, 2 * starts, 12) for row in batches().at(position)[0].tolist()]
    assert sorted(drawn) == sorted(2 * list(range(starts)))


def test_held_out_windows_make_each_byte_a_target_once() -> None:
    inputs, targets = held_out_windows(ALPHABET, 8)
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
