"""Equal bits on a GPU: by one process, and by two that share it over gloo. Skipped where there is no GPU."""

import pytest
import torch
from tests.workloads.stepping import LR, STEPS, Choice, batch, digest, prepared
from tests.workloads.worlds import together

from springtide_workloads.train.ranks import Ranks

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def on_gpu(ranks: Ranks, choice: Choice) -> tuple[str, list[float]]:
    """What a rank reaches on the one GPU, which all ranks share."""
    device = torch.device("cuda", 0)
    torch.cuda.set_device(device)
    shared = Ranks(rank=ranks.rank, world=ranks.world, device=device, control=ranks.control)
    run = prepared(shared, choice, dropout=0.1)
    losses = [float(run.step(batch(number, run.part), lr=LR, number=number)) for number in range(STEPS)]
    run.model.cpu()
    for state in run.optimizer.state.values():
        state.update({name: value.cpu() for name, value in state.items()})
    return digest(run), losses


@pytest.mark.enable_socket
@pytest.mark.parametrize("bf16", [False, True])
def test_worlds_that_share_a_gpu_reach_the_same_bits(bf16: bool) -> None:
    choice = Choice(exact=4, bf16=bf16)
    found = [result for world in (1, 1, 2, 3) for result in together(world, on_gpu, choice)]
    assert len({digest for digest, _ in found}) == 1
    assert len({tuple(losses) for _, losses in found}) == 1
