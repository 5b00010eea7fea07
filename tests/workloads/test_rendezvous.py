import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import torch.distributed as dist

from springtide_workloads.errors import Interrupted
from springtide_workloads.train import rendezvous
from springtide_workloads.train.rendezvous import _COUNT as COUNT
from springtide_workloads.train.rendezvous import join

NODES = 3


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "POLL_SECONDS", 0.005)


@pytest.fixture
def store() -> Any:
    return dist.HashStore()  # type: ignore[attr-defined]  # documented, and not listed as exported


class Nodes:
    """Nodes that join in threads of their own."""

    def __init__(self, pool: ThreadPoolExecutor, store: Any) -> None:
        self._pool = pool
        self._store = store

    def join(self, rank: int, *, seconds: float = 30) -> "Future[int]":
        deadline = time.monotonic() + seconds
        return self._pool.submit(join, self._store, rank=rank, nodes=NODES, bump=rank == 0, deadline=deadline)

    def until_generation(self, number: int) -> None:
        while int(self._store.add(COUNT, 0)) < number:
            time.sleep(0.01)


@pytest.fixture
def nodes(store: Any) -> Any:
    with ThreadPoolExecutor(16) as pool:
        yield Nodes(pool, store)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_nodes_meet_in_the_first_generation_in_whatever_order_they_come(nodes: Nodes, order: tuple[int, ...]) -> None:
    joining = []
    for rank in order:
        joining.append(nodes.join(rank))
        time.sleep(0.02)
    assert [one.result() for one in joining] == [1, 1, 1]


def test_nobody_starts_before_the_last_one_has_come(nodes: Nodes) -> None:
    joining = [nodes.join(0), nodes.join(1)]
    time.sleep(0.1)
    assert not any(one.done() for one in joining)
    joining.append(nodes.join(2))
    assert {one.result() for one in joining} == {1}


def test_a_node_that_comes_again_waits_for_the_next_generation(nodes: Nodes) -> None:
    assert {one.result() for one in [nodes.join(rank) for rank in range(NODES)]} == {1}
    again = nodes.join(2)
    time.sleep(0.1)
    assert not again.done()
    assert {one.result() for one in [again, nodes.join(1), nodes.join(0)]} == {2}


def test_a_generation_that_node_0_gave_up_is_left_for_the_next(nodes: Nodes) -> None:
    first = nodes.join(1)
    given_up = nodes.join(0, seconds=0.2)
    with pytest.raises(Interrupted, match=r"\[2\] of 3 did not come"):
        given_up.result()
    again = nodes.join(0)
    nodes.until_generation(2)  # a node that comes before would meet nobody in the one that was given up
    assert {one.result() for one in [first, again, nodes.join(2)]} == {2}


def test_who_waits_in_vain_says_for_whom(nodes: Nodes) -> None:
    with pytest.raises(Interrupted, match=r"\[0, 2\] of 3 did not come"):
        nodes.join(1, seconds=0.05).result()
