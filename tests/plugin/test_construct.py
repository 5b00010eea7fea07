"""Each component as a program in another language makes it: through the plugin's process, in a clean environment."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.rpc import UNKNOWN
from tests.plugin.calls import BUCKET, CALLS, IMAGE, NAMESPACE, POOL, RELEASE, Call, urn
from tests.plugin.language_host import START_SECONDS, Plugin, by_property, output, outputs_in, with_outputs
from tests.plugin.snapshots import HINT, SCHEMA, reviewed, seen

from springtide.__main__ import COMPONENTS
from springtide.offline.wire import secret_paths

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(600)]
CASES = [pytest.param(id_, call, id=id_.replace(" ", "-")) for id_, call in CALLS.items()]


def test_the_process_answers_with_the_schema(plugin: Plugin) -> None:
    answer = plugin.stub.GetSchema(provider_pb2.GetSchemaRequest(), timeout=START_SECONDS)
    assert json.loads(answer.schema) == SCHEMA
    assert plugin.stub.GetPluginInfo(empty_pb2.Empty(), timeout=START_SECONDS).version


def test_every_component_is_called_with_everything_that_it_takes() -> None:
    inputs = {name.rpartition(":")[2]: set(item["inputProperties"]) for name, item in SCHEMA["resources"].items()}
    given = {name: {key for call in CALLS.values() if call.component == name for key in call.inputs} for name in inputs}
    assert given == inputs


@pytest.mark.parametrize(("id_", "call"), CASES)
def test_it_makes_the_children_and_gives_the_outputs_that_were_reviewed(plugin: Plugin, id_: str, call: Call) -> None:
    assert seen(plugin.construct(call.component, call.name, call.inputs)) == reviewed()[id_], HINT


@pytest.mark.parametrize(("id_", "call"), CASES)
def test_a_preview_that_knows_no_output_registers_the_same_resources(plugin: Plugin, id_: str, call: Call) -> None:
    unknown = with_outputs(call.inputs, value=None)
    made = plugin.construct(call.component, call.name, unknown, preview=True)
    assert made.children() == reviewed()[id_]["children"]
    assert sorted(made.state) == sorted(reviewed()[id_]["outputs"])


@pytest.mark.parametrize(("id_", "call"), CASES)
def test_every_output_of_the_schema_has_a_value(id_: str, call: Call) -> None:
    outputs = reviewed()[id_]["outputs"]
    assert sorted(outputs) == sorted(SCHEMA["resources"][f"springtide:index:{call.component}"]["properties"])
    assert UNKNOWN not in json.dumps(outputs)


def test_calls_say_what_is_unknown_somewhere() -> None:
    wiring = {call.component for call in CALLS.values() if outputs_in(call.inputs)}
    assert {item.__name__ for item in COMPONENTS} - wiring == {
        "AccountWide", "Environment", "Network", "Registry", "SecretsKey", "Storage",
    }  # fmt: skip


def test_what_waits_for_another_resource_in_the_program_waits_for_it_here(plugin: Plugin) -> None:
    call = CALLS["TrainingJob most"]
    made = plugin.construct(call.component, call.name, call.inputs)
    [job_set] = [item for item in made.registrations.values() if item.type.endswith(":JobSet")]
    waits = {other for urns in job_set.property_depends_on.values() for other in urns}
    assert waits >= {NAMESPACE, RELEASE, POOL}
    policy = next(item for item in made.registrations.values() if item.type.endswith("RolePolicy"))
    assert BUCKET in {other for urns in policy.property_depends_on.values() for other in urns}


def test_an_output_carries_what_it_waits_for_back_to_the_program(plugin: Plugin) -> None:
    call = CALLS["Cluster least aws"]
    made = plugin.construct(call.component, call.name, call.inputs)
    namespace = next(item for item in made.registrations if item.endswith("Namespace::springtide"))
    assert made.dependencies["namespace"] == [namespace]


def test_what_the_program_depends_on_comes_before_what_is_made(plugin: Plugin) -> None:
    before = urn("aws:s3/bucketV2:BucketV2", "first")
    call = CALLS["Storage least aws"]
    made = plugin.construct(call.component, call.name, call.inputs, on=[before])
    assert before in made.registrations[made.urn].depends_on


def test_a_secret_stays_one_in_what_is_made_of_it(plugin: Plugin) -> None:
    call = CALLS["TrainingJob most"]
    made = plugin.construct(call.component, call.name, with_outputs(call.inputs, secret=True))
    [job_set] = [item for item in made.registrations.values() if item.type.endswith(":JobSet")]
    assert "/metadata" in {path[:9] for path in secret_paths(job_set.inputs)}


def test_resources_use_the_providers_that_the_program_passes(plugin: Plugin) -> None:
    used = set()
    for id_ in ("Cluster least aws", "Cluster least gcp", "Controllers most"):
        call = CALLS[id_]
        made = plugin.construct(call.component, call.name, call.inputs)
        used |= {(item.type.partition(":")[0], item.provider) for item in made.registrations.values() if item.custom}
    assert {(kind, str(provider).rpartition("::")[2]) for kind, provider in used if kind != "pulumi"} == {
        ("aws", "mine"), ("gcp", "mine"), ("kubernetes", "cluster"), ("kubernetes", "mine"),
    }  # fmt: skip


def test_whole_numbers_are_whole_numbers_in_what_is_made(plugin: Plugin) -> None:
    call = CALLS["ModelService most"]
    made = plugin.construct(call.component, call.name, call.inputs)
    [component] = [item for item in made.registrations.values() if item.type == "springtide:index:ModelService"]
    assert (component.inputs["minReplicas"], component.inputs["gpus"]) == (1, 1)
    [servers] = [
        item for item in made.registrations.values() if item.type.endswith(":Deployment") and item.name == "chat"
    ]
    assert servers.inputs["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "12Gi"


def test_keys_that_arrive_in_no_order_give_lists_in_order(plugin: Plugin) -> None:
    call = CALLS["Cluster least aws"]
    zones = [f"use1-az{number}" for number in (6, 4, 1, 5, 2)]
    subnets = {zone: output(f"subnet-{zone}") for zone in zones}
    network = call.inputs["network"] | {"zones": zones, "privateSubnets": subnets}
    made = plugin.construct(call.component, call.name, {**call.inputs, "network": network})
    [control_plane] = [item for item in made.registrations.values() if item.type == "aws:eks/cluster:Cluster"]
    assert control_plane.inputs["vpcConfig"]["subnetIds"] == [f"subnet-{zone}" for zone in sorted(zones)]


def test_warnings_reach_the_log_of_the_program(plugin: Plugin) -> None:
    call = CALLS["TrainingJob least aws"]
    made = plugin.construct(call.component, call.name, {**call.inputs, "run": "first"})
    assert [line for line in made.log if "job gpt waits: run first has no image." in line]


def _edited(id_: str, *path: str | int, value: Any) -> Callable[[], tuple[Call, dict[str, Any]]]:
    def edit() -> tuple[Call, dict[str, Any]]:
        inputs = json.loads(json.dumps(CALLS[id_].inputs))
        at = inputs
        for step in path[:-1]:
            at = at[step]
        if value is None:
            del at[path[-1]]
        else:
            at[path[-1]] = value
        return CALLS[id_], inputs

    return edit


OUTPUT = output("known")
MISTAKES = [
    ("nat", _edited("Network most", "nat", value="per-zoe"), "'per-zoe' is not known here."),
    ("zones[1]", _edited("Network most", "zones", 1, value="use1-az3"), "use one of them; on AWS these are ids"),
    ("environment", _edited("Network most", "environment", value=None), "it is missing."),
    ("environment.region", _edited("Network most", "environment", "region", value=None), "it is missing."),
    ("environment.cloud", _edited("Network most", "environment", "cloud", value="azure"), "unknown cloud 'azure'."),
    ("environment.account", _edited("Storage most", "environment", "account", value="12"), "'12'"),
    ("environment.region", _edited("Storage most", "environment", "region", value="us-est-1"), "knows no region"),
    ("zones", _edited("Network most", "zones", value=OUTPUT), "a preview has to know it"),
    ("cluster", _edited("GpuPool most", "cluster", value=OUTPUT), "a preview has to know it"),
    ("cluster.version", _edited("GpuPool most", "cluster", "version", value=1.35), "1.35 is not a text."),
    ("maxNodes", _edited("GpuPool most", "maxNodes", value=1.5), "1.5 is not a whole number."),
    ("gpu", _edited("GpuPool least aws", "gpu", value="H1000"), "'H1000' is no accelerator"),
    ("pool.args", _edited("TrainingJob most", "pool", "args", value=None), "nothing says its capacity, gpus_per_node"),
    ("pool.args.gpu", _edited("TrainingJob most", "pool", "args", "gpu", value="H1000"), "no accelerator of aws"),
    ("pool.args.maxNodes", _edited("TrainingJob most", "pool", "args", "maxNodes", value=0), "0"),
    ("pools[1].args.gpu", _edited("Queue most", "pools", 1, "args", "gpu", value="H1000"), "no accelerator of aws"),
    ("checkpoints.resource", _edited("TrainingJob most", "checkpoints", "resource", value=None), "a bucket or a file"),
    ("image", _edited("TrainingJob most", "image", value="registry.example.com/work:latest"), "digest"),
    ("model.job.storage.name", _edited("ModelService most", "model", "job", "storage", "name", value=None), "missing"),
    (
        "model.job.storage.resource",
        _edited("ModelService most", "model", "job", "storage", "resource", value=None),
        "a bucket",
    ),
    ("grants[0].prefix", _edited("WorkloadIdentity most", "grants", 0, "prefix", value="/jobs/"), "is no part"),
    ("install[0]", _edited("Controllers most", "install", 0, value="jobst"), "no controller is called 'jobst' here."),
]


@pytest.mark.parametrize(
    ("path", "edit", "reason"), [pytest.param(*item, id=f"{i}-{item[0]}") for i, item in enumerate(MISTAKES)]
)
def test_a_mistake_comes_back_by_property_and_without_a_traceback(
    plugin: Plugin, path: str, edit: Callable[[], tuple[Call, dict[str, Any]]], reason: str
) -> None:
    call, inputs = edit()
    error = _refused(plugin, call, inputs)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in error.details()
    assert "File " not in error.details()
    [(found, text)] = by_property(error)
    assert (found, reason in text) == (path, True), text


def test_all_mistakes_come_at_once(plugin: Plugin) -> None:
    call = CALLS["Network most"]
    inputs = {**call.inputs, "environment": {"name": "prod"}, "nat": OUTPUT, "zones": "use1-az1"}
    assert [path for path, _ in by_property(_refused(plugin, call, inputs))] == [
        "environment.cloud", "environment.account", "environment.region", "zones", "nat",
    ]  # fmt: skip


def test_a_bucket_and_an_image_are_named_as_a_program_in_python_names_them(plugin: Plugin) -> None:
    call = CALLS["TrainingJob most"]
    made = plugin.construct(call.component, call.name, call.inputs)
    [job_set] = [item for item in made.registrations.values() if item.type.endswith(":JobSet")]
    text = json.dumps(job_set.inputs)
    assert made.state["artifactsUrl"] == "s3://springtide-prod-artifacts-123456789012/jobs/gpt/first"
    assert made.state["artifactsUrl"] in text
    assert IMAGE in text
    assert "file:///mnt/corpus" in text


def _refused(plugin: Plugin, call: Call, inputs: dict[str, Any]) -> Any:
    with pytest.raises(grpc.RpcError) as refused:
        plugin.construct(call.component, call.name, inputs)
    return refused.value
