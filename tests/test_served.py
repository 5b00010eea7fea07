"""Servers that are not ours as a service: what they are told, who asks for keys, and where each model is found."""

from pathlib import Path
from typing import Any

import pytest

from springtide.k8s.backends import BACKENDS
from springtide.offline.plan import Resource

from .environment_files import ENVIRONMENTS, mistakes
from .recordings import Recorded, of_file, pod_of
from .workload_programs import recorded

FOREIGN = """\
VLLM = "registry.example.com/vllm@sha256:" + "b" * 64
SERVE = {"cluster": with_controllers("keda"), "pool": POOL, "image": VLLM, "backend": "vllm", "gateway_image": IMAGE}
HUB = {**SERVE, "model": {"hub": "Qwen/Qwen3-8B"}}
"""
DEMAND = '"replicas": {"min": 0, "max": 4}, "scale_on": {"in_flight_per_replica": 8}'


def container(found: Recorded, name: str = "chat") -> dict[str, Any]:
    [one] = pod_of(found.one("Deployment", name))["containers"]
    assert isinstance(one, dict)
    return one


def variables(item: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in item["env"]}


def test_a_model_of_the_hub_is_asked_for_by_its_name_and_a_token_may_be_there() -> None:
    found = recorded(FOREIGN + 'ModelService("chat", {**HUB, "gpus": 2, "arguments": ["--max-model-len=8192"]})')
    server = container(found)
    assert server["command"] == [
        *("vllm", "serve", "Qwen/Qwen3-8B", "--port=8000", "--served-model-name=chat", "--tensor-parallel-size=2"),
        *("--shutdown-timeout=60", "--max-model-len=8192"),
    ]
    assert server["image"].startswith("registry.example.com/vllm@")
    assert variables(server)["HF_TOKEN"]["secretKeyRef"]["name"] == "chat-hub"
    assert not [name for name in variables(server) if name.startswith("SPRINGTIDE_")]


def test_a_model_in_a_bucket_is_streamed_with_a_right_to_its_folder_alone() -> None:
    model = '{"storage": BUCKET, "path": "models/qwen"}'
    found = recorded(FOREIGN + f'ModelService("chat", {{**SERVE, "model": {model}}})')
    assert {"s3://b/models/qwen", "--load-format=runai_streamer"} <= set(container(found)["command"])
    assert pod_of(found.one("Deployment", "chat"))["serviceAccountName"] == "chat"
    [said] = [str(item.inputs["policy"]) for item in found.all("RolePolicy")]
    assert "models/qwen/*" in said
    assert "HF_TOKEN" not in variables(container(found))


def test_a_model_in_a_file_system_is_read_where_that_is_mounted() -> None:
    model = '{"storage": DISK, "path": "models/qwen"}'
    found = recorded(FOREIGN + f'ModelService("chat", {{**SERVE, "backend": "sglang", "model": {model}}})')
    assert "--model-path=/mnt/corpus/models/qwen" in container(found)["command"]
    [mount] = [each for each in container(found)["volumeMounts"] if each["mountPath"] == "/mnt/corpus"]
    assert mount["readOnly"]


def test_its_pod_sleeps_through_the_propagation_window_within_its_grace() -> None:
    found = recorded(FOREIGN + 'ModelService("chat", {**HUB, "propagation_seconds": 15, "drain_seconds": 40})')
    assert container(found)["lifecycle"] == {"preStop": {"sleep": {"seconds": 15}}}
    assert pod_of(found.one("Deployment", "chat"))["terminationGracePeriodSeconds"] == 60


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "springtide"])
def test_keda_reads_each_server_by_its_own_names_at_its_own_port(backend: str) -> None:
    model = '{"storage": BUCKET, "path": "m"}'
    said = f'{{**SERVE, "model": {model}, "backend": "{backend}", "scale_on": {{"in_flight_per_replica": 8}}}}'
    found = recorded(FOREIGN + f'ModelService("chat", {said})')
    triggers = found.one("ScaledObject", "chat").inputs["spec"]["triggers"]
    signals, port = BACKENDS[backend].signals, BACKENDS[backend].metrics_port
    assert {item["metadata"]["valueLocation"] for item in triggers} == {signals.running, signals.waiting} - {None}
    assert {item["metadata"]["url"] for item in triggers} == {f"http://chat.springtide.svc:{port}/metrics"}
    ports = {item["name"]: item["containerPort"] for item in container(found)["ports"]}
    assert ports[targets(found.one("Service", "chat"))["metrics"]] == port


def targets(front: Resource) -> dict[str, str]:
    return {item["name"]: item["targetPort"] for item in front.inputs["spec"]["ports"]}


def test_what_wakes_it_is_a_gateway_of_ours_with_an_image_of_ours() -> None:
    found = recorded(FOREIGN + f'ModelService("chat", {{**HUB, {DEMAND}}})')
    assert container(found, "chat-gateway")["image"].startswith("registry.example.com/train@")
    assert targets(found.one("Service", "chat"))["metrics"] == "metrics"
    assert targets(found.one("Service", "chat-servers"))["metrics"] == "http"


def test_without_an_image_of_ours_for_its_gateways_it_waits_and_says_so() -> None:
    found = recorded(FOREIGN + f'del HUB["gateway_image"]\nModelService("chat", {{**HUB, {DEMAND}}})')
    assert found.all("Deployment") == []
    assert [item.path for item in found.warnings if item.rule == "images/missing"] == ["/services/chat/gateway_image"]


@pytest.fixture(scope="module")
def foreign() -> Recorded:
    return of_file("foreign")


def test_an_environment_names_its_image_and_gets_ours_for_the_gateways(foreign: Recorded) -> None:
    assert container(foreign)["image"].startswith("registry.example.com/vllm@sha256:")
    assert "springtide-workloads@sha256:" in container(foreign, "chat-gateway")["image"]
    assert "s3://springtide-foreign-weights-123456789012/qwen3-8b" in container(foreign)["command"]
    assert "--model-repository=/mnt/home/models" in container(foreign, "rank")["command"]


def test_keys_are_asked_for_by_gateways_since_its_servers_ask_for_none(foreign: Recorded) -> None:
    volumes = {name: pod_of(foreign.one("Deployment", name))["volumes"] for name in ("hub", "hub-gateway")}
    assert [name for name, some in volumes.items() if any(each["name"] == "keys" for each in some)] == ["hub-gateway"]
    assert foreign.one("Service", "hub").inputs["spec"]["selector"]["app.kubernetes.io/component"] == "gateway"


def test_a_storage_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    text = (ENVIRONMENTS / "Pulumi.foreign.yaml").read_text(encoding="utf-8")
    [found] = mistakes(tmp_path, text.replace("storage: weights", "storage: wheights"))
    assert (found.path, found.rule) == ("/services/chat/model/storage", "settings/reference")
    assert "did you mean weights?" in found.fix
