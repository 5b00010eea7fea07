"""The gateways of a service that sleeps, as Kubernetes objects."""

from dataclasses import replace

import pytest

from springtide.k8s.gateway import (
    LONGEST_LEAVE_SECONDS,
    Gateway,
    deployment,
    labels,
    numbers,
    role,
    role_binding,
    waking_autoscaler,
)
from springtide.k8s.pod import Place
from springtide.k8s.serving import Bounds, cpu_autoscaler, disruption_budget, servers, service
from springtide.k8s.serving import labels as server_labels
from springtide_workloads import contract
from springtide_workloads.contract import Env, GatewayContract, GatewayMetric
from springtide_workloads.gateway.arms import Arm, arms_of

from .manifests import IMAGE, SERVER, container_of, known_to_kubernetes, pod_of, variables_of

GATEWAY = Gateway(
    name="chat",
    image=IMAGE,
    contract=GatewayContract(
        service="chat-servers",
        in_flight_per_replica=8,
        hold_seconds=1200,
        grace_seconds=1275,
        propagation_seconds=10,
        drain_seconds=60,
    ),
    place=Place(
        namespace="springtide",
        account="chat-gateway",
        selector={"springtide.dev/pool": "system"},
        cpu="250m",
        memory_gib=1,
        scratch_gib=1,
    ),
)
DEPLOYMENT = deployment(GATEWAY)
BOUNDS = Bounds(least=0, most=3, window_seconds=2400, drain_seconds=75)
URL = "http://chat-gateway.springtide.svc:9464/metrics"
WAKING = waking_autoscaler("chat", "springtide", BOUNDS, 8, URL)


def test_kubernetes_knows_every_field() -> None:
    known_to_kubernetes("apps/v1", "Deployment", DEPLOYMENT)
    known_to_kubernetes("v1", "Service", numbers("chat", "springtide"))
    known_to_kubernetes("v1", "Service", service("chat", "springtide", labels("chat")))
    known_to_kubernetes("v1", "Service", servers("chat", "springtide", "chat-servers"))
    known_to_kubernetes("rbac.authorization.k8s.io/v1", "Role", role("chat", "springtide"))
    known_to_kubernetes("rbac.authorization.k8s.io/v1", "RoleBinding", role_binding("chat", "springtide"))
    known_to_kubernetes("policy/v1", "PodDisruptionBudget", disruption_budget("c", "springtide", labels("chat")))


