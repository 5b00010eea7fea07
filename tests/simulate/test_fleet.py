from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.simulate.fleet import Fleet, Machines, Replica

from .stage import MACHINES


class Watched:
    """A fleet, who became ready when, and who left."""

    def __init__(self, machines: Machines | None, drain: float = 20.0) -> None:
        self.ready: list[tuple[int, float]] = []
        self.left: list[int] = []
        self.drain = drain
        self.fleet = Fleet(machines, load_seconds=42.0, on_ready=self._ready, on_leave=self._left)

    def _ready(self, replica: Replica, now: float) -> None:
        self.ready.append((replica.number, now))

    def _left(self, replica: Replica, now: float) -> float:
        self.left.append(replica.number)
        return now + self.drain

    def until(self, end: float) -> None:
        while self.fleet.next_event <= end:
            self.fleet.happen(self.fleet.next_event)


def test_a_new_machine_boots_pulls_and_loads() -> None:
    seen = Watched(MACHINES)
    seen.fleet.scale(1, 100.0)
    seen.until(1000.0)
    assert seen.ready == [(0, 100.0 + 90 + 30 + 42)]


def test_a_machine_that_is_there_only_loads() -> None:
    seen = Watched(replace(MACHINES, replicas_each=2))
    seen.fleet.scale(1, 0.0)
    seen.until(500.0)
    seen.fleet.scale(2, 500.0)
    seen.until(600.0)
    assert (seen.ready[1], seen.fleet.live_nodes()) == ((1, 542.0), 1)


def test_a_machine_that_boots_is_shared_too() -> None:
    seen = Watched(replace(MACHINES, replicas_each=2))
    seen.fleet.scale(3, 0.0)
    assert seen.fleet.live_nodes() == 2


def test_without_room_a_replica_waits_for_one_to_leave() -> None:
    seen = Watched(replace(MACHINES, most=1))
    seen.fleet.begin(1)
    seen.fleet.scale(2, 10.0)
    seen.until(400.0)
    assert (len(seen.fleet.replicas), seen.ready) == (2, [(0, 0.0)])
    seen.fleet.scale(1, 500.0)
    assert seen.left == []


def test_those_without_a_machine_go_first_then_those_that_load_then_the_newest() -> None:
    seen = Watched(replace(MACHINES, most=3))
    seen.fleet.begin(2)
    seen.until(0.0)
    seen.fleet.scale(4, 10.0)
    for wanted in (3, 2, 1):
        seen.fleet.scale(wanted, 20.0)
        seen.until(20.0)
    assert [item.number for item in seen.fleet.replicas] == [0]
    assert seen.left == [1]


def test_an_empty_machine_goes_after_its_time_and_is_paid_for_until_then() -> None:
    seen = Watched(MACHINES)
    seen.fleet.begin(1)
    seen.fleet.scale(0, 100.0)
    seen.until(10_000.0)
    assert (seen.fleet.live_nodes(), seen.fleet.node_seconds(10_000.0)) == (0, 100.0 + 20 + 600)


def test_a_machine_that_is_used_again_stays() -> None:
    seen = Watched(MACHINES)
    seen.fleet.begin(1)
    seen.fleet.scale(0, 100.0)
    seen.until(300.0)
    seen.fleet.scale(1, 300.0)
    seen.until(10_000.0)
    assert (seen.fleet.live_nodes(), len(seen.fleet.nodes)) == (1, 1)


def test_kept_machines_never_go() -> None:
    seen = Watched(replace(MACHINES, kept=2))
    seen.fleet.scale(1, 0.0)
    seen.fleet.scale(0, 100.0)
    seen.until(10_000.0)
    assert (seen.fleet.live_nodes(), seen.fleet.node_seconds(1000.0)) == (2, 2000.0)


def test_on_system_nodes_a_replica_only_loads() -> None:
    seen = Watched(None)
    seen.fleet.scale(1, 10.0)
    seen.until(100.0)
    assert (seen.ready, seen.fleet.node_seconds(100.0)) == ([(0, 52.0)], 0)


@given(st.lists(st.tuples(st.integers(0, 8), st.floats(0, 300)), max_size=20), st.integers(1, 3), st.integers(1, 4))
def test_there_are_never_more_machines_than_allowed_nor_replicas_than_fit(
    steps: list[tuple[int, float]], each: int, most: int
) -> None:
    seen = Watched(replace(MACHINES, replicas_each=each, most=most))
    now = 0.0
    for wanted, pause in steps:
        seen.fleet.scale(wanted, now)
        now += pause
        seen.until(now)
        assert seen.fleet.live_nodes() <= most
        assert all(0 <= node.replicas <= each for node in seen.fleet.nodes)
        assert seen.fleet.ready(now) <= len(seen.fleet.replicas) == wanted
    seen.fleet.close(now)
    assert seen.fleet.replica_seconds <= seen.fleet.node_seconds(now) * each + 20 * len(steps) * 8 + 1e-6


@pytest.mark.parametrize("most", [0, 1])
def test_what_never_gets_a_machine_costs_nothing(most: int) -> None:
    seen = Watched(replace(MACHINES, most=most))
    seen.fleet.scale(2, 0.0)
    seen.fleet.close(1000.0)
    assert seen.fleet.node_seconds(1000.0) == 1000.0 * most
