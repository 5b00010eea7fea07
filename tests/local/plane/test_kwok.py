"""What simulated nodes and pods do, read back from the file that kwok reads."""

from typing import Any

import pytest
import yaml

from springtide.local.plane import kwok
from springtide.local.plane.kwok import DURATION, RUNS, SIMULATED, START_DELAY, config

DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all(config()))
STAGES = {item["metadata"]["name"]: item["spec"] for item in DOCUMENTS if item["kind"] == "Stage"}
[OPTIONS] = [item["options"] for item in DOCUMENTS if item["kind"] == "KwokConfiguration"]
IGNORES = {"key": f'.metadata.annotations["{RUNS}"]', "operator": "DoesNotExist"}


def when(stage: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = STAGES[stage]["selector"]["matchExpressions"]
    return found


def test_every_stage_of_pods_leaves_those_alone_that_really_run() -> None:
    of_pods = [name for name, spec in STAGES.items() if spec["resourceRef"]["kind"] == "Pod"]
    assert of_pods == ["pod-up", "pod-done", "pod-again", "pod-gone"]
    assert all(IGNORES in when(name) for name in of_pods)


def test_only_nodes_that_say_so_are_simulated() -> None:
    assert OPTIONS["manageAllNodes"] is False
    assert OPTIONS["manageNodesWithAnnotationSelector"] == "kwok.x-k8s.io/node=fake"
    assert SIMULATED == {"kwok.x-k8s.io/node": "fake"}


def test_kwok_works_on_several_things_at_once() -> None:
    """With a configuration and nothing here it works on nothing, and says so by ending."""
    parallel = {name: number for name, number in OPTIONS.items() if name.endswith("Parallelism")}
    assert len(parallel) == 4
    assert all(number > 0 for number in parallel.values())


@pytest.mark.parametrize(
    ("stage", "annotation", "otherwise"), [("pod-up", START_DELAY, 0), ("pod-done", DURATION, 5000)]
)
def test_how_long_it_takes_stands_at_the_pod(stage: str, annotation: str, otherwise: int) -> None:
    assert STAGES[stage]["delay"] == {
        "durationMilliseconds": otherwise,
        "durationFrom": {"expressionFrom": f'.metadata.annotations["{annotation}"]'},
    }


def test_only_pods_of_jobs_end_by_themselves() -> None:
    ends = [name for name, spec in STAGES.items() if "Succeeded" in str(spec["next"].get("statusTemplate"))]
    assert ends == ["pod-done"]
    assert {"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]} in when("pod-done")


def test_a_pod_that_is_being_deleted_goes_and_does_nothing_else() -> None:
    deleted = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
    assert deleted in when("pod-gone")
    assert STAGES["pod-gone"]["next"] == {"delete": True, "finalizers": {"empty": True}}
    for stage in ("pod-up", "pod-done", "pod-again"):
        assert {**deleted, "operator": "DoesNotExist"} in when(stage)


def test_a_pod_that_lost_its_readiness_gets_it_back_and_does_not_end_meanwhile() -> None:
    key = '.status.conditions.[] | select( .type == "Ready" ) | .status'
    assert {"key": key, "operator": "NotIn", "values": ["True"]} in when("pod-again")
    assert {"key": key, "operator": "In", "values": ["True"]} in when("pod-done")


def test_leases_of_many_nodes_are_renewed_less_often_and_always_before_the_node_controller_loses_patience() -> None:
    assert kwok.lease_seconds(10) == kwok.LEASE_SECONDS
    assert kwok.lease_seconds(1000) == 160
    assert all(kwok.lease_seconds(nodes) / 4 < 120 for nodes in (0, 100, 1000, 10**6))
    options = next(iter(yaml.safe_load_all(kwok.config(160))))["options"]
    assert options["nodeLeaseDurationSeconds"] == 160
