"""How one model is trained by many processes: every kind of parallelism, in the order in which it is applied.

A model of your own needs nothing for `replicate` and `shard`. It may have `blocks`, an `nn.ModuleList` of its layers: those
are then checkpointed, compiled and sharded one by one. For `tensor` it says how its layers split: `tensor_plan`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, Self, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import (
    checkpoint_wrapper,  # torch lists it nowhere, and its own examples take it from here
)
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard
from torch.distributed.tensor import DTensor, Replicate, distribute_module
from torch.distributed.tensor.parallel import ColwiseParallel, ParallelStyle, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts

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


class Options(Protocol):
    """What a recipe says about how to compute."""

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


@runtime_checkable
class SplitsLayers(Protocol):
    """A model whose layers can be computed in parts."""

    def tensor_plan(self, parts: int) -> Mapping[str, str]:
        """A style for each layer that has weights, and for the head: path, which may have `*`, to a key of STYLES.

        Raises:
            ConfigError: when the model does not split into so many parts.
        """


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


def parallelize(model: nn.Module, options: Options, of: DeviceMesh, device: torch.device) -> nn.Module:
    """Makes a model ready to be trained on a mesh, changed in place: build its optimizer after this.

    Every rank brings equal weights. What is returned is what to call; `model` stays what to save.

    Raises:
        ConfigError: when the model cannot be divided as asked.
    """
    if not options.parallel.sharded:
        model.to(device)
    if of["tensor"].size() > 1:
        split_layers(model, of["tensor"])
    checkpoint_activations(model, options.checkpoint_activations)
    if options.compile:
        compile_blocks(model)
    if options.parallel.sharded:
        return shard(model, options, of)
    return replicate(model, of, device)


def split_layers(model: nn.Module, of: DeviceMesh) -> None:
    """Tensor parallelism: each rank of the dimension computes its part of every layer."""
    if not isinstance(model, SplitsLayers):
        raise ConfigError(
            f"parallel.tensor is {of.size()}: {type(model).__name__} has no tensor_plan, by which a model says how its layers "
            "split; write one, or set tensor to 1"
        )
    plan = model.tensor_plan(of.size())
    parallelize_module(model, of, {path: STYLES[style]() for path, style in plan.items()})
    whole = [name for name, parameter in model.named_parameters() if not isinstance(parameter, DTensor)]
    if whole:
        raise ConfigError(f"the tensor_plan of {type(model).__name__} leaves out {', '.join(whole)}: give each a style")


def checkpoint_activations(model: nn.Module, how: str) -> None:
    """Activation checkpointing: what a block computed is computed again in the backward pass instead of kept."""
    context: dict[str, Any] = {"context_fn": _keep_products} if how == "selective" else {}
    if how == "none":
        return
    for parent, name, block in _blocks(model):
        setattr(parent, name, checkpoint_wrapper(block, **context))


def compile_blocks(model: nn.Module) -> None:
    """torch.compile, block by block: equal blocks are compiled once."""
    for _, _, block in _blocks(model):
        block.compile()


def shard(model: nn.Module, options: Options, of: DeviceMesh) -> nn.Module:
    """FSDP2: weights in shards, gathered block by block; with `replicate`, gradients are averaged over the copies as well."""
    several = of["replicate"].size() > 1
    where = of["replicate", "shard"] if several else of["shard"]
    half = torch.bfloat16 if options.bf16 else None
    wrap = partial(
        fully_shard,
        mesh=where,
        mp_policy=MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32),
        offload_policy=CPUOffloadPolicy() if options.parallel.offload else OffloadPolicy(),
    )
    for _, _, block in _blocks(model):
        wrap(block, reshard_after_forward=options.parallel.reshard)
    return cast("nn.Module", wrap(model))


def replicate(model: nn.Module, of: DeviceMesh, device: torch.device) -> nn.Module:
    """DDP: whole copies that average their gradients, starting from the first rank's weights; one alone needs nothing."""
    if of.size() == 1:
        return model
    return DistributedDataParallel(
        model,
        device_ids=[device.index] if device.type == "cuda" else None,
        process_group=of.get_group("replicate"),
        forward_sync_buffers=False,
        gradient_as_bucket_view=True,
    )


class Copies(ParallelStyle):
    """A layer that every rank of the dimension computes whole, on the same numbers, or on split weights it is handed."""

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        return distribute_module(module, device_mesh, None, self._take, self._give)  # type: ignore[arg-type]

    @staticmethod
    def _take(_: nn.Module, inputs: tuple[Any, ...], of: DeviceMesh) -> tuple[Any, ...]:
        first, *rest = inputs
        if not isinstance(first, DTensor):
            first = DTensor.from_local(first, of, (Replicate(),), run_check=False)
        return (first, *rest)

    @staticmethod
    def _give(_: nn.Module, output: DTensor, of: DeviceMesh) -> Tensor:
        return output.redistribute(of, (Replicate(),)).to_local()


STYLES: Final[Mapping[str, Callable[[], ParallelStyle]]] = {
    "vocabulary": lambda: RowwiseParallel(input_layouts=Replicate(), output_layouts=Replicate()),
    "columns": ColwiseParallel,
    "rows": RowwiseParallel,
    "copies": Copies,
}
"""Embedding tables split by token; linear layers split by output, then by input; layers that are not split, and heads."""


def _below_one(size: int | None) -> bool:
    return size is not None and size < 1


def _blocks(model: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Parent, name and module of each block: those of the model's `blocks`; none where it has no such thing."""
    blocks = getattr(model, "blocks", None)
    return [(blocks, name, block) for name, block in blocks.named_children()] if isinstance(blocks, nn.Module) else []


def _keep_products() -> Any:
    return create_selective_checkpoint_contexts(_policy)


def _policy(_: Any, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:  # noqa: ARG001  torch's signature
    kept = operation in _PRODUCTS
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE


_PRODUCTS: Final = frozenset(
    getattr(torch.ops.aten, name).default
    for name in (
        "mm",
        "addmm",
        "bmm",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
    )
)
"""Operations that cost more to repeat than their results take room."""
