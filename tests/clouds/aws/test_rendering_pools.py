"""What a GPU pool becomes on AWS, in each of its forms: `tests/environments/Pulumi.ladder.yaml` has one of each."""

import base64
import tomllib
from typing import Any

import pytest
from tests.environment_files import BASE, edited
from tests.recordings import Recorded, of_file, of_text

from springtide import catalog
from springtide.clouds.aws.node_group import MOST_INSTANCE_TYPES
from springtide.offline.plan import Resource

EFA_RUNGS = ("train.reserved.use1-az2", "train.spot.use1-az2", "train.on-demand.use1-az2")


@pytest.fixture(scope="module")
def ladder() -> Recorded:
    return of_file("ladder")


@pytest.fixture(scope="module")
def base() -> Recorded:
    return of_text(BASE)


def spec(found: Recorded, kind: str, name: str) -> dict[str, Any]:
    return dict(found.one(kind, name).inputs["spec"])


def requirements(node_pool: dict[str, Any]) -> dict[str, list[str]]:
    return {item["key"]: item["values"] for item in node_pool["template"]["spec"]["requirements"]}


def of_pools(found: Recorded) -> list[Resource]:
    return [item for item in found.resources if "GpuPool$" in item.urn]


def test_a_pool_is_node_pools_and_a_node_class_and_no_machine(base: Recorded) -> None:
    kinds = sorted(item.type.rpartition(":")[2] for item in of_pools(base))
    assert kinds == ["EC2NodeClass", "EC2NodeClass", "NodePool", "NodePool", "NodePool"]


def test_machines_of_one_run_are_in_one_zone_whatever_connects_them(base: Recorded) -> None:
    """Within a NodePool of several zones, Karpenter was seen to make the machines of one run in two of them."""
    found = {item.name: dict(item.inputs["spec"]) for item in base.all("NodePool") if item.name.startswith("train")}
    zones = {name: requirements(item)["topology.k8s.aws/zone-id"] for name, item in found.items()}
    assert zones == {"train.spot.use1-az1": ["use1-az1"], "train.spot.use1-az2": ["use1-az2"]}
    labels = {item["template"]["metadata"]["labels"]["springtide.dev/rung"] for item in found.values()}
    assert labels == set(found)


def test_kinds_of_capacity_are_tried_in_the_order_of_the_file(ladder: Recorded) -> None:
    found = [spec(ladder, "NodePool", name) for name in EFA_RUNGS]
    assert [item["weight"] for item in found] == [30, 20, 10]
    bought = [requirements(item)["karpenter.sh/capacity-type"] for item in found]
    assert bought == [["reserved"], ["spot"], ["on-demand"]]


def test_nodes_that_lie_together_are_in_one_zone_and_one_placement_group(ladder: Recorded) -> None:
    for name in EFA_RUNGS:
        assert requirements(spec(ladder, "NodePool", name))["topology.k8s.aws/zone-id"] == ["use1-az2"]
    group = ladder.one("PlacementGroup", "train-use1-az2")
    assert (group.inputs["name"], group.inputs["strategy"]) == ("springtide-ladder-train-use1-az2", "cluster")
    selected = spec(ladder, "EC2NodeClass", "train.use1-az2")["placementGroupSelector"]
    assert selected == {"name": "springtide-ladder-train-use1-az2"}


def test_reserved_machines_are_where_they_were_reserved(ladder: Recorded) -> None:
    """Only their rung may use the reservation, and a group of ours came after it."""
    reserved = spec(ladder, "EC2NodeClass", "train")
    assert reserved["capacityReservationSelectorTerms"] == [{"id": "cr-0123456789abcdef0"}]
    assert "placementGroupSelector" not in reserved
    assert "capacityReservationSelectorTerms" not in spec(ladder, "EC2NodeClass", "train.use1-az2")


def test_a_pool_that_may_spread_has_one_node_pool_with_its_own_ceiling(ladder: Recorded) -> None:
    found = spec(ladder, "NodePool", "serve")
    assert requirements(found)["karpenter.sh/capacity-type"] == ["spot", "on-demand"]
    assert requirements(found)["topology.k8s.aws/zone-id"] == ["use1-az1", "use1-az2", "use1-az4"]
    assert found["limits"] == {"nvidia.com/gpu": "6"}


