"""The JSON schema of environment files, and the promise behind it: each field is defined once."""

import json
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from springtide import cluster, environment, file_system, network, pool, queue, service, spec, storage, training
from springtide.parse import docstrings
from springtide.schema import environment_schema
from springtide.sections import EnvironmentFile, JobSection, NetworkSection, ServiceSection, WorkFile

from .environment_files import BASE, ENVIRONMENTS, ROOT, edited

SCHEMA = environment_schema()
COMMITTED = ROOT / "stacks" / "environment.schema.json"
EVERY_FILE = [*ROOT.glob("stacks/Pulumi.*.yaml"), *ENVIRONMENTS.glob("Pulumi.*.yaml")]


def complaints(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    read = yaml.safe_load(text)
    # PyYAML takes `on` for a truth; editors and the engine, which read YAML 1.2, do not.
    config = {"on" if key is True else key: value for key, value in read["config"].items()}
    return [error.json_path for error in validator.iter_errors({**read, "config": config})]


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, item in schema.get("properties", {}).items():
        yield f"{path}/{name}", item
        yield from properties(item, f"{path}/{name}")
    for name, item in schema.get("$defs", {}).items():
        yield from properties(item, f"{path}/$defs/{name}")


def test_the_committed_schema_is_current() -> None:
    written = json.dumps(SCHEMA, indent=2, ensure_ascii=False) + "\n"
    assert COMMITTED.read_text(encoding="utf-8") == written, (
        "run `springtide schema --out stacks/environment.schema.json`"
    )


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", EVERY_FILE, ids=lambda file: file.stem)
def test_every_environment_of_the_repository_fits_the_schema(file: Any) -> None:
    assert complaints(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", list(ROOT.glob("stacks/Pulumi.*.yaml")), ids=lambda file: file.stem)
def test_every_environment_tells_editors_of_the_schema(file: Any) -> None:
    assert file.read_text(encoding="utf-8").startswith(f"# yaml-language-server: $schema={COMMITTED.name}\n")


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("  region: us-east-1\n", "", "$.config"),
        ("cloud: aws", "cloud: mars", "$.config.cloud"),
        ("      gpu: A10G", "      gup: A10G", "$.config.pools.train"),
        ("max_nodes: 2\n", "max_nodes: two\n", "$.config.pools.train.max_nodes"),
        ("capacity: [spot]\n", "capacity: spot\n", "$.config.pools.train.capacity"),
        ('version: "1.35"', "version: 1.35", "$.config.cluster.version"),
        ("  pools:", "  poools:", "$.config"),
        ("zones: 2", "zones: {}", "$.config.zones"),
    ],
)
def test_an_editor_sees_the_mistakes_that_need_no_catalog(old: str, new: str, where: str) -> None:
    assert complaints(BASE) == []
    assert where in complaints(edited((old, new)))


def test_what_belongs_to_others_is_let_be() -> None:
    assert complaints(f"encryptionsalt: v1:x\nsecretsprovider: default\n{BASE}  aws:region: eu-west-1\n") == []


def test_every_field_is_described() -> None:
    assert [path for path, item in properties(SCHEMA) if path != "/config" and not item.get("description")] == []
    assert len(list(properties(SCHEMA))) > 40


def test_descriptions_are_those_of_the_arguments_except_where_a_file_writes_a_name() -> None:
    said = SCHEMA["$defs"]
    described = docstrings(pool.GpuPoolArgs)
    assert said["PoolSpec"]["properties"]["gpu"]["description"] == described["gpu"]
    assert said["JobSection"]["properties"]["pool"]["description"] == "Name of the pool it runs on."
    assert not [path for path, item in properties(SCHEMA) if ".ref`" in item.get("description", "")]


