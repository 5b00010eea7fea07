"""A model server for those outside its cluster, as Kubernetes objects."""

from dataclasses import replace
from ipaddress import ip_network

from springtide.k8s.exposure import (
    PRIVATE_RANGES,
    REQUEST_SECONDS,
    backend_policy,
    binding,
    front_labels,
    gateway,
    health_check,
    internal_balancer,
    redirect,
    route,
)
from springtide.k8s.gateway import labels as gateway_labels
from springtide.k8s.serving import deployment, labels, service
from springtide.spec import ModelSpec, ReplicasSpec, ServiceSpec
from springtide_workloads import contract
from springtide_workloads.contract import ServingContract
from springtide_workloads.serve.server import KEEP_ALIVE_SECONDS

from .manifests import SERVER, SERVING, container_of, known_to_kubernetes, pod_of, variables_of

HOST = "chat.example.com"
SERVICE = ServiceSpec(model=ModelSpec(job="gpt"))
SLEEPING = replace(SERVICE, replicas=ReplicasSpec(min=0, max=3))
FRONT = service("chat", "springtide")
INTERNAL = internal_balancer("chat", "springtide", "10.0.0.7")
GATEWAY = gateway("chat", "springtide", HOST, certificate_map="certs", address="front")
KEYED = deployment(
    replace(
        SERVER,
        keys="chat-keys",
        conditions=("target-health.elbv2.k8s.aws/chat",),
        env=replace(SERVING, keys_file=contract.KEYS_FILE).to_env(),
    )
)


def test_kubernetes_knows_every_field() -> None:
    known_to_kubernetes("v1", "Service", INTERNAL)
    known_to_kubernetes("apps/v1", "Deployment", KEYED)


def test_whatever_leads_to_a_service_leads_to_the_port_of_requests_and_to_no_other() -> None:
    [requests] = [port for port in FRONT["spec"]["ports"] if port["name"] == "http"]
    bound = binding("chat", "springtide", "arn")["spec"]["serviceRef"]
    [behind] = route("chat", "springtide", HOST)["spec"]["rules"][0]["backendRefs"]
    assert bound == behind == {"name": "chat", "port": requests["port"]}
    assert INTERNAL["spec"]["ports"] == [requests]
    assert INTERNAL["spec"]["selector"] == FRONT["spec"]["selector"]


def test_an_internal_address_is_for_private_networks() -> None:
    assert INTERNAL["metadata"]["annotations"]["networking.gke.io/load-balancer-type"] == "Internal"
    assert INTERNAL["spec"]["loadBalancerSourceRanges"] == list(PRIVATE_RANGES)
    assert not any(ip_network(block).is_global for block in PRIVATE_RANGES)


def test_a_gateway_speaks_https_and_sends_http_there() -> None:
    listeners = {
        item["name"]: (item["protocol"], item["port"], item["hostname"]) for item in GATEWAY["spec"]["listeners"]
    }
    assert listeners == {"https": ("HTTPS", 443, HOST), "http": ("HTTP", 80, HOST)}
    ways = {item["metadata"]["name"]: item["spec"] for item in (route("chat", "s", HOST), redirect("chat", "s", HOST))}
    parents = {name: [(at["name"], at["sectionName"]) for at in spec["parentRefs"]] for name, spec in ways.items()}
    assert parents == {"chat": [("chat", "https")], "chat-redirect": [("chat", "http")]}
    [rule] = ways["chat-redirect"]["rules"]
    assert rule == {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}


def test_a_load_balancer_asks_what_the_readiness_probe_asks() -> None:
    asked = health_check("chat", "springtide")["spec"]["default"]["config"]["httpHealthCheck"]["requestPath"]
    assert asked == container_of(KEYED)["readinessProbe"]["httpGet"]["path"]


def test_a_load_balancer_lets_go_of_a_connection_before_the_server_does() -> None:
    google = 600  # "Timeouts and retries", cloud.google.com/load-balancing: backend keep-alive, which cannot be changed
    assert max(google, REQUEST_SECONDS) < KEEP_ALIVE_SECONDS
    drained = backend_policy("chat", "s", SERVICE)["spec"]["default"]
    assert drained == {"timeoutSec": 300, "connectionDraining": {"drainingTimeoutSec": 70}}


def test_a_load_balancer_waits_until_a_service_that_sleeps_has_woken() -> None:
    """600 s for a machine and 600 s for a model, beside what an answer and a drain take."""
    drained = backend_policy("chat", "s", SLEEPING)["spec"]["default"]
    assert drained == {"timeoutSec": 1500, "connectionDraining": {"drainingTimeoutSec": 1270}}


def test_a_way_in_leads_to_the_gateways_of_a_service_that_sleeps() -> None:
    assert front_labels("chat", SERVICE) == labels("chat")
    assert front_labels("chat", SLEEPING) == gateway_labels("chat") != labels("chat")
    inside = internal_balancer("chat", "s", "10.0.0.7", front_labels("chat", SLEEPING))
    assert inside["spec"]["selector"] == gateway_labels("chat")


def test_the_keys_lie_where_the_server_looks_for_them_and_nobody_else_reads_them() -> None:
    [volume] = [item for item in pod_of(KEYED)["volumes"] if item["name"] == "keys"]
    [mount] = [item for item in container_of(KEYED)["volumeMounts"] if item["name"] == "keys"]
    [item] = volume["secret"]["items"]
    assert volume["secret"]["secretName"] == "chat-keys"
    assert volume["secret"]["defaultMode"] == 0o440
    assert f"{mount['mountPath']}/{item['path']}" == ServingContract.from_env(variables_of(KEYED)).keys_file
    assert mount["readOnly"]
    assert "optional" not in volume["secret"], "a server without its keys must not start"


def test_a_pod_says_which_condition_its_load_balancer_sets() -> None:
    assert pod_of(KEYED)["readinessGates"] == [{"conditionType": "target-health.elbv2.k8s.aws/chat"}]


def test_a_server_that_nobody_outside_reaches_says_none_of_it() -> None:
    plain = deployment(SERVER)
    assert "readinessGates" not in pod_of(plain)
    assert "SPRINGTIDE_KEYS_FILE" not in variables_of(plain)
    assert not [item for item in pod_of(plain)["volumes"] if "secret" in item]
