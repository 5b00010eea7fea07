"""Everything a run needs to go on as if it had never stopped, as named tensors and plain numbers.

Names are global: they do not depend on the number of ranks, on how the model is sharded, or on what wraps it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from springtide_workloads.errors import ConfigError

Tensors = dict[str, Tensor]
Plain = dict[str, Any]
"""What JSON can hold."""

MODEL: Final = "model/"
OPTIMIZER: Final = "optimizer/"
RANDOM: Final = "rng/"

_WRAPPERS: Final = re.compile(r"(^|\.)(?:_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)(?=\.)")
"""Parts of a name that `torch.compile`, activation checkpointing and the like put in."""


class Streams(Protocol):
    """Random generators that belong to this rank: its own, or those of the slots that it computes now."""

    def tensors(self) -> Tensors:
        """The generators' states, by names that are unique in the run."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes generators back to where they were; those that `tensors` does not name keep their fresh state."""


class Scheduler(Protocol):
    """Anything that changes with the steps and is not a tensor, such as torch's learning rate schedulers."""

    def state_dict(self) -> Plain:
        """Its state: what JSON can hold."""

    def load_state_dict(self, state_dict: Plain, /) -> Any:
        """The inverse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankStreams:
    """Torch's default generators of one rank. A rank that did not exist when the state was saved keeps its fresh ones."""

    rank: int

    def tensors(self) -> Tensors:
        """State of the CPU's generator, and of the GPU's where there is one."""
        return {name.removeprefix(RANDOM): tensor for name, tensor in rng_tensors(self.rank).items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        load_rng({RANDOM + name: tensor for name, tensor in tensors.items()}, self.rank)


@dataclass(slots=True, kw_only=True)
class TrainState:
    """A model in training after `step` steps that took `position` samples."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    position: int = 0
    """State of the data: how many samples all ranks together have taken."""
    scheduler: Scheduler | None = None
    streams: Streams | None = None
    """Random generators. Default None: those of the rank."""

    def tensors(self) -> Tensors:
        """Weights and the optimizer's memory, by name: the live tensors, plain ones equal on all ranks, or DTensors."""
        weights = {MODEL + plain_name(name): tensor for name, tensor in self.model.state_dict().items()}
        memory = {
            f"{OPTIMIZER}{name}/{slot}": tensor
            for name, parameter in self._optimized().items()
            for slot, tensor in self.optimizer.state.get(parameter, {}).items()
            if isinstance(tensor, Tensor)
        }
        return weights | memory

    def numbers(self) -> Plain:
        """What is not a tensor: settings of the optimizer's groups, its plain slots, and the scheduler's state."""
        slots = {
            f"{name}/{slot}": value
            for name, parameter in self._optimized().items()
            for slot, value in self.optimizer.state.get(parameter, {}).items()
            if not isinstance(value, Tensor)
        }
        return {
            "groups": [_settings(group) for group in self.optimizer.param_groups],
            "slots": slots,
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
        }

    def load_numbers(self, numbers: Plain) -> None:
        """The inverse of `numbers`."""
        for group, settings in zip(self.optimizer.param_groups, numbers["groups"], strict=True):
            for key, value in settings.items():
                _set(group, key, value)
        parameters = self._optimized()
        for path, value in numbers["slots"].items():
            name, _, slot = path.rpartition("/")
            self.optimizer.state[parameters[name]][slot] = value
        if self.scheduler is not None and numbers["scheduler"] is not None:
            self.scheduler.load_state_dict(numbers["scheduler"])

    def make_room(self, names: set[str]) -> None:
        """Gives the optimizer the slots that `names` speak of, with any values: a step that moves no weight makes them."""
        missing = {name for name in names if name.startswith(OPTIMIZER)} - self.tensors().keys()
        if missing:
            _idle_step(self.optimizer)
        for name, parameter in self._optimized().items():
            if not any(each.startswith(f"{OPTIMIZER}{name}/") for each in names):
                self.optimizer.state.pop(parameter, None)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` gave, on whatever device this model is."""
        self.model.load_state_dict(_below(tensors, MODEL))
        found = {name: _below(tensors, f"{OPTIMIZER}{name}/") for name in self._optimized()}
        memory = {index: slots for index, slots in enumerate(found.values()) if slots}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": memory, "param_groups": groups})

    def _optimized(self) -> dict[str, nn.Parameter]:
        """Parameters by name, in the optimizer's own order."""
        names = {id(parameter): plain_name(name) for name, parameter in self.model.named_parameters()}
        return {names[id(p)]: p for group in self.optimizer.param_groups for p in group["params"]}


def rng_tensors(rank: int) -> Tensors:
    """State of this rank's random generators."""
    states = {f"{RANDOM}{rank}/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states[f"{RANDOM}{rank}/cuda"] = torch.cuda.get_rng_state()
    return states


def load_rng(tensors: Mapping[str, Tensor], rank: int) -> None:
    """Takes the generators of `rank` back to where they were; a rank that did not exist then keeps its fresh ones."""
    found = _below(tensors, f"{RANDOM}{rank}/")
    if "cpu" in found:
        torch.set_rng_state(found["cpu"])
    if "cuda" in found and torch.cuda.is_available():
        torch.cuda.set_rng_state(found["cuda"])


def _below(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def plain_name(name: str) -> str:
    """A tensor's name in the model as it was written, without what wraps it now."""
    return _WRAPPERS.sub("", name).removeprefix(".")


def _settings(group: Plain) -> Plain:
    return {key: _number(key, value) for key, value in group.items() if key != "params"}


def _number(key: str, value: Any) -> Any:
    if isinstance(value, Tensor) and value.numel() == 1:
        return value.item()
    if value is None or isinstance(value, bool | int | float | str | list | tuple):
        return value
    raise ConfigError(
        f"the optimizer's setting {key!r} is {value!r}: a checkpoint holds numbers, texts and lists of them"
    )


def _set(group: Plain, key: str, value: Any) -> None:
    """Puts a setting back as what it was: a tensor keeps its place, a tuple stays one."""
    present = group.get(key)
    if isinstance(present, Tensor):
        present.fill_(value)
    else:
        group[key] = tuple(value) if isinstance(present, tuple) else value


def _idle_step(optimizer: torch.optim.Optimizer) -> None:
    """One step with rates and gradients of zero."""
    rates = [_number("lr", group["lr"]) for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        _set(group, "lr", 0.0)
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    optimizer.step()
    optimizer.zero_grad()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        _set(group, "lr", rate)
