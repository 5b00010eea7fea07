"""A model server as Kubernetes objects."""

from dataclasses import replace

import pytest

from springtide.k8s.serving import cpu_autoscaler, deployment, disruption_budget, labels, service
from springtide_workloads import contract
from springtide_workloads.contract import ServingContract

from .manifests import CPU_CONTRACT, SERVER, container_of, known_to_kubernetes, pod_of, variables_of

DEPLOYMENT = deployment(SERVER)
ON_CPU = deployment(replace(SERVER, gpus=0, contract=CPU_CONTRACT, selector={"springtide.dev/pool": "system"}))
SCALER = cpu_autoscaler("chat", "springtide", least=2, most=5, cpu_percent=70)


def test_kubernetes_knows_every_field() -> None:
    known_to_kubernetes("apps/v1", "Deployment", DEPLOYMENT)
    known_to_kubernetes("apps/v1", "Deployment", ON_CPU)
    known_to_kubernetes("v1", "Service", service("chat", "springtide"))
    known_to_kubernetes("policy/v1", "PodDisruptionBudget", disruption_budget("chat", "springtide"))
    known_to_kubernetes("autoscaling/v2", "HorizontalPodAutoscaler", SCALER)


def test_the_first_process_is_the_server_of_the_contract() -> None:
    assert container_of(DEPLOYMENT)["command"] == ["python", "-m", "springtide_workloads.serve"]
    assert container_of(DEPLOYMENT)["command"] == list(contract.SERVE_COMMAND)
    assert "args" not in container_of(DEPLOYMENT)


def test_the_container_reads_back_the_contract_that_the_component_wrote() -> None:
    assert ServingContract.from_env(variables_of(DEPLOYMENT)) == SERVER.contract
    assert variables_of(DEPLOYMENT)["SPRINGTIDE_DEVICE"] == "cuda"
    assert variables_of(ON_CPU)["SPRINGTIDE_DEVICE"] == "cpu"


def test_every_selector_finds_just_the_pods_of_this_service() -> None:
    pods = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert pods == labels("chat") != labels("draft")
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == pods
    assert service("chat", "springtide")["spec"]["selector"] == pods
    assert disruption_budget("chat", "springtide")["spec"]["selector"]["matchLabels"] == pods
    [spread] = pod_of(DEPLOYMENT)["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == pods


def test_the_service_leads_to_the_ports_that_the_server_opens() -> None:
    opened = {port["name"]: port["containerPort"] for port in container_of(DEPLOYMENT)["ports"]}
    assert opened == {"http": contract.HTTP_PORT, "metrics": contract.METRICS_PORT}
    assert {port["targetPort"] for port in service("chat", "springtide")["spec"]["ports"]} == set(opened)


def test_health_is_asked_where_the_server_answers() -> None:
    container = container_of(DEPLOYMENT)
    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert asked["startup"] == asked["liveness"] == {"path": "/health/live", "port": "http"}
    assert asked["readiness"] == {"path": "/health/ready", "port": "http"}


def test_a_model_has_ten_minutes_to_load_and_a_hung_server_is_given_up_within_one() -> None:
    container = container_of(DEPLOYMENT)
    patience = {
        name: container[f"{name}Probe"]["periodSeconds"] * container[f"{name}Probe"]["failureThreshold"]
        for name in ("startup", "readiness", "liveness")
    }
    assert patience["startup"] == 600
    assert patience["readiness"] <= SERVER.contract.propagation_seconds
    assert patience["liveness"] <= 60
    assert DEPLOYMENT["spec"]["progressDeadlineSeconds"] > patience["startup"]


def test_propagation_and_drain_fit_the_grace() -> None:
    variables = variables_of(DEPLOYMENT)
    grace = pod_of(DEPLOYMENT)["terminationGracePeriodSeconds"]
    spent = int(variables["SPRINGTIDE_PROPAGATION_SECONDS"]) + int(variables["SPRINGTIDE_DRAIN_SECONDS"])
    assert spent < grace == int(variables["SPRINGTIDE_GRACE_SECONDS"])


def test_gpus_are_whole_and_equal_in_requests_and_limits() -> None:
    resources = container_of(DEPLOYMENT)["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"


def test_a_server_on_the_cpu_asks_for_no_gpu_and_tolerates_no_gpu_node() -> None:
    resources = container_of(ON_CPU)["resources"]
    assert "nvidia.com/gpu" not in resources["requests"] | resources["limits"]
    assert "tolerations" not in pod_of(ON_CPU)
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


def test_replicas_spread_over_zones_without_refusing_to_run() -> None:
    [spread] = pod_of(DEPLOYMENT)["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "ScheduleAnyway")
    assert spread["matchLabelKeys"] == ["pod-template-hash"]


def test_pulumi_waits_neither_for_servers_whose_model_is_still_in_training_nor_for_their_address() -> None:
    for manifest in (DEPLOYMENT, service("chat", "springtide")):
        assert manifest["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
