"""What a resource type may be given, read from the installed provider SDK's own input classes.

`springtide.offline.sdk` leads from a type token to its class; beside every class the SDK keeps another one that lists
its inputs, with their provider names, types and which of them are demanded.
"""

import importlib
import inspect
import sys
import types
import typing
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin

import pulumi

# Private to the SDK, and the only place where it tells an input's provider name; tests pin what we need of them.
from pulumi._types import input_type_py_to_pulumi_names, input_type_types, is_input_type

from springtide.offline import sdk

PROVIDER_PREFIX = "pulumi:providers:"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the SDK lets stand at one place: kinds of value, and what lies inside lists, maps and objects."""

    kinds: frozenset[str]
    """Of `string`, `integer`, `number`, `boolean`, `list`, `map`, `object`, `any`."""
    item: "Shape | None" = None
    """Of each element of a list, each value of a map, or each member that `fields` does not name."""
    record: type | None = None
    """SDK class that names an object's members."""
    literals: tuple[Any, ...] = ()
    """The only values allowed, where the SDK fixes them (`apiVersion`, `kind`)."""
    fields: "Mapping[str, Shape] | None" = None
    """Members of an object that a CRD describes and no SDK class."""
    why: str = ""
    """Why nobody can judge what stands here."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an object: its shape, and whether the SDK demands it."""

    shape: Shape
    required: bool


ANYTHING = Shape(frozenset({"any"}))
_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


@cache
def record_of(token: str) -> type | None:
    """The SDK class that lists the inputs of resource type `token`; None when no installed SDK knows the type."""
    made = _provider(token) if token.startswith(PROVIDER_PREFIX) else sdk.resource_class(token)
    if made is None:
        return None
    # A Kubernetes kind is also a nested type: there the class of the resource's inputs is called JobInitArgs.
    beside = (
        getattr(sys.modules[made.__module__], f"{made.__name__}{suffix}", None) for suffix in ("InitArgs", "Args")
    )
    return next((found for found in beside if isinstance(found, type) and is_input_type(found)), None)


@cache
def members(record: type) -> Mapping[str, Member]:
    """The members of an SDK input class, by the names the provider uses (camelCase)."""
    parameters = inspect.signature(record).parameters
    names = input_type_py_to_pulumi_names(record)
    required = {names[key] for key, item in parameters.items() if key in names and item.default is item.empty}
    return {name: Member(_shape(hint), name in required) for name, hint in input_type_types(record).items()}


def title(record: type) -> str:
    """Short name of an SDK class: `core.v1.PodSpec` for pulumi_kubernetes.core.v1.PodSpecArgs."""
    package = [part for part in record.__module__.split(".")[1:] if not part.startswith("_")]
    return ".".join([*package[:2], record.__name__.removesuffix("Args").removesuffix("Init")])


def _provider(token: str) -> type | None:
    name = f"pulumi_{token.removeprefix(PROVIDER_PREFIX)}"
    try:
        found: type = importlib.import_module(name).Provider
    except ImportError:
        return None
    return found


def _shape(hint: Any) -> Shape:
    """Shape of an annotation: what remains of a union once None, Awaitable and Output are taken out."""
    shapes = [_single(part) for part in _parts(hint)]
    if not shapes or any("any" in shape.kinds for shape in shapes):
        return ANYTHING
    return Shape(
        frozenset().union(*(shape.kinds for shape in shapes)),
        next((shape.item for shape in shapes if shape.item), None),
        next((shape.record for shape in shapes if shape.record), None),
        tuple(value for shape in shapes for value in shape.literals),
    )


def _parts(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        for part in get_args(hint):
            yield from _parts(part)
    elif hint is not type(None) and get_origin(hint) not in (Awaitable, pulumi.Output):
        yield hint


def _single(hint: Any) -> Shape:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is typing.Literal:
        return Shape(frozenset({"string"}), literals=arguments)
    if origin is Sequence:
        return Shape(frozenset({"list"}), _shape(arguments[0]))
    if origin is Mapping:
        return Shape(frozenset({"map"}), _shape(arguments[1]))
    return _plain(hint)


def _plain(hint: Any) -> Shape:
    if hint in _SCALARS:
        return Shape(frozenset({_SCALARS[hint]}))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Shape(frozenset({"string"}))
    return Shape(frozenset({"object"}), record=hint) if isinstance(hint, type) and is_input_type(hint) else ANYTHING
