"""A queue as Kueue's objects. Their CRDs come with Kueue alone, so its documented rules are checked here by hand."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.k8s import Manifest
from springtide.k8s.queue import (
    TOTAL,
    Share,
    admission_check,
    any_flavor,
    cluster_queue,
    configuration,
    flavor,
    flavor_name,
    local_queue,
    provisioning_config,
)
from springtide.k8s.training import indexed_job

from .manifests import FABRIC, RUN, container_of, pod_of


def share(pool: str, gpus: int, *, queued: bool = False) -> Share:
    labels = {"springtide.dev/pool": pool}
    return Share(pool=pool, selector=labels, tolerations=FABRIC["tolerations"], gpus=gpus, queued=queued)


TWO = cluster_queue("research", "springtide", 32, [share("small", 16), share("large", 64)])


def quotas(queue: Manifest, resource: str) -> dict[str, int]:
    [group] = [group for group in queue["spec"]["resourceGroups"] if group["coveredResources"] == [resource]]
    return {item["name"]: int(item["resources"][0]["nominalQuota"]) for item in group["flavors"]}


def test_each_pool_is_bounded_by_its_ceiling_and_all_of_them_by_the_queue() -> None:
    assert quotas(TWO, "nvidia.com/gpu") == {"research-small": 16, "research-large": 32}
    assert quotas(TWO, TOTAL) == {"research": 32}


@given(pools=st.lists(st.integers(1, 100), min_size=1, max_size=5), most=st.integers(1, 1000))
def test_a_run_that_fits_the_queue_and_its_pool_is_never_kept_by_how_the_quota_is_cut(
    pools: list[int], most: int
) -> None:
    found = cluster_queue("q", "s", most, [share(f"p{i}", gpus) for i, gpus in enumerate(pools)])
    for i, gpus in enumerate(pools):
        assert quotas(found, "nvidia.com/gpu")[f"q-p{i}"] == min(gpus, most)
    assert quotas(found, TOTAL) == {"q": most}


def test_resources_of_a_flavor_are_those_of_its_group_in_their_order() -> None:
    for group in TWO["spec"]["resourceGroups"]:
        for item in group["flavors"]:
            assert [resource["name"] for resource in item["resources"]] == group["coveredResources"]
            assert item["resources"][0].keys() == {"name", "nominalQuota"}  # no limits without a cohort


def test_a_flavor_leads_to_its_pool_and_past_its_taints() -> None:
    spec = flavor(flavor_name("research", "small"), share("small", 16))["spec"]
    assert spec["nodeLabels"] == {"springtide.dev/pool": "small"}
    assert spec["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        *FABRIC["tolerations"],
    ]


def test_what_kueue_writes_into_a_run_is_what_the_run_says_already() -> None:
    """A flavor whose labels contradicted the run's would never be given to it."""
    pod, spec = pod_of(indexed_job(RUN)), flavor("research-train", share("train", 8))["spec"]
    assert pod["nodeSelector"] == spec["nodeLabels"]


def test_the_flavor_of_the_total_places_nothing() -> None:
    assert any_flavor("research") == {"metadata": {"name": "research"}, "spec": {}}


def test_only_the_workloads_namespace_may_use_the_queue() -> None:
    """`namespaceSelector: null` would mean nobody."""
    assert TWO["spec"]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "springtide"}}
    assert local_queue("research", "springtide") == {
        "metadata": {"name": "research", "namespace": "springtide"},
        "spec": {"clusterQueue": "research"},
    }


def test_queued_pools_are_asked_for_whole_before_a_run_starts_and_others_are_not() -> None:
    mixed = cluster_queue("research", "springtide", 32, [share("small", 16), share("dws", 64, queued=True)])
    [check] = mixed["spec"]["admissionChecksStrategy"]["admissionChecks"]
    assert check == {"name": "research", "onFlavors": ["research-dws"]}
    assert "admissionChecksStrategy" not in TWO["spec"]
    parameters = admission_check("research")["spec"]["parameters"]
    config = provisioning_config("research", "queued-provisioning.gke.io")
    assert (parameters["kind"], parameters["name"]) == ("ProvisioningRequestConfig", config["metadata"]["name"])
    assert config["spec"] == {
        "provisioningClassName": "queued-provisioning.gke.io",
        "managedResources": ["nvidia.com/gpu"],
    }


def counted(requests: dict[str, str], config: dict[str, Any]) -> dict[str, int]:
    """What Kueue counts of a pod's requests: exclusions by prefix first, then the transformations (KEP-2937)."""
    kept = {
        name: value
        for name, value in requests.items()
        if not name.startswith(tuple(config["resources"]["excludeResourcePrefixes"]))
    }
    found = {name: int(value) for name, value in kept.items()}
    for rule in config["resources"]["transformations"]:
        assert rule["strategy"] == "Retain"
        if rule["input"] in kept:
            found |= {name: int(each) * int(kept[rule["input"]]) for name, each in rule["outputs"].items()}
    return found


@pytest.mark.parametrize("part", [{}, FABRIC], ids=["plain", "fabric"])
def test_a_queue_covers_everything_that_kueue_counts_of_a_run(part: Any) -> None:
    """A resource that is counted and not covered would keep every run waiting for ever."""
    run = indexed_job(replace(RUN, place=replace(RUN.place, part=part)))
    found = counted(container_of(run)["resources"]["requests"], configuration())
    assert found == {"nvidia.com/gpu": 4, TOTAL: 4}
    covered = {name for group in TWO["spec"]["resourceGroups"] for name in group["coveredResources"]}
    assert found.keys() == covered


def test_kueue_looks_at_both_kinds_of_runs_and_makes_none_wait_for_half_its_machines() -> None:
    config = configuration()
    assert config["integrations"]["frameworks"] == ["batch/job", "jobset.x-k8s.io/jobset"]
    assert config["waitForPodsReady"]["blockAdmission"] is False
    assert config["waitForPodsReady"]["timeout"] == "1800s"
    assert "backoffLimitCount" not in config["waitForPodsReady"]["requeuingStrategy"]  # it comes back for ever
