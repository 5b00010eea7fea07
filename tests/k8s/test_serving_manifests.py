"""A model server as Kubernetes objects."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.k8s.backends import BACKENDS
from springtide.k8s.serving import (
    Bounds,
    cpu_autoscaler,
    demand_autoscaler,
    deployment,
    disruption_budget,
    gpu_window_seconds,
    labels,
    service,
)
from springtide_workloads import contract
from springtide_workloads.contract import ServingContract

from .manifests import ON_CPU, SERVER, SERVING, container_of, known_to_kubernetes, pod_of, variables_of

DEPLOYMENT = deployment(SERVER)
CPU = deployment(ON_CPU)
BOUNDS = Bounds(least=2, most=5, window_seconds=1800, drain_seconds=75)
SCALER = cpu_autoscaler("chat", "springtide", BOUNDS, 70)
URL = "http://chat.springtide.svc:9464/metrics"
DEMAND = demand_autoscaler("chat", "springtide", BOUNDS, 8, URL, backend=BACKENDS["springtide"])


def test_kubernetes_knows_every_field() -> None:
    known_to_kubernetes("apps/v1", "Deployment", DEPLOYMENT)
    known_to_kubernetes("apps/v1", "Deployment", CPU)
    known_to_kubernetes("v1", "Service", service("chat", "springtide"))
    known_to_kubernetes("policy/v1", "PodDisruptionBudget", disruption_budget("chat", "springtide"))
    known_to_kubernetes("autoscaling/v2", "HorizontalPodAutoscaler", SCALER)


def test_the_first_process_is_the_server_of_the_contract() -> None:
    assert container_of(DEPLOYMENT)["command"] == ["python", "-m", "springtide_workloads.serve"]
    assert container_of(DEPLOYMENT)["command"] == list(contract.SERVE_COMMAND)
    assert "args" not in container_of(DEPLOYMENT)


def test_the_container_reads_back_the_contract_that_the_component_wrote() -> None:
    assert ServingContract.from_env(variables_of(DEPLOYMENT)) == SERVING
    assert variables_of(DEPLOYMENT)["SPRINGTIDE_DEVICE"] == "cuda"
    assert variables_of(CPU)["SPRINGTIDE_DEVICE"] == "cpu"


def test_every_selector_finds_just_the_pods_of_this_service() -> None:
    pods = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert pods == labels("chat") != labels("draft")
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == pods
    assert service("chat", "springtide")["spec"]["selector"] == pods
    assert disruption_budget("chat", "springtide")["spec"]["selector"]["matchLabels"] == pods
    spreads = pod_of(DEPLOYMENT)["topologySpreadConstraints"]
    assert {tuple(spread["labelSelector"]["matchLabels"].items()) for spread in spreads} == {tuple(pods.items())}


def test_the_service_leads_to_the_ports_that_the_server_opens() -> None:
    opened = {port["name"]: port["containerPort"] for port in container_of(DEPLOYMENT)["ports"]}
    assert opened == {"http": contract.HTTP_PORT, "metrics": contract.METRICS_PORT}
    assert {port["targetPort"] for port in service("chat", "springtide")["spec"]["ports"]} == set(opened)


def test_health_is_asked_where_the_server_answers() -> None:
    container = container_of(DEPLOYMENT)
    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert asked["startup"] == asked["liveness"] == {"path": "/health/live", "port": "http"}
    assert asked["readiness"] == {"path": "/health/ready", "port": "http"}


@pytest.mark.parametrize("startup", [1, 7, 600, 1800])
def test_a_model_has_its_time_to_load_and_a_hung_server_is_given_up_within_a_minute(startup: int) -> None:
    found = deployment(replace(SERVER, startup_seconds=startup))
    container = container_of(found)
    patience = {
        name: container[f"{name}Probe"]["periodSeconds"] * container[f"{name}Probe"]["failureThreshold"]
        for name in ("startup", "readiness", "liveness")
    }
    assert startup <= patience["startup"] < startup + 5
    assert patience["readiness"] <= SERVER.propagation_seconds
    assert patience["liveness"] <= 60
    assert found["spec"]["progressDeadlineSeconds"] > patience["startup"] + 600


def test_propagation_and_drain_fit_the_grace() -> None:
    variables = variables_of(DEPLOYMENT)
    grace = pod_of(DEPLOYMENT)["terminationGracePeriodSeconds"]
    spent = int(variables["SPRINGTIDE_PROPAGATION_SECONDS"]) + int(variables["SPRINGTIDE_DRAIN_SECONDS"])
    assert spent < grace == int(variables["SPRINGTIDE_GRACE_SECONDS"])


def test_gpus_are_whole_and_equal_in_requests_and_limits() -> None:
    resources = container_of(DEPLOYMENT)["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"


def test_a_server_on_the_cpu_asks_for_no_gpu_and_tolerates_no_gpu_node() -> None:
    resources = container_of(CPU)["resources"]
    assert "nvidia.com/gpu" not in resources["requests"] | resources["limits"]
    assert "tolerations" not in pod_of(CPU)
    assert resources["requests"]["cpu"] == "1"


@pytest.mark.parametrize(("spare", "surge"), [(True, (1, 0)), (False, (0, 1))])
def test_a_new_replica_starts_first_where_there_is_room_for_it(spare: bool, surge: tuple[int, int]) -> None:
    rolling = deployment(replace(SERVER, spare_replica=spare))["spec"]["strategy"]["rollingUpdate"]
    assert (rolling["maxSurge"], rolling["maxUnavailable"]) == surge


def test_one_replica_at_a_time_is_drained_and_a_broken_one_blocks_nobody() -> None:
    spec = disruption_budget("chat", "springtide")["spec"]
    assert (spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert "minAvailable" not in spec


def test_cpu_use_moves_the_deployment_between_its_bounds() -> None:
    spec = SCALER["spec"]
    assert spec["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": DEPLOYMENT["metadata"]["name"],
    }
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    assert [metric["resource"] for metric in spec["metrics"]] == [
        {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    ]


@pytest.mark.parametrize(
    ("replicas", "keys"),
    [(1, ["topology.kubernetes.io/zone"]), (2, ["topology.kubernetes.io/zone", "kubernetes.io/hostname"])],
)
def test_replicas_spread_without_refusing_to_run_and_only_those_that_stay_do_so_over_nodes(
    replicas: int, keys: list[str]
) -> None:
    spreads = pod_of(deployment(replace(SERVER, replicas=replicas)))["topologySpreadConstraints"]
    assert [spread["topologyKey"] for spread in spreads] == keys
    assert {spread["whenUnsatisfiable"] for spread in spreads} == {"ScheduleAnyway"}
    assert {spread["nodeTaintsPolicy"] for spread in spreads} == {"Honor"}
    assert [spread["matchLabelKeys"] for spread in spreads] == [["pod-template-hash"]] * len(keys)


@pytest.mark.parametrize(
    "behavior",
    [SCALER["spec"]["behavior"], DEMAND["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]],
    ids=["cpu", "demand"],
)
def test_a_service_grows_at_once_by_pods_and_shrinks_late_one_by_one(behavior: dict[str, Any]) -> None:
    assert behavior["scaleUp"] == {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 3, "periodSeconds": 60}],
    }
    assert behavior["scaleDown"] == {
        "stabilizationWindowSeconds": 1800,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 75}],
    }


def test_kubernetes_knows_the_behaviour_that_keda_hands_on() -> None:
    behavior = DEMAND["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    known_to_kubernetes(
        "autoscaling/v2", "HorizontalPodAutoscaler", {**SCALER, "spec": {**SCALER["spec"], "behavior": behavior}}
    )


def test_demand_is_what_the_contract_s_servers_count_each_asked_by_itself() -> None:
    triggers = DEMAND["spec"]["triggers"]
    assert [trigger["metadata"]["valueLocation"] for trigger in triggers] == [
        contract.Metric.IN_FLIGHT,
        contract.Metric.QUEUED,
    ]
    for trigger in triggers:
        assert trigger["type"] == "metrics-api"
        assert trigger["metadata"]["format"] == "prometheus"
        assert trigger["metadata"]["aggregateFromKubeServiceEndpoints"] == "true"
        assert trigger["metadata"]["url"] == URL
        assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_the_formula_names_every_trigger_and_its_target_is_a_whole_number() -> None:
    """KEDA's fallback is ignored where the target of a formula is none (fallback.go, HasValidFallback)."""
    modifiers = DEMAND["spec"]["advanced"]["scalingModifiers"]
    assert modifiers["formula"] == " + ".join(trigger["name"] for trigger in DEMAND["spec"]["triggers"])
    assert modifiers["target"] == "8"
    assert modifiers["metricType"] == "Value"


