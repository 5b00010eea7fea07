"""The components as other languages see them: their schema."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from tests.plugin.snapshots import HINT, SCHEMA, SCHEMA_FILE, written

import springtide
from springtide.__main__ import COMPONENTS
from springtide.spec import PoolSpec

RESOURCES: dict[str, Any] = {name.rpartition(":")[2]: item for name, item in SCHEMA["resources"].items()}
TYPES: dict[str, Any] = {name.rpartition(":")[2]: item for name, item in SCHEMA["types"].items()}
OFFERED_BY = {
    "ClusterRef": ("Cluster", "Controllers"),
    "JobRef": ("TrainingJob",),
    "NetworkRef": ("Network",),
    "PoolRef": ("GpuPool",),
    "QueueRef": ("Queue",),
    "RegistryRef": ("Registry",),
    "SecretsKeyRef": ("SecretsKey",),
    "StorageRef": ("Storage", "FileSystem"),
}
"""Which components a reference is written from."""


def test_the_schema_is_the_one_that_was_reviewed() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == written(SCHEMA), HINT


def test_every_component_is_served_under_a_neutral_name() -> None:
    assert sorted(RESOURCES) == sorted(item.__name__ for item in COMPONENTS) == sorted(springtide.__all__)
    assert {item["isComponent"] for item in RESOURCES.values()} == {True}
    assert not [name for name in [*RESOURCES, *TYPES] if "aws" in name.lower() or "gcp" in name.lower()]


def test_every_input_output_and_type_is_described() -> None:
    described = [
        *((name, "", item) for name, item in (RESOURCES | TYPES).items()),
        *((name, key, value) for name, item in RESOURCES.items() for key, value in inputs_and_outputs(item)),
        *((name, key, value) for name, item in TYPES.items() for key, value in item["properties"].items()),
    ]
    assert [(name, key) for name, key, item in described if not item.get("description")] == []
    assert len(described) > 150


def test_no_description_speaks_of_what_only_programs_in_python_have() -> None:
    python = (".ref`", "Attributes:", "TypedDict", "child_of")
    assert [text for text in descriptions(SCHEMA) if any(word in text for word in python)] == []


def descriptions(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from descriptions(item)
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "description" and isinstance(item, str):
                yield item
            yield from descriptions(item)


def inputs_and_outputs(resource: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from resource.get("inputProperties", {}).items()
    yield from resource.get("properties", {}).items()


def test_what_decides_which_resources_exist_is_plain_and_so_known_in_a_preview() -> None:
    inputs = [(name, key, item) for name, it in RESOURCES.items() for key, item in it["inputProperties"].items()]
    assert [(name, key) for name, key, item in inputs if not item.get("plain")] == []


def test_what_a_reference_takes_from_another_component_is_an_output_of_it_by_the_same_name_and_type() -> None:
    taken = {name: dict(from_outside(item)) for name, item in TYPES.items() if name in OFFERED_BY}
    offered: dict[str, dict[str, Any]] = {name: {} for name in taken}
    for name, components in OFFERED_BY.items():
        for component in components:
            offered[name] |= {key: shape(item) for key, item in RESOURCES[component]["properties"].items()}
    assert {
        name: [key for key, kind in it.items() if offered[name].get(key) != kind] for name, it in taken.items()
    } == {name: [] for name in OFFERED_BY}
    assert sum(map(len, taken.values())) == 19
    assert not [name for name, item in TYPES.items() if name not in OFFERED_BY and dict(from_outside(item))]


def from_outside(reference: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Properties that hold an output, or a list or an object of outputs whose keys the program writes."""
    for key, item in reference["properties"].items():
        inside = item.get("additionalProperties", item.get("items"))
        if not item.get("plain") or (inside is not None and not inside.get("plain")):
            yield key, shape(item)


def shape(item: dict[str, Any]) -> dict[str, Any]:
    """The type of a property, without who knows it when."""
    return {
        key: shape(value) if isinstance(value, dict) else value
        for key, value in item.items()
        if key not in {"description", "plain"}
    }


def test_a_pool_needs_a_cluster_an_accelerator_and_a_ceiling() -> None:
    pool = RESOURCES["GpuPool"]
    assert sorted(pool["requiredInputs"]) == ["cluster", "gpu", "maxNodes"]
    assert len(pool["inputProperties"]) == len(fields(PoolSpec)) + 1
