"""Verifying parts of a checkpoint, and putting them where they belong on this rank."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from springtide_workloads.contract import Layout
from springtide_workloads.storage import Store
from springtide_workloads.train.checkpoints.boxes import Shard
from springtide_workloads.train.checkpoints.manifest import File, Manifest, Part
from springtide_workloads.train.checkpoints.staging import DTYPES, READERS, RUN_BYTES

Span = Part | File
"""What is read and checked in one piece; a file stands for its header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Neighbouring pieces of one file, read with one request."""

    file: File
    spans: tuple[Span, ...]


def missing(store: Store, manifest: Manifest) -> str | None:
    """What a listing shows to be wrong with a checkpoint's files; None when all are there in their size."""
    sizes = store.sizes(Layout.step(manifest.step))
    for file in manifest.files:
        if file.path not in sizes:
            return f"{file.path} is missing"
        if sizes[file.path] != file.bytes:
            return f"{file.path} has {sizes[file.path]} bytes of the {file.bytes} written"
    return None


def damage(store: Store, manifest: Manifest, *, share: int = 0, shares: int = 1) -> str | None:
    """Reads every `shares`-th run of a whole checkpoint and says what is wrong with the first that is damaged."""
    runs = [run for file in manifest.files for run in _runs(file, (file, *file.parts))]
    return _first(store, runs[share::shares], lambda *_: None)


def fill(store: Store, manifest: Manifest, shards: Mapping[str, Shard]) -> str | None:
    """Reads what this rank needs into its own tensors; says what is wrong with the first part that is damaged."""
    wanted = [
        run for file in manifest.files for run in _runs(file, (each for each in file.parts if _needed(each, shards)))
    ]

    def put(part: Part, data: memoryview) -> None:
        _put(part, _tensor(data, manifest.tensors[part.name].dtype, part), shards[part.name])

    return _first(store, wanted, put)


def uncovered(manifest: Manifest, shards: Mapping[str, Shard]) -> list[str]:
    """Names of tensors of which the checkpoint does not have all that this rank needs."""
    found = dict.fromkeys(shards, 0)
    for part in manifest.parts():
        if part.name in found and (common := part.box.overlap(shards[part.name].box)):
            found[part.name] += common.size
    return sorted(name for name, size in found.items() if size != shards[name].box.size)


def _first(store: Store, runs: list[Run], use: Callable[[Part, memoryview], None]) -> str | None:
    with ThreadPoolExecutor(READERS, thread_name_prefix="restore") as pool:
        found = pool.map(lambda run: _check(store, run, use), runs)
        return next((each for each in found if each), None)


def _check(store: Store, run: Run, use: Callable[[Part, memoryview], None]) -> str | None:
    pieces = store.read_ranges(run.file.path, [_bounds(span) for span in run.spans])
    if pieces is None:
        return f"{run.file.path} is missing"
    for span, data in zip(run.spans, pieces, strict=True):
        if hashlib.sha256(data).hexdigest() != _digest(span):
            what = f"{span.name} at {span.box.offsets}" if isinstance(span, Part) else "the header"
            return f"{run.file.path}: the bytes of {what} do not match their digest"
        if isinstance(span, Part):
            use(span, data)
    return None


def _runs(file: File, spans: Iterable[Span]) -> Iterator[Run]:
    run: list[Span] = []
    size = 0
    for span in sorted(spans, key=_bounds):
        start, end = _bounds(span)
        if run and size + end - start > RUN_BYTES:
            yield Run(file=file, spans=tuple(run))
            run, size = [], 0
        run.append(span)
        size += end - start
    if run:
        yield Run(file=file, spans=tuple(run))


def _bounds(span: Span) -> tuple[int, int]:
    return (span.start, span.end) if isinstance(span, Part) else (0, span.header_bytes)


def _digest(span: Span) -> str:
    return span.sha256 if isinstance(span, Part) else span.header_sha256


def _needed(part: Part, shards: Mapping[str, Shard]) -> bool:
    return part.name in shards and part.box.overlap(shards[part.name].box) is not None


def _tensor(data: memoryview, dtype: str, part: Part) -> Tensor:
    # a copy, since torch takes no memory that it may not write to
    return torch.frombuffer(bytearray(data), dtype=DTYPES[dtype]).view(part.box.shape)


def _put(part: Part, values: Tensor, shard: Shard) -> None:
    common = part.box.overlap(shard.box)
    if common is not None:
        with torch.no_grad():
            common.of(shard.local, shard.box).copy_(common.of(values, part.box))
