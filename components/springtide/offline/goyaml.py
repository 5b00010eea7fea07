"""YAML files as Go's yaml.v3 reads them for the Pulumi CLI, as plain JSON data; what is wrong with one, by line.

Its plain scalars differ from PyYAML's: `on` and `yes` are texts, `1:30` is one, `0o17` is a number.
"""

import re
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, Final, Self, cast

import yaml

MOST_VALUES = 100_000
"""Values of a file with every alias written out; YAML can say billions in a few lines."""
_INT64 = 2**63
_PLAIN_EXPONENT = range(-6, 21)
"""Exponents that Go writes out in digits."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_SHOWN = 60
_FOREIGN = ("binary", "omap", "pairs", "set")
"""Tags that PyYAML knows and JSON does not."""


class ConfigError(ValueError):
    """A file from which the CLI could not read a configuration.

    Attributes:
        file: The file.
        line: Where in it, from 1; None where there are no lines.
        what: What is wrong.
        fix: What to do about it.
    """

    def __init__(self, file: Path, line: int | None, what: str, fix: str) -> None:
        self.file, self.line, self.what, self.fix = file, line, what, fix
        place = file if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {what}: {fix}")


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlFile:
    """A YAML file with a mapping at the top."""

    path: Path
    data: dict[str, Any]
    lines: Mapping[str, int]
    """Line of each key at the top."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The file's data; nothing where it is empty.

        Raises:
            ConfigError: the file is missing, or is not YAML that the CLI accepts.
        """
        try:
            text = path.read_bytes().decode("utf-8")
            data, lines = _loaded(text)
        except OSError as error:
            raise ConfigError(path, None, str(error.strerror), "see that it is a file that you may read") from error
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise ConfigError(path, line, "this is not UTF-8", "save the file in UTF-8") from error
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise ConfigError(
                path, line, f"YAML may not hold the character U+{error.character:04X}", "remove it"
            ) from error
        except yaml.MarkedYAMLError as error:
            raise ConfigError(path, *_complaint(error)) from error
        except RecursionError:
            raise ConfigError(path, 1, "values lie too deep in one another", "nest them less") from None
        if not isinstance(data, dict | None):
            raise ConfigError(path, 1, "a mapping is expected at the top", "begin with `name:` or `config:`")
        return cls(path=path, data=data or {}, lines=lines)

    def text(self, key: str, otherwise: str) -> str:
        """The text under a key at the top.

        Raises:
            ConfigError: something else is there.
        """
        value = self.data.get(key)
        if not isinstance(value, str | None):
            raise self.error(key, f"{key} is not a text", f"write a text after `{key}:`")
        return otherwise if value is None else value

    def mapping(self, key: str) -> dict[str, Any]:
        """The mapping under a key at the top; an empty one where nothing is.

        Raises:
            ConfigError: something else is there.
        """
        value = self.data.get(key)
        if not isinstance(value, dict | None):
            raise self.error(key, f"{key} is not a mapping", f"write `key: value` lines below `{key}:`, indented")
        return value or {}

    def error(self, key: str, what: str, fix: str) -> ConfigError:
        """What is wrong with the value of a key at the top."""
        return ConfigError(self.path, self.lines.get(key, 1), what, fix)


def plain_text(value: bool | float) -> str:
    """A truth value or a number as Go writes it."""
    if isinstance(value, bool | int):
        return str(value).lower()
    number = Decimal(repr(value))
    if number == 0:
        return "0"
    if number.adjusted() in _PLAIN_EXPONENT:
        return f"{number.normalize():f}"
    return re.sub(r"e([+-])0(\d)$", r"e\1\2", repr(value))


def _loaded(text: str) -> tuple[Any, dict[str, int]]:
    loader = _GoLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, {}
        if _values(node, {}) > MOST_VALUES:
            raise _refusal(f"aliases make more than {MOST_VALUES} values of this file", node, "write fewer of them")
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        return loader.construct_document(node), {str(key.value): key.start_mark.line + 1 for key in keys}
    finally:
        loader.dispose()


def _values(node: yaml.Node, counted: dict[int, int]) -> int:
    """How many values a node holds, each alias counted as what it stands for."""
    if id(node) not in counted:
        counted[id(node)] = 1  # a node inside itself is refused later
        parts = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        inner = () if isinstance(node, yaml.ScalarNode) else cast("list[yaml.Node]", parts)
        counted[id(node)] += sum(_values(part, counted) for part in inner)
    return counted[id(node)]


def _refusal(what: str, node: yaml.Node, fix: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark, fix)


def _complaint(error: yaml.MarkedYAMLError) -> tuple[int, str, str]:
    """Line of an error, what it says, and what to do."""
    mark = error.problem_mark or error.context_mark
    said = ", ".join(part for part in (error.context, error.problem) if part)
    fix = "indent with blanks, never with tabs" if "'\\t'" in said else "mend the YAML there"
    return mark.line + 1 if mark else 1, said, error.note or fix


class _GoLoader(yaml.SafeLoader):
    """Reads YAML into plain JSON data, resolving plain scalars as Go's yaml.v3 does; refuses duplicate keys."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML's own way; filled below

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: ARG002  a plain mapping is always wanted whole
        seen: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refusal("a list or a mapping is no key", key, "write a text as the key")
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                line = seen[key.value].line + 1
                raise _refusal(f"mapping key {key.value!r} already defined at line {line}", key, "keep one of the two")
            seen[key.value] = key.start_mark
        return {_key(key): value for key, value in super().construct_mapping(node, deep=True).items()}

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> str:
        text = str(super().construct_scalar(node))
        if _SURROGATE.search(text):
            raise _refusal("half of a surrogate pair is no character", node, r"write the character, or \U and 8 digits")
        return text


