import json
import tempfile
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.workloads.data_sets import Bucket, counting, written
from tests.workloads.processes import until

from springtide_workloads.data.cache import ShardCache
from springtide_workloads.data.manifest import Manifest
from springtide_workloads.data.order import Order
from springtide_workloads.data.sharded import ShardData, ShardDataset
from springtide_workloads.data.shards import Folder, Tokens
from springtide_workloads.data.strata import PERIOD, Mixture, shares
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.storage import Store

NAMES = "abcdefgh"
LAW = settings(deadline=None, max_examples=50)
"""A busy machine takes its time."""


def order(windows: list[int], *, seed: int, block: int | None) -> Order:
    counts = np.array(windows, dtype=np.uint64)
    return Order(windows=counts, sizes=counts.astype(np.int64) * 10, block_bytes=block, seed=seed)


def span(first: int, count: int) -> NDArray[np.uint64]:
    return np.arange(first, first + count, dtype=np.uint64)


shard_windows = st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any)
blocks = st.none() | st.integers(1, 1000)


@LAW
@given(shard_windows, st.integers(0, 2**63), blocks, st.integers(0, 3))
def test_every_window_of_every_shard_comes_once_an_epoch(
    windows: list[int], seed: int, block: int | None, epoch: int
) -> None:
    total = sum(windows)
    places = order(windows, seed=seed, block=block).places(span(epoch * total, total))
    drawn = sorted(zip(places.shards.tolist(), places.windows.tolist(), strict=True))
    assert drawn == [(shard, window) for shard, count in enumerate(windows) for window in range(count)]


@LAW
@given(shard_windows, st.integers(0, 2**63), blocks, st.data())
def test_a_sample_is_a_function_of_its_number_alone(
    windows: list[int], seed: int, block: int | None, data: st.DataObject
) -> None:
    total = sum(windows)
    whole = order(windows, seed=seed, block=block).places(span(0, 3 * total))
    some = data.draw(st.lists(st.integers(0, 3 * total - 1), min_size=1, max_size=20))
    alone = order(windows, seed=seed, block=block).places(np.array(some, dtype=np.uint64))
    assert alone.shards.tolist() == whole.shards[some].tolist()
    assert alone.windows.tolist() == whole.windows[some].tolist()


@LAW
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 2**63), st.integers(1, 1000))
def test_a_block_holds_no_more_than_it_may_and_is_read_to_its_end(windows: list[int], seed: int, block: int) -> None:
    made = order(windows, seed=seed, block=block)
    shards = made.places(span(0, sum(windows))).shards.tolist()
    seen: list[set[int]] = []
    for draw, shard in enumerate(shards):
        number, at = made.block(draw)
        here = made.shards_of(number, at)
        assert shard in here
        assert len(here) == 1 or made.sizes[here].sum() <= block
        if not seen or seen[-1] != set(here):
            seen.append(set(here))
    assert sum(map(len, seen)) == len(windows)
    assert made.most() >= max(made.sizes)


def test_a_block_past_the_last_is_the_first_of_the_next_epoch() -> None:
    made = order([1, 1, 1], seed=0, block=10)
    assert made.shards_of(0, 3) == made.shards_of(1, 0)


def test_blocks_are_drawn_anew_each_epoch() -> None:
    made = order([5] * 20, seed=1, block=200)
    assert len({tuple(sorted(made.shards_of(epoch, 0))) for epoch in range(10)}) > 5


@LAW
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8))
def test_shares_sum_to_a_period_and_are_off_by_less_than_one(weights: list[float]) -> None:
    counts = shares(tuple(weights))
    assert sum(counts) == PERIOD
    assert all(
        abs(count - PERIOD * weight / sum(weights)) < 1 + 1e-6 for count, weight in zip(counts, weights, strict=True)
    )


@LAW
@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=6), st.integers(0, 2**63), st.integers(0, 10**12))
def test_every_period_has_exactly_the_share_of_each_stratum(weights: list[float], seed: int, period: int) -> None:
    mixture = Mixture.of(dict(zip(NAMES, weights, strict=False)), seed)
    strata, draws = mixture.draws(span(period * PERIOD, PERIOD))
    assert np.bincount(strata, minlength=len(weights)).tolist() == list(shares(tuple(weights)))
    # draws of a stratum are numbered without gap, period after period: none is skipped, none comes twice
    for stratum, count in enumerate(shares(tuple(weights))):
        assert sorted(draws[strata == stratum].tolist()) == list(range(period * count, (period + 1) * count))


def test_a_stratum_too_light_to_be_drawn_is_refused() -> None:
    with pytest.raises(ConfigError, match="weights of rare are below one sample in 1000"):
        Mixture.of({"web": 10_000, "rare": 1}, 0)


