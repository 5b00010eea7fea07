"""A stack's configuration as the Pulumi CLI hands it to a program: flat, under full keys, every value a text.

The CLI reads YAML with Go's yaml.v3, whose plain scalars differ from PyYAML's: `on` and `yes` are texts, `1:30` is one,
`0o17` is a number. Scalars become their text, lists and mappings their JSON, nothing becomes the empty text. All of it
was compared with the CLI's own answers; `tests/engine` does so again wherever the CLI is present.
"""

import json
import re
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import yaml

from springtide.offline.paths import child

_INT64 = 2**63
_PLAIN_EXPONENT = range(-6, 21)
"""Exponents that Go writes out in digits."""
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


class ConfigError(ValueError):
    """A file from which the CLI could not read a configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What Pulumi.yaml says about a project."""

    name: str
    program: Path
    """Folder of the program, or its file."""
    environments: Path
    """Folder of the environment files."""
    defaults: dict[str, Any]
    """Configuration for every stack that says nothing else."""


def read_project(root: Path) -> Project:
    """The project in a folder.

    Raises:
        ConfigError: there is no Pulumi.yaml, or it names no project.
    """
    data = _read(root / "Pulumi.yaml")
    if not isinstance(data.get("name"), str):
        raise ConfigError(f"{root / 'Pulumi.yaml'}: a project needs a name")
    declared = data.get("config") or {}
    return Project(
        name=data["name"],
        program=root / data.get("main", "."),
        environments=root / data.get("stackConfigDir", "."),
        defaults={key: default for key, item in declared.items() if (default := _default(item)) is not None},
    )


def read_environment(file: Path) -> dict[str, Any]:
    """The `config` of an environment file, as plain JSON data; keys as the file has them.

    Raises:
        ConfigError: the file is missing, or is not YAML that the CLI accepts.
    """
    return dict(_read(file).get("config") or {})


def texts(config: Mapping[str, Any], project: str, decrypted: Callable[[str], str]) -> dict[str, str]:
    """Every configuration value under its full key, as the text that a program gets.

    Args:
        config: Values by key; a key without a namespace gets the project's.
        project: Name of the project.
        decrypted: What to give for an encrypted value, by its pointer. Offline nobody can decrypt it.
    """
    values = {full_key(key, project): _decrypted(value, child("", key), decrypted) for key, value in config.items()}
    return {key: _text(value) for key, value in sorted(values.items())}


def secret_keys(config: Mapping[str, Any], project: str) -> tuple[str, ...]:
    """The full keys of all values that are encrypted or contain one that is."""
    return tuple(sorted(full_key(key, project) for key, value in config.items() if _has_secret(value)))


def full_key(key: str, project: str) -> str:
    """A configuration key with its namespace; the old form `ns:config:name` loses its middle."""
    namespace, colon, name = key.partition(":")
    return f"{namespace}:{name.removeprefix('config:')}" if colon else f"{project}:{key}"


def _read(file: Path) -> dict[str, Any]:
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=_GoLoader)  # noqa: S506  a safe loader, see below
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if not isinstance(data, dict | None):
        raise ConfigError(f"{file}: a mapping is expected at the top")
    return data or {}


def _default(item: Any) -> Any:
    """The value that a project's `config:` entry gives to all stacks: plain, or in a declaration of the key's type."""
    return item.get("value", item.get("default")) if isinstance(item, dict) else item


def _is_encrypted(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"secure"} and isinstance(value["secure"], str)


def _has_secret(value: Any) -> bool:
    if _is_encrypted(value):
        return True
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_has_secret(item) for item in items)


def _decrypted(value: Any, path: str, decrypted: Callable[[str], str]) -> Any:
    if _is_encrypted(value):
        return decrypted(path)
    if isinstance(value, dict):
        return {key: _decrypted(item, child(path, key), decrypted) for key, item in value.items()}
    if isinstance(value, list):
        return [_decrypted(item, child(path, index), decrypted) for index, item in enumerate(value)]
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return _json(value)
    return value if isinstance(value, str) else _number(value)


def _json(value: Any) -> str:
    """JSON as Go writes it: keys sorted, no blanks, and what HTML could misread escaped."""
    if isinstance(value, dict):
        return f"{{{','.join(f'{_json(key)}:{_json(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, list):
        return f"[{','.join(_json(item) for item in value)}]"
    if value is None or isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).translate(_ESCAPES)
    in_range = isinstance(value, float) or -_INT64 <= value < _INT64
    return _number(value if in_range else float(value))


def _number(value: bool | float) -> str:
    if isinstance(value, bool | int):
        return str(value).lower()
    number = Decimal(repr(value))
    if number == 0:
        return "0"
    if number.adjusted() in _PLAIN_EXPONENT:
        return f"{number.normalize():f}"
    return re.sub(r"e([+-])0(\d)$", r"e\1\2", repr(value))


class _GoLoader(yaml.SafeLoader):
    """Reads YAML into plain JSON data, resolving plain scalars as Go's yaml.v3 does; refuses duplicate keys."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML's own way; filled below

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: ARG002  a plain mapping is always wanted whole
        seen: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"mapping key {key.value!r} already defined at line {seen[key.value].line + 1}",
                    key.start_mark,
                )  # fmt: skip
            seen[key.value] = key.start_mark
        return {_key(key): value for key, value in super().construct_mapping(node, deep=True).items()}


def _key(key: Hashable) -> str:
    return "<nil>" if key is None else _text(key)


def _integer(text: str) -> int | float | str:
    digits = text.replace("_", "").lower()
    sign, body = (digits[0], digits[1:]) if digits[0] in "+-" else ("", digits)
    octal = body.startswith("0") and body[1:].isdigit()
    with suppress(ValueError):
        number = int(sign + body, 8) if octal else int(sign + body, 0)
        return number if -_INT64 <= number < 2 * _INT64 else float(number)
    return float(digits) if body.isdigit() else text


def _float(text: str) -> float | str:
    number = float(re.sub(r"^([+-]?)\.(inf|nan)$", r"\1\2", text.replace("_", "").lower()))
    if number - number != 0:
        raise yaml.constructor.ConstructorError(None, None, f"{text} is no value of a configuration", None)
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
    return lambda loader, node: read(str(loader.construct_scalar(node)))


for _name, _pattern, _first, _value in _SCALARS:
    _tag = f"tag:yaml.org,2002:{_name}"
    _GoLoader.add_implicit_resolver(_tag, re.compile(_pattern), [c if c != "\0" else "" for c in _first])
    _GoLoader.add_constructor(_tag, _constructor(_value))
