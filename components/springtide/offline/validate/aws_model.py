"""AWS: botocore's service models, read straight from its data files (a client would cost a second)."""

import gzip
import importlib.resources
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from springtide.offline.validate.constraint import Constraint

_KINDS = {
    "integer": "integer", "long": "integer", "float": "number", "double": "number", "boolean": "boolean",
    "list": "list", "map": "map", "structure": "structure",
}  # fmt: skip


def member(service: str, operation: str, steps: Sequence[str], source: str) -> Constraint:
    """What the model of `service` says about a member of an operation's input; `source` is its address.

    Raises:
        KeyError: there is no such operation or member.
        FileNotFoundError: there is no such service.
    """
    shapes = document(service)["shapes"]
    name = document(service)["operations"][operation]["input"]["shape"]
    required = False
    for step in steps:
        required = step in shapes[name].get("required", ())
        name = _inside(shapes[name], step)
    return _constraint(shapes, name, source, required=required)


def _inside(shape: dict[str, Any], step: str) -> str:
    """Name of the shape one step below `shape`."""
    if step in ("[]", "{}"):
        return str(shape["member" if step == "[]" else "value"]["shape"])
    return str(shape["members"][step]["shape"])


def _constraint(shapes: dict[str, Any], name: str, source: str, *, required: bool = False) -> Constraint:
    shape = shapes[name]
    return Constraint(
        source=source,
        kind=_KINDS.get(shape["type"], "string"),
        enum=tuple(shape.get("enum", ())),
        pattern=shape.get("pattern", ""),
        low=shape.get("min"),
        high=shape.get("max"),
        keys=_constraint(shapes, shape["key"]["shape"], f"{source}{{key}}") if shape["type"] == "map" else None,
        required=required,
    )


@cache
def document(service: str) -> dict[str, Any]:
    """The newest model of a service. EC2's, the largest, is 4 MB and takes 40 ms."""
    folder = importlib.resources.files("botocore") / "data" / service
    newest = max(folder.iterdir(), key=lambda version: version.name)
    model: dict[str, Any] = json.loads(gzip.decompress((newest / "service-2.json.gz").read_bytes()))
    return model
