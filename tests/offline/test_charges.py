from typing import Any

import pytest
from tests.environment_files import ENVIRONMENTS
from tests.recordings import of_file

from springtide import catalog
from springtide.offline import text
from springtide.offline.charges import CHARGES, FREE, understood
from springtide.offline.cost import estimate
from springtide.offline.idle import idle_items
from springtide.offline.plan import Plan
from springtide.offline.report import Report
from springtide.offline.views import EnvironmentView

from .sample_plan import Sample

NAMES = sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in ENVIRONMENTS.glob("Pulumi.*.yaml"))


def recorded(name: str) -> Plan:
    resources = of_file(name).resources
    (place,) = EnvironmentView.among(resources)
    environment = {"name": name, "project": "springtide", "cloud": place.cloud, "region": place.region}
    return Plan(environment=environment, made_with={}, resources=resources, outputs={})


def google(kind: str, inputs: dict[str, Any]) -> Plan:
    made = Sample()
    made.add(kind, "x", made.stack, inputs)
    return made.plan(environment={"name": "dev", "cloud": "gcp", "region": "us-central1"})


def items(plan: Plan) -> dict[str, float]:
    return {item.what: item.count for item in idle_items(plan)}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_known_how_everything_in_an_environment_is_charged(name: str) -> None:
    kinds = {item.type for item in of_file(name).resources if item.custom and item.id is None}
    assert {kind for kind in kinds if not understood(kind)} == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_is_priced_and_rendered(name: str) -> None:
    plan = recorded(name)
    cost = estimate(plan)
    assert {line.what for line in cost.idle if not line.amount.complete} <= set(cost.unpriced)
    assert text.render(Report.of(plan)) == text.render(Report.of(recorded(name)))


@pytest.mark.parametrize(
    ("kind", "inputs", "found"),
    [
        ("gcp:compute/routerNat:RouterNat", {"natIpAllocateOption": "AUTO_ONLY"}, {"NAT gateway": 1, "public IPv4 address": 1}),
        ("gcp:compute/routerNat:RouterNat", {"natIpAllocateOption": "MANUAL_ONLY"}, {"NAT gateway": 1}),
        ("gcp:compute/globalAddress:GlobalAddress", {"addressType": "INTERNAL"}, {}),
        ("gcp:compute/address:Address", {}, {"public IPv4 address": 1}),
        ("gcp:kms/cryptoKey:CryptoKey", {}, {"encryption key": 1}),
        ("gcp:container/cluster:Cluster", {}, {"Kubernetes control plane": 1}),
        ("gcp:filestore/instance:Instance", {"tier": "REGIONAL", "fileShares": {"capacityGb": 2048}},
         {"Filestore instance, regional": 2048}),
        ("gcp:lustre/instance:Instance", {"capacityGib": "36000", "perUnitStorageThroughput": "250"},
         {"Lustre file system, 250 MB/s for each TiB": 36000}),
    ],
)  # fmt: skip
def test_what_costs_while_nothing_runs_is_counted(kind: str, inputs: dict[str, Any], found: dict[str, float]) -> None:
    assert items(google(kind, inputs)) == found


def test_file_systems_of_different_speed_are_different_lines() -> None:
    made = Sample()
    for name, speed in (("a", 125), ("b", 500)):
        inputs = {"storageCapacity": 1200, "perUnitStorageThroughput": speed}
        made.add("aws:fsx/lustreFileSystem:LustreFileSystem", name, made.stack, inputs)
    assert set(items(made.plan()).values()) == {1200}


def test_a_size_that_only_the_cloud_knows_is_no_size() -> None:
    (line,) = idle_items(google("gcp:lustre/instance:Instance", {"capacityGib": "«urn#/size»"}))
    assert (line.count, line.amount.complete) == (0, False)


@pytest.mark.parametrize(
    ("kind", "spec", "named"),
    [
        ("kubernetes:core/v1:Service", {"type": "LoadBalancer"}, True),
        ("kubernetes:core/v1:Service", {"type": "ClusterIP"}, False),
        ("kubernetes:networking.k8s.io/v1:Ingress", {}, True),
        ("kubernetes:gateway.networking.k8s.io/v1:Gateway", {}, True),
    ],
)
def test_what_a_controller_makes_that_costs_is_named(kind: str, spec: dict[str, str], *, named: bool) -> None:
    made = Sample()
    made.add(kind, "chat", made.stack, {"spec": spec})
    assert any("load balancers" in line for line in estimate(made.plan()).unpriced) is named


def test_no_type_is_both_charged_and_free() -> None:
    assert [kind for kind in CHARGES if kind.startswith(FREE)] == []


def test_every_price_of_the_catalog_is_of_something_that_is_charged() -> None:
    asked = {charge.item({}) for charges in CHARGES.values() for charge in charges}
    for cloud in catalog.clouds():
        known = {item for item in catalog.service_items(cloud) if not item.startswith("disk-")}
        assert known - {"control-plane-extended-support"} <= asked
