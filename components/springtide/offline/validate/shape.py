"""Layer 1: every name, nesting, type and required member of a resource's inputs, against the provider SDK.

A dict handed to the SDK keeps its misspelt keys in silence; the provider refuses them minutes into an update.
The walk also yields each place it passes, which is what the second layer judges by value.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

from springtide.offline.paths import child
from springtide.offline.plan import Resource
from springtide.offline.validate import custom, inputs
from springtide.offline.validate.words import finding, shown, spoken, stranger
from springtide.spec import Finding

_ENGINE_INPUTS = frozenset({"version", "__internal"})
"""What the engine adds to an explicit provider's inputs by itself."""
_KINDS: dict[type, str] = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "list", dict: "object", NoneType: "nothing",
}  # fmt: skip
_WORDS = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "list": "a list", "map": "a mapping of names to values", "object": "an object",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One place in a resource's inputs, a leaf or a container."""

    path: str
    """JSON Pointer to it."""
    pattern: str
    """The pointer with `*` for every list index and every key of a map: `/taints/*/effect`."""
    owner: str
    """The SDK's object that holds it: `core.v1.PodSpec`; empty where the SDK knows no type."""
    local: str
    """The pattern below that object: `/restartPolicy`."""
    value: Any
    leaf: bool
    judged: bool
    """False for placeholders, secrets and values whose type is wrong already: nothing more is said about those."""
    why: str = ""
    """Why nobody can judge the value; mostly empty."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A resource's places and what is wrong with their shape."""

    nodes: list[Node] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def inspect(resource: Resource) -> Shaped:
    """Walk a resource's inputs along the SDK's classes, those of a custom resource along its CRD.

    An unknown type is walked one level deep, without findings.
    """
    record = inputs.record_of(resource.type)
    kind = None if record else custom.of(resource.type)
    shaped = Shaped()
    walk = _Walk(resource, frozenset(resource.unknown + resource.secret), shaped, "k8s" if kind else "sdk")
    shape = kind.shape() if kind else inputs.Shape(frozenset({"object"}), record=record)
    walk.in_object(_given(resource, record), shape, _Place())
    return shaped


def _given(resource: Resource, record: type | None) -> dict[str, Any]:
    """The inputs as the program gave them: without the engine's own, a provider's JSON texts decoded."""
    if not resource.type.startswith(inputs.PROVIDER_PREFIX) or record is None:
        return resource.inputs
    members = inputs.members(record)
    return {
        name: _decoded(value) if name in members and "string" not in members[name].shape.kinds else value
        for name, value in resource.inputs.items()
        if name not in _ENGINE_INPUTS
    }


def _decoded(value: Any) -> Any:
    """What the SDK wrote as JSON text, as providers take everything but text; unreadable text stays what it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value


@dataclass(frozen=True, slots=True)
class _Place:
    path: str = ""
    pattern: str = ""
    owner: str = ""
    local: str = ""

    def down(self, name: str, *, wild: bool) -> "_Place":
        seen = "*" if wild else name
        return _Place(child(self.path, name), child(self.pattern, seen), self.owner, child(self.local, seen))


@dataclass(frozen=True, slots=True)
class _Walk:
    resource: Resource
    opaque: frozenset[str]
    shaped: Shaped
    family: str
    """First word of its findings' rules."""

    def visit(self, value: Any, shape: inputs.Shape, place: _Place) -> None:
        if place.path in self.opaque:
            self._note(value, place, shape, leaf=True, judged=False)
            return
        complaint = _complaint(value, shape)
        if complaint:
            self._note(value, place, shape, leaf=True, judged=False)
            message = f"`{spoken(place.path)}` is {shown(value)}; it must be {complaint}"
            self.shaped.findings.append(
                finding(self.resource, f"{self.family}/type", place.path, message, value=value, fix=f"give {complaint}")
            )
            return
        inside = isinstance(value, list | dict) and bool(value) and "any" not in shape.kinds
        self._note(value, place, shape, leaf=not inside, judged=True)
        if inside:
            (self.in_list if isinstance(value, list) else self.in_object)(value, shape, place)

    def in_list(self, values: list[Any], shape: inputs.Shape, place: _Place) -> None:
        for index, value in enumerate(values):
            self.visit(value, shape.item or inputs.ANYTHING, place.down(str(index), wild=True))

    def in_object(self, value: Mapping[str, Any], shape: inputs.Shape, place: _Place) -> None:
        given = {name: item for name, item in value.items() if item is not None}
        if shape.record is None:
            wild = shape.fields is None and bool(place.path)
            for name, item in given.items():
                inside = (shape.fields or {}).get(name) or shape.item or inputs.ANYTHING
                self.visit(item, inside, place.down(name, wild=wild))
            return
        members = inputs.members(shape.record)
        owner = _Place(place.path, place.pattern, inputs.title(shape.record))
        for name, item in given.items():
            self.visit(item, members[name].shape if name in members else inputs.ANYTHING, owner.down(name, wild=False))
        strangers = [child(place.path, name) for name in given if name not in members]
        rule = f"{self.family}/unknown-field"
        self.shaped.findings.extend(stranger(self.resource, rule, path, members) for path in strangers)
        self._missing([name for name, member in members.items() if member.required and name not in given], owner)

    def _note(self, value: Any, place: _Place, shape: inputs.Shape, *, leaf: bool, judged: bool) -> None:
        self.shaped.nodes.append(
            Node(
                path=place.path,
                pattern=place.pattern,
                owner=place.owner,
                local=place.local,
                value=value,
                leaf=leaf,
                judged=judged,
                why=shape.why,
            )
        )

    def _missing(self, names: list[str], place: _Place) -> None:
        holder = f"`{spoken(place.path)}` of " if place.path else ""
        for name in names:
            path = child(place.path, name)
            message = f"{holder}{self.resource.type} {self.resource.name} needs `{name}`, which is not given"
            self.shaped.findings.append(
                finding(self.resource, f"{self.family}/required", path, message, fix=f"set `{spoken(path)}`")
            )


def _complaint(value: Any, shape: inputs.Shape) -> str:
    """What `value` must be instead; empty when the SDK takes it."""
    if "any" in shape.kinds:
        return ""
    if not _admitted(value, shape.kinds):
        return " or ".join(_WORDS[kind] for kind in sorted(shape.kinds))
    if shape.literals and value not in shape.literals:
        return " or ".join(map(shown, shape.literals))
    return ""


def _admitted(value: Any, kinds: frozenset[str]) -> bool:
    kind = _KINDS[type(value)]
    wider = {"integer": "number", "object": "map"}.get(kind)
    return kind in kinds or wider in kinds or (isinstance(value, float) and value.is_integer() and "integer" in kinds)
