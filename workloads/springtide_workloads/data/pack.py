"""Packs documents into token shards: restartable, and the same shards however often it was interrupted.

The input is worked through in parts. A part is cut at the end of a document, when enough tokens are together, and leaves
a shard to train on, a shard that is held out, and a note of both and of where the next part begins. The manifest is
written last and takes the place of the notes: without it there is no data set.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from springtide_workloads.data.corpus import HELD_OUT_ONE_IN, is_held_out
from springtide_workloads.data.documents import Document, Reading
from springtide_workloads.data.manifest import DTYPES, MANIFEST, VERSION, Manifest, Shard, Stratum
from springtide_workloads.data.rate import Rate
from springtide_workloads.data.shards import digest, read_manifest
from springtide_workloads.data.tokenizers import Tokenizer
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.storage import Store

ENCODED_AT_ONCE: Final = 512
"""Documents given to the tokenizer together."""

ENDS: Final = 1 << 16
"""Bytes at each end of an input that tell it from another one of its name and size."""

TOKENIZER: Final = "tokenizer.json"
_OURS: Final = re.compile(r"(shard|part)-[0-9]{5}\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The files of one stratum."""

    name: str
    weight: float
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """What to pack, and how."""

    inputs: tuple[Input, ...]
    tokenizer: Tokenizer
    reading: Reading = field(default_factory=Reading)
    shard_bytes: int = 64 << 20
    """Size of a shard, about. It is read whole when it is fetched, and the unit of a cache."""
    held_out_one_in: int = HELD_OUT_ONE_IN
    """One document in so many is held out, chosen by its digest."""

    @property
    def dtype(self) -> str:
        """The smallest that holds every token."""
        return next(name for name, item in DTYPES.items() if self.tokenizer.vocab <= 1 << 8 * item.itemsize)

    def made_from(self) -> str:
        """Digest of all that decides what the shards hold."""
        about = {
            "version": VERSION,
            "inputs": [[i.name, i.weight, [_marks(path) for path in i.files]] for i in self.inputs],
            "tokenizer": self.tokenizer.about,
            "reading": asdict(self.reading),
            "shard_bytes": self.shard_bytes,
            "held_out_one_in": self.held_out_one_in,
        }
        return digest(json.dumps(about, sort_keys=True).encode())


class Cursor(NamedTuple):
    """A place in the input: stratum, file and document, each from 0."""

    stratum: int
    file: int
    document: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one part left."""

    shards: tuple[Shard, ...]
    next: Cursor
    made_from: str

    @staticmethod
    def path(number: int) -> str:
        """Where the note of a part lies."""
        return f"part-{number:05d}.json"

    def to_json(self) -> bytes:
        """The note."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def parse(cls, text: bytes) -> "Part":
        """Reads a note."""
        data = json.loads(text)
        shards = tuple(Shard(**each) for each in data["shards"])
        return cls(shards=shards, next=Cursor(*data["next"]), made_from=data["made_from"])


def pack(store: Store, packing: Packing) -> Manifest:
    """Packs into `store`, from where an interrupted call stopped.

    Raises:
        ConfigError: when something else was packed there, or nothing came out.
        StorageError: when shards cannot be written.
        OSError: when an input cannot be read.
    """
    made_from = packing.made_from()
    if store.read(MANIFEST) is not None:
        return _as_before(store, made_from)
    run = _Run(store=store, packing=packing, made_from=made_from)
    run.recall()
    run.work()
    return run.publish()


def verify(store: Store) -> Manifest:
    """Reads every shard and compares it with the manifest.

    Raises:
        StorageError: with every shard that is missing or differs.
    """
    manifest = read_manifest(store)
    rate = Rate("verified", sum(map(manifest.size_of, manifest.shards)))
    bad = []
    for shard in manifest.shards:
        bad += _differences(store, shard) or _strangers(store, shard, manifest)
        rate.add(manifest.size_of(shard))
    rate.end()
    if bad:
        raise StorageError(
            f"{store.url} is damaged:"
            + "".join(f"\n  - {each}" for each in bad)
            + f"\nremove {MANIFEST} and pack again"
        )
    return manifest


def _as_before(store: Store, made_from: str) -> Manifest:
    if read_manifest(store).made_from != made_from:
        raise ConfigError(
            f"{store.url} holds a data set of other inputs or options: pack into another URL, or delete that one first"
        )
    return verify(store)


def _differences(store: Store, shard: Shard) -> list[str]:
    data = store.read(shard.path)
    if data is None:
        return [f"{shard.path} is missing"]
    found = digest(data)
    return [] if found == shard.sha256 else [f"{shard.path} has the digest {found} and must have {shard.sha256}"]


def _strangers(store: Store, shard: Shard, manifest: Manifest) -> list[str]:
    """Tokens that no model of this vocabulary knows: shards may come from another program than this one."""
    highest = int(np.frombuffer(store.read(shard.path) or b"", dtype=manifest.item).max(initial=0))
    return [] if highest < manifest.vocab else [f"{shard.path} has the token {highest} and vocab is {manifest.vocab}"]


