"""Kubernetes objects against the JSON schemas of the cluster's own version, with unknown members refused.

Custom resources are held against their CRDs (`custom`), the core objects inside them against the same schemas.

The schemas come with kubernetes-validate; its own `validate` reads 1.5 MB anew for each object and stops at the
first mistake, so only its files are used here and read once.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache, reduce
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # published without types
from kubernetes_validate.utils import all_versions, schema_contents
from referencing import Registry
from referencing import Resource as Schema

from springtide.offline.paths import WHOLE, child, covers
from springtide.offline.plan import Resource
from springtide.offline.validate import custom
from springtide.offline.validate.words import cannot_tell, closest_first, finding, nearest, shown, spoken, stranger
from springtide.spec import Finding

_CLUSTERS = {
    "springtide:index:Cluster": "version",
    "aws:eks/cluster:Cluster": "version",
    "gcp:container/cluster:Cluster": "minMasterVersion",
}
"""Type → the input that says what the API server understands; the first that a plan holds decides."""
_NOT_OBJECTS = ("helm.sh/", "yaml/", "kustomize/")
"""Modules of the provider that are not kinds of the Kubernetes API."""
_GROUP = re.compile(r"^([^./]*)(?:\.[^/]*)?/")


def is_object(token: str) -> bool:
    """Whether a resource type stands for one object of the Kubernetes API."""
    package, _, rest = token.partition(":")
    return package == "kubernetes" and not rest.startswith(_NOT_OBJECTS)


def version(resources: Sequence[Resource]) -> tuple[str, tuple[Finding, ...]]:
    """The Kubernetes version to check against, as `1.35`, and a finding when it is not the cluster's own."""
    clusters = [resource for kind in _CLUSTERS for resource in resources if resource.type == kind]
    named = next((item for item in clusters if _knows_version(item)), None)
    known = _versions()
    if named is None:
        return known[-1], ()
    path = f"/{_CLUSTERS[named.type]}"
    wanted = _minor(named.inputs[path[1:]])
    found = max((item for item in known if _number(item) <= _number(wanted)), key=_number, default=known[0])
    if found == wanted:
        return found, ()
    message = f"there are no schemas of Kubernetes {wanted} here: objects are checked against {found}"
    return found, (cannot_tell(named, "k8s/version", path, message, "update the package kubernetes-validate"),)


def _knows_version(cluster: Resource) -> bool:
    name = _CLUSTERS[cluster.type]
    return isinstance(cluster.inputs.get(name), str) and f"/{name}" not in cluster.unknown


def check(resource: Resource, minor: str) -> Iterator[Finding]:
    """Findings about one object; a kind without a schema is a cannot-tell."""
    api_version, kind = _kind(resource)
    validator = _validator(minor, api_version, kind)
    if validator is None:
        message = f"no schema is known for {kind} of {api_version}: only a cluster can check it"
        yield cannot_tell(resource, "k8s/unknown-kind", "", message)
        return
    is_patch = resource.type.endswith("Patch")
    for error in validator.iter_errors({"apiVersion": api_version, "kind": kind, **resource.inputs}):
        if not (is_patch and error.validator == "required"):
            yield from _findings(resource, error)


def has_schema(resource: Resource, minor: str) -> bool:
    """Whether `check` can say anything about the resource."""
    return _validator(minor, *_kind(resource)) is not None


def _kind(resource: Resource) -> tuple[str, str]:
    """`apiVersion` and `kind` that a type token means."""
    _, module, kind = resource.type.split(":")
    return module.removeprefix("core/"), kind.removesuffix("Patch")


def _findings(resource: Resource, error: jsonschema.ValidationError) -> Iterator[Finding]:
    """One finding for each mistake; the schema tells of several in one error."""
    at = reduce(child, error.absolute_path, WHOLE)
    if not _is_hidden(resource, at):
        yield from _TOLD.get(error.validator, _other)(resource, at, error)


def _strangers(resource: Resource, at: str, error: jsonschema.ValidationError) -> Iterator[Finding]:
    known = error.schema.get("properties", {})
    for name in sorted(set(error.instance) - set(known)):
        yield stranger(resource, "k8s/schema", child(at, name), known)


def _missing(resource: Resource, at: str, error: jsonschema.ValidationError) -> Iterator[Finding]:
    for name in error.validator_value:
        if name not in error.instance:
            path = child(at, name)
            yield finding(resource, "k8s/schema", path, f"`{spoken(path)}` is required", fix=f"set `{spoken(path)}`")


def _choice(resource: Resource, at: str, error: jsonschema.ValidationError) -> Iterator[Finding]:
    allowed = closest_first(error.instance, error.validator_value)
    near = nearest(error.instance, error.validator_value)
    message = f"`{spoken(at)}` is {shown(error.instance)}; it must be {', '.join(map(str, allowed))}"
    fix = f"use {near or 'one of the allowed values'}"
    yield finding(resource, "k8s/schema", at, message, value=error.instance, allowed=allowed, fix=fix)


def _other(resource: Resource, at: str, error: jsonschema.ValidationError) -> Iterator[Finding]:
    message = f"`{spoken(at)}`: {error.message}" if at else error.message
    value = None if isinstance(error.instance, dict | list) else error.instance
    yield finding(resource, "k8s/schema", at, message, value=value, fix="see the object's API reference")


_TOLD = {"additionalProperties": _strangers, "enum": _choice, "required": _missing}


def _is_hidden(resource: Resource, path: str) -> bool:
    """Whether the path lies at or below a value that only the cloud knows, or that is secret."""
    return any(covers(hidden, path) for hidden in resource.unknown + resource.secret)


@cache
def _versions() -> tuple[str, ...]:
    return tuple(dict.fromkeys(_minor(item) for item in all_versions()))


def _minor(text: str) -> str:
    return ".".join(text.removeprefix("v").split(".")[:2])


def _number(minor: str) -> tuple[int, ...]:
    return tuple(int(part) for part in minor.split(".") if part.isdigit())


@cache
def _validator(minor: str, api_version: str, kind: str) -> Any:
    """A validator of one kind; None when the version has no such kind."""
    described = custom.known(api_version, kind)
    schema = described.schema() if described else _core(minor, api_version, kind)
    return schema and jsonschema.Draft202012Validator(schema, registry=_definitions(minor))


def _core(minor: str, api_version: str, kind: str) -> dict[str, Any] | None:
    """The schema of a kind that Kubernetes itself has; None when the version has no such kind."""
    folder, group = f"kubernetes-json-schema/v{minor}.0-local-strict", _GROUP.sub(r"\1-", api_version)
    try:
        schema: dict[str, Any] = schema_contents(f"{folder}/{kind.lower()}-{group}.json", minor)
    except FileNotFoundError:
        return None
    return schema


@cache
def _definitions(minor: str) -> "Registry[Any]":
    contents = schema_contents(f"kubernetes-json-schema/v{minor}.0-local-strict/_definitions.json", minor)
    return Schema.from_contents(contents) @ Registry()
