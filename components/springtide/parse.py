"""From untrusted values to specs: every mistake at once, in the words of whoever wrote the value."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Protocol, TypeVar, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from springtide.spec import Finding, Source, SpecError, below, did_you_mean, refuse


class Spec(Protocol):
    """A frozen value with rules of its own."""

    def findings(self) -> list[Finding]:
        """What is impossible about the value."""
        ...


S = TypeVar("S", bound=Spec)
Location = tuple[int | str, ...]


def read(spec_type: type[S], value: Any, path: str = "") -> tuple[S | None, list[Finding]]:
    """Parse `value` as `spec_type` and apply the spec's rules.

    Args:
        spec_type: A class made with `spec.spec`.
        value: What somebody wrote: a mapping of plain values.
        path: JSON Pointer of the value, put before every finding's own.

    Returns:
        The spec, or None where it could not be made, and all mistakes.
    """
    mistakes = [_finding(spec_type, misfit) for misfit in _misfits(spec_type, value)]
    if mistakes:
        return None, below(path, [*mistakes, *independent(sound(spec_type, value).findings(), mistakes)])
    parsed: S = _adapter(spec_type).validate_python(value)
    return parsed, below(path, parsed.findings())


def demand(spec_type: type[S], value: Mapping[str, Any], subject: str) -> S:
    """Parse `value` or refuse it.

    Raises:
        SpecError: all mistakes at once, naming `subject`.
    """
    parsed, findings = read(spec_type, dict(value))
    if parsed is None or findings:
        raise SpecError(findings, subject)
    return parsed


def sound(spec_type: type[S], value: Any) -> S:
    """What is left of `value` once everything that does not fit is gone, so that rules can judge the rest.

    In place of what does not fit stands the default, or an empty value where there is none: what rules say about
    those is for `independent` to leave out.
    """
    while misfits := _misfits(spec_type, value):
        for misfit in misfits:
            value = _mended(spec_type, value, misfit)
    parsed: S = _adapter(spec_type).validate_python(value)
    return parsed


def independent(findings: Iterable[Finding], mistakes: Iterable[Finding]) -> list[Finding]:
    """The findings that are not about a value which is a mistake already: nobody likes to read a thing twice."""
    paths = [mistake.path for mistake in mistakes]
    return [finding for finding in findings if not any(_about(finding.path, path) for path in paths)]


def _about(path: str, mistaken: str) -> bool:
    """Whether `path` lies at or below a mistake, or is the list with a mistaken item."""
    item = mistaken.removeprefix(f"{path}/")
    return path == mistaken or path.startswith(f"{mistaken}/") or (item != mistaken and item.isdigit())


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


@cache
def _adapter(spec_type: type) -> TypeAdapter[Any]:
    return TypeAdapter(spec_type)


@dataclass(frozen=True, slots=True)
class _Misfit:
    """A value of the wrong kind, a key that is missing, or one that should not be there."""

    kinds: tuple[str, ...]
    """Pydantic's words for it; several where each branch of a union has its own."""
    location: Location
    value: Any


_MISSING = {"missing", "missing_keyword_only"}
_NO_KEY = "invalid_key"
_UNKNOWN = {"unexpected_keyword_argument", "extra_forbidden", _NO_KEY}
_NOT_A_NUMBER = {int: "int_type", float: "float_type"}


def _misfits(spec_type: type, value: Any) -> list[_Misfit]:
    found: dict[Location, list[tuple[str, Any]]] = {}
    for location, kind, item in [*_pydantic_misfits(spec_type, value), *_booleans(spec_type, value)]:
        found.setdefault(location, []).append((kind, item))
    deepest = [place for place in found if not any(place == other[: len(place)] for other in found if other != place)]
    return [_Misfit(tuple(dict(found[place])), place, found[place][0][1]) for place in deepest]


def _pydantic_misfits(spec_type: type, value: Any) -> Iterator[tuple[Location, str, Any]]:
    try:
        _adapter(spec_type).validate_python(value)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False):
            kind = _NO_KEY if "[key]" in item["loc"] else item["type"]
            yield tuple(_written(item["loc"], value, kind)), kind, item["input"]


def _written(location: Location, value: Any, kind: str) -> Iterator[int | str]:
    """The steps of pydantic's location that lead through `value`; the others name branches of a union."""
    for part in location:
        if part in _keys_of(value):
            value = value[part]
            yield part
    if kind in _MISSING:
        yield location[-1]


def _keys_of(value: Any) -> Iterable[int | str]:
    if isinstance(value, Mapping):
        return value.keys()
    return range(len(value)) if isinstance(value, list | tuple) else ()


