"""The components as other languages see them: the schema, and the process that Pulumi's language host runs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import errors_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from springtide import catalog
from springtide.__main__ import COMPONENTS, Host
from springtide.spec import PoolSpec

SNAPSHOT = Path(__file__).parent / "schema.json"
START_SECONDS = 60
REFUSED_ZONE = next(zone.refused for zone in catalog.zones("aws", "us-east-1") if zone.id == "use1-az3")


SCHEMA: dict[str, Any] = json.loads(Host(COMPONENTS, "springtide").schema or "")


def test_the_schema_is_the_one_that_was_reviewed() -> None:
    written = json.dumps(SCHEMA, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert SNAPSHOT.read_text(encoding="utf-8") == written, f"the API changed: {update_hint()}"


def update_hint() -> str:
    return "if that is meant, write `python tests/plugin/test_plugin.py` and read the difference"


def test_every_exported_component_is_served_under_a_neutral_name() -> None:
    assert sorted(SCHEMA["resources"]) == sorted(f"springtide:index:{item.__name__}" for item in COMPONENTS)
    assert {item["isComponent"] for item in SCHEMA["resources"].values()} == {True}
    assert not [name for name in [*SCHEMA["resources"], *SCHEMA["types"]] if "aws" in name.lower()]


def test_every_input_output_and_type_is_described() -> None:
    described = [
        *((name, "", item) for name, item in SCHEMA["resources"].items()),
        *((name, "", item) for name, item in SCHEMA["types"].items()),
        *((name, key, value) for name, item in SCHEMA["resources"].items() for key, value in inputs_and_outputs(item)),
        *((name, key, value) for name, item in SCHEMA["types"].items() for key, value in item["properties"].items()),
    ]
    assert [(name, key) for name, key, item in described if not item.get("description")] == []
    assert len(described) > 80


def inputs_and_outputs(resource: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from resource.get("inputProperties", {}).items()
    yield from resource.get("properties", {}).items()


def test_what_decides_which_resources_exist_is_plain_and_so_known_in_a_preview() -> None:
    pool = SCHEMA["resources"]["springtide:index:GpuPool"]["inputProperties"]
    assert {name for name, item in pool.items() if item.get("plain")} == set(pool)
    cluster = SCHEMA["types"]["springtide:index:ClusterRef"]["properties"]
    assert {name for name, item in cluster.items() if not item.get("plain")} == {"name", "nodeRole", "namespace"}


def test_a_pool_needs_a_cluster_an_accelerator_and_a_ceiling() -> None:
    pool = SCHEMA["resources"]["springtide:index:GpuPool"]
    assert sorted(pool["requiredInputs"]) == ["cluster", "gpu", "maxNodes"]
    assert len(pool["inputProperties"]) == len(fields(PoolSpec)) + 1


@pytest.fixture(scope="module")
def plugin() -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """The process that a language host starts: it says its port on the first line and answers there."""
    command = [sys.executable, "-m", "springtide", "127.0.0.1:1"]
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=paths) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield provider_pb2_grpc.ResourceProviderStub(channel)
        finally:
            process.kill()


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


@pytest.mark.enable_socket
def test_the_process_answers_with_that_schema(plugin: provider_pb2_grpc.ResourceProviderStub) -> None:
    answer = plugin.GetSchema(provider_pb2.GetSchemaRequest(), timeout=START_SECONDS)
    assert json.loads(answer.schema) == SCHEMA
    assert plugin.GetPluginInfo(empty_pb2.Empty(), timeout=START_SECONDS).version


@pytest.mark.enable_socket
def test_a_mistake_in_another_language_comes_back_by_property_and_without_a_traceback(
    plugin: provider_pb2_grpc.ResourceProviderStub,
) -> None:
    place = {"name": "dev", "cloud": "aws", "account": "123456789012", "region": "us-east-1"}
    request = provider_pb2.ConstructRequest(
        project="p",
        stack="s",
        type="springtide:index:Network",
        name="network",
        inputs=struct({"environment": place, "zones": ["use1-az1", "use1-az3"], "nat": "per-zoe"}),
    )
    with pytest.raises(grpc.RpcError) as refused:
        plugin.Construct(request, timeout=START_SECONDS)
    error = refused.value
    assert isinstance(error, grpc.Call)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in error.details()
    assert "File " not in error.details()
    assert [(item.property_path, item.reason) for item in by_property(error)] == [
        ("nat", "'per-zoe' is not known here. did you mean per-zone?"),
        ("zones[1]", f"{REFUSED_ZONE} use one of them; on AWS these are ids, which mean the same place in every account"),
    ]


def by_property(error: grpc.Call) -> list[errors_pb2.InputPropertiesError.PropertyError]:
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(details)
    found = errors_pb2.InputPropertiesError()
    assert status.details[0].Unpack(found)
    return list(found.errors)


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(SCHEMA, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
