"""Blocks of tensors: where a rank's shard lies in the whole tensor, and which rank writes which part of it."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

# torch's own checkpoints place shards by this function; it knows of FSDP over tensor parallel
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

PART_BYTES: Final = 32 * 2**20
"""Most bytes of one part, the smallest piece that is digested and read; one row of a tensor may be larger."""


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A block of a tensor: its first element and its extent, one number a dimension."""

    offsets: tuple[int, ...]
    shape: tuple[int, ...]

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Self:
        """The block that is the tensor."""
        return cls(tuple(0 for _ in shape), tuple(shape))

    @property
    def size(self) -> int:
        """Elements in the block."""
        return math.prod(self.shape)

    def overlap(self, other: "Box") -> "Box | None":
        """What both blocks have; None when that is nothing."""
        starts = tuple(map(max, self.offsets, other.offsets))
        ends = tuple(map(min, self.ends, other.ends))
        shape = tuple(end - start for start, end in zip(starts, ends, strict=True))
        return Box(starts, shape) if all(extent > 0 for extent in shape) else None

    def of(self, tensor: Tensor, inside: "Box") -> Tensor:
        """The block as a view of `tensor`, which holds the block `inside`."""
        starts = (mine - theirs for mine, theirs in zip(self.offsets, inside.offsets, strict=True))
        return tensor[tuple(slice(start, start + extent) for start, extent in zip(starts, self.shape, strict=True))]

    def parts(self, itemsize: int) -> Iterator["Box"]:
        """The block as blocks of whole rows, of at most `PART_BYTES` where a row allows it."""
        if not self.shape:
            yield self
            return
        rows, *rest = self.shape
        step = max(1, PART_BYTES // max(1, math.prod(rest) * itemsize))
        for row in range(0, rows, step):
            yield Box((self.offsets[0] + row, *self.offsets[1:]), (min(step, rows - row), *rest))

    @property
    def ends(self) -> tuple[int, ...]:
        """The first index behind the block, one a dimension."""
        return tuple(start + extent for start, extent in zip(self.offsets, self.shape, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """What this rank has of a tensor."""

    local: Tensor
    """The elements, in the memory that the model uses."""
    whole: tuple[int, ...]
    """Shape of the whole tensor."""
    box: Box


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """That a rank has a block: what ranks tell each other, so that every block is written by one of them."""

    name: str
    box: Box
    itemsize: int


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """A part that a rank writes."""

    name: str
    box: Box


def shards(tensors: Mapping[str, Tensor]) -> dict[str, Shard]:
    """This rank's blocks of plain tensors (all of them) and of DTensors; empty ones are left out.

    Raises:
        ValueError: for a DTensor that is a sum not yet taken, or whose shard is no block.
    """
    found = {name: _shard(name, tensor.detach()) for name, tensor in tensors.items()}
    return {name: shard for name, shard in found.items() if shard.box.size}


def claims(found: Mapping[str, Shard]) -> list[Claim]:
    """What a rank tells the others about its blocks."""
    return [Claim(name, shard.box, shard.local.element_size()) for name, shard in found.items()]


def deal(claims_of: Sequence[Sequence[Claim]]) -> list[list[Piece]]:
    """Gives every part of every block to one of the ranks that have it, so that all write about as much.

    Pure: every rank computes the same from the claims of all.
    """
    holders: dict[Claim, list[int]] = defaultdict(list)
    for rank, found in enumerate(claims_of):
        for claim in found:
            holders[claim].append(rank)
    load = [0] * len(claims_of)
    dealt: list[list[Piece]] = [[] for _ in claims_of]
    for claim in sorted(holders, key=lambda claim: (len(holders[claim]), -claim.box.size * claim.itemsize, claim)):
        for box in claim.box.parts(claim.itemsize):
            rank = min(holders[claim], key=load.__getitem__)
            load[rank] += box.size * claim.itemsize
            dealt[rank].append(Piece(claim.name, box))
    return dealt


def _shard(name: str, tensor: Tensor) -> Shard:
    whole = tuple(tensor.shape)
    if not isinstance(tensor, DTensor):
        return Shard(local=tensor, whole=whole, box=Box.whole(whole))
    if any(placement.is_partial() for placement in tensor.placements):
        raise ValueError(f"{name} is a sum that was not taken yet ({tensor.placements}): it cannot be saved as it is")
    local = tensor.to_local()
    shape, offsets = _place(whole, tensor)
    if tuple(local.shape) != shape:
        raise ValueError(
            f"{name} is sharded as {tensor.placements}: rank's shard {tuple(local.shape)} is no block {shape}"
        )
    return Shard(local=local, whole=whole, box=Box(offsets, shape))


def _place(whole: tuple[int, ...], tensor: DTensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    place: Any = compute_local_shape_and_global_offset(torch.Size(whole), tensor.device_mesh, tensor.placements)
    shape, offsets = place
    return tuple(shape), tuple(offsets)
