"""From the text that names a predictor to one that is ready to be set up, its limits read and its types known."""

import importlib
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args, get_origin, get_type_hints

from springtide_workloads.errors import ConfigError
from springtide_workloads.serve.predictor import Predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A predictor and what its annotations say."""

    predictor: Predictor
    streams: bool
    """Whether it has `stream` instead of `predict`."""
    takes: Any
    """Type of one request."""
    gives: Any
    """Type of one answer, or of one piece of it."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    least: float
    above: bool = False

    def admit(self, value: float) -> bool:
        return value > self.least if self.above else value >= self.least

    def __str__(self) -> str:
        return f"more than {self.least:g}" if self.above else f"at least {self.least:g}"


_BOUNDS: Final[Mapping[str, _Bounds]] = {
    "max_batch": _Bounds(1),
    "max_delay_ms": _Bounds(0),
    "max_body_bytes": _Bounds(1),
    "max_wait_seconds": _Bounds(0, above=True),
    "max_waiting": _Bounds(1),
    "stuck_seconds": _Bounds(0, above=True),
}


def _switch(text: str) -> bool:
    return {"true": True, "false": False, "1": True, "0": False}[text.lower()]


_READERS: Final[Mapping[Any, Callable[[str], Any]]] = {int: int, float: float, str: str, bool: _switch}
_WORDS: Final = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def resolve(text: str) -> Resolved:
    """The predictor that `module.Class[:key=value,...]` names.

    Raises:
        ConfigError: with every mistake in the text at once, and what is allowed.
    """
    name, _, rest = text.partition(":")
    cls = _class(name)
    values, mistakes = read_settings(cls, rest)
    try:
        predictor = cls()
    except TypeError as error:
        raise ConfigError(f"predictor {name!r} cannot be made: {error}. It is made without arguments.") from error
    for key, value in values.items():
        setattr(predictor, key, value)
    mistakes += [f"{key} is {value!r}: it must be {bounds}" for key, value, bounds in _outside(predictor)]
    if mistakes:
        raise ConfigError(f"predictor {text!r}:" + "".join(f"\n  - {mistake}" for mistake in mistakes))
    return _typed(name, predictor)


def _class(name: str) -> type[Predictor]:
    module, _, attribute = name.rpartition(".")
    if not module:
        raise ConfigError(f"predictor {name!r} is not known: use gpt, or a class of a module of yours (team.chat.Chat)")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise ConfigError(
            f"predictor {name!r} cannot be imported: {error}. Is {module} in the image, below a folder of PYTHONPATH?"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Predictor)):
        raise ConfigError(f"predictor {name!r}: {module} has no subclass of Predictor named {attribute!r}")
    return found


def settings_of(cls: type) -> dict[str, Any]:
    """Keys that may be set of a class, and their types: annotated attributes with a default that are plain values."""
    kinds = get_type_hints(cls)
    return {key: kind for key, kind in kinds.items() if kind in _READERS and hasattr(cls, key) and key[0] != "_"}


def read_settings(cls: type, text: str) -> tuple[dict[str, Any], list[str]]:
    """Values that `key=value,...` gives to a class's attributes, and what is wrong with it in words."""
    kinds = settings_of(cls)
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for part in text.split(",") if text else ():
        key, _, value = part.partition("=")
        if key not in kinds:
            mistakes.append(f"{key!r} cannot be set: use one of {', '.join(sorted(kinds))}")
            continue
        try:
            values[key] = _READERS[kinds[key]](value)
        except (ValueError, KeyError):
            mistakes.append(f"{key} is {value!r}: it must be {_WORDS[kinds[key]]}")
    return values, mistakes


def _outside(predictor: Predictor) -> Iterator[tuple[str, Any, _Bounds]]:
    for key, bounds in _BOUNDS.items():
        value = getattr(predictor, key)
        if not bounds.admit(value):
            yield key, value, bounds


def _typed(name: str, predictor: Predictor) -> Resolved:
    """Types from the annotations of the one method that the class has of the two."""
    cls = type(predictor)
    has = [method for method in ("predict", "stream") if getattr(cls, method) is not getattr(Predictor, method)]
    if len(has) != 1:
        raise ConfigError(f"predictor {name!r} has {' and '.join(has) or 'neither'}: write one of predict and stream")
    streams = has == ["stream"]
    method = getattr(cls, has[0])
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        raise ConfigError(
            f"predictor {name!r}: {has[0]} is async: it is called on a thread of its own, write it plainly"
        )
    takes, gives = _types(method)
    if not streams:
        takes, gives = _inner(takes), _inner(gives)
    elif gives is not Any:
        gives = _inner(gives)
    return Resolved(predictor=predictor, streams=streams, takes=takes, gives=gives)


def _types(method: types.FunctionType) -> tuple[Any, Any]:
    """Annotations of the first argument and of what is returned; Any where there is none."""
    hints = get_type_hints(method, include_extras=True)
    given = [hint for key, hint in hints.items() if key != "return"]
    return (given[0] if given else Any), hints.get("return", Any)


def _inner(kind: Any) -> Any:
    """Type of the elements of a list or an iterator; Any where it is not said."""
    return get_args(kind)[0] if get_origin(kind) is not None and get_args(kind) else Any
