import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from springtide_workloads.data.dataset import Batch, TextData
from springtide_workloads.data.feed import Feed
from springtide_workloads.data.permutation import Words
from springtide_workloads.errors import StorageError


@dataclass
class Numbers:
    """Each sample is its own number. Waits for `gate`, and fails from sample `fails_at` on."""

    fails_at: int = 1 << 60
    gate: threading.Event = field(default_factory=threading.Event)
    size: int = 100
    tokens_per_sample: int = 1
    baseline: float | None = None

    def take(self, samples: Words) -> Batch:
        self.gate.wait()
        if samples.max() >= self.fails_at:
            raise StorageError("the store is away")
        return (torch.from_numpy(samples.astype(np.int64)),)

    def held_out(self) -> Sequence[Batch]:
        return []

    def describe(self) -> str:
        return "numbers"

    def close(self) -> None:
        self.gate.set()


Make = Callable[..., Feed]


@pytest.fixture
def numbers() -> Numbers:
    made = Numbers()
    made.gate.set()
    return made


@pytest.fixture
def feed(numbers: Numbers) -> Iterator[Make]:
    made = []

    def make(**settings: object) -> Feed:
        defaults = {"batch": 12, "rank": 0, "world": 1, "position": 0}
        made.append(Feed(numbers, **defaults | settings))  # type: ignore[arg-type]
        return made[-1]

    yield make
    numbers.gate.set()
    for each in made:
        each.close()
        assert not each._thread.is_alive()


def test_batches_come_in_order_from_the_position(feed: Make) -> None:
    made = feed(position=24)
    assert [made.get()[0].tolist() for _ in range(3)] == [list(range(n, n + 12)) for n in (24, 36, 48)]


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_ranks_share_each_batch_without_gap(feed: Make, world: int) -> None:
    ranks = [feed(rank=rank, world=world) for rank in range(world)]
    for step in range(3):
        assert [n for each in ranks for n in each.get()[0].tolist()] == list(range(12 * step, 12 * step + 12))


def test_a_rank_may_be_given_its_part(feed: Make) -> None:
    made = feed(part=range(9, 12))
    assert [made.get()[0].tolist() for _ in range(2)] == [[9, 10, 11], [21, 22, 23]]


def test_no_more_is_fetched_than_may_wait(feed: Make) -> None:
    made = feed(prefetch=3)
    assert made.wait(10)
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        assert len(made._waiting) <= 3
        time.sleep(0.01)


def test_a_feed_that_waits_for_data_says_so_and_closes_at_once(feed: Make, numbers: Numbers) -> None:
    numbers.gate.clear()
    made = feed()
    assert not made.ready()
    assert not made.wait(0.01)
    numbers.gate.set()
    assert made.wait(10)
    assert made.ready()
    assert made.get()[0].tolist() == list(range(12))


def test_an_error_comes_out_after_the_batches_before_it_and_stays(feed: Make, numbers: Numbers) -> None:
    numbers.fails_at = 24
    made = feed(prefetch=8)
    assert [made.get()[0][0].item() for _ in range(2)] == [0, 12]
    for _ in range(2):
        assert made.wait(10)
        with pytest.raises(StorageError, match="the store is away"):
            made.get()


def test_closing_wakes_who_waits(feed: Make, numbers: Numbers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("springtide_workloads.data.feed.CLOSE_SECONDS", 0.05)
    numbers.gate.clear()
    made = feed()
    found: list[BaseException] = []

    def ask() -> None:
        try:
            made.get()
        except RuntimeError as error:
            found.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    made.close()
    waiting.join(10)
    assert str(found[0]) == "the feed is closed"


def test_the_shipped_text_feeds_windows_and_evaluation(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = TextData(context=16, seed=3).build(None, tmp_path_factory.mktemp("scratch"))
    inputs, targets = data.take(np.arange(6, dtype=np.uint64))
    assert inputs.shape == targets.shape == (6, 16)
    assert (inputs[:, 1:] == targets[:, :-1]).all()
    batches = data.held_out()
    assert sum(len(each[0]) for each in batches) == (data._corpus.held_out.size - 1) // 16
    assert [len(each[0]) for each in batches[:2]] == [32, 32]
    assert torch.equal(batches[-1][0], batches[len(batches) - 1][0])
    with pytest.raises(IndexError):
        batches[len(batches)]
    assert data.baseline is not None
    assert "pydoc_data" in data.describe()
