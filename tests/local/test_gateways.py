"""Gateways of services that sleep, on a machine without system nodes: from a plan to a process and to what KEDA reads."""

from typing import Any

from springtide.local.cluster.refs import Object
from springtide.local.plane.stray import _kind
from springtide.local.render import gateways
from springtide.local.render.objects import kubernetes_objects
from springtide.local.render.substitute import substitute
from springtide.local.render.substitution import Here
from springtide_workloads.contract import GatewayContract

from .local_plans import plan_of

GROUPS = frozenset({"karpenter.sh", "karpenter.kwok.sh", "keda.sh"})
HERE = Here(groups=GROUPS, gateways={"chat": 20123})


def of_kind(objects: tuple[Object, ...], kind: str) -> list[Any]:
    return [item for item in objects if item["kind"] == kind]


def trigger(here: Here) -> dict[str, Any]:
    [scaled] = of_kind(substitute(plan_of("sleepy"), here).objects, "ScaledObject")
    [found] = scaled["spec"]["triggers"]
    metadata: dict[str, Any] = found["metadata"]
    return metadata


def test_the_local_environment_has_a_gateway_with_its_whole_contract() -> None:
    [gateway] = gateways.of(plan_of("sleepy"))
    contract = GatewayContract.from_env({**gateway.environment, "SPRINGTIDE_NAMESPACE": "springtide"})
    assert (gateway.service, contract.service, contract.in_flight_per_replica) == ("chat", "chat-servers", 4)


def test_a_gateway_is_no_pod_here_and_its_number_is_read_on_loopback() -> None:
    names = [item["metadata"]["name"] for item in of_kind(substitute(plan_of("sleepy"), HERE).objects, "Deployment")]
    assert names == ["chat"]
    found = trigger(HERE)
    assert found["url"] == "http://127.0.0.1:20123/metrics"
    assert "aggregateFromKubeServiceEndpoints" not in found


def test_on_a_cluster_of_ones_own_it_stays_as_the_plan_has_it() -> None:
    found = substitute(plan_of("sleepy"), Here(groups=GROUPS, gateways=None))
    assert {item["metadata"]["name"] for item in of_kind(found.objects, "Deployment")} == {"chat", "chat-gateway"}
    assert trigger(Here(groups=GROUPS, gateways=None))["aggregateFromKubeServiceEndpoints"] == "true"


def test_where_nobody_asks_the_report_says_so() -> None:
    said = [item for item in substitute(plan_of("sleepy"), Here()).substitutions if item.what.startswith("Gateways")]
    assert [item.instead for item in said] == ["nothing: nobody asks here"]


def test_only_gateways_are_told_apart_by_more_than_their_program() -> None:
    chat, talk = (
        _kind(
            ["python", "-m", "springtide_workloads.gateway", "--kubeconfig", f"/x/gateway-{name}", "--address", "::1"]
        )
        for name in ("chat", "talk")
    )
    assert chat != talk
    assert _kind(["python", "-m", "springtide.local.real.twins", "--x"]) == "springtide.local.real.twins"


def test_a_plan_without_one_has_none() -> None:
    assert not any(gateways.is_gateway(item) for item in kubernetes_objects(plan_of("prod-aws")))
