"""Every division of the work trains like one process alone, and what does not fit is told in words."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.workloads.stepping import Choice, curves
from tests.workloads.worlds import together

from springtide_workloads.errors import ConfigError
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.train.divide import STYLES
from springtide_workloads.train.parallel import Parallel, Sizes, check

CPU = torch.device("cpu")

TWO = {
    "ddp": Choice(),
    "ddp, 2 parts": Choice(accumulate=2),
    "fsdp": Choice(parallel=Parallel(shard=None)),
    "fsdp, 2 parts": Choice(parallel=Parallel(shard=None), accumulate=2),
    "fsdp, full checkpointing": Choice(parallel=Parallel(shard=None, reshard=False), checkpoint_activations="full"),
    "ddp, selective checkpointing": Choice(checkpoint_activations="selective"),
    "tensor": Choice(parallel=Parallel(tensor=2)),
    "exact": Choice(exact=4),
}
FOUR = {
    "fsdp x tensor": Choice(parallel=Parallel(shard=None, tensor=2), accumulate=2),
    "hsdp": Choice(parallel=Parallel(replicate=2, shard=2)),
    "replicate x tensor": Choice(parallel=Parallel(replicate=2, tensor=2)),
    "tensor, selective checkpointing": Choice(parallel=Parallel(tensor=4), checkpoint_activations="selective"),
}


@pytest.fixture(scope="module")
def alone_curves() -> dict[str, list[float]]:
    """Losses of one process: in one go, in 4 parts, in bfloat16."""
    choices = {"plain": Choice(), "4 parts": Choice(accumulate=4), "bf16": Choice(bf16=True)}
    found: dict[str, list[float]] = together(1, curves, choices)[0]
    return found


@pytest.mark.enable_socket
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("world", "choices"), [(2, TWO), (4, FOUR)])
def test_every_division_of_the_work_trains_like_one_process(
    world: int, choices: dict[str, Choice], alone_curves: dict[str, list[float]]
) -> None:
    for found in together(world, curves, choices):
        for name, losses in found.items():
            assert losses == pytest.approx(alone_curves["plain"], abs=2e-4), name


@pytest.mark.enable_socket
@pytest.mark.timeout(300)
def test_parts_and_bfloat16_change_little(alone_curves: dict[str, list[float]]) -> None:
    assert alone_curves["4 parts"] == pytest.approx(alone_curves["plain"], abs=2e-4)
    assert alone_curves["bf16"] == pytest.approx(alone_curves["plain"], abs=5e-2)
    assert alone_curves["plain"][3] < alone_curves["plain"][0]


@pytest.mark.enable_socket
@pytest.mark.timeout(300)
def test_shards_in_bfloat16_train_like_a_copy_in_bfloat16(alone_curves: dict[str, list[float]]) -> None:
    choices = {"fsdp": Choice(parallel=Parallel(shard=None), bf16=True)}
    for found in together(2, curves, choices):
        assert found["fsdp"] == pytest.approx(alone_curves["bf16"], abs=5e-2)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("replicate", Sizes(8, 1, 1)),
        ("shard", Sizes(1, 8, 1)),
        ("replicate2-shard", Sizes(2, 4, 1)),
        ("shard-tensor2", Sizes(1, 4, 2)),
        ("replicate2-shard2-tensor2", Sizes(2, 2, 2)),
        ("tensor4", Sizes(2, 1, 4)),
        ("shard-offload", Sizes(1, 8, 1)),
    ],
)
def test_a_division_is_written_in_words(text: str, sizes: Sizes) -> None:
    assert Parallel.parse(text).sizes(8) == sizes


@pytest.mark.parametrize("text", ["", "fsdp", "tensor", "shard0", "shard-", "shard 2"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="it must be some of"):
        Parallel.parse(text)


@given(*[st.none() | st.integers(1, 6)] * 2, st.integers(1, 6), st.integers(1, 64))
def test_sizes_multiply_to_the_world_or_are_refused(
    replicate: int | None, shard: int | None, tensor: int, world: int
) -> None:
    division = Parallel(replicate=replicate, shard=shard, tensor=tensor)
    if division.mistakes(world):
        with pytest.raises(ConfigError, match=f"processes, which is {world}"):
            division.sizes(world)
    else:
        sizes = division.sizes(world)
        assert sizes.data * sizes.tensor == world
        assert min(sizes) >= 1


def test_all_that_does_not_fit_is_told_at_once() -> None:
    choice = Choice(parallel=Parallel(replicate=3, offload=True), accumulate=0, checkpoint_activations="some")
    with pytest.raises(ConfigError) as caught:
        check(choice, 4, CPU)
    told = str(caught.value)
    assert "replicate 3 x shard 1 x tensor 1: the product must be the number of processes, which is 4" in told
    assert "only shards can be offloaded" in told
    assert "accumulate is 0" in told
    assert "checkpoint_activations is 'some'" in told


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    with pytest.raises(ConfigError, match="which 2 processes cannot share evenly in 3 parts each"):
        check(Choice(accumulate=3), 2, CPU)
    check(Choice(batch=1, parallel=Parallel(tensor=2)), 2, CPU)


def test_a_gpt_says_how_every_layer_splits() -> None:
    gpt = GPTConfig(layers=1, heads=4, width=32, context=8).build()
    plan = gpt.tensor_plan(4)
    assert set(plan.values()) == set(STYLES)
    with pytest.raises(ConfigError, match="heads is 4 and vocab is 256"):
        gpt.tensor_plan(3)