def test_whoever_pays_is_told_what_several_rungs_can_come_to(ladder: Recorded, base: Recorded) -> None:
    [said] = [item for item in ladder.warnings if item.rule == "aws/ceiling"]
    assert (said.path, "24 nodes" in said.message, "max_gpus 64" in said.fix) == ("/pools/train/max_nodes", True, True)
    [small] = [item for item in base.warnings if item.rule == "aws/ceiling"]
    assert "train can have 4 nodes" in small.message
    alone = of_text(edited(("purpose: training", "purpose: training\n      zones: [use1-az1]")))
    assert not [item for item in alone.warnings if item.rule == "aws/ceiling"]


def test_every_node_pool_has_a_limit_on_gpus(ladder: Recorded) -> None:
    limits = {item.name: item.inputs["spec"]["limits"]["nvidia.com/gpu"] for item in ladder.all("NodePool")}
    assert limits == {**dict.fromkeys(EFA_RUNGS, "64"), "serve": "6", "warm": "2"}


def test_a_node_says_its_pool_its_rung_and_what_the_file_adds(ladder: Recorded) -> None:
    template = spec(ladder, "NodePool", EFA_RUNGS[1])["template"]
    assert template["metadata"]["labels"] == {
        "springtide.dev/pool": "train",
        "springtide.dev/gpu": "H100",
        "springtide.dev/rung": EFA_RUNGS[1],
        "springtide.dev/fabric": "efa",
        "nvidia.com/gpu.present": "true",
        "example.com/team": "research",
    }
    assert template["spec"]["taints"] == [
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
        {"key": "example.com/team", "value": "research", "effect": "NoSchedule"},
    ]


def test_machine_types_are_those_of_the_intent_cheapest_first(ladder: Recorded) -> None:
    intended = ladder.one("GpuPool", "serve").inputs["machineTypes"]
    assert requirements(spec(ladder, "NodePool", "serve"))["node.kubernetes.io/instance-type"] == intended
    assert len(intended) > 1


def test_nodes_run_the_pinned_image_on_the_architecture_of_the_gpu(ladder: Recorded) -> None:
    image = catalog.node_image("aws", "1.35", gpu=True)
    assert image is not None
    assert spec(ladder, "EC2NodeClass", "serve")["amiSelectorTerms"] == [
        {"alias": f"bottlerocket@v{image.release.partition('-')[0]}"}
    ]
    arm = of_text(edited(("gpu: A10G", "gpu: T4g")))
    assert requirements(spec(arm, "NodePool", "train.spot.use1-az1"))["kubernetes.io/arch"] == ["arm64"]
    assert "instanceStorePolicy" not in spec(arm, "EC2NodeClass", "train")  # g5g has no NVMe


def test_a_machines_own_disks_carry_the_scratch_files(ladder: Recorded) -> None:
    assert spec(ladder, "EC2NodeClass", "serve")["instanceStorePolicy"] == "RAID0"
    settings = tomllib.loads(base64.b64decode(ladder.one("LaunchTemplate", "warm").inputs["userData"]).decode())
    assert settings["settings"]["bootstrap-commands"]["scratch"]["commands"][0] == [
        "apiclient",
        "ephemeral-storage",
        "init",
    ]


def test_machines_are_where_the_environment_is_and_in_its_groups(ladder: Recorded) -> None:
    found = ladder.one("EC2NodeClass", "serve")
    subnets = [item["id"] for item in found.inputs["spec"]["subnetSelectorTerms"]]
    assert [name for name in ("use1-az1", "use1-az2", "use1-az4") if any(name in item for item in subnets)] == [
        *("use1-az1", "use1-az2", "use1-az4"),
    ]
    assert len(found.inputs["spec"]["securityGroupSelectorTerms"]) == 1
    assert ladder.one("Role", "cluster-node").urn in found.inputs["spec"]["role"]
    assert found.inputs["spec"]["tags"]["springtide:environment"] == "ladder"