# `ModelArgs` is not among these: its one argument refers to a job, of which a spec holds the name.
WIRING = {"environment", "network", "cluster", "pool", "pools", "checkpoints", "data", "queue", "public"}
"""Arguments that refer to other components; and a service's name on the internet, which a file writes under `expose`."""
ONE_DEFINITION = [
    (environment.EnvironmentArgs, spec.EnvironmentSpec),
    (network.NetworkArgs, spec.NetworkSpec),
    (cluster.ClusterArgs, spec.ClusterSpec),
    (pool.GpuPoolArgs, spec.PoolSpec),
    (queue.QueueArgs, spec.QueueSpec),
    (training.TrainingJobArgs, spec.JobSpec),
    (service.ModelServiceArgs, spec.ServiceSpec),
    (service.ReplicasArgs, spec.ReplicasSpec),
    (service.ScaleOnArgs, spec.ScaleOnSpec),
    (service.PublicArgs, spec.PublicSpec),
]


def required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def shape(annotation: Any) -> Any:
    """What a value looks like outside Python: lists are lists, nested arguments mappings, and absence is no type."""
    options = get_args(annotation) if get_origin(annotation) not in {list, tuple} else ()
    kind = next((option for option in options if option is not type(None)), annotation)
    if get_origin(kind) in {list, tuple}:
        return [shape(get_args(kind)[0])]
    return "mapping" if is_typeddict(kind) or hasattr(kind, "__dataclass_fields__") else kind


@pytest.mark.parametrize(("arguments", "spec_type"), ONE_DEFINITION, ids=lambda item: item.__name__)
def test_arguments_and_spec_are_the_same_fields_of_the_same_kind(arguments: Any, spec_type: Any) -> None:
    said = {name: hint for name, hint in get_type_hints(arguments).items() if name not in WIRING}
    assert said.keys() == {item.name for item in fields(spec_type)}
    assert {name: shape(hint) for name, hint in said.items()} == {
        item.name: shape(item.type) for item in fields(spec_type)
    }


@pytest.mark.parametrize(("arguments", "spec_type"), ONE_DEFINITION, ids=lambda item: item.__name__)
def test_what_may_be_left_out_of_the_arguments_has_a_default_in_the_spec(arguments: Any, spec_type: Any) -> None:
    assert arguments.__required_keys__ - WIRING == {item.name for item in fields(spec_type) if required(item)}


@pytest.mark.parametrize(("arguments", "spec_type"), ONE_DEFINITION, ids=lambda item: item.__name__)
def test_every_argument_is_documented_and_states_its_default(arguments: Any, spec_type: Any) -> None:
    words = docstrings(arguments)
    assert words.keys() == get_type_hints(arguments).keys()
    plain = (item for item in fields(spec_type) if isinstance(item.default, int) and not isinstance(item.default, bool))
    assert [item.name for item in plain if f"Default {item.default}" not in words[item.name]] == []


@pytest.mark.parametrize(
    ("section", "spec_type", "elsewhere"),
    [
        (NetworkSection, spec.NetworkSpec, {"zones"}),
        (JobSection, spec.JobSpec, set()),
        (ServiceSection, spec.ServiceSpec, set()),
    ],
    ids=lambda item: getattr(item, "__name__", None),
)
def test_a_section_of_the_file_has_every_field_of_its_spec_with_the_same_default(
    section: Any, spec_type: Any, elsewhere: set[str]
) -> None:
    here = {item.name: item.default for item in fields(section)}
    for item in fields(spec_type):
        assert item.name in elsewhere or here[item.name] == item.default


def test_every_section_of_the_file_is_in_the_schema() -> None:
    for kind in (EnvironmentFile, WorkFile):
        assert SCHEMA["$defs"][kind.__name__]["properties"].keys() == {item.name for item in fields(kind)}


def test_storage_is_one_spec_behind_two_components() -> None:
    said = get_type_hints(storage.StorageArgs) | get_type_hints(file_system.FileSystemArgs)
    assert said.keys() - WIRING == {item.name for item in fields(spec.StorageSpec)}
