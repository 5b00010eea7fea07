"""GCP: the discovery documents that google-api-python-client carries, read as files (no client is ever built).

They name every member, its type, its choices and some patterns. Limits on numbers and lengths they tell in prose
alone: those are rules of the table.
"""

import importlib.resources
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from springtide.offline.validate.constraint import Constraint

_KINDS = {"boolean": "boolean", "integer": "integer", "number": "number", "array": "list", "object": "structure"}
_WHOLE = frozenset({"int32", "int64", "uint32", "uint64"})
"""Formats of whole numbers; those of 64 bits travel as text."""
_PATTERNS = {
    "google-duration": (r"\d+(\.\d{1,9})?s", "seconds such as 3600s"),
    "google-datetime": (
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
        "a time such as 2026-11-22T09:00:00Z",
    ),
}


def member(service: str, schema: str, steps: Sequence[str], source: str) -> Constraint:
    """What the document of `service` (`container.v1`) says about a member of a schema; `source` is its address.

    Raises:
        KeyError: there is no such schema or member.
        FileNotFoundError: there is no such document.
    """
    schemas = document(service)["schemas"]
    shape = schemas[schema]
    for step in steps:
        inside = _inside(shape, step)
        shape = schemas[inside["$ref"]] if "$ref" in inside else inside
    return _constraint(shape, source)


def _inside(shape: dict[str, Any], step: str) -> dict[str, Any]:
    """The schema one step below `shape`."""
    if step in ("[]", "{}"):
        found: dict[str, Any] = shape["items" if step == "[]" else "additionalProperties"]
        return found
    named: dict[str, Any] = shape["properties"][step]
    return named


def _constraint(shape: dict[str, Any], source: str) -> Constraint:
    kind, form = shape["type"], shape.get("format", "")
    pattern, words = _PATTERNS.get(form, (shape.get("pattern", ""), ""))
    return Constraint(
        source=source,
        kind="integer" if form in _WHOLE else "map" if "additionalProperties" in shape else _KINDS.get(kind, "string"),
        enum=tuple(shape.get("enum", ())),
        pattern=pattern,
        words=words,
        low=0 if form.startswith("uint") else None,
    )


@cache
def document(service: str) -> dict[str, Any]:
    """The document of one version of a service. Compute's, the largest, is 5 MB and takes 60 ms."""
    file = importlib.resources.files("googleapiclient") / "discovery_cache" / "documents" / f"{service}.json"
    found: dict[str, Any] = json.loads(file.read_bytes())
    return found
