"""A checkpoint's table of contents; its presence is what publishes the checkpoint."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

from springtide_workloads.train.checkpoints.boxes import Box

FORMAT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A block of one tensor, in a row of bytes of one file."""

    name: str
    box: Box
    start: int
    """First byte in the file."""
    end: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One rank's file: a header that names its parts in the way of safetensors, then the parts without gaps."""

    path: str
    bytes: int
    header_sha256: str
    """Digest of the bytes before the first part: with those of the parts, every byte of the file is covered."""
    parts: tuple[Part, ...]

    @property
    def header_bytes(self) -> int:
        """Bytes before the first part."""
        return min((part.start for part in self.parts), default=self.bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Shape and type of a whole tensor."""

    dtype: str
    """The name that safetensors gives it."""
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a checkpoint consists of. Any number of ranks may read what `world` ranks wrote."""

    step: int
    position: int
    epoch: int
    """Epoch of the lease under which it was published; 0 without one."""
    world: int
    recipe: dict[str, Any]
    numbers: dict[str, Any]
    """What of the state is not a tensor."""
    tensors: dict[str, Whole]
    files: tuple[File, ...]
    path: str = ""
    """Where it was read; not part of what is stored."""

    @property
    def age(self) -> tuple[int, int]:
        """What orders checkpoints: whatever a later epoch published is newer, at whichever step."""
        return self.epoch, self.step

    def parts(self) -> Iterator[Part]:
        """All parts of all files."""
        return (part for file in self.files for part in file.parts)

    def to_bytes(self) -> bytes:
        """The manifest as it is stored: JSON on two lines, the content and its digest."""
        content = json.dumps(self._plain(), sort_keys=True).encode()
        return content + b"\n" + json.dumps({"sha256": hashlib.sha256(content).hexdigest()}).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, path: str = "") -> Self:
        """The inverse of `to_bytes`.

        Raises:
            ValueError: for anything else, down to one changed bit.
        """
        content, _, digest = data.partition(b"\n")
        if digest != json.dumps({"sha256": hashlib.sha256(content).hexdigest()}).encode() + b"\n":
            raise ValueError("its digest does not fit its content")
        fields = json.loads(content)
        if (found := fields.pop("format")) != FORMAT:
            raise ValueError(f"it has format {found}, and this version reads {FORMAT}")
        tensors = {name: Whole(dtype=dtype, shape=tuple(shape)) for name, (dtype, shape) in fields["tensors"].items()}
        files = tuple(_file(each) for each in fields["files"])
        return cls(**fields | {"tensors": tensors, "files": files, "path": path})

    def _plain(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "step": self.step,
            "position": self.position,
            "epoch": self.epoch,
            "world": self.world,
            "recipe": self.recipe,
            "numbers": self.numbers,
            "tensors": {name: [each.dtype, each.shape] for name, each in self.tensors.items()},
            "files": [_file_plain(file) for file in self.files],
        }


def _file_plain(file: File) -> dict[str, Any]:
    """A file's entry; parts are rows, since a large checkpoint has a hundred thousand of them."""
    rows = [[each.name, each.box.offsets, each.box.shape, each.start, each.end, each.sha256] for each in file.parts]
    return {"path": file.path, "bytes": file.bytes, "header_sha256": file.header_sha256, "parts": rows}


def _file(data: dict[str, Any]) -> File:
    parts = tuple(
        Part(name=name, box=Box(tuple(offsets), tuple(shape)), start=start, end=end, sha256=digest)
        for name, offsets, shape, start, end, digest in data["parts"]
    )
    return File(**data | {"parts": parts})
