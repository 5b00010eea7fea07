"""Servers that a model service can run: what each is told and asked, and that none is killed while it loads or drains."""

from dataclasses import fields, replace
from typing import Any

import promql_parser as promql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.k8s.backends import (
    BACKENDS,
    Backend,
    Launch,
    Signals,
    lifecycle,
    ports,
    probes,
    value_locations,
)
from springtide.k8s.serving import Server, demand_autoscaler, deployment, service
from springtide.spec import work
from springtide_workloads.contract import Metric

from .manifests import SERVER, container_of, known_to_kubernetes
from .test_serving_manifests import BOUNDS, URL

LAUNCH = Launch(name="chat", model="/mnt/models/chat", gpus=2, drain_seconds=45)
FOREIGN: tuple[str, ...] = ("vllm", "sglang", "triton")
every = pytest.mark.parametrize("name", BACKENDS)
foreign = pytest.mark.parametrize("name", FOREIGN)


def told(backend: Backend) -> list[str]:
    return [*backend.command, *backend.arguments(LAUNCH)]


EXPECTED: dict[str, list[str]] = {
    "springtide": ["python", "-m", "springtide_workloads.serve"],
    "vllm": [
        "vllm",
        "serve",
        "/mnt/models/chat",
        "--port=8000",
        "--served-model-name=chat",
        "--tensor-parallel-size=2",
        "--shutdown-timeout=45",
    ],
    "sglang": [
        "python3",
        "-m",
        "sglang.launch_server",
        "--model-path=/mnt/models/chat",
        "--host=0.0.0.0",
        "--port=8000",
        "--served-model-name=chat",
        "--tp-size=2",
        "--enable-metrics",
    ],
    "triton": [
        "tritonserver",
        "--model-repository=/mnt/models/chat",
        "--http-port=8000",
        "--metrics-port=9464",
        "--exit-timeout-secs=45",
        "--metrics-config=histogram_latencies=true",
    ],
}


@every
def test_a_server_is_told_its_model_its_port_and_its_time_to_drain(name: str) -> None:
    assert told(BACKENDS[name]) == EXPECTED[name]


@foreign
def test_a_server_on_the_cpu_is_not_told_to_divide_its_model_by_nothing(name: str) -> None:
    assert not [word for word in BACKENDS[name].arguments(replace(LAUNCH, gpus=0)) if word.endswith("=0")]


def server_of(name: str, **changes: Any) -> Server:
    """A service that runs this server."""
    told = replace(LAUNCH, more=("--one-more",))
    return replace(SERVER, backend=BACKENDS[name], launch=told, env={}, **changes)


@every
def test_kubernetes_knows_every_field(name: str) -> None:
    known_to_kubernetes("apps/v1", "Deployment", deployment(server_of(name, hub_token="chat-hub")))


@every
def test_ports_have_one_name_each_so_that_they_can_be_merged(name: str) -> None:
    found = ports(BACKENDS[name])
    assert len({port["containerPort"] for port in found}) == len({port["name"] for port in found}) == len(found)
    assert BACKENDS[name].metrics_port_name in {port["name"] for port in found}
    assert BACKENDS[name].metrics_port in {port["containerPort"] for port in found}


@every
def test_a_pod_has_what_the_table_says_of_its_server(name: str) -> None:
    backend, found = BACKENDS[name], container_of(deployment(server_of(name)))
    assert found["command"] == [*told(backend), "--one-more"]
    assert found["ports"] == ports(backend)
    assert found.items() >= (probes(backend, 600) | lifecycle(backend, 10)).items()
    assert {item["name"]: item["value"] for item in found["env"]} == dict(backend.env)
    assert found["resources"]["limits"]["nvidia.com/gpu"] == "2"


@every
def test_numbers_are_read_at_the_port_that_has_them(name: str) -> None:
    backend = BACKENDS[name]
    front = service("chat", "springtide", numbers=backend.metrics_port_name)
    [numbers] = [port for port in front["spec"]["ports"] if port["name"] == "metrics"]
    assert {port["name"]: port["containerPort"] for port in ports(backend)}[
        numbers["targetPort"]
    ] == backend.metrics_port


def test_a_token_for_the_hub_need_not_be_there() -> None:
    found = container_of(deployment(server_of("vllm", hub_token="chat-hub")))["env"]
    [token] = [item for item in found if item["name"] == "HF_TOKEN"]
    assert token["valueFrom"]["secretKeyRef"] == {"name": "chat-hub", "key": "token", "optional": True}


