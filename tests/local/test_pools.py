from dataclasses import replace
from typing import Any

import pytest

from springtide.local.render.machines import instance_types
from springtide.local.render.pools import GENERAL, disks, shared_machines, simulated
from springtide.local.render.substitute import Rendition
from springtide.local.render.substitution import Here

from .local_plans import all_of, names_of, one, plan_of, told

AUTOMATIC = {
    "machineType": "moon-8",
    "gpu": {"type": "nvidia-moon", "count": 8},
    "location": {"zones": ["us-central1-a"]},
}
MADE_BY_GKE = {"nodePoolAutoCreation": {"enabled": True}}


def made(environment: str) -> Rendition:
    objects, substitutions = simulated(plan_of(environment), Here())
    return Rendition(objects=objects, substitutions=substitutions)


def spec(found: Rendition, name: str) -> dict[str, Any]:
    item: dict[str, Any] = one(found, "NodePool", name)["spec"]
    return item


def asked(found: Rendition, name: str) -> dict[str, list[str]]:
    return {it["key"]: it["values"] for it in spec(found, name)["template"]["spec"]["requirements"]}


def test_machines_of_a_node_group_are_always_there() -> None:
    found = made("ladder")
    assert names_of(found, "Node") == [
        "cluster-system-0",
        "cluster-system-1",
        "block-0",
        "block-1",
        "older-0",
        "warm-0",
    ]
    assert not all_of(found, "NodePool")
    assert told(found, "EKS node groups") == "6 simulated nodes that are always there"


