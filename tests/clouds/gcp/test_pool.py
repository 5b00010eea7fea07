"""What GPU pools are on GKE: node pools, their order, and what pods need to land on them."""

from typing import Any

import pytest
from tests.clouds.gcp.pool_recordings import ZONES, pools
from tests.recordings import Recorded

from springtide.offline.record import MistakeError

H100: dict[str, Any] = {"gpu": "H100", "gpus_per_node": 8, "max_nodes": 4, "purpose": "training"}
RESERVATION = "projects/acme-ml-prod/reservations/mega"
NODE = {
    "diskSizeGb": 200,
    "diskType": "pd-balanced",
    "gcfsConfig": {"enabled": True},
    "gvnic": {"enabled": True},
    "imageType": "COS_CONTAINERD",
    "kubeletConfig": {"insecureKubeletReadonlyPortEnabled": "FALSE"},
    "metadata": {"disable-legacy-endpoints": "true"},
    "oauthScopes": ["https://www.googleapis.com/auth/cloud-platform"],
    "serviceAccount": "nodes@acme-ml-prod.iam.gserviceaccount.com",
    "shieldedInstanceConfig": {"enableIntegrityMonitoring": True, "enableSecureBoot": True},
    "workloadMetadataConfig": {"mode": "GKE_METADATA"},
}
"""What every GPU node says."""
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}
NO_RESERVATION = {"consumeReservationType": "NO_RESERVATION"}
DRAIN = {
    "respectPdbDuringNodePoolDeletion": True,
    "graceTerminationDuration": "3600s",
    "pdbTimeoutDuration": "3600s",
}


@pytest.fixture(scope="module")
def made() -> Recorded:
    return pools(
        {
            "serve": {"gpu": "L4", "max_nodes": 4, "capacity": ["spot"], "purpose": "serving"},
            "train": {
                **H100,
                "capacity": ["reserved", "spot", "on-demand"],
                "fabric": "gpudirect",
                "machine_types": ["a3-megagpu-8g"],
                "reservation": RESERVATION,
                "zones": ["us-central1-a"],
            },
            "flex": {
                "gpu": "A100",
                "gpus_per_node": 8,
                "max_nodes": 3,
                "capacity": ["flex-start"],
                "max_run_hours": 24,
            },
            "queue": {**H100, "capacity": ["queued"], "machine_types": ["a3-highgpu-8g"], "local_disks": "block"},
            "old": {"gpu": "T4", "max_nodes": 2, "taints": ["team=vision:NoExecute"], "labels": {"team": "vision"}},
            "share": {
                "gpu": "L4",
                "max_nodes": 2,
                "sharing": {"strategy": "time-sharing", "clients": 4},
                "driver": "latest",
            },
            "warm": {
                "gpu": "L4",
                "max_nodes": 3,
                "min_nodes": 3,
                "capacity": ["on-demand", "spot"],
                "purpose": "serving",
            },
            "wide": {**H100, "capacity": ["spot", "on-demand"], "min_nodes": 2},
            "kept": {"gpu": "L4", "max_nodes": 1, "protect": True},
            "9-with-a-name-that-is-hardly-bearable": {"gpu": "L4", "max_nodes": 1},
        }
    )


@pytest.fixture(scope="module")
def automatic() -> Recorded:
    return pools(
        {
            "train": {
                **H100,
                "capacity": ["reserved", "flex-start", "spot"],
                "machine_types": ["a3-megagpu-8g"],
                "reservation": f"{RESERVATION}/reservationBlocks/b1",
                "zones": ["us-central1-a"],
            },
            "autopilot": {"gpu": "L4", "max_nodes": 4, "purpose": "serving"},
        },
        mode="auto",
    )


def node_pool(made: Recorded, title: str) -> dict[str, Any]:
    return made.one("NodePool", title).inputs


def reference(made: Recorded, pool: str) -> dict[str, Any]:
    found: dict[str, Any] = made.outputs["refs"]["value"][pool]
    return found


def titles(made: Recorded, pool: str) -> list[str]:
    """Names of a GPU pool's node pools in the order they are made in."""
    [component] = [item for item in made.all("GpuPool") if item.name == pool]
    return [item.name for item in made.children(component) if item.type.endswith(":NodePool")]