def _key(key: Hashable) -> str:
    return "<nil>" if key is None else key if isinstance(key, str) else plain_text(cast("float", key))


def _integer(text: str) -> int | float | str:
    digits = text.replace("_", "").lower()
    sign, body = (digits[0], digits[1:]) if digits[0] in "+-" else ("", digits)
    octal = body.startswith("0") and body[1:].isdigit()
    with suppress(ValueError):
        number = int(sign + body, 8) if octal else int(sign + body, 0)
        return number if -_INT64 <= number < 2 * _INT64 else float(number)
    return _float(digits) if body.isdigit() else text


def _float(text: str) -> float | str:
    number = float(re.sub(r"^([+-]?)\.(inf|nan)$", r"\1\2", text.replace("_", "").lower()))
    if number - number != 0:
        raise ValueError(text)
    return number


def _timestamp(text: str) -> str:
    """A date as Go prints it, which is what a program gets for an unquoted one."""
    with suppress(ValueError):
        date, _, clock = re.sub("[Tt ]", "T", text, count=1).partition("T")
        moment = datetime.fromisoformat("-".join(part.zfill(2) for part in date.split("-")) + f"T{clock or '00'}")
        zone = moment.strftime("%z") or "+0000"
        fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
        return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} {zone} {'UTC' if zone == '+0000' else zone}"
    return text


_SCALARS: Final[tuple[tuple[str, str, str, Callable[[str], Any]], ...]] = (
    ("null", r"(?:~|null|Null|NULL|)$", "~nN\0", lambda _text: None),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)$", "tTfF", lambda text: text.lower() == "true"),
    ("int", r"[-+]?(?:0[bB][01_]+|0[oO][0-7_]+|0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)$", "-+0123456789", _integer),
    (
        "float",
        r"[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"  # noqa: ISC004
        r"|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$",
        "-+.0123456789",
        _float,
    ),
    ("timestamp", r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?$", "0123456789", _timestamp),
    ("merge", r"<<$", "<", str),
)
"""Tag, pattern, first characters and value of plain scalars, tried in this order."""


def _constructor(read: Callable[[str], Any]) -> Callable[[yaml.SafeLoader, Any], Any]:
    def construct(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
        text = str(loader.construct_scalar(node))
        try:
            return read(text)
        except ValueError:
            fix = "write a number that can be, or put it in quotes"
            raise _refusal(f"{text[:_LONGEST_SHOWN]} is no value of a configuration", node, fix) from None

    return construct


def _undefined(_loader: yaml.SafeLoader, node: yaml.Node) -> None:
    kind = node.tag.rpartition(":")[2]
    raise _refusal(f"!!{kind} is no kind of value of a configuration", node, "write a text, a list or a mapping")


for _name, _pattern, _first, _value in _SCALARS:
    _tag = f"tag:yaml.org,2002:{_name}"
    _GoLoader.add_implicit_resolver(_tag, re.compile(_pattern), [c if c != "\0" else "" for c in _first])
    _GoLoader.add_constructor(_tag, _constructor(_value))
for _name in _FOREIGN:
    _GoLoader.add_constructor(f"tag:yaml.org,2002:{_name}", _undefined)
