"""Load balancers of AWS that lead to services."""

import json
from typing import Any

import pytest
from tests.recordings import Recorded, of_file, pod_of
from tests.workload_programs import recorded

from springtide.clouds.aws.exposure import BINDINGS, public_findings
from springtide.clouds.aws.load_balancer import statements
from springtide.offline.plan import Resource
from springtide.offline.validate import validate
from springtide.spec import Outcome, PublicSpec
from springtide_workloads.contract import HTTP_PORT, READY_PATH
from springtide_workloads.serve.server import KEEP_ALIVE_SECONDS

ZONE = "Z0123456789ABCDEFGHIJ"


@pytest.fixture(scope="module")
def plan() -> Recorded:
    return of_file("exposed")


@pytest.fixture(scope="module")
def auto() -> Recorded:
    return recorded(
        """\
        job = {"name": "gpt", "started": True, "artifacts_url": "s3://b/jobs/gpt/first", "storage": BUCKET}
        auto = {**CLUSTER, "mode": "auto"}
        ModelService("tools", {"cluster": auto, "model": {"job": job}, "image": IMAGE, "expose": "internal"})
        """
    )


def entrances(plan: Recorded, name: str) -> set[tuple[int, str]]:
    """Who may come in at which port of a service's load balancer."""
    group = plan.one("SecurityGroup", name)
    rules = [
        item for item in plan.all("SecurityGroupIngressRule") if item.inputs["securityGroupId"] == f"«{group.urn}#/id»"
    ]
    assert all(rule.inputs["fromPort"] == rule.inputs["toPort"] for rule in rules)
    return {(rule.inputs["fromPort"], rule.inputs["cidrIpv4"]) for rule in rules}


def test_a_plan_with_every_exposure_is_one_that_aws_would_take(plan: Recorded) -> None:
    assert [item for item in validate(plan.resources).findings if item.outcome is Outcome.FAIL] == []


def test_an_internal_service_has_a_network_load_balancer_without_a_public_address(plan: Recorded) -> None:
    balancer = plan.one("LoadBalancer", "tools").inputs
    assert (balancer["loadBalancerType"], balancer["internal"]) == ("network", True)
    assert all("private" in subnet for subnet in balancer["subnets"])
    assert entrances(plan, "tools") == {
        (80, "10.0.0.0/8"),
        (80, "100.64.0.0/10"),
        (80, "172.16.0.0/12"),
        (80, "192.168.0.0/16"),
    }


def test_a_silent_connection_is_the_servers_to_close(plan: Recorded) -> None:
    assert plan.one("Listener", "tools").inputs["tcpIdleTimeoutSeconds"] > KEEP_ALIVE_SECONDS
    assert plan.one("LoadBalancer", "chat").inputs["idleTimeout"] < KEEP_ALIVE_SECONDS


def test_a_name_on_the_internet_has_an_application_load_balancer_in_public_subnets(plan: Recorded) -> None:
    balancer = plan.one("LoadBalancer", "chat").inputs
    assert (balancer["loadBalancerType"], balancer["internal"]) == ("application", False)
    assert len(balancer["subnets"]) == 2
    assert all("public" in subnet for subnet in balancer["subnets"])
    assert entrances(plan, "chat") == {(80, "0.0.0.0/0"), (443, "0.0.0.0/0")}


def test_it_speaks_https_with_a_certificate_that_is_valid_and_http_to_say_so(plan: Recorded) -> None:
    listener, other = plan.one("Listener", "chat"), plan.one("Listener", "chat-redirect")
    assert (listener.inputs["port"], listener.inputs["protocol"]) == (443, "HTTPS")
    assert "TLS13" in listener.inputs["sslPolicy"]
    assert plan.needs(listener, plan.one("CertificateValidation", "chat"))
    [told] = other.inputs["defaultActions"]
    assert (other.inputs["port"], told["type"]) == (80, "redirect")
    assert told["redirect"] == {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}


def test_a_record_in_the_zone_shows_whose_the_name_is_and_another_leads_there(plan: Recorded) -> None:
    proof, record = plan.one("Record", "chat-proof").inputs, plan.one("Record", "chat").inputs
    assert plan.one("Certificate", "chat").inputs["domainName"] == record["name"] == "chat.example.com"
    assert proof["zoneId"] == record["zoneId"] == ZONE
    [alias] = record["aliases"]
    assert f"{plan.one('LoadBalancer', 'chat').urn}#/dnsName" in alias["name"]


@pytest.mark.parametrize(("name", "seconds"), [("chat", 70), ("tools", 40)])
def test_targets_are_pods_which_are_asked_what_kubernetes_asks_and_have_time_to_go(
    plan: Recorded, name: str, seconds: int
) -> None:
    group = plan.one("TargetGroup", name).inputs
    assert (group["targetType"], group["port"]) == ("ip", HTTP_PORT)
    assert (group["healthCheck"]["path"], group["healthCheck"]["protocol"]) == (READY_PATH, "HTTP")
    assert group["deregistrationDelay"] == seconds
    assert group["tags"]["eks:eks-cluster-name"] == "springtide-exposed"


