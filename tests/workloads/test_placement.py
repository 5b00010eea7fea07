"""Models over several devices; the one device of a test's machine stands for them under two names."""

import pytest
import torch
from torch import nn

from springtide_workloads.errors import ConfigError
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.models.placement import place, size

FIRST, SECOND, THIRD = (torch.device("meta", at) for at in range(3))
CPU = torch.device("cpu")


def gpt() -> nn.Module:
    return GPTConfig(layers=4, heads=2, width=16, context=8).build()


def homes(model: nn.Module) -> list[torch.device]:
    return [next(block.parameters()).device for block in model.get_submodule("blocks").children()]


def test_blocks_fill_the_devices_in_their_order() -> None:
    model = gpt()
    blocks = model.get_submodule("blocks")
    block = size(blocks) // 4
    rest = size(model) - size(blocks)
    place(model, {FIRST: rest + block, SECOND: 2 * block + 1, CPU: 9 * block})
    assert [device.type for device in homes(model)] == ["meta", "meta", "meta", "cpu"]
    assert model.get_submodule("tokens").weight.device.type == "meta"


def test_a_placed_model_gives_what_it_gave() -> None:
    model = gpt().eval()
    tokens = torch.arange(8)[None]
    wanted = model(tokens)
    assert torch.equal(place(model, {CPU: size(model)})(tokens), wanted)


@pytest.mark.parametrize("part", [0.1, 0.9])
def test_a_model_that_fits_nowhere_is_refused_with_its_size(part: float) -> None:
    model = gpt()
    with pytest.raises(ConfigError, match="does not fit what is left of the budgets"):
        place(model, {CPU: int(part * size(model))})


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(ConfigError, match="it must have `blocks`"):
        place(nn.Linear(2, 2), {CPU: 1000})
