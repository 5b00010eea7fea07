"""A stack's configuration as the Pulumi CLI hands it to a program: flat, under full keys, every value a text.

Scalars become their text, lists and mappings their JSON, nothing becomes the empty text. All of it was compared with the
CLI's own answers; `tests/engine` does so again wherever the CLI is present.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from springtide.offline.goyaml import YamlFile, plain_text
from springtide.offline.paths import child

_INT64 = 2**63
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


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
        ConfigError: there is no Pulumi.yaml, or it describes no project.
    """
    file = YamlFile.read(root / "Pulumi.yaml")
    name = file.text("name", "")
    if not name:
        raise file.error("name", "a project needs a name", "add `name:` and a name")
    declared = file.mapping("config")
    return Project(
        name=name,
        program=root / file.text("main", "."),
        environments=root / file.text("stackConfigDir", "."),
        defaults={key: default for key, item in declared.items() if (default := _default(item)) is not None},
    )


def read_environment(file: Path, project: str = "") -> dict[str, Any]:
    """The `config` of an environment file, as plain JSON data; keys as the file has them.

    Args:
        file: The file.
        project: Name of the project: `region` and `<project>:region` are then one key, which a file may have once.

    Raises:
        ConfigError: the file is missing, is not YAML that the CLI accepts, or has a key twice.
    """
    read = YamlFile.read(file)
    config = read.mapping("config")
    written: dict[str, str] = {}
    for key in config:
        first = written.setdefault(full_key(key, project), key)
        if first != key:
            raise read.error("config", f"{first!r} and {key!r} are the same key", "keep one of the two")
    return config


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
    return value if isinstance(value, str) else plain_text(value)


def _json(value: Any) -> str:
    """JSON as Go writes it: keys sorted, no blanks, and what HTML could misread escaped."""
    if isinstance(value, dict):
        return f"{{{','.join(f'{_json(key)}:{_json(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, list):
        return f"[{','.join(_json(item) for item in value)}]"
    if value is None or isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).translate(_ESCAPES)
    in_range = isinstance(value, float) or -_INT64 <= value < _INT64
    return plain_text(value if in_range else float(value))