def dataset(place: Path, manifest: Manifest, files: dict[str, bytes], *, block: int | None = None) -> ShardDataset:
    folder = Folder(written(place, manifest, files), manifest)
    return ShardDataset(manifest, folder, context=4, seed=7, block_bytes=block)


@pytest.mark.parametrize("block", [None, 100])
def test_every_token_but_a_shards_first_is_a_target_once_an_epoch(tmp_path: Path, block: int | None) -> None:
    data = dataset(tmp_path, *counting(windows={"all": [5, 9, 12]}), block=block)
    for epoch in range(2):
        inputs, targets = data.take(span(epoch * data.size, data.size))
        assert (targets == inputs + 1).all()
        assert sorted(targets.flatten().tolist()) == [n for n in range(107) if n not in {0, 21, 58}]


@pytest.mark.parametrize("world", [2, 3, 4, 6])
@pytest.mark.parametrize("block", [None, 200])
def test_samples_are_the_same_for_any_number_of_ranks(tmp_path: Path, world: int, block: int | None) -> None:
    made = counting(windows={"web": [50, 70, 20], "code": [30, 10]}, weights={"web": 3, "code": 1})
    whole = dataset(tmp_path, *made, block=block).take(span(4080, 24))[0].tolist()
    ranks = [dataset(tmp_path, *made, block=block) for _ in range(world)]
    share = 24 // world
    parts = [row for rank, each in enumerate(ranks) for row in each.take(span(4080 + rank * share, share))[0].tolist()]
    assert parts == whole


def test_a_resumed_run_sees_what_an_undisturbed_one_sees(tmp_path: Path) -> None:
    made = counting(windows={"web": [50, 70], "code": [30]})
    undisturbed = dataset(tmp_path, *made)
    for position in range(0, 4000, 100):
        undisturbed.take(span(position, 100))
    resumed = dataset(tmp_path, *made)
    assert (resumed.take(span(4000, 200))[1] == undisturbed.take(span(4000, 200))[1]).all()