def test_a_pool_of_one_kind_is_one_node_pool_over_all_its_zones(made: Recorded) -> None:
    assert node_pool(made, "serve-spot-g2-standard-4") == {
        "name": "serve-spot-g2-standard-4",
        "cluster": "springtide-prod",
        "location": "us-central1",
        "nodeLocations": list(ZONES),
        "autoscaling": {"totalMinNodeCount": 0, "totalMaxNodeCount": 4, "locationPolicy": "ANY"},
        "initialNodeCount": 0,
        "maxPodsPerNode": 64,
        "management": {"autoRepair": True, "autoUpgrade": True},
        "upgradeSettings": {"strategy": "SURGE", "maxSurge": 0, "maxUnavailable": 1},
        "nodeDrainConfigs": [DRAIN],
        "networkConfig": {"enablePrivateNodes": True},
        "nodeConfig": {
            **NODE,
            "machineType": "g2-standard-4",
            "guestAccelerators": [
                {"type": "nvidia-l4", "count": 1, "gpuDriverInstallationConfig": {"gpuDriverVersion": "DEFAULT"}}
            ],
            "kubeletConfig": {
                "insecureKubeletReadonlyPortEnabled": "FALSE",
                "shutdownGracePeriodSeconds": 120,
                "shutdownGracePeriodCriticalPodsSeconds": 15,
            },
            "labels": {"springtide.dev/pool": "serve", "springtide.dev/gpu": "L4"},
            "taints": [GPU_TAINT],
            "resourceLabels": {
                "springtide-environment": "prod",
                "springtide-managed-by": "pulumi",
                "springtide-pool": "serve",
            },
            "spot": True,
            "reservationAffinity": NO_RESERVATION,
        },
    }


def test_pods_of_one_kind_select_the_pool_and_stay_in_one_zone(made: Recorded) -> None:
    found = reference(made, "serve")
    assert found["selector"] == {"springtide.dev/pool": "serve"}
    assert found["pod"] == {"together": "topology.kubernetes.io/zone", "annotations": {}, "tolerations": []}


def test_only_training_pods_are_never_moved(made: Recorded) -> None:
    keep = "cluster-autoscaler.kubernetes.io/safe-to-evict"
    assert reference(made, "wide")["pod"]["annotations"] == {keep: "false"}
    assert reference(made, "train")["pod"]["annotations"][keep] == "false"
    assert keep not in reference(made, "old")["pod"]["annotations"]


def test_a_ladder_is_a_node_pool_for_each_kind_tried_in_its_order(made: Recorded) -> None:
    [ladder] = [item for item in made.all("ComputeClass") if item.name == "train"]
    assert ladder.inputs["metadata"] == {"name": "train"}
    assert ladder.inputs["spec"] == {
        "priorities": [
            {"nodepools": ["train-reserved-a3-megagpu-8g-a"]},
            {"nodepools": ["train-spot-a3-megagpu-8g-a"]},
            {"nodepools": ["train-on-demand-a3-megagpu-8g-a"]},
        ],
        "nodePoolAutoCreation": {"enabled": False},
        "whenUnsatisfiable": "DoNotScaleUp",
        "activeMigration": {"optimizeRulePriority": False},
    }
    assert all(made.needs(ladder, made.one("NodePool", title)) for title in titles(made, "train"))


def test_nodes_of_a_ladder_are_its_classs_and_pods_are_let_in(made: Recorded) -> None:
    mark = "cloud.google.com/compute-class"
    for title in titles(made, "train"):
        node = node_pool(made, title)["nodeConfig"]
        assert node["labels"] == {
            "springtide.dev/pool": "train",
            "springtide.dev/gpu": "H100",
            mark: "train",
        }
        assert node["taints"] == [GPU_TAINT, {"key": mark, "value": "train", "effect": "NO_SCHEDULE"}]
    found = reference(made, "train")
    assert found["selector"] == {mark: "train"}
    assert found["pod"]["tolerations"] == [{"key": mark, "operator": "Equal", "value": "train", "effect": "NoSchedule"}]
    assert found["pod"]["together"] == "cloud.google.com/gke-nodepool"


def test_only_the_reserved_rung_names_the_reservation_and_is_protected(made: Recorded) -> None:
    reserved, spot, on_demand = (made.one("NodePool", title) for title in titles_in_order(made, "train"))
    assert reserved.inputs["nodeConfig"]["reservationAffinity"] == {
        "consumeReservationType": "SPECIFIC_RESERVATION",
        "key": "compute.googleapis.com/reservation-name",
        "values": [RESERVATION],
    }
    assert "spot" not in reserved.inputs["nodeConfig"]
    assert spot.inputs["nodeConfig"]["reservationAffinity"] == NO_RESERVATION
    assert "reservationAffinity" not in on_demand.inputs["nodeConfig"]
    assert [item.options["protect"] for item in (reserved, spot, on_demand)] == [True, False, False]


