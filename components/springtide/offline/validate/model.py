"""The clouds' own API models: what one member of one operation may hold.

AWS: botocore's service models, read straight from its data files (a client would cost a second). A member is
addressed as `eks:CreateNodegroup.taints[].effect`: service, operation, members, `[]` for a list's elements and
`{}` for a mapping's values.
"""

import gzip
import importlib.resources
import json
from functools import cache
from typing import Any

from springtide.offline.validate.constraint import Constraint

_KINDS = {
    "integer": "integer", "long": "integer", "float": "number", "double": "number", "boolean": "boolean",
    "list": "list", "map": "map", "structure": "structure",
}  # fmt: skip


class UnknownMember(LookupError):  # noqa: N818  it is an answer about the installed model, not a fault
    """The installed API model has no such service, operation or member."""


@cache
def member(address: str) -> Constraint:
    """What the API model says about the member at `address`.

    Raises:
        UnknownMember: the installed model lacks it; another version of botocore may have renamed it.
    """
    service, _, rest = address.partition(":")
    try:
        shapes = _model(service)["shapes"]
        operation, *steps = rest.replace("[]", ".[]").replace("{}", ".{}").split(".")
        name = _model(service)["operations"][operation]["input"]["shape"]
        required = False
        for step in steps:
            required = step in shapes[name].get("required", ())
            name = _inside(shapes[name], step)
        return _constraint(shapes, name, address, required=required)
    except (KeyError, FileNotFoundError) as missing:
        message = f"the installed API models have no {address}"
        raise UnknownMember(message) from missing


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
def _model(service: str) -> dict[str, Any]:
    """The newest model of a service. EC2's, the largest, is 4 MB and takes 40 ms."""
    folder = importlib.resources.files("botocore") / "data" / service
    newest = max(folder.iterdir(), key=lambda version: version.name)
    model: dict[str, Any] = json.loads(gzip.decompress((newest / "service-2.json.gz").read_bytes()))
    return model
