"""What no accepted file is rendered as: laws over every plan that the table's accepted files make."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from springtide import catalog, grace

from .rule_plans import Plan, Plans

pytestmark = pytest.mark.timeout(900)  # the first test that asks waits for the plans of a whole family
PINNED = re.compile(r"bottlerocket@v\d+\.\d+\.\d+")
SECONDS = {"s": 1, "m": 60, "h": 3600}
POD_TEMPLATES = {"JobSet", "Job", "Deployment", "DaemonSet"}


@pytest.fixture
def aws(plans: Plans) -> list[Plan]:
    return list(plans.run("aws", stopped=False).plans.values())


@pytest.fixture
def gcp(plans: Plans) -> list[Plan]:
    return list(plans.run("gcp", stopped=False).plans.values())


def all_of(made: list[Plan], kind: str) -> list[dict[str, Any]]:
    """Resources of a kind in all plans; a law about none of them would say nothing."""
    found = [item for plan in made for item in plan["resources"] if item["type"].rpartition(":")[2] == kind]
    assert found, f"no plan has a {kind}"
    return found


def own_clusters(made: list[Plan]) -> list[dict[str, Any]]:
    """Inputs of the clusters that are made, and not read."""
    return [item["inputs"] for item in all_of(made, "Cluster") if item["custom"] and item["id"] is None]


def values(inputs: Any, key: str) -> Iterator[Any]:
    """Every value of that key, however deep."""
    if isinstance(inputs, dict):
        yield from (value for name, value in inputs.items() if name == key)
        inputs = list(inputs.values())
    if isinstance(inputs, list):
        for item in inputs:
            yield from values(item, key)


def test_2_pods_of_every_cluster_have_a_range_of_their_own(gcp: list[Plan]) -> None:
    for said in own_clusters(gcp):
        assert said["ipAllocationPolicy"]["clusterSecondaryRangeName"]
        assert said.get("networkingMode") in {None, "VPC_NATIVE"}


def test_32_no_node_pool_leaves_its_networks_to_gke(gcp: list[Plan]) -> None:
    for pool in all_of(gcp, "NodePool"):
        assert "acceleratorNetworkProfile" not in pool["inputs"].get("networkConfig", {})


def test_33_a_cluster_with_several_networks_has_dataplane_v2(gcp: list[Plan]) -> None:
    several = [said for said in own_clusters(gcp) if said.get("enableMultiNetworking")]
    assert several
    assert {said["datapathProvider"] for said in several} == {"ADVANCED_DATAPATH"}
    assert list(values([pool["inputs"] for pool in all_of(gcp, "NodePool")], "additionalNodeNetworkConfigs"))


def test_34_no_cluster_has_a_second_dataplane(gcp: list[Plan]) -> None:
    for said in own_clusters(gcp):
        assert "networkPolicy" not in said
        assert "networkPolicyConfig" not in said.get("addonsConfig", {})
        assert "enableFqdnNetworkPolicy" not in said


def test_35_a_machine_type_stands_in_the_template_or_on_the_node_group(aws: list[Plan]) -> None:
    templates = {item["urn"]: item["inputs"] for item in all_of(aws, "LaunchTemplate")}
    for group in all_of(aws, "NodeGroup"):
        [template] = [urn for urn in group["depends_on"] if urn in templates]
        assert bool(group["inputs"].get("instanceTypes")) is not ("instanceType" in templates[template])


def test_37_39_40_42_interfaces_of_a_template_are_as_ec2_takes_them(aws: list[Plan]) -> None:
    templates = [item["inputs"] for item in all_of(aws, "LaunchTemplate")]
    listed = [said["networkInterfaces"] for said in templates if "networkInterfaces" in said]
    assert listed
    assert not any(list(values(templates, key)) for key in ("subnetId", "associatePublicIpAddress"))
    for interfaces in listed:
        places = [(item["networkCardIndex"], item["deviceIndex"]) for item in interfaces]
        assert len(set(places)) == len(places)
        assert {item["interfaceType"] for item in interfaces[1:]} == {"efa-only"}
        cards = [item["networkCardIndex"] for item in interfaces[1:]]
        assert len(set(cards)) == len(cards)


def test_41_the_first_interface_of_a_node_class_is_plain(aws: list[Plan]) -> None:
    classes = [item["inputs"]["spec"] for item in all_of(aws, "EC2NodeClass")]
    listed = [said["networkInterfaces"] for said in classes if "networkInterfaces" in said]
    assert listed
    for interfaces in listed:
        assert interfaces[0] == {"networkCardIndex": 0, "deviceIndex": 0, "interfaceType": "interface"}
        assert {item["interfaceType"] for item in interfaces[1:]} == {"efa-only"}


def test_43_49_nodes_with_gpus_run_one_pinned_release_with_a_driver(aws: list[Plan]) -> None:
    for said in (item["inputs"] for item in all_of(aws, "NodeGroup")):
        types = said.get("instanceTypes") or ["p5.48xlarge"]  # a block's stands in its template
        machines = [catalog.machine_type("aws", name) for name in types]
        assert {"NVIDIA" in said["amiType"]} == {bool(machine and machine.gpu) for machine in machines}
        assert said["releaseVersion"]
    for said in (item["inputs"]["spec"] for item in all_of(aws, "EC2NodeClass")):
        [term] = said["amiSelectorTerms"]
        assert PINNED.fullmatch(term["alias"])


def test_47_48_a_training_node_ends_when_it_is_empty_and_has_time_to_save(aws: list[Plan]) -> None:
    pools = [item["inputs"]["spec"] for item in all_of(aws, "NodePool")]
    assert not [said for said in pools if "expireAfter" in said["disruption"]]
    training = [said for said in pools if said["template"]["spec"]["expireAfter"] == "Never"]
    assert training
    for said in training:
        assert said["disruption"]["consolidationPolicy"] == "WhenEmpty"
        drain = said["template"]["spec"]["terminationGracePeriod"]
        assert int(drain[:-1]) * SECONDS[drain[-1]] >= grace.VOLUNTARY_NOTICE_SECONDS


def test_51_52_pods_ask_for_gpus_by_the_one_name_that_wakes_a_pool(aws: list[Plan], gcp: list[Plan]) -> None:
    everything = [item for plan in (*aws, *gcp) for item in plan["resources"]]
    pods = [item["inputs"] for item in everything if item["type"].rpartition(":")[2] in POD_TEMPLATES]
    assert pods
    assert not [*values(pods, "resourceClaims"), *values(pods, "claims")]
    limits = {name for limit in values(pods, "limits") for name in limit}
    assert not [name for name in limits if name.startswith("nvidia.com/") and name != "nvidia.com/gpu"]


def test_53_the_size_of_a_node_group_is_updated_with_its_bounds(aws: list[Plan]) -> None:
    for group in all_of(aws, "NodeGroup"):
        size = group["inputs"]["scalingConfig"]
        assert size["minSize"] <= size["desiredSize"] <= size["maxSize"]
        assert not [path for path in group["options"].get("ignore_changes", []) if "scaling" in path.lower()]


def test_58_no_two_node_groups_of_a_cluster_have_one_name(aws: list[Plan]) -> None:
    for plan in aws:
        groups = [item for item in plan["resources"] if item["type"].endswith(":NodeGroup")]
        # Where no name is said, Pulumi makes one of the resource's own name and a random end.
        names = [item["inputs"].get("nodeGroupName", item["name"]) for item in groups]
        assert len(set(names)) == len(names)


def test_59_reserved_machines_are_protected_unless_the_file_says_otherwise(aws: list[Plan], gcp: list[Plan]) -> None:
    on_gke = [
        item for item in all_of(gcp, "NodePool")
        if "SPECIFIC_RESERVATION" in values(item["inputs"], "consumeReservationType")
    ]  # fmt: skip
    woken = [
        item for item in all_of(aws, "NodePool")
        if any("reserved" in need["values"] for need in item["inputs"]["spec"]["template"]["spec"]["requirements"])
    ]  # fmt: skip
    blocks = [item for item in all_of(aws, "NodeGroup") if item["inputs"].get("capacityType") == "CAPACITY_BLOCK"]
    for reserved in (on_gke, woken, blocks):
        assert reserved
        assert all(item["options"].get("protect") is True for item in reserved)
