from typing import Any

import pytest

from springtide.offline.cost import estimate
from springtide.offline.floors import Kept, kept
from springtide.offline.plan import Plan

from .sample_plan import Sample, sample

THREE = ["us-central1-a", "us-central1-b", "us-central1-c"]


def gke(**inputs: Any) -> Plan:
    made = Sample()
    config = {"machineType": "e2-standard-4", "diskType": "pd-balanced", "diskSizeGb": 100}
    given = {"location": "us-central1", "nodeConfig": config, **inputs}
    made.add("gcp:container/nodePool:NodePool", "cluster-system", made.stack, given)
    return made.plan(environment={"name": "dev", "cloud": "gcp", "region": "us-central1"})


def bounds(plan: Plan) -> tuple[int, int]:
    (found,) = kept(plan)
    return found.nodes, found.most


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ({"autoscaling": {"totalMinNodeCount": 2, "totalMaxNodeCount": 3}, "nodeLocations": THREE}, (2, 3)),
        ({"autoscaling": {"minNodeCount": 1, "maxNodeCount": 2}, "nodeLocations": THREE}, (3, 6)),
        ({"autoscaling": {"minNodeCount": 1, "maxNodeCount": 2}}, (3, 6)),
        ({"autoscaling": {"minNodeCount": 1, "maxNodeCount": 2}, "location": "us-central1-a"}, (1, 2)),
        ({"autoscaling": {"totalMinNodeCount": 0, "totalMaxNodeCount": 6}}, (0, 6)),
        ({"nodeCount": 2, "nodeLocations": THREE[:2]}, (4, 4)),
        ({}, (0, 0)),
    ],
)
def test_nodes_of_gke_are_counted_over_all_zones(inputs: dict[str, Any], found: tuple[int, int]) -> None:
    assert bounds(gke(**inputs)) == found


def test_system_nodes_of_gke_and_their_disks_are_in_the_idle_floor() -> None:
    plan = gke(autoscaling={"totalMinNodeCount": 2, "totalMaxNodeCount": 3})
    assert {item.what: item.count for item in estimate(plan).idle} == {
        "system node e2-standard-4": 2,
        "disks of nodes that always run, pd-balanced": 200,
    }


def test_a_node_group_of_a_pool_is_told_from_the_clusters_own() -> None:
    groups = {group.name: group for group in kept(sample(nodes=(1, 4)).plan())}
    assert {name: group.in_pool for name, group in groups.items()} == {
        "cluster-system": False, "train": True, "serve": True,
    }  # fmt: skip
    assert groups["cluster-system"] == Kept(
        name="cluster-system", machine_type="m7i.large", capacity="on-demand", nodes=2, most=3,
        disks={"gp3": 50}, in_pool=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("config", "capacity"), [({"spot": True}, "spot"), ({"flexStart": True}, "flex-start"), ({}, "on-demand")]
)
def test_how_a_node_pool_buys_is_read_from_it(config: dict[str, bool], capacity: str) -> None:
    (found,) = kept(gke(nodeConfig={"machineType": "e2-standard-4", **config}))
    assert found.capacity == capacity
