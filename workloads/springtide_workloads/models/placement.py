"""A model that is too big for one device, its blocks one after the other on several."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from springtide_workloads.errors import ConfigError


def place(model: nn.Module, budgets: Mapping[torch.device, int]) -> nn.Module:
    """Spreads a model over devices, changed in place, for forward passes only.

    Everything but the `blocks` is on the first device, and results come from there. Blocks fill the devices in their order;
    those on the CPU are computed on the first device, to which their weights are copied each time.

    Args:
        model: has `blocks`, an `nn.ModuleList` of layers.
        budgets: bytes of weights that each device takes, the fastest first.

    Raises:
        ConfigError: when the model has no blocks, or is bigger than all budgets together.
    """
    blocks = getattr(model, "blocks", None)
    if not isinstance(blocks, nn.ModuleList):
        raise ConfigError(
            f"{type(model).__name__} cannot be placed layer by layer: it must have `blocks`, an nn.ModuleList"
        )
    first = next(iter(budgets))
    left = dict(budgets)
    left[first] -= size(model) - size(blocks)
    homes = [_home(block, left, budgets) for block in blocks]
    if left[first] < 0:
        raise _too_big(model, budgets)
    for block, home in zip(blocks, homes, strict=True):
        block.to(home)
        _attend(block, home, first)
    for _, child in model.named_children():
        if child is not blocks:
            child.to(first)
            child.register_forward_pre_hook(_bring(first), with_kwargs=True)
    _move_own(model, first)
    return model.requires_grad_(requires_grad=False)


def size(module: nn.Module) -> int:
    """Bytes of its weights and buffers."""
    return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))


def _home(block: nn.Module, left: dict[torch.device, int], budgets: Mapping[torch.device, int]) -> torch.device:
    """The first device with room, from which the room is taken."""
    for device, room in left.items():
        if size(block) <= room:
            left[device] -= size(block)
            return device
        # what comes later must not jump back: each hop between devices costs a copy
        left[device] = min(room, 0)
    raise _too_big(block, budgets)


def _too_big(module: nn.Module, budgets: Mapping[torch.device, int]) -> ConfigError:
    told = ", ".join(f"{device} {budget:,}" for device, budget in budgets.items())
    return ConfigError(
        f"{type(module).__name__} of {size(module):,} bytes does not fit what is left of the budgets ({told}): raise them, "
        "add a device, or quantize the model"
    )


def _attend(block: nn.Module, home: torch.device, first: torch.device) -> None:
    if home.type != "cpu" or first.type == "cpu":
        block.register_forward_pre_hook(_bring(home), with_kwargs=True)
        return
    kept: dict[Tensor, Tensor] = {tensor: tensor.data for tensor in (*block.parameters(), *block.buffers())}

    def fetch(_: nn.Module, args: Any, kwargs: Any) -> Any:
        for tensor in kept:
            tensor.data = tensor.data.to(first, non_blocking=True)
        return _moved((args, kwargs), first)

    def let_go(*_: Any) -> None:
        for tensor, data in kept.items():
            tensor.data = data

    block.register_forward_pre_hook(fetch, with_kwargs=True)
    block.register_forward_hook(let_go, always_call=True)


def _bring(device: torch.device) -> Any:
    def hook(_: nn.Module, args: Any, kwargs: Any) -> Any:
        return _moved((args, kwargs), device)

    return hook


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        return tuple(_moved(each, device) for each in value)
    return {key: _moved(each, device) for key, each in value.items()} if isinstance(value, dict) else value


def _move_own(model: nn.Module, device: torch.device) -> None:
    """Weights and buffers that belong to no child."""
    for name, parameter in list(model.named_parameters(recurse=False)):
        setattr(model, name, nn.Parameter(parameter.to(device), requires_grad=False))
    for name, buffer in list(model.named_buffers(recurse=False)):
        setattr(model, name, buffer.to(device))
