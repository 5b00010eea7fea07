"""How a model that continues text is served: the `key=value`s of the predictor `gpt`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from springtide_workloads.errors import ConfigError
from springtide_workloads.finish.quantize import KINDS, NONE

STORED: Final = "stored"
DTYPES: Final = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen, for all models of a server."""

    slots: int = 32
    """Requests that are computed at a time."""
    cache_mib: int | None = None
    """What keys and values may take, in MiB. Default None: a whole context for every slot, as far as half of the free memory
    goes on a GPU, and 1024 MiB on a CPU."""
    pages: int | None = None
    """The same in pages of 16 tokens. Default None: by `cache_mib`."""
    step_tokens: int = 256
    """Tokens of prompts that are read in one step at most: what a long prompt delays the others by."""
    quantize: str = NONE
    """`int8` or `int4` rounds the matrices of an export that is not quantized, while it is loaded."""
    dtype: str = STORED
    """`bfloat16` or `float32`: what weights, keys and values are held and computed in. Default: as the export has them, which
    is float32 unless it was trained otherwise."""
    compile: bool = False
    """Whether steps are compiled: slow to start, and faster where it works."""
    weights_mib: int | None = None
    """What weights may take on the GPU, in MiB; layers beyond it stay in the machine's memory and are copied for each step.
    Default None: all of them are on the GPU."""
    threads: int | None = None
    """Threads that a CPU computes with. Default None: as torch finds cores, which are all of the machine's even where a
    container has a part of them; more threads than cores are far slower than one."""

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> Self:
        """Options of texts.

        Raises:
            ConfigError: with every key that is not known and every value that does not fit.
        """
        found: dict[str, Any] = {}
        wrong = [f"{name} is not known: use {', '.join(_KINDS)}" for name in values if name not in _KINDS]
        for name, kind in _KINDS.items():
            try:
                found |= {name: kind.parse(values[name])} if name in values else {}
            except ValueError:
                wrong.append(f"{name} is {values[name]!r}: it must be {kind.allowed}")
        if {"pages", "cache_mib"} <= found.keys():
            wrong.append("pages and cache_mib say the same in two ways: give one of them")
        if wrong:
            listed = "".join(f"\n  - {each}" for each in wrong)
            raise ConfigError(f"the options of the predictor gpt do not fit:{listed}")
        return cls(**found)


@dataclass(frozen=True, slots=True)
class _Kind:
    parse: Callable[[str], Any]
    allowed: str


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError(text)
    return int(text)


def _one_of(values: Mapping[str, Any]) -> _Kind:
    def parse(text: str) -> Any:
        if text not in values:
            raise ValueError(text)
        return values[text]

    return _Kind(parse, f"one of {', '.join(values)}")


_WHOLE = _Kind(_whole, "a whole number, at least 1")
_KINDS: Mapping[str, _Kind] = {field.name: _WHOLE for field in fields(Options)} | {
    "quantize": _one_of({kind: kind for kind in (NONE, *KINDS)}),
    "dtype": _one_of({dtype: dtype for dtype in (STORED, *DTYPES)}),
    "compile": _one_of({"true": True, "false": False}),
}
