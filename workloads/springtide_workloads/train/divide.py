"""Makes a model ready for a mesh of processes: every kind of parallelism, in the order in which it is applied.

A model of your own needs nothing for `replicate` and `shard`. It may have `blocks`, an `nn.ModuleList` of its layers: those
are then checkpointed, compiled and sharded one by one. For `tensor` it says how its layers split: `tensor_plan`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import (
    checkpoint_wrapper,  # torch lists it nowhere, and its own examples take it from here
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard
from torch.distributed.tensor import DTensor, Replicate, distribute_module
from torch.distributed.tensor.parallel import ColwiseParallel, ParallelStyle, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts

from springtide_workloads.errors import ConfigError
from springtide_workloads.train.parallel import Options


@runtime_checkable
class SplitsLayers(Protocol):
    """A model whose layers can be computed in parts."""

    def tensor_plan(self, parts: int) -> Mapping[str, str]:
        """A style for each layer that has weights, and for the head: path, which may have `*`, to a key of STYLES.

        Raises:
            ConfigError: when the model does not split into so many parts.
        """


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


def _blocks(model: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Parent, name and module of each block: those of the model's `blocks`; none where it has no such thing."""
    blocks = getattr(model, "blocks", None)
    return [(blocks, name, block) for name, block in blocks.named_children()] if isinstance(blocks, nn.Module) else []


def _keep_products() -> Any:
    return create_selective_checkpoint_contexts(_policy)  # type: ignore[no-untyped-call]


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