def test_strata_are_drawn_by_weight_and_each_has_epochs_of_its_own(tmp_path: Path) -> None:
    made = counting(windows={"web": [300], "code": [100]}, weights={"web": 1, "code": 1})
    firsts = dataset(tmp_path, *made).take(span(0, PERIOD))[0][:, 0]
    drawn = Counter((firsts // 1201).tolist())
    assert drawn == {0: 500, 1: 500}
    of_code = Counter(firsts[firsts >= 1201].tolist())
    assert len(of_code) == 100
    assert set(of_code.values()) == {5}


def test_held_out_windows_come_in_order_and_training_never_sees_them(tmp_path: Path) -> None:
    data = dataset(tmp_path, *counting(windows={"all": [8]}, held_out=(40, 3)))
    batches = data.held_out()
    assert [len(inputs) for inputs, _ in batches] == [32, 11]
    seen = [token for _, targets in batches for token in targets.flatten().tolist()]
    assert len(set(seen)) == 43 * 4
    trained = data.take(span(0, 80))[1]
    assert set(trained.flatten().tolist()).isdisjoint(seen)


def test_a_shard_of_another_size_is_not_read(tmp_path: Path) -> None:
    data = dataset(tmp_path, *counting(windows={"all": [8]}))
    with (tmp_path / "shard-00000.bin").open("ab") as file:
        file.write(b"more")
    with pytest.raises(StorageError, match="it has 136 bytes and the manifest says 132"):
        data.take(span(0, 1))


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest, _ = counting(windows={"web": [3], "code": [2]}, weights={"web": 0.5})
    assert Manifest.parse(manifest.to_json().encode(), source="here") == manifest


def test_all_mistakes_of_a_manifest_are_told_at_once() -> None:
    text = (
        b'{"version": 1, "dtype": "int7", "vocab": 0, "tokenizer": "bpe", "strata": [{"name": "web", "weight": -1}],'
        b'"shards": [{"path": "../up", "tokens": 0, "sha256": "beef", "stratum": "code"}]}'
    )
    with pytest.raises(ConfigError) as caught:
        Manifest.parse(text, source="here")
    found = str(caught.value)
    parts = ("'int7'", "vocab is 0", "'bpe'", "stratum 'web' is -1", "'../up'", "tokens of shard 0", "'beef'", "'code'")
    assert all(part in found for part in parts), found


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.text(max_size=3),
    lambda each: st.lists(each, max_size=2) | st.dictionaries(st.sampled_from(["name", "path", "tokens"]), each),
    max_leaves=5,
)


@LAW
@given(st.dictionaries(st.sampled_from(["dtype", "vocab", "tokenizer", "strata", "shards"]), json_values))
def test_whatever_stands_in_a_manifest_is_read_or_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="does not describe token shards"):
        Manifest.parse(json.dumps({"version": 1, **data}).encode(), source="here")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (b"{", "is no JSON"),
        (b"[]", "version is"),
        (b'{"version": 2}', "it must be 1; pack the data again"),
        (b'{"version": 1, "dtype": "uint8", "vocab": 9, "tokenizer": {}, "strata": [], "shards": []}', "strata must"),
    ],
)
def test_what_is_no_manifest_is_refused(text: bytes, part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        Manifest.parse(text, source="here")


def test_a_recipe_that_the_data_does_not_fit_is_refused_with_all_reasons(tmp_path: Path) -> None:
    place = written(tmp_path, *counting(windows={"all": [8]}))
    with pytest.raises(ConfigError) as caught:
        ShardData(context=100, vocab=256, block_gib=-1).build(place.as_uri(), tmp_path)
    assert all(part in str(caught.value) for part in ("set vocab=4294967296", "101 tokens", "block_gib is -1"))


def test_too_short_shards_are_refused(tmp_path: Path) -> None:
    place = written(tmp_path, *counting(windows={"all": [8], "tiny": [1]}, held_out=(20,)))
    with pytest.raises(ConfigError, match="no shard of tiny has 11 tokens"):
        ShardData(context=10, vocab=1 << 32).build(place.as_uri(), tmp_path)


def test_without_a_manifest_there_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no manifest\.json in file:///"):
        ShardData(context=4, vocab=256).build(tmp_path.as_uri(), tmp_path)
    with pytest.raises(ConfigError, match="set SPRINGTIDE_DATA_URL"):
        ShardData(context=4, vocab=256).build(None, tmp_path)


def test_few_shards_are_mapped_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("springtide_workloads.data.shards.MAPPED", 2)
    data = dataset(tmp_path, *counting(windows={"all": [3] * 9}))
    inputs, _ = data.take(span(0, 27))
    assert sorted(inputs[:, 0].tolist()) == [shard * 13 + window * 4 for shard in range(9) for window in range(3)]
    assert len(data._train._open) == 2


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a data set of 3,212 bytes that is not on this machine's disk."""
    store = Store("memory:///set")
    manifest, files = counting(windows={"all": [20] * 9, "more": [20]})
    for path, data in files.items():
        store.write(path, data)
    store.write("manifest.json", manifest.to_json().encode())
    monkeypatch.setattr("springtide_workloads.data.sharded.Store", lambda _: store)
    monkeypatch.setattr(store, "url", "s3://bucket/set")
    return store.url


def test_shards_of_an_object_store_come_through_the_scratch_folder(remote: str, tmp_path: Path) -> None:
    data = ShardData(context=4, vocab=1 << 32).build(remote, tmp_path)
    assert len(data.take(span(0, 100))[0]) == 100
    until(lambda: len(list((tmp_path / "shards").glob("*.bin"))) == 11)
    data.close()


def test_data_that_does_not_fit_its_cache_is_refused_with_what_to_change(remote: str, tmp_path: Path) -> None:
    gib = 1 / (1 << 30)
    with pytest.raises(ConfigError, match="set block_gib to less than half of that"):
        ShardData(context=4, vocab=1 << 32, cache_gib=2000 * gib).build(remote, tmp_path)
    data = ShardData(context=4, vocab=1 << 32, cache_gib=2000 * gib, block_gib=700 * gib).build(remote, tmp_path)
    for position in range(0, 400, 8):
        data.take(span(position, 8))
        assert kept(tmp_path) <= 2000
    data.close()


def cache(place: Path, bucket: Bucket, manifest: Manifest, budget: int) -> ShardCache:
    return ShardCache(bucket, place, budget, manifest)


def test_a_shard_is_fetched_once_and_kept(tmp_path: Path) -> None:
    manifest, files = counting(windows={"all": [8]})
    bucket = Bucket(files)
    for _ in range(3):
        tokens = cache(tmp_path, bucket, manifest, 10_000).open(manifest.shards[0])
        assert tokens.tolist() == list(range(33))
    assert bucket.reads == ["shard-00000.bin"]


def test_a_shard_of_another_digest_is_not_let_in(tmp_path: Path) -> None:
    manifest, files = counting(windows={"all": [8]})
    bucket = Bucket({path: data[::-1] for path, data in files.items()})
    with pytest.raises(StorageError, match="it was damaged or changed"):
        cache(tmp_path, bucket, manifest, 10_000).open(manifest.shards[0])
    assert not list((tmp_path / "shards").glob("*.[bp]*"))


def test_a_missing_shard_and_a_failing_store_are_storage_errors(tmp_path: Path) -> None:
    manifest, files = counting(windows={"all": [8]})
    with pytest.raises(StorageError, match="in the manifest and not in the store"):
        cache(tmp_path, Bucket({}), manifest, 10_000).open(manifest.shards[0])
    with pytest.raises(StorageError, match="the store is away"):
        cache(tmp_path, Bucket(files, fails=True), manifest, 10_000).open(manifest.shards[0])


def kept(place: Path) -> int:
    total = 0
    for path in (place / "shards").glob("*.bin"):
        with suppress(FileNotFoundError):  # a shard may be evicted between the two calls
            total += path.stat().st_size
    return total


def test_the_least_recently_opened_shard_is_evicted(tmp_path: Path) -> None:
    manifest, files = counting(windows={"all": [8, 8, 8]})
    bucket = Bucket(files)
    held = cache(tmp_path, bucket, manifest, 2 * 132)
    for number in (0, 1, 0, 2, 0, 1):
        held.open(manifest.shards[number])
        assert kept(tmp_path) <= 2 * 132
    assert bucket.reads == [f"shard-0000{n}.bin" for n in (0, 1, 2, 1)]


def test_a_shard_in_use_is_never_evicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("springtide_workloads.data.cache.ROOM_SECONDS", 0.1)
    manifest, files = counting(windows={"all": [8, 8, 8]})
    bucket = Bucket(files)
    first = cache(tmp_path, bucket, manifest, 2 * 132)
    using = first.open(manifest.shards[0])
    other = cache(tmp_path, bucket, manifest, 2 * 132)
    for number in (1, 2, 1, 0):
        other.open(manifest.shards[number])
    assert bucket.reads.count("shard-00000.bin") == 1
    again = other.open(manifest.shards[1])
    with pytest.raises(StorageError, match="no room for 132 bytes"):
        first.open(manifest.shards[2])
    assert (using[0], again[0]) == (0, 33)
    del again
    assert first.open(manifest.shards[2])[0] == 66


@LAW
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 6))
def test_eviction_never_changes_what_a_reader_sees(visits: list[int], room: int) -> None:
    manifest, files = counting(windows={"all": [8] * 6}, held_out=())
    with tempfile.TemporaryDirectory() as place:
        held = cache(Path(place), Bucket(files), manifest, room * 132)
        opened: deque[tuple[int, Tokens]] = deque(maxlen=room - 1)
        for number in visits:
            opened.append((number, held.open(manifest.shards[number])))
            assert kept(Path(place)) <= room * 132
            assert all(tokens.tolist() == list(range(n * 33, n * 33 + 33)) for n, tokens in opened)


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    manifest, files = counting(windows={"all": [8, 8]})
    folder = tmp_path / "shards"
    folder.mkdir()
    (folder / f"{manifest.shards[0].sha256}.part").write_bytes(b"half")
    (folder / f"{'0' * 64}.part").write_bytes(b"x" * 200)
    held = cache(tmp_path, Bucket(files), manifest, 2 * 132)
    first, second = (held.open(shard)[0] for shard in manifest.shards[:2])
    assert (first, second) == (0, 33)
    assert not list(folder.glob("*.part"))


def test_shards_are_fetched_ahead(tmp_path: Path) -> None:
    manifest, files = counting(windows={"all": [8, 8, 8]})
    bucket = Bucket(files)
    held = cache(tmp_path, bucket, manifest, 10_000)
    held.ahead(manifest.shards)
    until(lambda: kept(tmp_path) == sum(map(manifest.size_of, manifest.shards)))
    held.close()
    assert [held.open(shard).size for shard in manifest.shards] == [33, 33, 33, 13]
    assert len(bucket.reads) == 4


def test_a_data_set_larger_than_its_cache_is_read_block_by_block(tmp_path: Path) -> None:
    manifest, files = counting(windows={"all": [8] * 10}, held_out=(3,))
    bucket = Bucket(files)
    held = cache(tmp_path, bucket, manifest, 6 * 132)
    data = ShardDataset(manifest, held, context=4, seed=0, block_bytes=2 * 132)
    assert data.cached_bytes == 4 * 132 + 52
    seen = []
    for position in range(0, 160, 4):
        seen += data.take(span(position, 4))[0][:, 0].tolist()
        assert kept(tmp_path) <= 6 * 132
    assert sorted(seen) == sorted(2 * [shard * 33 + window * 4 for shard in range(10) for window in range(8)])
    data.close()
