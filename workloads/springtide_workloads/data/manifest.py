"""What a data set of token shards says of itself: one JSON object beside the shards, written last."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np

from springtide_workloads.errors import ConfigError

VERSION: Final = 1
MANIFEST: Final = "manifest.json"
"""Name of the manifest below the data set's URL."""

DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "uint8": np.dtype("<u1"),
    "uint16": np.dtype("<u2"),
    "uint32": np.dtype("<u4"),
}
"""How tokens lie in a shard; always little-endian."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """A part of the data that is drawn from with a weight of its own."""

    name: str
    weight: float
    """Share of all samples, relative to the other weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A file of tokens and nothing else."""

    path: str
    """Below the manifest's own folder."""
    tokens: int
    sha256: str
    stratum: str
    held_out: bool = False
    """Whether it is for evaluation; training never reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A complete data set. `parse` reads what `to_json` wrote."""

    dtype: str
    vocab: int
    """Tokens that may occur are below it."""
    tokenizer: dict[str, Any]
    """What made the tokens of the text: its `kind`, and what tells it from others of that kind."""
    strata: tuple[Stratum, ...]
    shards: tuple[Shard, ...]
    made_from: str = ""
    """Digest of the inputs and options of `springtide-data pack`."""

    @property
    def item(self) -> "np.dtype[Any]":
        """How one token lies in a shard."""
        return DTYPES[self.dtype]

    def train(self, stratum: str) -> tuple[Shard, ...]:
        """A stratum's shards that are trained on."""
        return tuple(shard for shard in self.shards if shard.stratum == stratum and not shard.held_out)

    @property
    def held_out(self) -> tuple[Shard, ...]:
        """Shards for evaluation."""
        return tuple(shard for shard in self.shards if shard.held_out)

    def size_of(self, shard: Shard) -> int:
        """Bytes of a shard's file."""
        return shard.tokens * self.item.itemsize

    def to_json(self) -> str:
        """The manifest's own text, the same for equal manifests."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def parse(cls, text: bytes, *, source: str) -> Self:
        """Reads a manifest.

        Raises:
            ConfigError: with every mistake in it at once.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"{source} is no JSON: {error}") from error
        mistakes = list(_mistakes(data))
        if mistakes:
            raise ConfigError(f"{source} does not describe token shards:" + "".join(f"\n  - {m}" for m in mistakes))
        return cls(
            dtype=data["dtype"],
            vocab=data["vocab"],
            tokenizer=data["tokenizer"],
            strata=tuple(Stratum(name=each["name"], weight=float(each["weight"])) for each in data["strata"]),
            shards=tuple(_shard(each) for each in data["shards"]),
            made_from=data.get("made_from", ""),
        )


def _shard(data: dict[str, Any]) -> Shard:
    return Shard(
        path=data["path"],
        tokens=data["tokens"],
        sha256=data["sha256"],
        stratum=data["stratum"],
        held_out=data.get("held_out", False),
    )


def _mistakes(data: Any) -> Iterator[str]:
    if not isinstance(data, dict) or data.get("version") != VERSION:
        found = data.get("version") if isinstance(data, dict) else data
        yield f"version is {found!r}: it must be {VERSION}; pack the data again"
        return
    if data.get("dtype") not in tuple(DTYPES):
        yield f"dtype is {data.get('dtype')!r}: it must be one of {', '.join(DTYPES)}"
    if not _whole(data.get("vocab"), least=1):
        yield f"vocab is {data.get('vocab')!r}: it must be a whole number, at least 1"
    if not isinstance(data.get("tokenizer"), dict):
        yield f"tokenizer is {data.get('tokenizer')!r}: it must be an object with a kind"
    yield from _strata_mistakes(data.get("strata"))
    yield from _shards_mistakes(data.get("shards"), _names(data.get("strata")))


def _names(strata: Any) -> list[Any]:
    return [each.get("name") for each in strata if isinstance(each, dict)] if isinstance(strata, list) else []


def _strata_mistakes(strata: Any) -> Iterator[str]:
    if not isinstance(strata, list) or not strata or not all(isinstance(each, dict) for each in strata):
        yield "strata must be a list of at least one object with name and weight"
        return
    names = _names(strata)
    if len(set(map(str, names))) < len(names):
        yield f"strata are named {names!r}: each needs a name of its own"
    for each in strata:
        weight = each.get("weight")
        if not isinstance(weight, int | float) or not 0 < weight < math.inf:
            yield f"weight of stratum {each.get('name')!r} is {weight!r}: it must be a number above 0"


def _shards_mistakes(shards: Any, strata: list[Any]) -> Iterator[str]:
    if not isinstance(shards, list) or not shards or not all(isinstance(each, dict) for each in shards):
        yield "shards must be a list of at least one object"
        return
    for number, each in enumerate(shards):
        for field, allowed in _shard_mistakes(each, strata):
            yield f"{field} of shard {number} is {each.get(field)!r}: it must be {allowed}"


def _shard_mistakes(shard: dict[str, Any], strata: list[Any]) -> Iterator[tuple[str, str]]:
    path, digest = shard.get("path"), shard.get("sha256")
    if not isinstance(path, str) or not path or path.startswith("/") or ".." in path.split("/"):
        yield "path", "a path below the manifest's folder"
    if not _whole(shard.get("tokens"), least=1):
        yield "tokens", "a whole number, at least 1"
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        yield "sha256", "64 hexadecimal digits"
    if shard.get("stratum") not in strata:
        yield "stratum", f"one of {', '.join(map(str, strata))}"
    if not isinstance(shard.get("held_out", False), bool):
        yield "held_out", "true or false"


def _whole(value: Any, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
