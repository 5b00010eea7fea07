"""The host buffer that is a rank's file, and copying into it. The buffer is made once and used for every save."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from springtide_workloads.storage import CHUNK_BYTES, UPLOADS
from springtide_workloads.train.checkpoints.boxes import Box, Piece, Shard
from springtide_workloads.train.checkpoints.manifest import File, Part

RUN_BYTES: Final = 64 * 2**20
"""Most bytes that are read in one piece, unless one part is larger."""
READERS: Final = 4
"""Pieces that are read at a time."""
DIGESTERS: Final = 4
"""Parts that are digested at a time, beside writing."""

DTYPES: Final[Mapping[str, torch.dtype]] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Types of elements by the names that safetensors gives them."""
DTYPE_NAMES: Final = {dtype: name for name, dtype in DTYPES.items()}

_ALIGNMENT: Final = 64
_LENGTH_BYTES: Final = 8
"""Bytes that say how long the header of a safetensors file is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where a part lies in the buffer, and so in the file."""

    piece: Piece
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """A rank's share of a state in host memory, laid out as the file it becomes."""

    buffer: Tensor
    """Bytes; pinned where there is a GPU to copy from."""
    header_bytes: int
    slots: tuple[Slot, ...]

    @classmethod
    def make(cls, pieces: Sequence[Piece], found: Mapping[str, Shard], *, spare: Tensor | None = None) -> Self:
        """A buffer for these parts: `spare`, where it has the right size, else a new one with every page in memory."""
        # the largest elements first: each part then starts at a multiple of its own element's size
        ordered = sorted(pieces, key=lambda piece: (-found[piece.name].local.element_size(), piece))
        sizes = [piece.box.size * found[piece.name].local.element_size() for piece in ordered]
        header = _header(ordered, sizes, found)
        slots, start = [], len(header)
        for piece, size in zip(ordered, sizes, strict=True):
            slots.append(Slot(piece=piece, start=start, end=start + size))
            start += size
        buffer = spare if spare is not None and spare.numel() == start else _memory(start)
        buffer[: len(header)] = torch.frombuffer(bytearray(header), dtype=torch.uint8)
        return cls(buffer=buffer, header_bytes=len(header), slots=tuple(slots))

    def copy(self, found: Mapping[str, Shard]) -> None:
        """Takes the tensors' present values; returns when they may change again."""
        with torch.no_grad():
            for slot in self.slots:
                shard, box = found[slot.piece.name], slot.piece.box
                place = self.buffer[slot.start : slot.end].view(shard.local.dtype).view(box.shape)
                place.copy_(box.of(shard.local, shard.box), non_blocking=True)
        if torch.cuda.is_available():
            torch.cuda.current_stream().synchronize()

    def data(self) -> memoryview:
        """The file's bytes, not copied."""
        array: Any = self.buffer.numpy()
        return memoryview(array)

    def digests(self) -> Iterator[str]:
        """SHA-256 of the header, then of each part: every byte of the file. Threads start at once; take them when needed."""
        data = self.data()
        spans = [(0, self.header_bytes), *((slot.start, slot.end) for slot in self.slots)]
        pool = ThreadPoolExecutor(DIGESTERS, thread_name_prefix="digest")
        found = pool.map(lambda span: hashlib.sha256(data[span[0] : span[1]]).hexdigest(), spans)
        pool.shutdown(wait=False)
        return found

    def described(self, path: str, digests: Iterable[str]) -> File:
        """The manifest's entry for the file."""
        header, *others = digests
        parts = (
            Part(name=slot.piece.name, box=slot.piece.box, start=slot.start, end=slot.end, sha256=digest)
            for slot, digest in zip(self.slots, others, strict=True)
        )
        return File(path=path, bytes=self.buffer.numel(), header_sha256=header, parts=tuple(parts))


def host_bytes(tensors: Mapping[str, Tensor], world: int = 1) -> int:
    """Host memory that saving and restoring takes of one rank, beside the tensors: for the request of its pod.

    Args:
        tensors: The rank's state, `TrainState.tensors()`.
        world: Ranks of the run; plain tensors are shared out over all of them.

    Returns:
        Bytes: the buffer with the rank's share (at most, when shares are uneven by a part), and what is on its way to or
        from the store at a time.
    """
    share = sum(_share_bytes(tensor, world) for tensor in tensors.values())
    largest = max((_share_bytes(tensor, 1) for tensor in tensors.values()), default=0)
    return math.ceil(share) + int(min(largest, RUN_BYTES)) + max(UPLOADS * CHUNK_BYTES, READERS * RUN_BYTES)


def _share_bytes(tensor: Tensor, world: int) -> float:
    if not isinstance(tensor, DTensor):
        return tensor.numel() * tensor.element_size() / world
    mesh, local = tensor.device_mesh, tensor.to_local()
    copies = math.prod(mesh.size(axis) for axis, each in enumerate(tensor.placements) if each.is_replicate())
    return local.numel() * local.element_size() / copies


def _memory(size: int) -> Tensor:
    # zeros that were written are pages that are there: the first copy then costs no more than the others
    memory = torch.empty(size, dtype=torch.uint8, pin_memory=torch.cuda.is_available())
    return memory.zero_()


def _header(pieces: Sequence[Piece], sizes: Sequence[int], found: Mapping[str, Shard]) -> bytes:
    entries, start = {}, 0
    for piece, size in zip(pieces, sizes, strict=True):
        shard = found[piece.name]
        entries[_label(piece, shard)] = {
            "dtype": DTYPE_NAMES[shard.local.dtype],
            "shape": list(piece.box.shape),
            "data_offsets": [start, start + size],
        }
        start += size
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(_LENGTH_BYTES + len(text)) % _ALIGNMENT)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text


def _label(piece: Piece, shard: Shard) -> str:
    """The tensor's name, and which rows and columns of it where it is not all there."""
    if piece.box == Box.whole(shard.whole):
        return piece.name
    spans = (f"{start}:{start + extent}" for start, extent in zip(piece.box.offsets, piece.box.shape, strict=True))
    return f"{piece.name}[{','.join(spans)}]"
