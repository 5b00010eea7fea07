"""A service that sleeps at zero: what is in its plan, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import gateway
from springtide.component import ArgumentsError
from springtide.offline.validate import validate
from springtide.service import ModelService
from springtide.spec import ModelSpec, Outcome, ReplicasSpec, ScaleOnSpec, ServiceSpec
from springtide_workloads.contract import GatewayContract

from .environment_files import edited, mistakes
from .recordings import Recorded, of_text, pod_of
from .workload_programs import recorded

WORK = """
  storage: {artifacts: {kind: bucket}}
  pools:
    serve: {gpu: L4, capacity: [on-demand], max_nodes: 3, purpose: serving}
  jobs:
    gpt: {recipe: gpt_tiny, pool: serve, checkpoints: artifacts, run: first}
  services:
    chat:
      model: {job: gpt}
      pool: serve
      replicas: {min: 0, max: 3}
      scale_on: {in_flight_per_replica: 4}
      expose: EXPOSE
  images: {digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
"""
PLACES = {
    "aws": """
  cloud: aws
  account: "123456789012"
  region: us-east-1
  zones: [use1-az1, use1-az2]
  cluster: {version: "1.35", access: [203.0.113.0/24]}""",
    "gcp": """
  cloud: gcp
  account: ml-platform-dev
  region: us-central1
  zones: 2
  cluster: {version: "1.35", access: [203.0.113.0/24]}""",
}
ZONES = {"aws": "Z0123456789ABCDEFGHIJ", "gcp": "example-com"}


def environment(cloud: str, expose: str = "none") -> Recorded:
    exposed = expose.replace("ZONE", ZONES[cloud])
    return of_text(f"config:{PLACES[cloud]}{WORK.replace('EXPOSE', exposed)}")


@pytest.fixture(scope="module", params=["aws", "gcp"])
def plan(request: pytest.FixtureRequest) -> Recorded:
    return environment(request.param)


def test_a_service_that_sleeps_brings_its_gateway_into_the_plan(plan: Recorded) -> None:
    made = {(item.type.rpartition(":")[2], item.name) for item in plan.children(plan.one("ModelService", "chat"))}
    assert made >= {
        ("Deployment", "chat"),
        ("Deployment", "chat-gateway"),
        ("Service", "chat"),
        ("Service", "chat-gateway"),
        ("Service", "chat-servers"),
        ("ServiceAccount", "chat-gateway"),
        ("Role", "chat-gateway"),
        ("RoleBinding", "chat-gateway"),
        ("PodDisruptionBudget", "chat"),
        ("PodDisruptionBudget", "chat-gateway"),
        ("ScaledObject", "chat"),
    }
    assert [item for item in validate(plan.resources).findings if item.outcome is Outcome.FAIL] == []


def test_it_starts_with_no_server_and_two_gateways_on_the_system_nodes(plan: Recorded) -> None:
    assert plan.one("Deployment", "chat").inputs["spec"]["replicas"] == 0
    gateways = plan.one("Deployment", "chat-gateway")
    assert gateways.inputs["spec"]["replicas"] == 2
    assert pod_of(gateways)["nodeSelector"] == {"springtide.dev/pool": "system"}
    assert "tolerations" not in pod_of(gateways)
    assert [item["image"] for item in pod_of(gateways)["containers"]] == [
        item["image"] for item in pod_of(plan.one("Deployment", "chat"))["containers"]
    ]


def test_a_gateway_waits_as_long_as_a_machine_and_a_model_take(plan: Recorded) -> None:
    [container] = pod_of(plan.one("Deployment", "chat-gateway"))["containers"]
    agreed = GatewayContract.from_env({item["name"]: item["value"] for item in container["env"] if "value" in item})
    assert agreed == GatewayContract(
        service="chat-servers",
        in_flight_per_replica=4,
        hold_seconds=1200,
        grace_seconds=1275,
        propagation_seconds=10,
        drain_seconds=60,
    )


def test_clients_keep_their_address_and_keda_reads_the_gateways(plan: Recorded) -> None:
    assert plan.one("Service", "chat").inputs["spec"]["selector"] == {
        "app.kubernetes.io/name": "chat",
        "app.kubernetes.io/component": "gateway",
    }
    assert plan.one("Service", "chat-servers").inputs["spec"]["selector"] == {
        "app.kubernetes.io/name": "chat",
        "app.kubernetes.io/component": "serving",
    }
    scaler = plan.one("ScaledObject", "chat")
    [trigger] = scaler.inputs["spec"]["triggers"]
    assert trigger["metadata"]["url"] == "http://chat-gateway.springtide.svc:9464/metrics"
    assert scaler.inputs["spec"]["cooldownPeriod"] == 2400
    assert plan.outputs["services"]["value"] == {"chat": "http://chat.springtide"}


def test_nobody_is_led_to_a_gateway_before_it_is_there_and_may_ask(plan: Recorded) -> None:
    gateways = plan.one("Deployment", "chat-gateway")
    assert plan.needs(plan.one("Service", "chat"), gateways)
    assert plan.needs(gateways, plan.one("RoleBinding", "chat-gateway"))
    assert plan.needs(plan.one("ScaledObject", "chat"), plan.one("Release", "keda"))


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_a_name_on_the_internet_leads_to_gateways_that_ask_for_keys(cloud: str) -> None:
    found = environment(cloud, "{host: chat.example.com, auth: keys, zone: ZONE}")
    pods = pod_of(found.one("Deployment", "chat-gateway"))
    assert [item["secret"]["secretName"] for item in pods["volumes"] if "secret" in item] == ["chat-keys"]
    gates = [{"conditionType": "target-health.elbv2.k8s.aws/chat"}] if cloud == "aws" else None
    assert pods.get("readinessGates") == gates
    assert "readinessGates" not in pod_of(found.one("Deployment", "chat"))


def test_load_balancers_wait_until_the_service_has_woken() -> None:
    aws = environment("aws", "{host: chat.example.com, auth: keys, zone: ZONE}")
    assert aws.one("LoadBalancer", "chat").inputs["idleTimeout"] == 1500
    assert aws.one("TargetGroup", "chat").inputs["deregistrationDelay"] == 1270
    google = environment("gcp", "{host: chat.example.com, auth: keys, zone: ZONE}")
    assert google.one("GCPBackendPolicy", "chat").inputs["spec"]["default"] == {
        "timeoutSec": 1500,
        "connectionDraining": {"drainingTimeoutSec": 1270},
    }


def test_an_address_inside_the_network_leads_to_gateways() -> None:
    google = environment("gcp", "internal")
    assert google.one("Service", "chat-internal").inputs["spec"]["selector"] == {
        "app.kubernetes.io/name": "chat",
        "app.kubernetes.io/component": "gateway",
    }
    aws = environment("aws", "internal")
    assert aws.one("TargetGroupBinding", "chat").inputs["spec"]["serviceRef"] == {"name": "chat", "port": 80}


def test_a_service_that_never_sleeps_has_no_gateway() -> None:
    found = recorded(
        """\
        job = {"name": "gpt", "started": True, "artifacts_url": "s3://b/jobs/gpt/first", "storage": BUCKET}
        here = {"cluster": with_controllers("keda"), "pool": POOL, "model": {"job": job}, "image": IMAGE}
        ModelService("chat", {**here, "replicas": {"min": 1, "max": 3}, "scale_on": {"in_flight_per_replica": 4}})
        """
    )
    assert [item.name for item in found.all("Deployment")] == [item.name for item in found.all("Service")] == ["chat"]
    assert found.all("RoleBinding") == []


def test_a_service_that_nothing_wakes_is_refused_with_what_would(tmp_path: Path) -> None:
    [found] = mistakes(tmp_path, edited(("replicas: {min: 1, max: 2}", "replicas: {min: 0, max: 2}")))
    assert (found.path, found.rule) == ("/services/chat/replicas/min", "spec/wake")
    assert "scale_on: {in_flight_per_replica: 8}" in found.fix


def test_cpu_use_wakes_nobody() -> None:
    """A service without a server uses no CPU."""
    sleeping = ServiceSpec(
        model=ModelSpec(job="gpt"), replicas=ReplicasSpec(min=0, max=2), scale_on=ScaleOnSpec(cpu_percent=70)
    )
    assert [found.rule for found in sleeping.findings()] == ["spec/wake"]


def asleep(**more: Any) -> Any:
    place = {"name": "dev", "cloud": "aws"}
    cluster = {"environment": place, "version": "1.35", "namespace": "s", "controllers": {"keda": "1"}}
    job = {"name": "gpt", "started": True, "artifacts_url": "s3://b/x", "storage": {"url": "s3://b"}}
    wakes = {"replicas": {"min": 0, "max": 1}, "scale_on": {"in_flight_per_replica": 4}}
    return {"cluster": cluster, "model": {"job": job}, **wakes, **more}


def test_a_name_that_leaves_no_room_for_the_gateway_s_is_refused() -> None:
    name = "c" * (gateway.LONGEST_SERVICE_NAME + 1)
    with pytest.raises(ArgumentsError) as error:
        ModelService(name, asleep())
    [found] = error.value.findings
    assert (found.rule, found.path, found.fix) == ("spec/name", "/name", "use at most 55 characters")


@given(startup=st.integers(1, 5000), drain=st.integers(1, 90))
def test_a_wait_that_nobody_grants_is_refused_just_there_and_the_remedy_helps(startup: int, drain: int) -> None:
    spec = sleeping(startup, drain)
    found = gateway.findings(spec)
    assert bool(found) == (10 + 600 + startup + drain + 5 > 3600)
    if found:
        less = int(found[0].fix.split(" less together")[0].split()[-1])
        assert gateway.findings(sleeping(startup - less, drain)) == []
        assert gateway.findings(sleeping(startup - less + 1, drain)) != []


def sleeping(startup: int, drain: int) -> ServiceSpec:
    return ServiceSpec(
        model=ModelSpec(job="gpt"),
        replicas=ReplicasSpec(min=0, max=1),
        scale_on=ScaleOnSpec(in_flight_per_replica=4),
        startup_seconds=startup,
        drain_seconds=drain,
    )


DIVIDED = """
      split: {chat-b: 10}
    chat-b:
      model: {job: gpt}
      pool: serve
      replicas: {min: 0, max: 2}
      scale_on: {in_flight_per_replica: 8}
"""


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_a_file_divides_a_service_that_is_on_the_internet_among_arms_that_sleep(cloud: str) -> None:
    exposed = f"{{host: chat.example.com, auth: keys, zone: {ZONES[cloud]}}}"
    work = WORK.replace("min: 0, max: 3", "min: 1, max: 1").replace(
        "      expose: EXPOSE\n", f"      expose: {exposed}{DIVIDED}"
    )
    found = of_text(f"config:{PLACES[cloud]}{work}")
    assert variables(found)["SPRINGTIDE_ARMS"] == "chat=90,chat-b=10"
    assert {item.name for item in found.all("Deployment")} == {"chat", "chat-gateway", "chat-b", "chat-b-gateway"}
    assert found.one("Service", "chat-b").inputs["spec"]["selector"]["app.kubernetes.io/component"] == "gateway"
    assert [item for item in validate(found.resources).findings if item.outcome is Outcome.FAIL] == []


SPLIT = """\
job = {"name": "gpt", "started": True, "artifacts_url": "s3://b/jobs/gpt/first", "storage": BUCKET}
SERVE = {"cluster": with_controllers("keda"), "pool": POOL, "model": {"job": job}, "image": IMAGE}
"""


def variables(found: Recorded) -> dict[str, str]:
    [container] = pod_of(found.one("Deployment", "chat-gateway"))["containers"]
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


def test_a_split_brings_gateways_that_know_the_arms_and_what_is_left_is_the_service_s_own() -> None:
    found = recorded(SPLIT + 'ModelService("chat", {**SERVE, "split": {"chat-b": 10, "chat-c": 0}})')
    assert variables(found)["SPRINGTIDE_ARMS"] == "chat=90,chat-b=10,chat-c=0"
    assert variables(found)["SPRINGTIDE_REPLICAS_SERVICE"] == "chat-servers"
    assert found.one("Service", "chat").inputs["spec"]["selector"]["app.kubernetes.io/component"] == "gateway"
    assert found.one("Deployment", "chat").inputs["spec"]["replicas"] == 1


def test_whoever_asked_the_servers_before_is_led_to_gateways_once_these_are_ready() -> None:
    found = recorded(SPLIT + 'ModelService("chat", {**SERVE, "split": {"chat-b": 10}})')
    gateways = found.one("Deployment", "chat-gateway")
    assert "annotations" not in gateways.inputs["metadata"]
    assert found.needs(found.one("Service", "chat"), gateways)


def test_gateways_let_replicas_have_what_they_are_scaled_on_and_whatever_comes_without_that() -> None:
    plain = recorded(SPLIT + 'ModelService("chat", {**SERVE, "split": {"chat-b": 10}})')
    assert variables(plain)["SPRINGTIDE_IN_FLIGHT_PER_REPLICA"] == str(gateway.NO_LIMIT)
    assert plain.all("ScaledObject") == []
    grows = '"replicas": {"min": 1, "max": 3}, "scale_on": {"in_flight_per_replica": 4}, "split": {"chat-b": 10}'
    scaled = recorded(SPLIT + f'ModelService("chat", {{**SERVE, {grows}}})')
    assert variables(scaled)["SPRINGTIDE_IN_FLIGHT_PER_REPLICA"] == "4"
    scaler = scaled.one("ScaledObject", "chat").inputs["spec"]
    assert scaler["minReplicaCount"] == 1
    assert scaler["triggers"][0]["metadata"]["url"] == "http://chat-gateway.springtide.svc:9464/metrics"


def test_a_service_that_sleeps_may_be_divided_too_and_gateways_of_one_service_know_no_arms() -> None:
    sleeps = '"replicas": {"min": 0, "max": 3}, "scale_on": {"in_flight_per_replica": 4}'
    both = recorded(SPLIT + f'ModelService("chat", {{**SERVE, {sleeps}, "split": {{"chat-b": 100}}}})')
    assert variables(both)["SPRINGTIDE_ARMS"] == "chat=0,chat-b=100"
    alone = recorded(SPLIT + f'ModelService("chat", {{**SERVE, {sleeps}}})')
    assert "SPRINGTIDE_ARMS" not in variables(alone)


@given(percents=st.dictionaries(st.sampled_from(["b", "c", "d"]), st.integers(-5, 120), max_size=3))
def test_a_split_is_refused_just_where_it_is_no_part_of_a_whole(percents: dict[str, int]) -> None:
    spec = ServiceSpec(model=ModelSpec(job="gpt"), split=percents)
    allowed = all(percent >= 0 for percent in percents.values()) and sum(percents.values()) <= 100
    assert (spec.findings() == []) is allowed
