"""How the processes of a run divide the work, in words and numbers; `divide.py` does it.

Recipes and the agent import this module: it is kept free of what takes torch seconds to import.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, Self, cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from springtide_workloads.data.dataset import Batch
from springtide_workloads.errors import ConfigError

DIMENSIONS: Final = ("replicate", "shard", "tensor")
"""Names of a mesh's dimensions, from the slowest network to the fastest."""

CHECKPOINTING: Final = ("none", "selective", "full")


class Sizes(NamedTuple):
    """How many processes stand in each dimension; their product is the world."""

    replicate: int
    shard: int
    tensor: int

    @property
    def data(self) -> int:
        """Parts that a batch is cut into."""
        return self.replicate * self.shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """How the processes of a run divide the work. Default: each has the whole model and its own samples."""

    replicate: int | None = None
    """Copies of the model. Default None: as many as there are processes for; 1 where `shard` is None."""
    shard: int | None = 1
    """Parts that weights, gradients and the optimizer's memory are kept in. None: as many as there are processes for."""
    tensor: int = 1
    """Parts that each layer is computed in; at most the GPUs of a node, if it is to be fast."""
    reshard: bool = True
    """Whether a block's weights are let go after its forward pass and fetched again for the backward pass."""
    offload: bool = False
    """Whether shards and the optimizer live in host memory: slow, and for models that fit nowhere else."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """What a recipe's text says: words joined by `-`, each with a number or none for the rest: `shard-tensor2`.

        Raises:
            ConfigError: for any other text.
        """
        words = [re.fullmatch(r"(replicate|shard|tensor)([1-9][0-9]*)?|(offload)", word) for word in text.split("-")]
        if not all(words) or "tensor" in text.split("-"):
            raise ConfigError(
                f"parallel is {text!r}: it must be some of replicate, shard, tensor, joined by '-' and followed by their sizes, "
                "such as shard, shard8-tensor2 or replicate2-shard-offload; replicate or shard without a size is the rest"
            )
        found = [word for word in words if word]
        sizes = {word[1]: int(word[2]) if word[2] else None for word in found if word[1]}
        return cls(**cast("Any", sizes), offload=any(word[3] for word in found))

    @property
    def sharded(self) -> bool:
        """Whether a process has less than the whole model."""
        return self.shard != 1 or self.tensor != 1

    def sizes(self, world: int) -> Sizes:
        """The mesh for so many processes.

        Raises:
            ConfigError: with every mistake.
        """
        if mistakes := self.mistakes(world):
            raise ConfigError("parallel does not fit:" + "".join(f"\n  - {mistake}" for mistake in mistakes))
        return self._filled(world)

    def mistakes(self, world: int) -> list[str]:
        """What does not fit so many processes, in words."""
        given = {name: getattr(self, name) for name in DIMENSIONS}
        small = [
            f"parallel.{name} is {size}: it must be at least 1" for name, size in given.items() if _below_one(size)
        ]
        if small:
            return small
        sizes = self._filled(world)
        if sizes.data * sizes.tensor == world:
            return self._idle_offload()
        told = " x ".join(f"{name} {'the rest' if size is None else size}" for name, size in given.items())
        return [
            f"parallel is {told}: the product must be the number of processes, which is {world}",
            *self._idle_offload(),
        ]

    def _idle_offload(self) -> list[str]:
        if not self.offload or self.shard != 1:
            return []
        return ["parallel.offload is true with shard 1: only shards can be offloaded; set shard, or offload to false"]

    def _filled(self, world: int) -> Sizes:
        if self.shard is None:
            replicate = 1 if self.replicate is None else self.replicate
            return Sizes(replicate, world // (replicate * self.tensor), self.tensor)
        replicate = world // (self.shard * self.tensor) if self.replicate is None else self.replicate
        return Sizes(replicate, self.shard, self.tensor)


class Builds(Protocol):
    """A recipe's choice of optimizer."""

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer over a model's parameters."""


