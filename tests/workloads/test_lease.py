"""The fencing lease, on disk: one holder at a time, and no return for one that was thought dead."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from springtide_workloads.errors import ConfigError, Interrupted
from springtide_workloads.storage import Store
from springtide_workloads.train.lease import Holder, Lease, acquire, held, newest_epoch

SHORT = 0.5
"""Seconds of a lease here."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path.as_uri())


def elsewhere(lease: Lease) -> None:
    """Makes the holder look like a process of another machine, of which nobody knows whether it lives."""
    holder = replace(lease.holder, place="another boot", host="pod-7")
    path = f"lease/{lease.epoch:08d}.json"
    data = json.loads(lease.store.read(path) or b"")
    lease.store.write(path, json.dumps(data | {"place": holder.place, "host": holder.host}).encode())


def freeze(lease: Lease) -> None:
    """Stops the renewals, as a machine that hangs does."""
    lease._over.set()
    elsewhere(lease)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_epochs_count_up_and_a_released_lease_is_free_at_once(store: Store) -> None:
    started = time.monotonic()
    for epoch in (1, 2, 3):
        with held(store, run="a", seconds=60) as lease:
            assert (lease.epoch, newest_epoch(store)) == (epoch, epoch)
            lease.fence.check()
    assert time.monotonic() - started < 10


def test_a_waiter_gets_the_lease_when_the_holder_ends_and_not_before(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    first = acquire(store, run="a", seconds=SHORT)
    got: list[Lease] = []
    waiter = threading.Thread(target=lambda: got.append(acquire(store, run="b", seconds=SHORT)))
    waiter.start()
    time.sleep(3 * SHORT)
    assert not got
    first.fence.check()
    first.release()
    waiter.join()
    assert got[0].epoch == 2
    got[0].release()
    assert "waiting for run 'a' on" in capsys.readouterr().err


def test_a_frozen_holder_is_outwaited_and_may_publish_nothing_when_it_wakes(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    first = acquire(store, run="a", seconds=SHORT)
    freeze(first)
    second = acquire(store, run="b", seconds=SHORT)
    assert second.epoch == 2
    with pytest.raises(ConfigError, match=r"was taken over by run 'b' .*\(epoch 2\)"):
        first.fence.check()
    second.fence.check()
    assert "counts as gone" in capsys.readouterr().err
    second.release()


def test_a_holder_notices_by_itself_that_it_lost_the_lease(store: Store) -> None:
    first = acquire(store, run="a", seconds=SHORT)
    assert store.create("lease/00000002.json", json.dumps({"run": "b"}).encode())
    until(lambda: first.lost)
    first.release()
    assert newest_epoch(store) == 2


def test_a_dead_process_of_this_machine_is_not_waited_for(store: Store) -> None:
    first = acquire(store, run="a", seconds=600)
    first._over.set()
    data = json.loads(store.read("lease/00000001.json") or b"")
    store.write("lease/00000001.json", json.dumps(data | {"pid": 2**22 + 1}).encode())
    with held(store, run="a", seconds=600) as second:
        assert second.epoch == 2


def test_a_process_that_got_the_number_of_a_dead_one_is_another() -> None:
    assert not Holder(run="a").surely_dead()
    assert replace(Holder(run="a"), started="1").surely_dead()
    assert not replace(Holder(run="a"), started="1", place="another machine").surely_dead()


def test_a_waiter_can_be_told_to_stop(store: Store) -> None:
    first = acquire(store, run="a", seconds=60)
    with pytest.raises(Interrupted, match="while waiting for run 'a'"):
        acquire(store, run="b", seconds=60, stopped=lambda: True)
    first.release()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"run": 1}'])
def test_a_damaged_lease_expires_like_an_unattended_one(store: Store, damage: bytes) -> None:
    store.write("lease/00000004.json", damage)
    with held(store, run="a", seconds=SHORT) as lease:
        assert lease.epoch == 5


def test_of_three_that_wait_one_has_it_at_a_time(store: Store) -> None:
    inside: list[int] = []
    most: list[int] = []
    epochs: list[int] = []

    def work() -> None:
        for _ in range(3):
            with held(store, run="a", seconds=5) as lease:
                inside.append(lease.epoch)
                most.append(len(inside))
                time.sleep(0.02)
                lease.fence.check()
                inside.remove(lease.epoch)
                epochs.append(lease.epoch)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert epochs == list(range(1, 10))
