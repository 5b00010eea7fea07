"""Checkpoints and the lease on an S3 that answers over HTTP."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("flask", reason="moto's server needs it")

from tests.workloads.object_store import ObjectStore, object_store
from tests.workloads.test_checkpoints import checkpoints, equal, full, make_state, restore, save
from tests.workloads.worlds import together

from springtide_workloads import storage
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.storage import Store
from springtide_workloads.train.checkpoints import newest_published, steps
from springtide_workloads.train.lease import Lease, acquire, held
from springtide_workloads.train.ranks import Ranks

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            storage,
            "_PATIENCE",
            {
                "client_options": {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=2)},
                "retry_config": {
                    "max_retries": 3,
                    "retry_timeout": timedelta(seconds=20),
                    "backoff": {
                        "init_backoff": timedelta(milliseconds=10),
                        "max_backoff": timedelta(milliseconds=50),
                        "base": 2,
                    },
                },
            },
        )
        with object_store() as store:
            yield store


@pytest.fixture
def place(server: ObjectStore, request: pytest.FixtureRequest) -> Iterator[str]:
    server.requests.clear()
    yield server.url(request.node.name)
    server.fails = lambda *_: False
    server.hang_seconds = 0.0


def test_objects_are_created_once_and_written_in_parts(place: str, server: ObjectStore) -> None:
    store = Store(place)
    assert store.create("a", b"first")
    assert not store.create("a", b"second")
    assert store.read("a") == b"first"
    large = bytes(range(256)) * (2 * storage.CHUNK_BYTES // 256) + b"end"
    store.write("large", memoryview(large))
    assert store.sizes("") == {"a": 5, "large": len(large)}
    found = store.read_ranges("large", [(0, 2), (len(large) - 3, len(large))]) or []
    assert [bytes(each) for each in found] == [b"\x00\x01", b"end"]
    assert store.read_ranges("gone", [(0, 1)]) is None
    assert sum("partNumber" in path for _, path in server.requests) == 3


def test_what_two_ranks_save_in_a_bucket_one_restores(place: str) -> None:
    before = together(2, save, place, "fsdp")
    [after] = together(1, restore, place, "plain")
    assert equal(after[0], before[0][0])


def test_retention_and_damage_are_the_same_in_a_bucket(place: str, alone: Ranks) -> None:
    made, state = checkpoints(alone, place, keep=2), make_state(alone)
    for _ in range(4):
        made.save(state)
        state.step += 1
    made.close()
    assert steps(made.store) == [4, 5]
    [file] = [path for path in made.store.files("checkpoints/step-00000005") if path.endswith(".safetensors")]
    made.store.write(file, bytes(reversed(made.store.read(file) or b"")))
    fresh = make_state(alone, trained=0)
    assert made.restore(fresh)
    assert fresh.step == 4
    assert equal(full(fresh), full(state))


def test_a_store_that_fails_a_few_times_is_asked_again(place: str, server: ObjectStore, alone: Ranks) -> None:
    made, state = checkpoints(alone, place), make_state(alone)
    left = [2]

    def fails(method: str, path: str) -> bool:
        left[0] -= method == "PUT" and "checkpoints" in path
        return method == "PUT" and "checkpoints" in path and left[0] >= 0

    server.fails = fails
    made.save(state)
    made.close()
    assert newest_published(made.store) == 2


@pytest.mark.parametrize("hang", [0.0, 3.0])
def test_a_store_that_keeps_failing_or_hangs_is_an_error_and_not_for_ever(
    place: str, server: ObjectStore, alone: Ranks, hang: float
) -> None:
    made, state = checkpoints(alone, place), make_state(alone)
    server.fails = lambda method, path: method == "PUT" and "safetensors" in path
    server.hang_seconds = hang
    started = time.monotonic()
    made.save(state)
    with pytest.raises(StorageError, match=r"rank 0 failed in phase 'write' of saving step 2: cannot write s3://"):
        made.close()
    assert time.monotonic() - started < 60
    server.fails, server.hang_seconds = lambda *_: False, 0.0
    made.save(state)
    made.close()
    assert newest_published(made.store) == 2


def test_of_many_that_want_the_lease_of_a_bucket_one_has_it_at_a_time(place: str) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with held(Store(place), run="a", seconds=5) as lease:
            inside.append(lease.epoch)
            most.append(len(inside))
            time.sleep(0.05)
            lease.fence.check()
            inside.remove(lease.epoch)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


def test_a_frozen_holder_that_wakes_publishes_nothing_in_a_bucket(place: str, alone: Ranks) -> None:
    store, state = Store(place), make_state(alone)
    first = acquire(store, run="a", seconds=0.5)
    frozen = checkpoints(alone, place, first.fence)
    first._over.set()
    other_machine(first)
    with held(store, run="b", seconds=0.5) as second:
        frozen.save(state)
        with pytest.raises(ConfigError, match="was taken over by run 'b'"):
            frozen.wait()
        assert newest_published(store) is None
        made: Any = checkpoints(alone, place, second.fence)
        made.save(state)
        made.close()
    assert newest_published(store) == 2


def other_machine(lease: Lease) -> None:
    path = f"lease/{lease.epoch:08d}.json"
    lease.store.write(path, (lease.store.read(path) or b"").replace(b'"place": "', b'"place": "not '))
