"""Values between the SDK's wire format and a plan: plain data, integers as integers, secrets known as secrets.

On the wire a number is a float, and a dictionary with a signature key stands for a secret, an asset or a resource.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

from springtide.offline.paths import WHOLE, child

_SIGNATURE: Final = rpc._special_sig_key  # noqa: SLF001  the wire format's own constants have no public name
_SECRET: Final = rpc._special_secret_sig  # noqa: SLF001
_EXACT = 2**53
"""Below this a float holds every integer."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that must not be shown."""

    value: Any


def plain(message: struct_pb2.Struct) -> dict[str, Any]:
    """A struct as plain data, with `Secret` around what is secret."""
    return {name: _value(field) for name, field in message.fields.items()}


def struct(data: Mapping[str, Any]) -> struct_pb2.Struct:
    """The inverse of `plain`."""
    message = struct_pb2.Struct()
    message.update(_signed(dict(data)))
    return message


def revealed(value: Any) -> Any:
    """The value without any `Secret` around or inside it."""
    if isinstance(value, Secret):
        return revealed(value.value)
    return _mapped(revealed, value)


def redacted(value: Any) -> Any:
    """The value with every secret replaced by a digest, so that plans can be compared and shown."""
    if isinstance(value, Secret):
        text = json.dumps(revealed(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return {"$secret": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"}
    return _mapped(redacted, value)


def secret_paths(value: Any, path: str = WHOLE) -> Iterator[str]:
    """The pointers of all secrets in a value."""
    if isinstance(value, Secret):
        yield path
        return
    for key, item in _items(value):
        yield from secret_paths(item, child(path, key))


def differing_paths(one: Any, other: Any, path: str = WHOLE) -> Iterator[str]:
    """The pointers of the smallest values that differ; of the collection, where its keys or its length differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differing_paths(one[key], other[key], child(path, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differing_paths(*pair, child(path, index))
    elif type(one) is not type(other) or one != other:
        yield path


def _value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    return _READERS[kind](getattr(value, kind)) if kind in _READERS else None


def _number(number: float) -> int | float:
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


def _object(message: struct_pb2.Struct) -> Any:
    signature = message.fields[_SIGNATURE].string_value if _SIGNATURE in message.fields else None
    fields = {name: _value(field) for name, field in message.fields.items() if name != _SIGNATURE}
    return _SIGNED.get(signature, dict)(fields)


def _reference(fields: Mapping[str, Any]) -> str:
    """A resource used as a value: its id, or the URN of a component."""
    return str(fields.get("id") or fields["urn"])


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "number_value": _number,
    "string_value": str,
    "bool_value": bool,
    "struct_value": _object,
    "list_value": lambda items: [_value(item) for item in items.values],
}
_SIGNED: Final[Mapping[str | None, Callable[[dict[str, Any]], Any]]] = {
    _SECRET: lambda fields: Secret(fields.get("value")),
    rpc._special_asset_sig: lambda fields: {"$asset": fields},  # noqa: SLF001
    rpc._special_archive_sig: lambda fields: {"$archive": fields},  # noqa: SLF001
    rpc._special_resource_sig: _reference,  # noqa: SLF001
}


def _signed(value: Any) -> Any:
    if isinstance(value, Secret):
        return {_SIGNATURE: _SECRET, "value": _signed(value.value)}
    return _mapped(_signed, value)


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, dict):
        return {key: function(item) for key, item in value.items()}
    return [function(item) for item in value] if isinstance(value, list) else value


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