def test_efa_traffic_is_allowed_within_the_pool_in_and_out(ladder: Recorded) -> None:
    group = ladder.one("SecurityGroup", "train-efa")
    for kind in ("SecurityGroupIngressRule", "SecurityGroupEgressRule"):
        rule = ladder.one(kind, "train-efa").inputs
        assert rule["ipProtocol"] == "-1"
        assert rule["securityGroupId"] == rule["referencedSecurityGroupId"]
        assert ladder.needs(ladder.one("EC2NodeClass", "train"), ladder.one(kind, "train-efa"))
    groups = spec(ladder, "EC2NodeClass", "train.use1-az2")["securityGroupSelectorTerms"]
    assert [group.urn in item["id"] for item in groups] == [False, True]


def test_an_efa_machine_has_the_interfaces_of_its_type(ladder: Recorded) -> None:
    interfaces = spec(ladder, "EC2NodeClass", "train.use1-az2")["networkInterfaces"]
    assert len(interfaces) == 33
    assert interfaces[:2] == [
        {"networkCardIndex": 0, "deviceIndex": 0, "interfaceType": "interface"},
        {"networkCardIndex": 0, "deviceIndex": 1, "interfaceType": "efa-only"},
    ]
    assert ladder.one("Release", "aws-efa-k8s-device-plugin")


def test_warm_nodes_stay_and_karpenter_makes_the_rest(ladder: Recorded) -> None:
    group = ladder.one("NodeGroup", "warm").inputs
    assert group["scalingConfig"] == {"minSize": 1, "desiredSize": 1, "maxSize": 1}
    assert group["labels"] == spec(ladder, "NodePool", "warm")["template"]["metadata"]["labels"]
    assert group["instanceTypes"] == ladder.one("GpuPool", "warm").inputs["machineTypes"][:MOST_INSTANCE_TYPES]
    assert spec(ladder, "NodePool", "warm")["limits"] == {"nvidia.com/gpu": "2"}
    [disk] = ladder.one("LaunchTemplate", "warm").inputs["blockDeviceMappings"]
    assert disk["ebs"]["volumeSize"] == 300


def test_a_raised_floor_reaches_the_machines(ladder: Recorded) -> None:
    """With the desired size ignored, EKS would refuse a minimum above it: there is nothing else that scales a group."""
    assert {tuple(item.options["ignore_changes"]) for item in ladder.all("NodeGroup")} == {()}


def test_a_pool_of_fixed_size_needs_no_karpenter() -> None:
    fixed = edited(
        ("min_nodes: 0", "min_nodes: 2\n      zones: [use1-az1]"),
        ("serve: {gpu: L4, ", "serve: {gpu: L4, min_nodes: 2, "),
    )
    found = of_text(fixed)
    assert not found.all("NodePool")
    assert "karpenter" not in {item.name for item in found.all("Release")}
    assert {item.inputs["capacityType"] for item in found.all("NodeGroup") if item.name != "cluster-system"} == {"SPOT"}


def test_a_node_group_asleep_is_told_for_nothing_wakes_it() -> None:
    asleep = "serve: {gpu: L4, gpus_per_node: 4, zones: [use1-az2], fabric: efa, efa_layout: legacy, "
    found = of_text(edited(("serve: {gpu: L4, ", asleep)))
    assert [item.path for item in found.warnings if item.rule == "clouds/wake"] == ["/pools/serve/min_nodes"]


def test_a_karpenter_that_is_there_already_is_used_and_not_installed() -> None:
    found = of_text(edited(("  storage:\n", "  controllers: {existing: [karpenter-crd, karpenter]}\n  storage:\n")))
    assert {item.name for item in found.all("EC2NodeClass")} == {"serve", "train"}
    assert not {"karpenter", "karpenter-crd"} & {item.name for item in found.all("Release")}
    assert not found.all("Queue")


def test_the_older_efa_layout_is_a_node_group_of_one_zone(ladder: Recorded) -> None:
    group, template = ladder.one("NodeGroup", "older").inputs, ladder.one("LaunchTemplate", "older").inputs
    assert group["scalingConfig"] == {"minSize": 1, "desiredSize": 1, "maxSize": 2}
    assert (group["instanceTypes"], len(group["subnetIds"])) == (["p4d.24xlarge"], 1)
    shape = [
        (item["networkCardIndex"], item["deviceIndex"], item["interfaceType"]) for item in template["networkInterfaces"]
    ]
    assert shape == [(0, 0, "efa"), (1, 1, "efa-only"), (2, 1, "efa-only"), (3, 1, "efa-only")]
    assert {len(item["securityGroups"]) for item in template["networkInterfaces"]} == {2}
    assert template["placement"] == {"groupName": "springtide-ladder-older-use1-az2"}


