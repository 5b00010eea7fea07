"""The environment file's JSON schema: types and defaults from the specs, words from the arguments' own docstrings."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from pydantic import TypeAdapter

from springtide import catalog, clouds, spec
from springtide.cluster import ClusterArgs
from springtide.file_system import FileSystemArgs
from springtide.network import NetworkArgs
from springtide.parse import docstrings
from springtide.pool import GpuPoolArgs, SharingArgs
from springtide.sections import (
    LOCAL,
    EnvironmentFile,
    JobSection,
    LocalFile,
    NetworkSection,
    ServiceSection,
    WorkFile,
)
from springtide.served import ModelArgs
from springtide.service import ModelServiceArgs, PublicArgs, ReplicasArgs, ScaleOnArgs
from springtide.storage import StorageArgs
from springtide.training import TrainingJobArgs

DOCUMENTED_BY: dict[type, tuple[type, ...]] = {
    NetworkSection: (NetworkArgs,),
    spec.ClusterSpec: (ClusterArgs,),
    spec.StorageSpec: (StorageArgs, FileSystemArgs),
    spec.PoolSpec: (GpuPoolArgs,),
    spec.SharingSpec: (SharingArgs,),
    JobSection: (TrainingJobArgs,),
    ServiceSection: (ModelServiceArgs,),
    spec.ModelSpec: (ModelArgs,),
    spec.PublicSpec: (PublicArgs,),
    spec.ReplicasSpec: (ReplicasArgs,),
    spec.ScaleOnSpec: (ScaleOnArgs,),
}
"""Where a section's fields are described: the component arguments that they become."""


_BARE = {"propertyNames": {"not": {"pattern": "^[a-z][a-z0-9-]*:(?!region$|profile$|project$)"}}}
"""A file that the engine has not rewritten: it puts the project's name before each key, and then only a plan can judge it."""


def environment_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of a whole file: `config`, and beside it whatever Pulumi keeps there."""
    definitions = _kind(EnvironmentFile) | _kind(LocalFile) | _kind(WorkFile)
    definitions[EnvironmentFile.__name__]["properties"]["cloud"]["enum"] = list(clouds.available())
    definitions[LocalFile.__name__]["properties"]["cloud"]["enum"] = [LOCAL]
    definitions[LocalFile.__name__]["properties"]["machines"]["enum"] = list(catalog.clouds())
    platform = {
        "if": {"properties": {"cloud": {"const": LOCAL}}, "required": ["cloud"]},
        "then": {"$ref": f"#/$defs/{LocalFile.__name__}"},
        "else": {"$ref": f"#/$defs/{EnvironmentFile.__name__}"},
    }
    config = {"if": {"required": ["on"]}, "then": {"$ref": f"#/$defs/{WorkFile.__name__}"}, "else": platform}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Springtide environment",
        "type": "object",
        "properties": {"config": {"if": _BARE, "then": config}},
        "required": ["config"],
        "$defs": _untitled(definitions),
    }


def _kind(file: type) -> dict[str, Any]:
    """The schema of one kind of file, and those of its sections, by name."""
    config = TypeAdapter(file).json_schema()
    definitions: dict[str, Any] = {**config.pop("$defs"), file.__name__: config}
    for section in _sections(file):
        _describe(section, definitions[section.__name__])
    # The engine writes the project's name before a key when it sets one.
    config["patternProperties"] = {"^[a-z][a-z0-9-]*:": True}
    return definitions


def _sections(section: type) -> Iterator[type]:
    yield section
    for item in fields(section):
        for option in (item.type, *get_args(item.type)):
            if isinstance(option, type) and is_dataclass(option):
                yield from _sections(option)


def _describe(section: type, schema: dict[str, Any]) -> None:
    words: dict[str, str] = {}
    for documented in reversed((section, *DOCUMENTED_BY.get(section, ()))):
        words |= docstrings(documented)
    for name, item in schema["properties"].items():
        item["description"] = words[name]


def _untitled(schema: Any) -> Any:
    """The schema without pydantic's titles, which repeat each key with a capital letter."""
    if isinstance(schema, dict):
        return {key: _untitled(value) for key, value in schema.items() if key != "title" or isinstance(value, dict)}
    return [_untitled(item) for item in schema] if isinstance(schema, list) else schema
