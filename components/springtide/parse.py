"""From untrusted values to specs: every mistake at once, in the words of whoever wrote the value."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from springtide.spec import Finding, Source, SpecError, refuse


class Spec(Protocol):
    """A frozen value with rules of its own."""

    def findings(self) -> list[Finding]:
        """What is impossible about the value."""
        ...


S = TypeVar("S", bound=Spec)


def read(spec_type: type[S], value: Any, path: str = "") -> tuple[S | None, list[Finding]]:
    """Parse `value` as `spec_type` and apply the spec's rules.

    Args:
        spec_type: A class made with `spec.spec`.
        value: What somebody wrote: a mapping of plain values.
        path: JSON Pointer of the value, put before every finding's own.

    Returns:
        The spec, or None where it could not be made, and all mistakes.
    """
    try:
        parsed = TypeAdapter(spec_type).validate_python(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        return None, [_finding(spec_type, item, path) for item in details] + _rules_on_the_rest(
            spec_type, value, details, path
        )
    return parsed, below(path, parsed.findings())


def _rules_on_the_rest(spec_type: type[S], value: Any, details: list[ErrorDetails], path: str) -> list[Finding]:
    """What the rules say when the values that do not even parse are left to their defaults: nobody likes a second round."""
    try:
        parsed = TypeAdapter(spec_type).validate_python(_without(value, [item["loc"] for item in details]))
    except ValidationError:
        return []
    return below(path, parsed.findings())


def _without(value: Any, locations: list[tuple[int | str, ...]]) -> Any:
    if not isinstance(value, Mapping):
        return value
    heads = {location[0] for location in locations if len(location) == 1}
    rest = {key: [place[1:] for place in locations if len(place) > 1 and place[0] == key] for key in value}
    return {key: _without(item, rest[key]) for key, item in value.items() if key not in heads}


def demand(spec_type: type[S], value: Mapping[str, Any], subject: str) -> S:
    """Parse `value` or refuse it.

    Raises:
        SpecError: all mistakes at once, naming `subject`.
    """
    parsed, findings = read(spec_type, dict(value))
    if parsed is None or findings:
        raise SpecError(findings, subject)
    return parsed


def below(path: str, findings: Iterable[Finding]) -> list[Finding]:
    """The findings of a part, as seen from the whole: `path` before each path."""
    return [replace(finding, path=f"{path}{finding.path}") for finding in findings]


def docstrings(cls: type) -> dict[str, str]:
    """The docstring under each annotated attribute of a class, inherited ones included."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ in {"builtins", "typing"}:
            continue
        found |= _own_docstrings(base)
    return found


def _own_docstrings(cls: type) -> dict[str, str]:
    definition = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(definition, ast.ClassDef)  # noqa: S101  getsource of a class begins with its definition
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def _finding(spec_type: type, error: ErrorDetails, path: str) -> Finding:
    location = "".join(f"/{part}" for part in error["loc"])
    kind, key, value = error["type"], str(error["loc"][-1]) if error["loc"] else "", error["input"]
    if kind in {"missing", "missing_keyword_only"}:
        return refuse(
            "settings/required",
            path + location,
            None,
            f"{key} is required and not given.",
            f"add `{key}:`",
            source=Source.SETTINGS,
        )
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        return _unknown_key(spec_type, error["loc"], path + location)
    message = f"{value!r} does not fit: {error['msg'][0].lower()}{error['msg'][1:]}."
    fix = _REMEDIES.get(kind, "write a value of that kind")
    return refuse("settings/type", path + location, value, message, fix, source=Source.SETTINGS)


_REMEDIES = {
    "string_type": "put the value in quotes",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "tuple_type": "write a list: [a, b]",
    "list_type": "write a list: [a, b]",
    "dict_type": "write a mapping: {key: value}",
    "dataclass_type": "write a mapping: {key: value}",
}


def _unknown_key(spec_type: type, location: tuple[int | str, ...], path: str) -> Finding:
    *parents, key = location
    known = sorted(_keys(spec_type, parents))
    near = get_close_matches(str(key), known, n=1)
    fix = f"did you mean `{near[0]}`?" if near else "remove it, or use one of the keys that this version knows"
    message = f"{key!r} means nothing here."
    return refuse("settings/unknown-key", path, None, message, fix, allowed=known, source=Source.SETTINGS)


def _keys(spec_type: Any, parents: list[int | str]) -> list[str]:
    """The keys that the value at `parents` may have, found by walking the spec's annotations."""
    for part in parents:
        spec_type = _step(spec_type, part)
    return [field.name for field in fields(spec_type)] if is_dataclass(spec_type) else []


def _step(spec_type: Any, part: int | str) -> Any:
    if is_dataclass(spec_type):
        annotation = {field.name: field.type for field in fields(spec_type)}[str(part)]
        specs = [option for option in (annotation, *get_args(annotation)) if is_dataclass(option)]
        return specs[0] if specs else annotation
    return next((option for option in get_args(spec_type) if is_dataclass(option)), None)