class Options(Protocol):
    """What a recipe says about its steps."""

    @property
    def parallel(self) -> Parallel:
        """The division of work."""

    @property
    def compile(self) -> bool:
        """Whether blocks are compiled."""

    @property
    def checkpoint_activations(self) -> str:
        """One of CHECKPOINTING."""

    @property
    def bf16(self) -> bool:
        """Whether matrix products run in bfloat16."""

    @property
    def optimizer(self) -> Builds:
        """The optimizer."""

    @property
    def loss(self) -> Callable[[nn.Module, Batch], Tensor]:
        """What is made small: the mean over the batch's rows."""

    @property
    def batch(self) -> int:
        """Samples a step, over all ranks."""

    @property
    def accumulate(self) -> int:
        """Parts that a rank computes its share in."""

    @property
    def exact(self) -> int | None:
        """Logical slots; None where exact bits are not asked for."""

    @property
    def clip(self) -> float:
        """Largest norm of the gradient."""

    @property
    def threads(self) -> int:
        """Threads of a process on a CPU."""

    @property
    def seed(self) -> int:
        """Where randomness begins."""


def mesh(parallel: Parallel, world: int, device: torch.device) -> DeviceMesh:
    """The processes in three named dimensions. Called by all ranks.

    Raises:
        ConfigError: when the sizes do not fit the world.
    """
    return init_device_mesh(device.type, tuple(parallel.sizes(world)), mesh_dim_names=DIMENSIONS)


def data_place(of: DeviceMesh) -> tuple[int, int]:
    """Which part of each batch this process takes, and of how many: ranks that compute layers together take the same."""
    replicate, shard = (of.get_local_rank(name) for name in ("replicate", "shard"))
    shards = of["shard"].size()
    return replicate * shards + shard, of["replicate"].size() * shards


def check(options: Options, world: int, device: torch.device) -> None:
    """Checks what a recipe says about its steps.

    Raises:
        ConfigError: with every mistake.
    """
    division, slots = options.parallel, options.exact
    mistakes = division.mistakes(world)
    if not mistakes and slots is None:
        mistakes += _uneven(options, division.sizes(world).data)
    if options.accumulate < 1:
        mistakes.append(f"accumulate is {options.accumulate}: it must be at least 1")
    if options.checkpoint_activations not in CHECKPOINTING:
        allowed = ", ".join(CHECKPOINTING)
        mistakes.append(f"checkpoint_activations is {options.checkpoint_activations!r}: it must be one of {allowed}")
    if slots is not None:
        mistakes += _inexact(options, slots, world, device)
    if mistakes:
        raise ConfigError("the recipe does not fit:" + "".join(f"\n  - {mistake}" for mistake in mistakes))


def _uneven(options: Options, parts: int) -> list[str]:
    """Equal parts make the mean over parts the mean over samples."""
    whole = parts * max(1, options.accumulate)
    if options.batch % whole == 0:
        return []
    how = f"{parts} processes cannot share evenly" + (
        f" in {options.accumulate} parts each" if options.accumulate > 1 else ""
    )
    return [f"batch is {options.batch}, which {how}: it must be a multiple of {whole}"]


def _inexact(options: Options, slots: int, world: int, device: torch.device) -> list[str]:
    """What forbids equal bits, in words."""
    division = options.parallel
    wrong = {
        f"exact is {slots}: it must be at least 1": slots < 1,
        f"exact is {slots} on {world} processes: it must be at least the number of processes": slots < world,
        f"exact is {slots} and batch is {options.batch}: the batch must be a multiple of the slots": slots > 0
        and options.batch % slots != 0,
        f"exact is {slots} with shard {division.shard} and tensor {division.tensor}: sums over shards have an order of their own;"
        " use neither, or leave exact out": division.sharded,
        f"exact is {slots} and accumulate is {options.accumulate}: it must be 1, slots are computed one by one as it is":
            options.accumulate != 1,
        f"exact is {slots} and threads is {options.threads}: it must be 1, threads share sums out as they like":
            device.type == "cpu" and options.threads != 1,
    }  # fmt: skip
    return [text for text, holds in wrong.items() if holds]


def _below_one(size: int | None) -> bool:
    return size is not None and size < 1
