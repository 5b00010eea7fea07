import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import catalog
from springtide.local.render.machines import CAPACITIES, Shared, Sold, instance_types, order_price, resources

from .local_plans import REGIONS

CLOUDS = sorted(REGIONS.items())
LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def named(types: list[dict[str, Any]], name: str) -> dict[str, Any]:
    [found] = [item for item in types if item["name"] == name]
    return found


def labels(offering: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item["values"][0] for item in offering["Requirements"]}


@pytest.mark.parametrize(("cloud", "region"), CLOUDS)
def test_every_usable_machine_that_the_region_offers_is_there_once(cloud: str, region: str) -> None:
    wanted = {it.node_label for it in catalog.machine_types(cloud) if not it.unusable and catalog.offered(it, region)}
    found = [item["name"] for item in instance_types(cloud, region)]
    assert sorted(found) == sorted(wanted)
    assert [item for item in wanted if "gpu" not in resources_of(cloud, item)]


def resources_of(cloud: str, name: str) -> str:
    [machine] = [item for item in catalog.machine_types(cloud) if item.node_label == name]
    return json.dumps(resources(machine))


@pytest.mark.parametrize(("cloud", "region"), CLOUDS)
def test_an_offering_stands_for_each_zone_and_kind_of_capacity(cloud: str, region: str) -> None:
    machine = next(it for it in catalog.machine_types(cloud) if it.gpus == 8 and catalog.offered(it, region))
    found = named(instance_types(cloud, region), machine.node_label)
    pairs = [
        (labels(it)["topology.kubernetes.io/zone"], labels(it)["karpenter.sh/capacity-type"])
        for it in found["offerings"]
    ]
    assert pairs == [(zone, kind) for zone in catalog.offered(machine, region) for kind in CAPACITIES]


@pytest.mark.parametrize(("cloud", "region"), CLOUDS)
def test_names_zones_and_kinds_can_be_labels_of_nodes(cloud: str, region: str) -> None:
    for item in instance_types(cloud, region):
        values = {item["name"], *(value for it in item["offerings"] for value in labels(it).values())}
        assert all(LABEL.fullmatch(value) for value in values), values


def test_a_machine_says_what_a_node_of_it_has() -> None:
    found = named(instance_types("aws", "us-east-1"), "p5.48xlarge")
    assert found["resources"] == {
        "cpu": "192",
        "memory": f"{int(2048 * 1024 * 0.925)}Mi",
        "ephemeral-storage": "28312Gi",
        "pods": "110",
        "nvidia.com/gpu": "8",
        "vpc.amazonaws.com/efa": "32",
    }
    assert (found["architecture"], found["operatingSystems"]) == ("amd64", ["linux"])


def test_zones_of_aws_are_known_by_the_name_and_by_the_id_that_its_node_pools_ask_for() -> None:
    found = named(instance_types("aws", "us-east-1"), "p5.48xlarge")["offerings"][0]
    assert labels(found)["topology.k8s.aws/zone-id"] == labels(found)["topology.kubernetes.io/zone"]


def test_a_list_price_is_the_catalogs() -> None:
    machine = catalog.machine_type("aws", "p5.48xlarge")
    price = catalog.price("aws", "us-east-1", "p5.48xlarge", "on-demand")
    assert machine is not None
    assert price is not None
    assert order_price(machine, "us-east-1", "on-demand") == (price.usd_per_hour, True)
    found = named(instance_types("aws", "us-east-1"), "p5.48xlarge")["offerings"]
    assert [it["Listed"] for it in found if labels(it)["karpenter.sh/capacity-type"] == "on-demand"] == [True] * (
        len(found) // 3
    )


@given(
    st.sampled_from(
        [(it, region) for cloud, region in CLOUDS for it in catalog.machine_types(cloud) if not it.unusable]
    )
)
def test_what_is_reserved_comes_before_spot_and_spot_before_on_demand(pair: tuple[catalog.MachineType, str]) -> None:
    machine, region = pair
    reserved, spot, on_demand = (order_price(machine, region, kind)[0] for kind in CAPACITIES)
    assert 0 < reserved < spot < on_demand


def test_of_machines_without_a_price_the_smaller_comes_first() -> None:
    small, large = (catalog.machine_type("gcp", f"n1-standard-{name}") for name in ("8+v100x1", "16+v100x2"))
    assert small is not None
    assert large is not None
    assert order_price(small, "us-central1", "on-demand")[1] is False
    assert order_price(small, "us-central1", "on-demand") < order_price(large, "us-central1", "on-demand")


@given(st.sets(st.sampled_from(["use1-az1", "use1-az2", "use1-az4"])), st.sets(st.sampled_from(CAPACITIES)))
def test_what_cannot_be_had_is_not_offered(zones: set[str], kinds: set[str]) -> None:
    gone = [Sold(machine_type="g6.xlarge", zone=zone, capacity=kind) for zone in zones for kind in kinds]
    types = instance_types("aws", "us-east-1", unavailable=gone)
    found = [labels(it) for item in types if item["name"] == "g6.xlarge" for it in item["offerings"]]
    assert not [
        it for it in found if it["topology.kubernetes.io/zone"] in zones and it["karpenter.sh/capacity-type"] in kinds
    ]
    everything = named(instance_types("aws", "us-east-1"), "g6.xlarge")["offerings"]
    assert len(found) == len(everything) - len(gone)


def test_a_machine_of_which_nothing_is_left_is_not_named() -> None:
    types = instance_types("aws", "us-east-1", unavailable=[Sold(machine_type="p5.48xlarge")])
    assert "p5.48xlarge" not in {item["name"] for item in types}
    assert "g6.xlarge" in {item["name"] for item in types}


def test_a_pools_disk_is_its_nodes_unless_the_machine_brings_a_larger_one() -> None:
    types = instance_types("aws", "us-east-1", disk_gib={"p3.2xlarge": 500, "p5.48xlarge": 500, "m7i.large": 50})
    assert named(types, "p5.48xlarge")["resources"]["ephemeral-storage"] == "28312Gi"
    assert named(types, "m7i.large")["resources"]["ephemeral-storage"] == "50Gi"


def test_a_node_whose_gpus_are_shared_has_more_of_them() -> None:
    machine = catalog.machine_type("gcp", "n1-standard-4+t4x1")
    assert machine is not None
    types = instance_types("gcp", "us-central1", shared=[Shared(machine=machine, clients=4)])
    assert named(types, "n1-standard-4.t4x1.shared4")["resources"]["nvidia.com/gpu"] == "4"
    assert named(types, "n1-standard-4.t4x1")["resources"]["nvidia.com/gpu"] == "1"


def test_the_answer_is_the_same_each_time_and_json() -> None:
    assert json.dumps(instance_types("gcp", "us-central1")) == json.dumps(instance_types("gcp", "us-central1"))


def test_an_unknown_cloud_is_refused_by_name() -> None:
    with pytest.raises(catalog.UnknownNameError, match="unknown cloud 'moon'"):
        instance_types("moon", "sea")