def titles_in_order(made: Recorded, pool: str) -> list[str]:
    [ladder] = [item for item in made.all("ComputeClass") if item.name == pool]
    return [name for rule in ladder.inputs["spec"]["priorities"] for name in rule["nodepools"]]


def test_close_nodes_lie_in_one_zone_and_reserved_ones_where_they_were_reserved(made: Recorded) -> None:
    reserved, spot, on_demand = (node_pool(made, title) for title in titles_in_order(made, "train"))
    assert "placementPolicy" not in reserved
    assert spot["placementPolicy"] == on_demand["placementPolicy"] == {"type": "COMPACT"}
    assert [item["nodeLocations"] for item in (reserved, spot, on_demand)] == [["us-central1-a"]] * 3


def test_scratch_lies_on_the_machines_own_disks(made: Recorded) -> None:
    node = node_pool(made, "train-spot-a3-megagpu-8g-a")["nodeConfig"]
    assert node["ephemeralStorageLocalSsdConfig"] == {"localSsdCount": 16}
    assert "localNvmeSsdBlockConfig" not in node
    raw = node_pool(made, "queue-queued-a3-highgpu-8g")["nodeConfig"]
    assert raw["localNvmeSsdBlockConfig"] == {"localSsdCount": 16}
    assert "ephemeralStorageLocalSsdConfig" not in raw


def test_flex_start_machines_end_and_are_never_repaired(made: Recorded) -> None:
    found = node_pool(made, "flex-flex-start-a2-highgpu-8g")
    assert found["nodeConfig"]["flexStart"] is True
    assert found["nodeConfig"]["maxRunDuration"] == "86400s"
    assert found["nodeConfig"]["reservationAffinity"] == NO_RESERVATION
    assert found["management"] == {"autoRepair": False, "autoUpgrade": True}
    assert "upgradeSettings" not in found
    assert found["autoscaling"] == {"totalMinNodeCount": 0, "totalMaxNodeCount": 3, "locationPolicy": "ANY"}
    assert found["nodeConfig"]["guestAccelerators"][0]["type"] == "nvidia-tesla-a100"