def _booleans(spec_type: Any, value: Any, location: Location = ()) -> Iterator[tuple[Location, str, Any]]:
    """Truth values where numbers belong: Python counts them among the whole numbers, people do not."""
    if isinstance(value, bool):
        yield from ((location, _NOT_A_NUMBER[kind], value) for kind in _options(spec_type) if kind in _NOT_A_NUMBER)
    for part in _keys_of(value):
        yield from _booleans(_step(spec_type, part), value[part], (*location, part))


def _finding(spec_type: type, misfit: _Misfit) -> Finding:
    path = "".join(f"/{part}" for part in misfit.location)
    if _MISSING & set(misfit.kinds):
        key = misfit.location[-1]
        message = f"{key} is required and not given."
        return refuse("settings/required", path, None, message, f"add `{key}:`", source=Source.SETTINGS)
    if _UNKNOWN & set(misfit.kinds):
        return _unknown_key(spec_type, misfit.location, path)
    expected = " or ".join(dict.fromkeys(_EXPECTED[kind] for kind in misfit.kinds))
    message = f"{_shown(misfit.value)} is not {expected}."
    fix = _remedy(_keys(_annotation(spec_type, misfit.location)), misfit)
    return refuse("settings/type", path, misfit.value, message, fix, source=Source.SETTINGS)


_EXPECTED = {
    "string_type": "a text",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a number",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
}


_LONGEST_SHOWN = 60


def _shown(value: Any) -> str:
    """A value as people write it: a plain one itself, anything else by its kind, for it may be long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        text = repr(value)
        return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return {dict: "a mapping", list: "a list", tuple: "a list", NoneType: "nothing"}.get(
        type(value), type(value).__name__
    )


def _remedy(keys: Sequence[str], misfit: _Misfit) -> str:
    """What to write instead."""
    plain = isinstance(misfit.value, str | int | float)
    if keys:
        return f"write a mapping with the keys it has: {', '.join(keys)}"
    if "string_type" in misfit.kinds and plain:
        lost = "; without them YAML drops a zero at its end" if isinstance(misfit.value, float) else ""
        return f'put it in quotes: "{_shown(misfit.value)}"{lost}'
    if "tuple_type" in misfit.kinds and plain:
        return f"write a list: [{misfit.value}]" if len(misfit.kinds) == 1 else "write a number, or a list: [a, b]"
    return f"write {' or '.join(dict.fromkeys(_EXPECTED[kind] for kind in misfit.kinds))}"


def _unknown_key(spec_type: type, location: Location, path: str) -> Finding:
    *parents, key = location
    known = sorted(_keys(_annotation(spec_type, parents)))
    fix = did_you_mean(str(key), known, "remove it, or use one of the keys that this version knows")
    message = f"{key!r} means nothing here."
    return refuse("settings/unknown-key", path, None, message, fix, allowed=known, source=Source.SETTINGS)


_GONE = object()


def _mended(spec_type: type, value: Any, misfit: _Misfit) -> Any:
    *parents, key = misfit.location or ("",)
    if not misfit.location:
        return {}
    if _UNKNOWN & set(misfit.kinds) or key in _optional_keys(_annotation(spec_type, parents)):
        return _with(value, misfit.location, _GONE)
    return _with(value, misfit.location, _empty(_annotation(spec_type, misfit.location)))


def _with(value: Any, location: Sequence[int | str], item: Any) -> Any:
    """A copy of `value` that has `item` at `location`."""
    head, *rest = location
    new = _with(value[head], rest, item) if rest else item
    if isinstance(value, Mapping):
        return {**{key: old for key, old in value.items() if key != head}, **({} if new is _GONE else {head: new})}
    return [new if i == head else old for i, old in enumerate(value)]


def _empty(annotation: Any) -> Any:
    kind = _options(annotation)[0]
    return {str: "", int: 0, float: 0.0, tuple: []}.get(get_origin(kind) or kind, {})


def _annotation(spec_type: Any, location: Iterable[int | str]) -> Any:
    """How the value at `location` is annotated; None where nothing may lie."""
    for part in location:
        spec_type = _step(spec_type, part)
    return spec_type


def _step(annotation: Any, part: int | str) -> Any:
    for option in _options(annotation):
        if is_dataclass(option):
            return {field.name: field.type for field in fields(option)}.get(str(part))
        if get_origin(option) is dict:
            return get_args(option)[1]
        if get_origin(option) is tuple and isinstance(part, int):
            return get_args(option)[0]
    return None


def _options(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)


def _keys(annotation: Any) -> list[str]:
    return [field.name for option in _options(annotation) if is_dataclass(option) for field in fields(option)]


def _optional_keys(annotation: Any) -> set[str]:
    every = (field for option in _options(annotation) if is_dataclass(option) for field in fields(option))
    return {field.name for field in every if (field.default, field.default_factory) != (MISSING, MISSING)}
