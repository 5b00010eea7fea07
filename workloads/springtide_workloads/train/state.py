"""Everything a run needs to go on as if it had never stopped, as named tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

Tensors = dict[str, Tensor]

_MODEL: Final = "model/"
_OPTIMIZER: Final = "optimizer/"


@dataclass(slots=True, kw_only=True)
class TrainState:
    """A model in training after `step` steps that took `position` samples."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    position: int = 0
    """State of the data: how many samples all ranks together have taken."""

    def tensors(self) -> Tensors:
        """Weights and the optimizer's memory, by name; equal on all ranks."""
        weights = {_MODEL + name: tensor for name, tensor in self.model.state_dict().items()}
        slots = self.optimizer.state_dict()["state"]
        memory = {
            f"{_OPTIMIZER}{name}/{slot}": tensor
            for index, name in enumerate(self._optimized())
            for slot, tensor in slots.get(index, {}).items()
        }
        return weights | memory

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` gave, on whatever device this model is."""
        self.model.load_state_dict(_below(tensors, _MODEL))
        found = {name: _below(tensors, f"{_OPTIMIZER}{name}/") for name in self._optimized()}
        memory = {index: slots for index, slots in enumerate(found.values()) if slots}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": memory, "param_groups": groups})

    def _optimized(self) -> list[str]:
        """Names of parameters in the optimizer's own order."""
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        return [names[id(p)] for group in self.optimizer.param_groups for p in group["params"]]


def rng_tensors(rank: int) -> Tensors:
    """State of this rank's random generators."""
    states = {f"rng/{rank}/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states[f"rng/{rank}/cuda"] = torch.cuda.get_rng_state()
    return states


def load_rng(tensors: Mapping[str, Tensor], rank: int) -> None:
    """Takes the generators of `rank` back to where they were; a rank that did not exist then keeps its fresh ones."""
    found = _below(tensors, f"rng/{rank}/")
    if "cpu" in found:
        torch.set_rng_state(found["cpu"])
    if "cuda" in found and torch.cuda.is_available():
        torch.cuda.set_rng_state(found["cuda"])


def _below(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
