"""Small data sets whose every token says where it lies."""

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from springtide_workloads.data.manifest import MANIFEST, Manifest, Shard, Stratum
from springtide_workloads.errors import StorageError


def counting(
    *,
    windows: dict[str, list[int]],
    context: int = 4,
    weights: dict[str, float] | None = None,
    held_out: tuple[int, ...] = (3,),
) -> tuple[Manifest, dict[str, bytes]]:
    """A manifest and the bytes of its shards: token by token one number after the other, over the whole data set."""
    parts = [(name, count, False) for name, counts in windows.items() for count in counts]
    parts += [(next(iter(windows)), count, True) for count in held_out]
    shards, files, first = [], {}, 0
    for number, (stratum, count, held) in enumerate(parts):
        tokens = np.arange(first, first + count * context + 1, dtype="<u4")
        first += len(tokens)
        path, data = f"shard-{number:05d}.bin", tokens.tobytes()
        files[path] = data
        digest = hashlib.sha256(data).hexdigest()
        shards.append(Shard(path=path, tokens=len(tokens), sha256=digest, stratum=stratum, held_out=held))
    strata = tuple(Stratum(name=name, weight=(weights or {}).get(name, 1.0)) for name in windows)
    manifest = Manifest(
        dtype="uint32", vocab=1 << 32, tokenizer={"kind": "numbers"}, strata=strata, shards=tuple(shards)
    )
    return manifest, files


def written(place: Path, manifest: Manifest, files: dict[str, bytes]) -> Path:
    """The data set in a folder."""
    place.mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        (place / path).write_bytes(data)
    (place / MANIFEST).write_text(manifest.to_json())
    return place


@dataclass
class Bucket:
    """An object store that counts, is slow, or fails."""

    files: dict[str, bytes]
    reads: list[str] = field(default_factory=list)
    seconds: float = 0.0
    fails: bool = False

    def read(self, path: str) -> bytes | None:
        self.reads.append(path)
        time.sleep(self.seconds)
        if self.fails:
            raise StorageError(f"cannot read {path}: the store is away")
        return self.files.get(path)