def test_queued_machines_are_labelled_by_us_and_their_pods_tolerate_gkes_taint(made: Recorded) -> None:
    found = node_pool(made, "queue-queued-a3-highgpu-8g")
    assert found["queuedProvisioning"] == {"enabled": True}
    assert found["nodeConfig"]["labels"]["cloud.google.com/gke-queued"] == "true"
    assert "upgradeSettings" not in found
    assert found["autoscaling"]["locationPolicy"] == "ANY"
    assert reference(made, "queue")["pod"]["tolerations"] == [
        {"key": "cloud.google.com/gke-queued", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    ]


def test_a_run_on_queued_machines_says_how_long_it_wants_them(made: Recorded) -> None:
    asks = {name: reference(made, name)["pod"].get("request") for name in ("queue", "flex", "old")}
    longest = {"provreq.kueue.x-k8s.io/maxRunDurationSeconds": "604800"}
    assert asks == {"queue": longest, "flex": None, "old": None}


def test_an_attached_accelerator_is_named_beside_its_machine(made: Recorded) -> None:
    node = node_pool(made, "old-on-demand-n1-standard-4")["nodeConfig"]
    assert node["machineType"] == "n1-standard-4"
    assert node["guestAccelerators"] == [
        {"type": "nvidia-tesla-t4", "count": 1, "gpuDriverInstallationConfig": {"gpuDriverVersion": "DEFAULT"}}
    ]
    assert "spot" not in node


def test_labels_and_taints_of_the_file_come_beside_ours_and_its_own_pods_are_let_in(made: Recorded) -> None:
    node = node_pool(made, "old-on-demand-n1-standard-4")["nodeConfig"]
    assert node["labels"] == {"team": "vision", "springtide.dev/pool": "old", "springtide.dev/gpu": "T4"}
    assert node["taints"] == [GPU_TAINT, {"key": "team", "value": "vision", "effect": "NO_EXECUTE"}]
    assert reference(made, "old")["pod"]["tolerations"] == [
        {"key": "team", "operator": "Equal", "value": "vision", "effect": "NoExecute"}
    ]


def test_a_shared_gpu_says_how_and_among_how_many(made: Recorded) -> None:
    found = node_pool(made, "share-on-demand-g2-standard-4")
    assert found["nodeConfig"]["guestAccelerators"] == [
        {
            "type": "nvidia-l4",
            "count": 1,
            "gpuDriverInstallationConfig": {"gpuDriverVersion": "LATEST"},
            "gpuSharingConfig": {"gpuSharingStrategy": "TIME_SHARING", "maxSharedClientsPerGpu": 4},
        }
    ]
    assert found["autoscaling"]["locationPolicy"] == "BALANCED"


def test_warm_nodes_are_the_first_rungs_alone(made: Recorded) -> None:
    first, second = (node_pool(made, title) for title in titles_in_order(made, "warm"))
    assert (first["autoscaling"]["totalMinNodeCount"], first["initialNodeCount"]) == (3, 1)
    assert (second["autoscaling"]["totalMinNodeCount"], second["initialNodeCount"]) == (0, 0)


def test_a_training_ladder_has_node_pools_of_each_zone_and_a_serving_ladder_spans_them(made: Recorded) -> None:
    assert [node_pool(made, title)["nodeLocations"] for title in titles_in_order(made, "warm")] == [list(ZONES)] * 2
    assert all(len(node_pool(made, title)["nodeLocations"]) == 1 for title in titles(made, "wide"))


def test_machines_of_another_series_are_a_way_out_and_other_sizes_of_one_are_not(made: Recorded) -> None:
    [ladder] = [item for item in made.all("ComputeClass") if item.name == "wide"]
    rules = [rule["nodepools"] for rule in ladder.inputs["spec"]["priorities"]]
    assert [name.rpartition("-")[0] for name, *_ in rules] == [
        "wide-spot-a3-highgpu-8g",
        "wide-spot-a3-edgegpu-8g",
        "wide-on-demand-a3-highgpu-8g",
        "wide-on-demand-a3-edgegpu-8g",
    ]
    assert titles(made, "serve") == ["serve-spot-g2-standard-4"]


def test_serving_pods_move_back_to_the_better_rung_and_training_stays(made: Recorded) -> None:
    moves = {item.name: item.inputs["spec"]["activeMigration"] for item in made.all("ComputeClass")}
    assert moves == {
        "train": {"optimizeRulePriority": False},
        "wide": {"optimizeRulePriority": False},
        "warm": {"optimizeRulePriority": True},
    }


def test_only_what_gke_owns_is_ignored_and_a_new_pool_waits_for_the_old_one_to_go(made: Recorded) -> None:
    for item in made.all("NodePool"):
        assert item.options["ignore_changes"] == [
            "initialNodeCount",
            "nodeConfig.ephemeralStorageLocalSsdConfig",
            "nodeConfig.localNvmeSsdBlockConfig",
        ]
        assert item.options["delete_before_replace"] is True


def test_two_node_pools_of_a_gpu_pool_are_made_at_a_time(made: Recorded) -> None:
    order = [made.one("NodePool", title) for title in titles_in_order(made, "wide")]
    for position, item in enumerate(order):
        before = {other.urn for other in order if made.needs(item, other)}
        assert before == {other.urn for other in order[:position][-2::-2]}


def test_protection_is_as_the_file_says(made: Recorded) -> None:
    assert made.one("NodePool", "kept-on-demand-g2-standard-4").options["protect"] is True
    assert made.one("NodePool", "serve-spot-g2-standard-4").options["protect"] is False


def test_a_name_begins_with_a_letter_and_is_no_longer_than_gke_takes(made: Recorded) -> None:
    [long] = [item.inputs["name"] for item in made.all("NodePool") if item.name.startswith("9-")]
    assert long.startswith("p-9-with-a-name-that-is-hardly")
    assert len(long) == 40


@pytest.mark.parametrize("pool", ["serve", "train", "queue"])
def test_whoever_selects_a_pool_comes_after_its_node_pools_and_their_order(made: Recorded, pool: str) -> None:
    user = made.one("ConfigMap", f"{pool}-user")
    ladder = [item for item in made.all("ComputeClass") if item.name == pool]
    assert all(
        made.needs(user, item) for item in [*ladder, *(made.one("NodePool", name) for name in titles(made, pool))]
    )


def test_what_only_the_cloud_knows_of_a_reservation_is_told(made: Recorded) -> None:
    [found] = [item for item in made.warnings if item.rule == "gcp/reservation-contents"]
    assert (found.outcome, found.path, found.value) == ("cannot-tell", "/pools/train/reservation", RESERVATION)
    assert found.fix == "gcloud compute reservations describe mega --zone us-central1-a"


def test_a_block_of_another_projects_reservation_is_refused_where_the_project_is_known() -> None:
    foreign = {
        **H100,
        "capacity": ["reserved"],
        "machine_types": ["a3-megagpu-8g"],
        "reservation": "projects/acme-research/reservations/mega/reservationBlocks/b1",
        "zones": ["us-central1-a"],
    }
    with pytest.raises(MistakeError, match="this is acme-research's"):
        pools({"train": foreign})


def test_a_bound_that_several_node_pools_share_is_told(made: Recorded) -> None:
    told = {item.path: item.message for item in made.warnings if item.rule == "gcp/ceiling"}
    assert told == {
        "/pools/train/max_nodes": "GKE bounds each of 3 node pools, and not all together: 12 nodes at worst.",
        "/pools/warm/max_nodes": "GKE bounds each of 2 node pools, and not all together: 6 nodes at worst.",
        "/pools/wide/max_nodes": "GKE bounds each of 12 node pools, and not all together: 48 nodes at worst.",
    }


def test_an_older_cluster_leaves_spot_nodes_their_thirty_seconds() -> None:
    found = pools({"serve": {"gpu": "L4", "max_nodes": 4, "capacity": ["spot"], "purpose": "serving"}}, version="1.34")
    node = node_pool(found, "serve-spot-g2-standard-4")["nodeConfig"]
    assert node["kubeletConfig"] == {"insecureKubeletReadonlyPortEnabled": "FALSE"}


def test_autopilot_gets_a_class_and_makes_the_nodes_itself(automatic: Recorded) -> None:
    assert automatic.all("NodePool") == []
    [ladder] = [item for item in automatic.all("ComputeClass") if item.name == "train"]
    machine = {
        "machineType": "a3-megagpu-8g",
        "gpu": {"type": "nvidia-h100-mega-80gb", "count": 8, "driverVersion": "default"},
        "storage": {"bootDiskType": "pd-balanced", "bootDiskSize": 200, "localSSDCount": 16},
        "location": {"zones": ["us-central1-a"]},
    }
    block = {"name": "mega", "project": "acme-ml-prod", "reservationBlock": {"name": "b1"}}
    assert ladder.inputs["spec"] == {
        "priorities": [
            {**machine, "reservations": {"affinity": "Specific", "specific": [block]}},
            {**machine, "flexStart": {"enabled": True}, "maxRunDurationSeconds": 604800},
            {**machine, "spot": True},
        ],
        "nodePoolAutoCreation": {"enabled": True},
        "whenUnsatisfiable": "DoNotScaleUp",
        "activeMigration": {"optimizeRulePriority": False},
    }


def test_a_class_never_has_a_name_that_gke_keeps_to_itself(automatic: Recorded) -> None:
    [kept] = [item for item in automatic.all("ComputeClass") if item.name == "autopilot"]
    assert kept.inputs["metadata"] == {"name": "pool-autopilot"}
    assert reference(automatic, "autopilot")["selector"] == {"cloud.google.com/compute-class": "pool-autopilot"}


def test_pods_on_autopilot_ask_for_no_label_but_the_zone(automatic: Recorded) -> None:
    zone = "topology.kubernetes.io/zone"
    assert {reference(automatic, pool)["pod"]["together"] for pool in ("train", "autopilot")} == {zone}


def test_that_a_run_on_autopilot_may_mix_kinds_of_capacity_is_told_where_there_are_several(automatic: Recorded) -> None:
    [told] = [item for item in automatic.warnings if item.rule == "gcp/mixed-run"]
    assert (told.path, told.value) == ("/pools/train/capacity", ["reserved", "flex-start", "spot"])


def test_that_autopilot_keeps_no_bound_is_told(automatic: Recorded) -> None:
    told = sorted(item.path for item in automatic.warnings if item.rule == "gcp/unbounded")
    assert told == ["/pools/autopilot/max_nodes", "/pools/train/max_nodes"]
