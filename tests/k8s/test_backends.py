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
    BackendName,
    Launch,
    Signals,
    lifecycle,
    ports,
    probes,
    value_locations,
)
from springtide.k8s.serving import demand_autoscaler, deployment
from springtide_workloads.contract import Metric

from .manifests import SERVER, container_of, known_to_kubernetes
from .test_serving_manifests import BOUNDS

LAUNCH = Launch(name="chat", model="/mnt/models/chat", gpus=2, drain_seconds=45)
FOREIGN: tuple[BackendName, ...] = ("vllm", "sglang", "triton")
every = pytest.mark.parametrize("name", BACKENDS)
foreign = pytest.mark.parametrize("name", FOREIGN)


def told(backend: Backend) -> list[str]:
    return [*backend.command, *backend.arguments(LAUNCH)]


EXPECTED: dict[BackendName, list[str]] = {
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
def test_a_server_is_told_its_model_its_port_and_its_time_to_drain(name: BackendName) -> None:
    assert told(BACKENDS[name]) == EXPECTED[name]


@foreign
def test_a_server_on_the_cpu_is_not_told_to_divide_its_model_by_nothing(name: BackendName) -> None:
    assert not [word for word in BACKENDS[name].arguments(replace(LAUNCH, gpus=0)) if word.endswith("=0")]


def container_with(backend: Backend, propagation_seconds: int = 10) -> dict[str, Any]:
    """A pod of ours with this server in it."""
    object_ = deployment(SERVER)
    container = container_of(object_)
    container |= {"command": list(backend.command), "args": list(backend.arguments(LAUNCH)), "ports": ports(backend)}
    container |= probes(backend, 600) | lifecycle(backend, propagation_seconds)
    return object_


@every
def test_kubernetes_knows_every_field(name: BackendName) -> None:
    known_to_kubernetes("apps/v1", "Deployment", container_with(BACKENDS[name]))


@every
def test_ports_have_one_name_each_so_that_they_can_be_merged(name: BackendName) -> None:
    found = ports(BACKENDS[name])
    assert len({port["containerPort"] for port in found}) == len({port["name"] for port in found}) == len(found)
    assert BACKENDS[name].metrics_port_name in {port["name"] for port in found}
    assert BACKENDS[name].metrics_port in {port["containerPort"] for port in found}


def test_our_server_has_the_probes_and_ports_that_it_has_without_this_table() -> None:
    ours, before = BACKENDS["springtide"], container_of(deployment(SERVER))
    found = probes(ours, SERVER.startup_seconds)
    # Kubernetes' own default, stated
    assert found["readinessProbe"].pop("timeoutSeconds") == 1
    assert found == {key: before[key] for key in found}
    assert ports(ours) == before["ports"]
    assert "lifecycle" not in before
    assert tuple(before["command"]) == ours.command


@every
@given(startup_seconds=st.integers(0, 100_000))
def test_loading_is_covered_by_the_startup_probe_alone(name: BackendName, startup_seconds: int) -> None:
    found = probes(BACKENDS[name], startup_seconds)
    starting = found["startupProbe"]
    assert starting["failureThreshold"] * starting["periodSeconds"] >= startup_seconds
    assert starting["failureThreshold"] >= 1
    assert "initialDelaySeconds" not in str(found)


@every
def test_liveness_does_not_make_the_model_compute(name: BackendName) -> None:
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
def test_a_foreign_server_sleeps_while_everyone_learns_that_it_goes(name: BackendName) -> None:
    assert lifecycle(BACKENDS[name], 15) == {"lifecycle": {"preStop": {"sleep": {"seconds": 15}}}}


@foreign
def test_a_window_of_nothing_is_no_hook(name: BackendName) -> None:
    assert lifecycle(BACKENDS[name], 0) == {}


@every
def test_signals_are_names_that_prometheus_reads(name: BackendName) -> None:
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
    triggers = demand_autoscaler("chat", "s", BOUNDS, 8, "http://chat.s.svc:9464/metrics")["spec"]["triggers"]
    read = {trigger["name"]: trigger["metadata"]["valueLocation"] for trigger in triggers}
    assert value_locations(BACKENDS["springtide"]) == read


@foreign
def test_keda_reads_what_waits_and_what_runs_where_that_is_told(name: BackendName) -> None:
    found = value_locations(BACKENDS[name])
    assert found["queued"] == BACKENDS[name].signals.waiting
    assert found.get("in_flight") == BACKENDS[name].signals.running


@foreign
def test_what_was_not_found_written_down_is_named(name: BackendName) -> None:
    assert BACKENDS[name].unverified


def test_the_table_cannot_be_changed_by_who_reads_it() -> None:
    with pytest.raises(TypeError):
        BACKENDS["sglang"].env["A"] = "b"  # type: ignore[index]
