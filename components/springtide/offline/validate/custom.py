"""Custom resources: what their CRDs say, as JSON schemas to check against and as shapes to walk along.

`crds/*.json` hold the facts, one kind a file; `refresh_crds` writes those whose CRD can be had. The others are
written by hand from the projects' own sources and marked `"complete": false`: what they list is checked, and a field
that they do not list is counted as unchecked instead of refused. Objects of Kubernetes inside a custom resource are
named as the SDK names them (`"$ref": "batch.v1.JobTemplateSpec"`) and checked by the schemas of the cluster's version.
"""

import importlib
import importlib.resources
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from springtide.offline.validate.inputs import ANYTHING, Shape

DEFINITIONS = "https://kubernetes.io/api/_definitions.json#/$defs/"
_NESTED = ("items", "additionalProperties")
_KINDS = {"array": "list", "boolean": "boolean", "integer": "integer", "number": "number", "string": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is known about one kind of custom resource."""

    api_version: str
    kind: str
    complete: bool
    """Whether a field that is not listed is one that the API server refuses."""
    facts: dict[str, Any]
    """The CRD's own schema, without `apiVersion`, `kind`, `metadata` and `status`."""

    def schema(self) -> dict[str, Any]:
        """A JSON schema of whole objects, to be read beside the definitions of a Kubernetes version."""
        schema = _strict(self.facts, closed=self.complete)
        fixed = {"apiVersion": {"enum": [self.api_version]}, "kind": {"enum": [self.kind]}}
        metadata = {"$ref": _definition("meta.v1.ObjectMeta")}
        return {**schema, "properties": {**schema.get("properties", {}), **fixed, "metadata": metadata}}

    def shape(self) -> Shape:
        """The nesting of its objects, as the SDK's classes give it for kinds that the SDK knows."""
        rest = ANYTHING if self.complete else Shape(ANYTHING.kinds, why=f"not among the fields known of {self.kind}")
        shape = _shape(self.facts, rest)
        text = Shape(frozenset({"string"}))
        fields = {**(shape.fields or {}), "apiVersion": text, "kind": text, "metadata": _core("meta.v1.ObjectMeta")}
        return Shape(shape.kinds, shape.item, fields=fields)


def of(token: str) -> Kind | None:
    """What is known about a resource type, `kubernetes:karpenter.sh/v1:NodePool`; None for any other."""
    package, _, rest = token.partition(":")
    return known(*rest.split(":")) if package == "kubernetes" and rest.count(":") == 1 else None


@cache
def known(api_version: str, kind: str) -> Kind | None:
    """What is known about a kind; None for one that no file describes."""
    name = f"{api_version.replace('/', '_')}_{kind}.json"
    file = importlib.resources.files(__package__) / "crds" / name
    if not file.is_file():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    return Kind(api_version=api_version, kind=kind, complete=content["complete"], facts=content["schema"])


def _strict(schema: dict[str, Any], *, closed: bool) -> dict[str, Any]:
    """`schema` as JSON Schema understands it, refusing unknown fields where `closed`."""
    if "$ref" in schema:
        return {"$ref": _definition(schema["$ref"])}
    made = dict(schema)
    for keyword in _NESTED:
        if isinstance(schema.get(keyword), dict):
            made[keyword] = _strict(schema[keyword], closed=closed)
    if "properties" in schema:
        made["properties"] = {name: _strict(item, closed=closed) for name, item in schema["properties"].items()}
        if closed and "additionalProperties" not in schema and not _open(schema):
            made["additionalProperties"] = False
    if schema.get("nullable"):
        made["type"] = [schema["type"], "null"]
    if schema.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    return made


def _shape(schema: dict[str, Any], rest: Shape) -> Shape:
    """Shape of a schema; `rest` is what stands where its objects list nothing."""
    if "$ref" in schema:
        return _core(schema["$ref"])
    if schema.get("x-kubernetes-int-or-string"):
        return Shape(frozenset({"integer", "string"}))
    inside = next((_shape(schema[word], rest) for word in _NESTED if isinstance(schema.get(word), dict)), None)
    if "properties" in schema:
        fields = {name: _shape(item, rest) for name, item in schema["properties"].items()}
        return Shape(frozenset({"object"}), inside or rest, fields=fields)
    if _open(schema) or (schema.get("type") == "object" and inside is None):
        return Shape(ANYTHING.kinds, why="the CRD takes anything here")
    return Shape(frozenset({_KINDS.get(schema.get("type", ""), "map")}), inside)


def _open(schema: dict[str, Any]) -> bool:
    return bool(schema.get("x-kubernetes-preserve-unknown-fields"))


def _definition(title: str) -> str:
    """Where the schemas of a Kubernetes version define an object of its API, `core.v1.Taint`."""
    return f"{DEFINITIONS}io.k8s.{'apimachinery.pkg.apis' if title.startswith('meta.') else 'api'}.{title}"


def _core(title: str) -> Shape:
    """Shape of an object of the Kubernetes API, by the SDK's class of it."""
    package, _, name = title.rpartition(".")
    module = importlib.import_module(f"pulumi_kubernetes.{package}")
    return Shape(frozenset({"object"}), record=getattr(module, f"{name}Args"))
