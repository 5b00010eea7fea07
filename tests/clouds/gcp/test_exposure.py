"""Load balancers of GKE that lead to services."""

import pytest
from tests.recordings import Recorded, of_file, pod_of

from springtide.clouds.gcp.exposure import public_findings
from springtide.offline.validate import validate
from springtide.spec import Outcome, PublicSpec


@pytest.fixture(scope="module")
def plan() -> Recorded:
    return of_file("gcp-exposed")


def test_a_plan_with_every_exposure_is_one_that_google_would_take(plan: Recorded) -> None:
    assert [item for item in validate(plan.resources).findings if item.outcome is Outcome.FAIL] == []


def test_an_internal_service_has_an_address_of_the_nodes_subnet(plan: Recorded) -> None:
    address, balancer = plan.one("Address", "tools"), plan.one("Service", "tools-internal")
    assert (address.inputs["addressType"], address.inputs["region"]) == ("INTERNAL", "us-central1")
    assert address.inputs["subnetwork"].endswith("/subnetworks/springtide-gcp-exposed")
    assert balancer.inputs["spec"]["loadBalancerIP"] == f"«{address.urn}#/address»"
    assert balancer.inputs["metadata"]["annotations"]["networking.gke.io/load-balancer-type"] == "Internal"


def test_a_name_on_the_internet_has_a_gateway_with_its_certificate_and_its_address(plan: Recorded) -> None:
    gateway = plan.one("Gateway", "chat").inputs
    assert gateway["spec"]["gatewayClassName"] == "gke-l7-global-external-managed"
    assert (
        gateway["metadata"]["annotations"]["networking.gke.io/certmap"]
        == plan.one("CertificateMap", "chat").inputs["name"]
    )
    [address] = gateway["spec"]["addresses"]
    assert address == {"type": "NamedAddress", "value": plan.one("GlobalAddress", "chat").inputs["name"]}


def test_a_certificate_is_shown_to_be_ours_by_a_record_and_found_by_the_name(plan: Recorded) -> None:
    proof, entry = plan.one("RecordSet", "chat-proof"), plan.one("CertificateMapEntry", "chat")
    certificate = plan.one("Certificate", "chat")
    asked = plan.one("DnsAuthorization", "chat")
    assert asked.inputs["domain"] == entry.inputs["hostname"] == "chat.example.com"
    assert certificate.inputs["managed"]["domains"] == ["chat.example.com"]
    assert proof.inputs["name"] == f"«{asked.urn}#/dnsResourceRecords/0/name»"
    assert plan.needs(certificate, proof)
    assert plan.needs(entry, certificate)


def test_the_name_leads_to_the_address_once_something_answers_there(plan: Recorded) -> None:
    record = plan.one("RecordSet", "chat")
    assert (record.inputs["name"], record.inputs["managedZone"]) == ("chat.example.com.", "example-com")
    assert record.inputs["rrdatas"] == [f"«{plan.one('GlobalAddress', 'chat').urn}#/address»"]
    assert all(plan.needs(record, way) for way in plan.all("HTTPRoute") if way.name.startswith("chat"))


def test_servers_have_the_time_to_go_that_the_load_balancer_gives_them(plan: Recorded) -> None:
    policy = plan.one("GCPBackendPolicy", "chat").inputs["spec"]["default"]
    assert policy["connectionDraining"]["drainingTimeoutSec"] == 10 + 60
    assert policy["timeoutSec"] > 30


def test_the_apis_are_on_before_anything_asks_them(plan: Recorded) -> None:
    on = {item.inputs["service"]: item for item in plan.all("Service") if item.type.startswith("gcp:")}
    assert plan.needs(plan.one("DnsAuthorization", "chat"), plan.one("Service", "chat-certificatemanager"))
    assert plan.needs(plan.one("CertificateMap", "chat"), plan.one("Service", "chat-certificatemanager"))
    assert plan.needs(plan.one("RecordSet", "chat"), plan.one("Service", "chat-dns"))
    assert plan.needs(plan.one("RecordSet", "chat-proof"), plan.one("Service", "chat-dns"))
    assert {"certificatemanager.googleapis.com", "dns.googleapis.com"} <= on.keys()


@pytest.mark.parametrize(("type_", "name"), [("Gateway", "chat"), ("Service", "tools-internal")])
def test_what_gke_makes_a_load_balancer_of_goes_before_cluster_and_network(
    plan: Recorded, type_: str, name: str
) -> None:
    door = plan.one(type_, name)
    needed = plan.before(door.urn)
    assert plan.needs(door, plan.one("Service", name.removesuffix("-internal"), "ModelService"))
    for owner in ("Network::network", "Cluster::cluster", "NodePool::cluster-system"):
        assert any(urn.endswith(owner) for urn in needed), owner


def test_the_gateway_goes_before_the_certificates_and_the_address_that_it_uses(plan: Recorded) -> None:
    gateway = plan.one("Gateway", "chat")
    for kind in ("CertificateMap", "CertificateMapEntry", "Certificate", "GlobalAddress"):
        assert plan.needs(gateway, plan.one(kind, "chat")), kind


def test_gke_brings_what_makes_load_balancers(plan: Recorded) -> None:
    assert not any("load-balancer" in item.name for item in plan.all("Release"))
    assert "readinessGates" not in pod_of(plan.one("Deployment", "chat"))


def test_what_google_has_no_zone_for_is_refused() -> None:
    [found] = public_findings(PublicSpec(host="chat.example.com", zone="example.com.", auth="keys"), adopted=True)
    assert (found.rule, found.path) == ("gcp/dns-zone", "/zone")
    assert public_findings(PublicSpec(host="chat.example.com", zone="example-com", auth="keys"), adopted=True) == []
