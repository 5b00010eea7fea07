"""Placeholders: a value of the right shape for everything that only the cloud knows.

The offline recorder and the provider that stands in for the clouds in tests of the real engine (`tests/engine`) answer
with these functions and no others, so that both see the same inputs downstream. What a resource's outputs look like is
read from the provider SDK's own annotations; there is no table of resource types.

Two *worlds* answer differently wherever the cloud would decide. A program that is run in both shows by its inputs which
of them depend on the cloud, however deep a value is buried: in a policy document, in base64, in a number.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from springtide.offline import sdk
from springtide.offline.paths import child

WORLDS = (0, 1)
"""The worlds that can answer. Plans show the first one's values."""


def identity(urn: str, world: int = 0) -> str:
    """The placeholder for a resource's id."""
    return marker(urn, "/id", world)


def marker(owner: str, pointer: str, world: int = 0) -> str:
    """The text `«owner#pointer»` that stands for a string only the cloud knows; the second world's ends in `'»`."""
    return f"«{owner}#{pointer}{chr(39) * world}»"


def seen_from(value: Any, world: int) -> Any:
    """A value of world 0 as another world has it: every text with a placeholder in it differs."""
    if isinstance(value, dict):
        return {key: seen_from(item, world) for key, item in value.items()}
    if isinstance(value, list):
        return [seen_from(item, world) for item in value]
    return value.replace("»", f"{chr(39) * world}»") if isinstance(value, str) else value


def outputs(urn: str, token: str, inputs: Mapping[str, Any], world: int = 0) -> dict[str, Any]:
    """What a resource's provider would answer once the resource exists.

    Inputs come back where an output has their name, completed by what the cloud adds inside them. Outputs that are no
    inputs, or are always present, become placeholders. Optional inputs that were not given stay absent.

    Args:
        urn: The resource's URN; every placeholder names it.
        token: The resource's type token, `aws:eks/cluster:Cluster`.
        inputs: Plain inputs under provider names. Nothing is kept of those that are no outputs.
        world: One of `WORLDS`.

    Returns:
        Plain outputs under provider names, without `id` and `urn`. The inputs, for a type that no installed SDK knows.
    """
    cls = sdk.resource_class(token)
    if cls is None:
        return dict(inputs)
    cloud = _Cloud(urn=urn, token=token, world=world)
    hints = sdk.output_types(cls)
    absent = {name for name in sdk.input_names(cls) - inputs.keys() if _is_optional(hints.get(name))}
    return {
        name: cloud.completed(hint, inputs[name], f"/{name}") if name in inputs else cloud.invented(hint, f"/{name}")
        for name, hint in hints.items()
        if name not in absent
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cloud:
    """One world's answers about one resource."""

    urn: str
    token: str
    world: int

    def completed(self, hint: Any, given: Any, pointer: str) -> Any:
        """An input as it comes back: with every plain value that the cloud could add to an object."""
        hint = _without_none(hint)
        if isinstance(given, dict) and sdk.is_object(hint):
            types = sdk.object_types(hint)
            kept = {key: self.completed(types.get(key), value, child(pointer, key)) for key, value in given.items()}
            added = {name: t for name, t in types.items() if name not in given and _is_plain(_without_none(t))}
            return kept | {name: self.invented(t, child(pointer, name)) for name, t in added.items()}
        if isinstance(given, list) and get_origin(hint) in _LISTS:
            (element,) = get_args(hint)
            return [self.completed(element, item, child(pointer, index)) for index, item in enumerate(given)]
        return given

    def invented(self, hint: Any, pointer: str, within: tuple[type, ...] = ()) -> Any:
        """A value of type `hint`; `within` are the classes around it, so that a type holding itself comes to an end."""
        hint = _without_none(hint)
        if _is_scalar(hint):
            return self._scalar(hint, pointer)
        if sdk.is_object(hint):
            fields = {name: t for name, t in sdk.object_types(hint).items() if not _mentions(t, (*within, hint))}
            return {name: self.invented(t, child(pointer, name), (*within, hint)) for name, t in fields.items()}
        if get_origin(hint) in _LISTS:
            return [self.invented(get_args(hint)[0], child(pointer, 0), within)]
        if get_origin(hint) in _MAPS:
            key = marker(self.urn, child(pointer, "*"), self.world)
            return {key: self.invented(get_args(hint)[1], child(pointer, "*"), within)}
        return self._text(pointer)

    def _scalar(self, hint: Any, pointer: str) -> Any:
        if get_origin(hint) is Literal:
            return get_args(hint)[0]
        if issubclass(hint, Enum):
            members = list(hint)
            return members[self.world % len(members)].value
        return self._text(pointer) if hint is str else _NUMBERS[hint][self.world]

    def _text(self, pointer: str) -> str:
        text = marker(self.urn, pointer, self.world)
        shapes = (shape for pattern, shape in _SHAPES if pattern.search(pointer))
        return next(shapes, _as_it_is)(text, self.token)


def _as_it_is(text: str, _token: str) -> str:
    return text


def _arn(text: str, token: str) -> str:
    """Six parts, so that a consumer may take an ARN apart."""
    return f"arn:aws:{token.split(':')[1].partition('/')[0]}:::{text}"


def _certificate(text: str, _token: str) -> str:
    """Certificate data as the clouds hand it over: PEM in base64."""
    body = base64.encodebytes(text.encode()).decode()
    return base64.b64encode(f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n".encode()).decode()


_SHAPES: Final[tuple[tuple[re.Pattern[str], Callable[[str, str], str]], ...]] = (
    (re.compile(r"(/a|A)rn(/\d+)?$"), _arn),
    (re.compile(r"/certificateAuthorit(y|ies/\d+)/data$|aCertificate$"), _certificate),
)
"""Strings with a form that consumers rely on, by the end of their pointer."""

_NUMBERS: Final[Mapping[type, tuple[Any, Any]]] = {bool: (False, True), int: (1, 2), float: (1.0, 2.0)}
_LISTS = (list, Sequence)
_MAPS = (dict, Mapping)


def _without_none(hint: Any) -> Any:
    """The first kind of value that a type allows besides None."""
    if get_origin(hint) not in (Union, UnionType):
        return hint
    return next(member for member in get_args(hint) if member is not NoneType)


def _is_optional(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)


def _is_plain(hint: Any) -> bool:
    """Whether a cloud may add it to an object that was given: a value, or a list of values, such as addresses."""
    return _is_scalar(hint) or (get_origin(hint) in _LISTS and _is_scalar(_without_none(get_args(hint)[0])))


def _is_scalar(hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return True
    return isinstance(hint, type) and (hint is str or hint in _NUMBERS or issubclass(hint, Enum))


def _mentions(hint: Any, classes: tuple[type, ...]) -> bool:
    """Whether a type is, or is a collection of, one of the classes."""
    return hint in classes or any(_mentions(argument, classes) for argument in get_args(hint))