def test_a_capacity_block_is_a_node_group_whose_template_names_machine_and_reservation(ladder: Recorded) -> None:
    group, template = ladder.one("NodeGroup", "block").inputs, ladder.one("LaunchTemplate", "block").inputs
    assert (group["capacityType"], "instanceTypes" in group, len(group["subnetIds"])) == ("CAPACITY_BLOCK", False, 1)
    assert template["instanceType"] == "p5en.48xlarge"
    assert template["instanceMarketOptions"] == {"marketType": "capacity-block"}
    target = template["capacityReservationSpecification"]["capacityReservationTarget"]
    assert target == {"capacityReservationId": "cr-0fedcba9876543210"}


def test_no_template_names_a_subnet_or_a_public_address(ladder: Recorded) -> None:
    for template in ladder.all("LaunchTemplate"):
        for item in template.inputs.get("networkInterfaces", []):
            assert not {"subnetId", "associatePublicIpAddress"} & item.keys()
        assert not {"iamInstanceProfile", "imageId"} & template.inputs.keys()
    for node_class in ladder.all("EC2NodeClass"):
        assert "associatePublicIPAddress" not in node_class.inputs["spec"]


def test_paid_capacity_is_not_given_away_by_a_replacement(ladder: Recorded) -> None:
    kept = {(item.type.rpartition(":")[2], item.name) for item in of_pools(ladder) if item.options["protect"]}
    assert kept == {
        ("PlacementGroup", "train-use1-az2"),
        ("EC2NodeClass", "train"),
        ("EC2NodeClass", "train.use1-az2"),
        *(("NodePool", name) for name in EFA_RUNGS),
        ("NodeGroup", "block"),
    }


@pytest.mark.parametrize("kind", ["EC2NodeClass", "NodePool"])
def test_karpenter_outlives_what_it_has_to_clean_up(ladder: Recorded, kind: str) -> None:
    for item in ladder.all(kind):
        assert ladder.needs(item, ladder.one("Release", "karpenter"))
        assert ladder.needs(item, ladder.one("Release", "karpenter-crd"))
        assert item.options["custom_timeouts"] == {"delete": "60m"}
        assert item.options["deleted_with"] is None


def test_machines_are_gone_before_what_they_are_made_of(ladder: Recorded) -> None:
    for name, node_class in [(EFA_RUNGS[0], "train"), (EFA_RUNGS[1], "train.use1-az2"), ("serve", "serve")]:
        assert ladder.needs(ladder.one("NodePool", name), ladder.one("EC2NodeClass", node_class))
    assert ladder.needs(ladder.one("EC2NodeClass", "train.use1-az2"), ladder.one("PlacementGroup", "train-use1-az2"))
    assert ladder.needs(ladder.one("NodeGroup", "older"), ladder.one("PlacementGroup", "older-use1-az2"))


def test_karpenter_is_told_which_machines_it_will_lose(ladder: Recorded) -> None:
    queue = ladder.one("Queue", "karpenter").inputs
    assert (queue["messageRetentionSeconds"], queue["sqsManagedSseEnabled"]) == (300, True)
    assert len(ladder.all("EventRule")) == len(ladder.all("EventTarget")) == 5
    release = ladder.one("Release", "karpenter")
    assert release.inputs["values"]["settings"]["interruptionQueue"] == queue["name"] == "springtide-ladder-karpenter"
    assert release.inputs["values"]["settings"]["clusterName"] == "springtide-ladder"
    for kind, name in [
        ("QueuePolicy", "karpenter"),
        ("EventTarget", "karpenter-health"),
        ("PodIdentityAssociation", "karpenter"),
    ]:
        assert ladder.needs(release, ladder.one(kind, name))


def test_karpenter_has_its_rights_before_it_starts_and_no_key(ladder: Recorded) -> None:
    association = ladder.one("PodIdentityAssociation", "karpenter")
    assert (association.inputs["namespace"], association.inputs["serviceAccount"]) == ("kube-system", "karpenter")
    assert ladder.needs(association, ladder.one("RolePolicy", "karpenter"))
