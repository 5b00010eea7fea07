"""A queue as a component: what it makes of its pools, in which order, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import clouds
from springtide.component import ArgumentsError
from springtide.queue import Queue, findings
from springtide.spec import QueueSpec

from .environment_files import edited, mistakes
from .recordings import Recorded, of_file
from .workload_programs import recorded

KINDS = ("ResourceFlavor", "ProvisioningRequestConfig", "AdmissionCheck", "ClusterQueue", "LocalQueue")
DWS = """\
CLUSTER["environment"] = {**PLACE, "cloud": "gcp", "account": "acme-ml-prod", "region": "us-central1"}
queue = Queue("research", {
    "cluster": with_controllers("kueue"), "max_gpus": 40,
    "pools": [{**POOL, "name": "spot", "capacity": ["spot"]}, {**POOL, "name": "dws", "capacity": ["queued"]}],
})
"""


@pytest.fixture(scope="module")
def full() -> Recorded:
    return of_file("full")


def made(found: Recorded) -> dict[str, list[str]]:
    return {kind: [item.name for item in found.all(kind)] for kind in KINDS}


def test_a_queue_is_a_flavor_a_pool_a_total_and_a_place_to_wait(full: Recorded) -> None:
    assert made(full) == {
        "ResourceFlavor": ["research", "research-train"],
        "ProvisioningRequestConfig": [],
        "AdmissionCheck": [],
        "ClusterQueue": ["research"],
        "LocalQueue": ["research"],
    }


def test_pools_for_services_are_no_queue_s(full: Recorded) -> None:
    assert full.one("Queue", "research", "Queue::").inputs["pools"] == ["train"]


def test_queued_pools_alone_are_asked_for_before_a_run_starts() -> None:
    found = recorded(DWS)
    assert made(found)["AdmissionCheck"] == made(found)["ProvisioningRequestConfig"] == ["research"]
    [check] = found.one("ClusterQueue", "research").inputs["spec"]["admissionChecksStrategy"]["admissionChecks"]
    assert check["onFlavors"] == ["research-dws"]


def test_who_hands_over_queued_capacity_the_cloud_says() -> None:
    asked = recorded(DWS).one("ProvisioningRequestConfig", "research").inputs["spec"]["provisioningClassName"]
    cloud = clouds.load("gcp")
    assert isinstance(cloud, clouds.SupportsQueuedCapacity)
    assert asked == cloud.provisioning_class == "queued-provisioning.gke.io"


def test_kueue_is_there_before_its_objects_and_after_them(full: Recorded) -> None:
    """Their finalizers are Kueue's to lift: without it a destroy would wait for ever."""
    kueue = full.one("Release", "kueue")
    for kind in KINDS:
        assert all(full.needs(item, kueue) for item in full.all(kind)), kind
    assert full.needs(kueue, full.one("Release", "jobset"))


def test_what_others_name_comes_first_and_goes_last() -> None:
    found = recorded(DWS)
    order = [found.one(kind, "research", "Queue::") if kind == "Queue" else found.all(kind)[0] for kind in KINDS]
    flavor, config, check, quota, place = order
    assert found.needs(place, quota)
    assert found.needs(quota, flavor)
    assert found.needs(quota, check)
    assert found.needs(check, config)
    assert place.options["custom_timeouts"] == {"delete": "30m"} == quota.options["custom_timeouts"]


def test_a_kueue_of_somebody_else_s_is_used_and_what_it_must_count_is_told() -> None:
    program = DWS.replace('with_controllers("kueue")', '{**CLUSTER, "controllers": {"kueue": "existing"}}')
    [warning] = recorded(program).warnings
    assert warning.rule == "queues/existing"
    assert "springtide.dev/gpus" in warning.fix
    assert recorded(DWS).warnings == ()


def test_a_queue_without_its_controller_is_refused() -> None:
    args: Any = {
        "cluster": {"environment": {"name": "dev", "cloud": "aws"}, "namespace": "s", "controllers": {}},
        "pools": [{"name": "train", "gpus_per_node": 8, "max_nodes": 4, "capacity": ["spot"], "pod": {}}],
        "max_gpus": 33,
    }
    with pytest.raises(ArgumentsError) as error:
        Queue("research", args)
    assert [(found.rule, found.path) for found in error.value.findings] == [
        ("queues/room", "/max_gpus"),
        ("controllers/absent", "/cluster"),
    ]


@given(most=st.integers(1, 500), ceilings=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 200), min_size=1))
def test_a_queue_may_give_what_its_pools_have_and_not_one_gpu_more(most: int, ceilings: dict[str, int]) -> None:
    assert bool(findings(QueueSpec(max_gpus=most), ceilings)) == (most > sum(ceilings.values()))


QUEUE = ("  jobs:\n", "  queues: {research: {max_gpus: 2}}\n  jobs:\n")


def test_a_queue_over_more_than_there_is_names_the_pools_and_the_most(tmp_path: Path) -> None:
    [found] = mistakes(tmp_path, edited((QUEUE[0], QUEUE[1].replace("max_gpus: 2", "max_gpus: 3"))))
    assert (found.path, found.rule) == ("/queues/research/max_gpus", "queues/room")
    assert "(train 2)" in found.message
    assert "at most 2" in found.fix


def test_a_queue_over_no_pool_is_refused(tmp_path: Path) -> None:
    serving = ("      purpose: training\n", "      purpose: serving\n")
    assert [(found.path, found.rule) for found in mistakes(tmp_path, edited(QUEUE, serving))] == [
        ("/queues/research/max_gpus", "queues/no-pool")
    ]


def test_nothing_is_concluded_from_a_pool_that_is_wrong_itself(tmp_path: Path) -> None:
    wrong = ("      max_nodes: 2\n      purpose", "      max_nodes: 0\n      purpose")
    found = mistakes(tmp_path, edited(QUEUE, wrong, ("      nodes: 2\n", "")))
    assert [item.path for item in found] == ["/pools/train/max_nodes"]