@dataclass(slots=True, kw_only=True)
class _Run:
    """One call of `pack`."""

    store: Store
    packing: Packing
    made_from: str
    shards: list[Shard] = field(default_factory=list)
    parts: int = 0
    cursor: Cursor = field(default_factory=lambda: Cursor(0, 0, 0))
    sizes: list[list[int]] = field(init=False)
    rate: Rate = field(init=False)

    def __post_init__(self) -> None:
        self.sizes = [[path.stat().st_size for path in each.files] for each in self.packing.inputs]
        self.rate = Rate("packed", sum(map(sum, self.sizes)))

    def recall(self) -> None:
        """Keeps the parts that an earlier call finished, up to the first that is not whole."""
        while (note := self.store.read(Part.path(self.parts))) is not None:
            part = Part.parse(note)
            if part.made_from != self.made_from:
                raise ConfigError(
                    f"{self.store.url} holds parts of other inputs or options: pack into another URL, or delete them first"
                )
            if any(_differences(self.store, shard) for shard in part.shards):
                break
            self._done(part)
        self._tidy()
        self.rate.start(self._before(self.cursor, 0.0))

    def _tidy(self) -> None:
        """Removes what a killed call was writing."""
        kept = {shard.path for shard in self.shards} | {Part.path(number) for number in range(self.parts)}
        self.store.delete([path for path in self.store.files("") if _OURS.match(path) and path not in kept])

    def work(self) -> None:
        """Packs what is left."""
        for stratum in range(self.cursor.stratum, len(self.packing.inputs)):
            buffer = _Buffer()
            for place, document, tokens in self._tokens(stratum):
                buffer.add(tokens, held=is_held_out(document.text, one_in=self.packing.held_out_one_in))
                self.rate.at(self._before(place, document.behind))
                if buffer.most() * DTYPES[self.packing.dtype].itemsize >= self.packing.shard_bytes:
                    self._write(buffer, stratum, place._replace(document=document.number + 1))
                    buffer = _Buffer()
            self._write(buffer, stratum, Cursor(stratum + 1, 0, 0))

    def publish(self) -> Manifest:
        """Writes the manifest; from here on there is a data set."""
        packing = self.packing
        empty = [i.name for i in packing.inputs if not any(s.stratum == i.name and not s.held_out for s in self.shards)]
        if empty:
            raise ConfigError(f"nothing to train on came out of {', '.join(empty)}: give it more text")
        manifest = Manifest(
            dtype=packing.dtype,
            vocab=packing.tokenizer.vocab,
            tokenizer=packing.tokenizer.about,
            strata=tuple(Stratum(name=each.name, weight=each.weight) for each in packing.inputs),
            shards=tuple(self.shards),
            made_from=self.made_from,
        )
        if packing.tokenizer.file is not None:
            self.store.write(TOKENIZER, packing.tokenizer.file)
        self.store.write(MANIFEST, manifest.to_json().encode())
        self.store.delete([Part.path(number) for number in range(self.parts)])
        self.rate.end()
        return manifest

    def _tokens(self, stratum: int) -> Iterator[tuple[Cursor, Document, NDArray[Any]]]:
        """Documents of a stratum that are not packed yet."""
        first = self.cursor if self.cursor.stratum == stratum else Cursor(stratum, 0, 0)
        for number, path in enumerate(self.packing.inputs[stratum].files[first.file :], first.file):
            skip = first.document if number == first.file else 0
            documents = islice(self.packing.reading.documents(path), skip, None)
            for some in _batches(documents):
                encoded = self.packing.tokenizer.encode([each.text for each in some])
                for document, tokens in zip(some, encoded, strict=True):
                    yield Cursor(stratum, number, document.number), document, tokens

    def _write(self, buffer: "_Buffer", stratum: int, following: Cursor) -> None:
        """Writes the shards of a part, then its note."""
        name, first = self.packing.inputs[stratum].name, len(self.shards)
        shards = [
            self._shard(first + number, np.concatenate(tokens), name, held=held)
            for number, (held, tokens) in enumerate(buffer.filled())
        ]
        part = Part(shards=tuple(shards), next=following, made_from=self.made_from)
        self.store.write(Part.path(self.parts), part.to_json())
        self._done(part)

    def _shard(self, number: int, tokens: NDArray[Any], stratum: str, *, held: bool) -> Shard:
        data = tokens.astype(DTYPES[self.packing.dtype]).tobytes()
        path = f"shard-{number:05d}.bin"
        self.store.write(path, data)
        return Shard(path=path, tokens=len(tokens), sha256=digest(data), stratum=stratum, held_out=held)

    def _done(self, part: Part) -> None:
        self.shards += part.shards
        self.parts += 1
        self.cursor = part.next

    def _before(self, place: Cursor, behind: float) -> int:
        """Bytes of input that lie before a place."""
        whole = sum(map(sum, self.sizes[: place.stratum]))
        if place.stratum == len(self.sizes):
            return whole
        here = self.sizes[place.stratum]
        return whole + sum(here[: place.file]) + int(here[place.file] * behind)


@dataclass(slots=True)
class _Buffer:
    """Tokens of a part that is not cut yet, those to train on and those held out."""

    tokens: dict[bool, list[NDArray[Any]]] = field(default_factory=lambda: {False: [], True: []})
    counts: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})

    def add(self, tokens: NDArray[Any], *, held: bool) -> None:
        self.tokens[held].append(tokens)
        self.counts[held] += len(tokens)

    def most(self) -> int:
        return max(self.counts.values())

    def filled(self) -> list[tuple[bool, list[NDArray[Any]]]]:
        return [(held, tokens) for held, tokens in self.tokens.items() if tokens]


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    source = iter(documents)
    while some := list(islice(source, ENCODED_AT_ONCE)):
        yield some


def _marks(path: Path) -> tuple[str, int, str]:
    """What tells a file from another one, read in no time."""
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = hashlib.sha256(file.read(ENDS))
        file.seek(max(0, size - ENDS))
        ends.update(file.read(ENDS))
    return path.name, size, ends.hexdigest()