@foreign
def test_caches_and_temporary_files_are_on_the_disk_that_a_pod_has(name: str) -> None:
    found = container_of(deployment(server_of(name)))
    env = {item["name"]: item["value"] for item in found["env"]}
    [scratch] = [item["mountPath"] for item in found["volumeMounts"] if item["name"] == "scratch"]
    assert {env["HOME"], env["TMPDIR"]} == {scratch}
    assert found["securityContext"]["readOnlyRootFilesystem"]


def test_every_name_of_the_spec_is_a_server() -> None:
    assert tuple(BACKENDS) == work.BACKENDS


def test_only_a_model_in_a_bucket_is_streamed_by_vllm() -> None:
    vllm = BACKENDS["vllm"]
    assert "--load-format=runai_streamer" in vllm.arguments(replace(LAUNCH, model="s3://bucket/models/chat"))
    assert not [word for word in told(vllm) if word.startswith("--load-format")]


@every
@given(startup_seconds=st.integers(0, 100_000))
def test_loading_is_covered_by_the_startup_probe_alone(name: str, startup_seconds: int) -> None:
    found = probes(BACKENDS[name], startup_seconds)
    starting = found["startupProbe"]
    assert starting["failureThreshold"] * starting["periodSeconds"] >= startup_seconds
    assert starting["failureThreshold"] >= 1
    assert "initialDelaySeconds" not in str(found)


@every
def test_liveness_does_not_make_the_model_compute(name: str) -> None:
    found = probes(BACKENDS[name], 600)
    assert "generate" not in found["livenessProbe"]["httpGet"]["path"]
    assert found["startupProbe"]["httpGet"] == found["livenessProbe"]["httpGet"]
    assert found["livenessProbe"]["failureThreshold"] * found["livenessProbe"]["periodSeconds"] >= 30


def test_sglang_is_ready_once_it_makes_a_token_and_alive_without() -> None:
    sglang = BACKENDS["sglang"]
    assert sglang.ready_path == "/health_generate"
    assert sglang.env["SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION"] == "false"
    assert probes(sglang, 600)["readinessProbe"]["timeoutSeconds"] == 20


def test_vllm_is_ready_once_it_names_its_model_and_alive_before() -> None:
    found = probes(BACKENDS["vllm"], 600)
    assert found["readinessProbe"]["httpGet"]["path"] == "/v1/models"
    assert found["livenessProbe"]["httpGet"]["path"] == "/health"


def test_our_server_owns_the_propagation_window_and_sleeps_in_no_hook() -> None:
    assert lifecycle(BACKENDS["springtide"], 15) == {}


@foreign
def test_a_foreign_server_sleeps_while_everyone_learns_that_it_goes(name: str) -> None:
    assert lifecycle(BACKENDS[name], 15) == {"lifecycle": {"preStop": {"sleep": {"seconds": 15}}}}


@foreign
def test_a_window_of_nothing_is_no_hook(name: str) -> None:
    assert lifecycle(BACKENDS[name], 0) == {}


@every
def test_signals_are_names_that_prometheus_reads(name: str) -> None:
    signals = BACKENDS[name].signals
    values = [getattr(signals, each.name) for each in fields(Signals)]
    for value in (value for value in values if isinstance(value, str)):
        assert isinstance(promql.parse(value), promql.VectorSelector)


def test_names_are_those_of_each_makers_pages() -> None:
    found = {
        name: (each.signals.running, each.signals.waiting, each.signals.cache_used) for name, each in BACKENDS.items()
    }
    assert found == {
        "springtide": (Metric.IN_FLIGHT.value, Metric.QUEUED.value, Metric.CACHE_USED.value),
        "vllm": ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"),
        "sglang": ("sglang:num_running_reqs", "sglang:num_queue_reqs", "sglang:token_usage"),
        "triton": (None, "nv_inference_pending_request_count", None),
    }


def test_keda_reads_of_our_server_what_it_reads_without_this_table() -> None:
    triggers = demand_autoscaler("chat", "s", BOUNDS, 8, URL, backend=BACKENDS["springtide"])["spec"]["triggers"]
    read = {trigger["name"]: trigger["metadata"]["valueLocation"] for trigger in triggers}
    assert value_locations(BACKENDS["springtide"]) == read


@foreign
def test_keda_reads_what_waits_and_what_runs_where_that_is_told(name: str) -> None:
    found = value_locations(BACKENDS[name])
    assert found["queued"] == BACKENDS[name].signals.waiting
    assert found.get("in_flight") == BACKENDS[name].signals.running


@foreign
def test_what_was_not_found_written_down_is_named(name: str) -> None:
    assert BACKENDS[name].unverified


def test_the_table_cannot_be_changed_by_who_reads_it() -> None:
    with pytest.raises(TypeError):
        BACKENDS["sglang"].env["A"] = "b"  # type: ignore[index]
