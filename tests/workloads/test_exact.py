"""One result for any number of processes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.workloads.stepping import Choice, digests
from tests.workloads.worlds import together

from springtide_workloads.errors import ConfigError
from springtide_workloads.train.exact import Nodes, cover, grow, height, seed_of, slots_of
from springtide_workloads.train.parallel import Parallel, check

CPU = torch.device("cpu")


@pytest.mark.enable_socket
@pytest.mark.timeout(300)
def test_any_world_reaches_the_same_bits_where_ddp_reaches_others() -> None:
    found = {world: together(world, digests, Choice(exact=4), 0.1) for world in (4, 2, 1, 3)}
    assert len({digest for ranks in found.values() for digest, _ in ranks}) == 1
    assert len({tuple(losses) for ranks in found.values() for _, losses in ranks}) == 1
    plain = {together(world, digests, Choice())[0][0] for world in (4, 2, 1)}
    assert len(plain) == 3


@given(st.integers(1, 40), st.data())
def test_a_sum_over_slots_has_the_same_bits_however_they_are_spread(slots: int, data: st.DataObject) -> None:
    leaves = torch.randn(slots, 3, generator=torch.Generator().manual_seed(slots))
    whole = grow({(0, slot): leaves[slot] for slot in range(slots)}, slots)[height(slots), 0]
    world = data.draw(st.integers(1, slots))
    partial: Nodes = {}
    for rank in range(world):
        nodes: Nodes = {}
        for slot in slots_of(slots, rank, world):
            nodes[0, slot] = leaves[slot]
            nodes = grow(nodes, slots)
        assert sorted(nodes, key=lambda node: node[1] << node[0]) == cover(slots_of(slots, rank, world), slots)
        partial |= nodes
    assert torch.equal(grow(partial, slots)[height(slots), 0], whole)
    assert torch.allclose(whole, leaves.sum(0), atol=1e-4)


@given(st.integers(1, 64), st.data())
def test_every_slot_is_on_one_rank_and_no_rank_idles(slots: int, data: st.DataObject) -> None:
    world = data.draw(st.integers(1, slots))
    spread = [slots_of(slots, rank, world) for rank in range(world)]
    assert [slot for held in spread for slot in held] == list(range(slots))
    assert {len(held) for held in spread} <= {slots // world, -(-slots // world)}


def test_a_power_of_two_sends_one_node_a_rank() -> None:
    assert [len(cover(slots_of(16, rank, 4), 16)) for rank in range(4)] == [1] * 4
    assert [cover(slots_of(4, rank, 3), 4) for rank in range(3)] == [[(0, 0)], [(0, 1)], [(1, 1)]]


def test_every_slot_of_every_step_has_random_numbers_of_its_own() -> None:
    seeds = {seed_of(seed, step, slot) for seed in range(3) for step in range(20) for slot in range(20)}
    assert len(seeds) == 1200
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(
    ("choice", "world", "told"),
    [
        (Choice(exact=4, parallel=Parallel(shard=None)), 2, "exact is 4 with shard None and tensor 1"),
        (Choice(exact=4, parallel=Parallel(tensor=2)), 2, "exact is 4 with shard 1 and tensor 2"),
        (Choice(exact=2), 3, "exact is 2 on 3 processes: it must be at least the number of processes"),
        (Choice(exact=3), 1, "exact is 3 and batch is 8"),
        (Choice(exact=0), 1, "exact is 0: it must be at least 1"),
        (Choice(exact=4, accumulate=2), 1, "accumulate is 2: it must be 1"),
        (Choice(exact=4, threads=2), 1, "threads is 2: it must be 1"),
    ],
)
def test_what_cannot_give_equal_bits_is_refused(choice: Choice, world: int, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check(choice, world, CPU)


def test_uneven_slots_fit_any_world_up_to_their_number() -> None:
    for world in (1, 2, 3, 4):
        check(Choice(exact=4), world, CPU)