def test_a_replica_that_cannot_be_read_is_not_taken_for_an_idle_one() -> None:
    """The mean of those that answer, times those that are ready; none that answers leaves the service as it is."""
    assert {trigger["metadata"]["aggregationType"] for trigger in DEMAND["spec"]["triggers"]} == {"average"}
    assert {trigger["metricType"] for trigger in DEMAND["spec"]["triggers"]} == {"Value"}
    assert DEMAND["spec"]["fallback"] == {
        "failureThreshold": 3,
        "replicas": 2,
        "behavior": "currentReplicasIfHigher",
    }


def test_demand_moves_the_deployment_between_its_bounds() -> None:
    spec = DEMAND["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 5)
    assert spec["scaleTargetRef"] == SCALER["spec"]["scaleTargetRef"]


@given(startup=st.integers(1, 100_000))
def test_a_replica_is_kept_for_two_cold_starts_or_as_long_as_kubernetes_allows(startup: int) -> None:
    assert gpu_window_seconds(startup) == min(2 * (600 + startup), 3600)


@given(drain=st.integers(1, 1_000_000), least=st.integers(0, 50), more=st.integers(0, 50))
def test_no_bounds_make_a_behaviour_that_kubernetes_refuses(drain: int, least: int, more: int) -> None:
    bounds = Bounds(least=least, most=least + more, window_seconds=300, drain_seconds=drain)
    behavior = cpu_autoscaler("chat", "springtide", bounds, 70)["spec"]["behavior"]
    assert behavior["scaleUp"]["policies"][0]["value"] > 0
    assert 0 < behavior["scaleDown"]["policies"][0]["periodSeconds"] <= 1800


def test_pulumi_waits_neither_for_servers_whose_model_is_still_in_training_nor_for_their_address() -> None:
    for manifest in (DEPLOYMENT, service("chat", "springtide")):
        assert manifest["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