def test_kubernetes_knows_the_behaviour_that_keda_hands_on() -> None:
    behavior = WAKING["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    scaler = cpu_autoscaler("chat", "springtide", replace(BOUNDS, least=1), 70)
    known_to_kubernetes(
        "autoscaling/v2", "HorizontalPodAutoscaler", {**scaler, "spec": {**scaler["spec"], "behavior": behavior}}
    )


def test_the_first_process_is_the_gateway_and_it_reads_back_the_contract() -> None:
    assert container_of(DEPLOYMENT)["command"] == ["python", "-m", "springtide_workloads.gateway"]
    variables = variables_of(DEPLOYMENT)
    assert variables.pop("SPRINGTIDE_NAMESPACE") == {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert GatewayContract.from_env(variables) == GATEWAY.contract


def test_gateways_are_told_of_arms_where_there_are_some_and_pulumi_waits_for_those_that_replace_servers() -> None:
    arms = replace(GATEWAY.contract, arms="chat=90,chat-b=10")
    divided = deployment(replace(GATEWAY, contract=arms, awaited=True))
    known_to_kubernetes("apps/v1", "Deployment", divided)
    said = {name: text for name, text in variables_of(divided).items() if isinstance(text, str)}
    assert arms_of(GatewayContract.from_env(said)) == (Arm("chat", 90), Arm("chat-b", 10))
    assert Env.ARMS not in variables_of(DEPLOYMENT)
    assert "annotations" not in divided["metadata"]
    assert DEPLOYMENT["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_two_gateways_without_a_gpu_keep_off_each_other_s_node_and_go_one_by_one() -> None:
    resources = container_of(DEPLOYMENT)["resources"]
    assert resources == {
        "limits": {"memory": "1Gi", "ephemeral-storage": "1Gi"},
        "requests": {"memory": "1Gi", "ephemeral-storage": "1Gi", "cpu": "250m"},
    }
    assert DEPLOYMENT["spec"]["replicas"] == 2
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "kubernetes.io/hostname" in [item["topologyKey"] for item in pod_of(DEPLOYMENT)["topologySpreadConstraints"]]
    assert disruption_budget("c", "s", labels("chat"))["spec"]["maxUnavailable"] == 1


def test_the_memory_of_a_gateway_has_room_for_all_it_may_hold_twice() -> None:
    assert 2 * GATEWAY.contract.held_mib < GATEWAY.place.memory_gib * 1024


def test_a_gateway_has_no_right_but_to_see_where_replicas_are() -> None:
    pod, container = pod_of(DEPLOYMENT), container_of(DEPLOYMENT)
    assert pod["automountServiceAccountToken"] is True
    assert pod["serviceAccountName"] == "chat-gateway"
    assert role("chat", "springtide")["rules"] == [
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    ]
    assert role_binding("chat", "springtide")["subjects"] == [
        {"kind": "ServiceAccount", "name": "chat-gateway", "namespace": "springtide"}
    ]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_clients_reach_gateways_and_gateways_find_servers() -> None:
    pods = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert service("chat", "s", labels("chat"))["spec"]["selector"] == pods == labels("chat") != server_labels("chat")
    assert numbers("chat", "s")["spec"]["selector"] == pods
    found = servers("chat", "s", GATEWAY.contract.service)
    assert found["metadata"]["name"] == "chat-servers"
    assert found["spec"]["selector"] == server_labels("chat")
    # the gateway asks for the port by this name, and every endpoint has an address of its own
    assert ("http", "http") in [(port["name"], port["targetPort"]) for port in found["spec"]["ports"]]
    assert found["spec"]["clusterIP"] == "None"


def test_a_gateway_that_leaves_is_still_read_for_what_it_holds() -> None:
    """KEDA asks endpoints that are ready; with `publishNotReadyAddresses` a pod that goes is one (discovery.k8s.io/v1)."""
    assert numbers("chat", "springtide")["spec"]["publishNotReadyAddresses"] is True
    assert numbers("chat", "springtide")["metadata"]["name"] == "chat-gateway"


def test_any_request_wakes_the_service_and_their_sum_moves_it() -> None:
    spec = WAKING["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 3)
    assert (spec["pollingInterval"], spec["cooldownPeriod"]) == (2, 2400)
    [trigger] = spec["triggers"]
    assert (trigger["type"], trigger["metricType"]) == ("metrics-api", "AverageValue")
    assert trigger["metadata"] == {
        "url": URL,
        "format": "prometheus",
        "valueLocation": GatewayMetric.REQUESTS,
        "targetValue": "8",
        "activationTargetValue": "0",
        "aggregateFromKubeServiceEndpoints": "true",
        "aggregationType": "sum",
    }


def test_gateways_that_cannot_be_read_neither_wake_the_service_nor_put_it_to_sleep() -> None:
    """KEDA changes nothing on an error only where there is no fallback (scale_scaledobjects.go, RequestScale)."""
    assert "fallback" not in WAKING["spec"]
    assert "idleReplicaCount" not in WAKING["spec"]


def test_health_is_asked_of_the_gateway_itself() -> None:
    container = container_of(DEPLOYMENT)
    asked = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert asked == {
        "startup": contract.LIVE_PATH,
        "readiness": contract.READY_PATH,
        "liveness": contract.LIVE_PATH,
    }


@pytest.mark.parametrize("keyed", [True, False])
def test_the_keys_that_servers_ask_for_are_asked_for_before_anything_wakes(*, keyed: bool) -> None:
    pod = pod_of(deployment(replace(GATEWAY, keys="chat-keys" if keyed else None)))
    mounts = {item["mountPath"] for item in pod["containers"][0]["volumeMounts"]}
    secrets = [item["secret"]["secretName"] for item in pod["volumes"] if "secret" in item]
    assert secrets == (["chat-keys"] if keyed else [])
    assert ("/etc/springtide/keys" in mounts) == keyed


def test_a_load_balancer_s_word_on_readiness_is_about_gateways() -> None:
    found = pod_of(deployment(replace(GATEWAY, conditions=("a/chat",))))
    assert found["readinessGates"] == [{"conditionType": "a/chat"}]
    assert "readinessGates" not in pod_of(DEPLOYMENT)


def test_the_grace_holds_what_a_gateway_holds() -> None:
    agreed = GATEWAY.contract
    spent = agreed.propagation_seconds + agreed.hold_seconds + agreed.drain_seconds
    assert spent < pod_of(DEPLOYMENT)["terminationGracePeriodSeconds"] == agreed.grace_seconds <= LONGEST_LEAVE_SECONDS
    assert SERVER.grace_seconds < agreed.grace_seconds