def test_nodes_that_stay_have_the_labels_and_taints_that_their_pool_gives_and_lie_in_its_zones() -> None:
    found = made("ladder")
    node = one(found, "Node", "older-0")
    labels = node["metadata"]["labels"]
    assert labels["springtide.dev/pool"] == "older"
    assert labels["topology.k8s.aws/zone-id"] == labels["topology.kubernetes.io/zone"] == "use1-az2"
    assert labels["node.kubernetes.io/instance-type"] == "p4d.24xlarge"
    assert {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"} in node["spec"]["taints"]
    zones = [
        one(found, "Node", f"cluster-system-{i}")["metadata"]["labels"]["topology.kubernetes.io/zone"] for i in (0, 1)
    ]
    assert zones == ["use1-az1", "use1-az2"]


def test_a_capacity_blocks_machine_type_is_read_from_its_launch_template() -> None:
    node = one(made("ladder"), "Node", "block-0")
    assert node["metadata"]["labels"]["node.kubernetes.io/instance-type"] == "p5en.48xlarge"
    assert node["metadata"]["labels"]["karpenter.sh/capacity-type"] == "reserved"
    assert node["status"]["capacity"]["nvidia.com/gpu"] == "8"


def test_kwok_keeps_nodes_alive_that_nobody_else_makes() -> None:
    for node in all_of(made("full"), "Node"):
        assert node["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}
        assert node["status"]["capacity"] == node["status"]["allocatable"]


def test_a_ladders_node_pools_weigh_less_from_rung_to_rung() -> None:
    found = made("prod-gcp")
    weights = {
        name: spec(found, name).get("weight") for name in names_of(found, "NodePool") if name.startswith("train")
    }
    assert weights == {
        "train-reserved-a3-megagpu-8g-a": 100,
        "train-spot-a3-megagpu-8g-a": 99,
        "train-on-demand-a3-megagpu-8g-a": 98,
    }


def test_a_node_pools_bound_is_its_limit() -> None:
    found = made("prod-gcp")
    assert spec(found, "train-spot-a3-megagpu-8g-a")["limits"] == {"nvidia.com/gpu": "64"}
    assert spec(found, "serve-spot-g2-standard-4")["limits"] == {"nvidia.com/gpu": "6"}


def test_nodes_that_are_always_there_do_not_count_against_the_limit() -> None:
    found = made("prod-gcp")
    assert len([name for name in names_of(found, "Node") if name.startswith("cluster-system")]) == 2
    assert spec(found, "cluster-system")["limits"] == {"cpu": "4"}


def test_a_node_pool_says_what_gke_says_of_its_nodes() -> None:
    found = made("prod-gcp")
    labels = spec(found, "train-spot-a3-megagpu-8g-a")["template"]["metadata"]["labels"]
    assert labels == {
        "cloud.google.com/compute-class": "train",
        "cloud.google.com/gke-accelerator": "nvidia-h100-mega-80gb",
        "cloud.google.com/gke-nodepool": "train-spot-a3-megagpu-8g-a",
        "cloud.google.com/gke-spot": "true",
        "springtide.dev/gpu": "H100",
        "springtide.dev/pool": "train",
    }
    assert spec(found, "train-spot-a3-megagpu-8g-a")["template"]["spec"]["taints"] == [
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
        {"key": "cloud.google.com/compute-class", "value": "train", "effect": "NoSchedule"},
    ]


def test_each_rung_buys_its_own_kind_of_capacity() -> None:
    found = made("prod-gcp")
    kinds = {
        kind: asked(found, f"train-{kind}-a3-megagpu-8g-a")["karpenter.sh/capacity-type"]
        for kind in ("reserved", "spot", "on-demand")
    }
    assert kinds == {"reserved": ["reserved"], "spot": ["spot"], "on-demand": ["on-demand"]}


def test_kinds_of_capacity_that_karpenter_does_not_know_are_told() -> None:
    found = made("gcp-ladder")
    assert asked(found, "tune-flex-start-a2-highgpu-8g")["karpenter.sh/capacity-type"] == ["on-demand"]
    assert told(found, "flex-start capacity") == "on-demand capacity"
    assert told(found, "capacity that is queued for") == "on-demand capacity"


def test_shared_gpus_are_a_machine_type_of_their_own() -> None:
    plan = plan_of("gcp-ladder")
    found = made("gcp-ladder")
    name = "n1-standard-4.t4x1.shared4"
    assert asked(found, "share-on-demand-n1-standard-4")["node.kubernetes.io/instance-type"] == [name]
    assert spec(found, "share-on-demand-n1-standard-4")["limits"] == {"nvidia.com/gpu": "8"}
    assert [item.name for item in shared_machines(plan)] == [name]


def test_autopilots_rules_are_node_pools_in_their_order_without_a_limit() -> None:
    found = made("autopilot")
    names = [name for name in names_of(found, "NodePool") if name != GENERAL]
    assert names == [f"train.{index}" for index in range(len(names))]
    assert [spec(found, name)["weight"] for name in names] == [100 - index for index in range(len(names))]
    assert not [name for name in names if "limits" in spec(found, name)]
    assert asked(found, names[0])["karpenter.sh/capacity-type"] == ["spot"]
    assert asked(found, names[-1])["karpenter.sh/capacity-type"] == ["on-demand"]
    assert not all_of(found, "Node")


def test_a_cloud_that_makes_nodes_by_itself_has_some_for_pods_without_a_gpu() -> None:
    for environment, machine in (("auto", "m7i.large"), ("autopilot", "e2-standard-4")):
        found = made(environment)
        assert machine in asked(found, GENERAL)["node.kubernetes.io/instance-type"]
        assert not spec(found, GENERAL)["template"]["spec"]["taints"]
        assert told(found, "Nodes that the cloud makes by itself").endswith(GENERAL)


def test_every_machine_type_that_a_node_pool_may_make_is_offered_in_its_zones_as_it_is_bought() -> None:
    for environment in ("prod-gcp", "gcp-ladder", "autopilot", "direct"):
        plan, found = plan_of(environment), made(environment)
        region = plan.environment["region"]
        types = {it["name"]: it for it in instance_types("gcp", region, shared=shared_machines(plan))}
        for name in names_of(found, "NodePool"):
            wanted = asked(found, name)
            if name == GENERAL:
                continue
            [machine] = wanted["node.kubernetes.io/instance-type"]
            offered = [
                {it["key"]: it["values"][0] for it in offering["Requirements"]}
                for offering in types[machine]["offerings"]
            ]
            assert set(wanted["topology.kubernetes.io/zone"]) <= {it["topology.kubernetes.io/zone"] for it in offered}


def test_the_largest_disk_that_a_pool_asks_for_is_the_machines() -> None:
    assert disks(plan_of("ladder"))["g6.xlarge"] == 300
    assert disks(plan_of("ladder"))["p5.48xlarge"] == 200


@pytest.mark.parametrize(
    ("environment", "kind", "inputs", "name"),
    [
        ("dev", "NodeGroup", {"instanceTypes": ["moon.large"]}, "cluster-system"),
        ("prod-gcp", "NodePool", {"nodeConfig": {"machineType": "moon-8"}}, "cluster-system"),
        ("autopilot", "ComputeClass", {"spec": {"priorities": [AUTOMATIC], **MADE_BY_GKE}}, "train"),
    ],
)
def test_machines_that_the_catalog_does_not_know_are_told_and_not_made(
    environment: str, kind: str, inputs: dict[str, Any], name: str
) -> None:
    plan = plan_of(environment)
    edited = [
        replace(it, inputs=it.inputs | inputs) if it.type.endswith(f":{kind}") and it.name == name else it
        for it in plan.resources
    ]
    objects, substitutions = simulated(replace(plan, resources=tuple(edited)), Here())
    found = Rendition(objects=objects, substitutions=substitutions)
    assert told(found, f"Machines of types that the catalog does not know ({name})").startswith("none come")
    assert not [item for item in objects if item["metadata"]["name"].startswith(name)]