def test_nothing_but_the_load_balancer_gets_a_way_to_the_pods(plan: Recorded) -> None:
    made = plan.one("SecurityGroup", "chat")
    way = plan.one("SecurityGroupIngressRule", "chat-pods").inputs
    assert way["referencedSecurityGroupId"] == f"«{made.urn}#/id»"
    assert (way["fromPort"], way["toPort"]) == (HTTP_PORT, HTTP_PORT)
    assert "cidrIpv4" not in way


def test_a_pod_is_ready_once_its_load_balancer_says_so_by_the_bindings_name(plan: Recorded) -> None:
    for name in ("chat", "tools"):
        [gate] = pod_of(plan.one("Deployment", name))["readinessGates"]
        assert gate["conditionType"] == f"target-health.elbv2.k8s.aws/{plan.one('TargetGroupBinding', name).name}"
    assert "readinessGates" not in pod_of(plan.one("Deployment", "batch"))


def test_the_binding_goes_before_all_that_it_binds(plan: Recorded) -> None:
    bound = plan.one("TargetGroupBinding", "chat")
    for other in (
        plan.one("Release", "aws-load-balancer-controller"),
        plan.one("PodIdentityAssociation", "aws-load-balancer-controller"),
        plan.one("Listener", "chat"),
        plan.one("LoadBalancer", "chat"),
        plan.one("TargetGroup", "chat"),
        plan.one("Service", "chat", "ModelService"),
        plan.one("NodeGroup", "cluster-system"),
    ):
        assert plan.needs(bound, other), other.urn


def test_a_load_balancer_goes_before_the_network_that_it_stands_in(plan: Recorded) -> None:
    for name in ("chat", "tools"):
        needed = plan.before(plan.one("LoadBalancer", name).urn)
        assert any(urn.endswith("Vpc::network") for urn in needed)
        assert any("InternetGateway" in urn for urn in needed)


def test_the_controller_may_say_who_stands_behind_target_groups_of_its_cluster_and_no_more() -> None:
    [look, write] = statements(region="us-east-1", account="123456789012", cluster="springtide-dev")
    assert all(action.partition(":")[2].startswith("Describe") for action in look["Action"])
    assert write["Action"] == ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"]
    assert write["Resource"] == ["arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/*/*"]
    assert write["Condition"] == {"StringEquals": {"aws:ResourceTag/eks:eks-cluster-name": "springtide-dev"}}


def test_the_controller_is_told_what_it_would_ask_a_metadata_service_that_answers_no_pod(plan: Recorded) -> None:
    values = plan.one("Release", "aws-load-balancer-controller").inputs["values"]
    assert (values["clusterName"], values["region"]) == ("springtide-exposed", "us-east-1")
    assert values["vpcId"] == f"«{plan.one('Vpc', 'network').urn}#/id»"
    policy = json.loads(plan.one("RolePolicy", "aws-load-balancer-controller").inputs["policy"])
    assert policy["Statement"] == statements(region="us-east-1", account="123456789012", cluster="springtide-exposed")


def test_the_controller_takes_no_service_for_its_own(plan: Recorded) -> None:
    values = plan.one("Release", "aws-load-balancer-controller").inputs["values"]
    assert values["enableServiceMutatorWebhook"] is False
    assert set(values["controllerConfig"]["featureGates"].values()) == {False}


def kind(resource: Resource) -> str:
    return resource.type.removeprefix("kubernetes:").rpartition(":")[0]


def test_auto_mode_brings_the_controller_and_another_name_for_its_kind(plan: Recorded, auto: Recorded) -> None:
    assert kind(auto.one("TargetGroupBinding", "tools")) == BINDINGS["auto"]
    assert kind(plan.one("TargetGroupBinding", "tools")) == BINDINGS["standard"]
    assert "readinessGates" not in pod_of(auto.one("Deployment", "tools"))


def test_an_environment_that_exposes_nothing_has_none_of_it() -> None:
    full = of_file("full")
    made: list[Any] = [*full.all("LoadBalancer"), *full.all("TargetGroupBinding"), *full.all("Record")]
    assert made == []
    assert "aws-load-balancer-controller" not in [item.name for item in full.all("Release")]


def found(host: str = "chat.example.com", zone: str = ZONE, *, adopted: bool = False) -> list[tuple[str, str]]:
    spec = PublicSpec(host=host, zone=zone, auth="keys")
    return [(item.rule, item.path) for item in public_findings(spec, adopted=adopted)]


def test_what_aws_cannot_make_of_a_name_is_refused() -> None:
    assert found() == []
    assert found(zone="example-com") == [("aws/dns-zone", "/zone")]
    assert found(host=f"{'a' * 53}.example.com") == [("aws/host", "/host")]
    assert found(host=f"{'a' * 52}.example.com") == []
    assert found(adopted=True) == [("aws/public-subnets", "")]
