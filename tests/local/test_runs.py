from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.local.render.objects import kubernetes_objects
from springtide.local.render.runs import without_jobset, without_queue
from springtide.local.render.substitution import Here

from .local_plans import one, plan_of, variables

HERE = Here()
RUN = "gpt-2026-11-22a"


def job_set() -> dict[str, Any]:
    return one(kubernetes_objects(plan_of("full")), "JobSet", RUN)


def job() -> dict[str, Any]:
    found = without_jobset(job_set(), HERE)
    assert found is not None
    return found


def test_a_job_set_becomes_the_indexed_job_in_it() -> None:
    found = job()
    assert (found["apiVersion"], found["kind"], found["metadata"]["name"]) == ("batch/v1", "Job", RUN)
    spec = found["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)


def test_pods_look_for_the_first_one_by_the_name_that_an_indexed_job_gives_it() -> None:
    assert variables(one((job_set_job(),), "Job", RUN))["PET_MASTER_ADDR"] == f"{RUN}-node-0-0.{RUN}"
    found = job()
    assert variables(found)["PET_MASTER_ADDR"] == f"{RUN}-0.{RUN}"
    assert found["spec"]["template"]["spec"]["subdomain"] == RUN


def job_set_job() -> dict[str, Any]:
    inner = job_set()["spec"]["replicatedJobs"][0]["template"]["spec"]
    return {"kind": "Job", "metadata": {"name": RUN}, "spec": inner}


def test_what_the_job_set_forgives_the_job_forgives_and_what_it_gives_up_the_job_gives_up() -> None:
    rules = job()["spec"]["podFailurePolicy"]["rules"]
    assert [(rule["action"], rule.get("onExitCodes", {}).get("values")) for rule in rules] == [
        ("Ignore", None),
        ("Ignore", [75]),
        ("FailJob", [2, 76]),
    ]
    assert job()["spec"]["backoffLimit"] == 3


def test_codes_of_one_rule_that_the_job_set_tells_apart_are_told_apart() -> None:
    item = job_set()
    inner = item["spec"]["replicatedJobs"][0]["template"]["spec"]
    both = {"action": "FailJob", "onExitCodes": {"containerName": "trainer", "operator": "In", "values": [75, 76, 99]}}
    inner["podFailurePolicy"]["rules"] = [both]
    found = without_jobset(item, HERE)
    assert found is not None
    actions = {
        code: rule["action"]
        for rule in found["spec"]["podFailurePolicy"]["rules"]
        for code in rule["onExitCodes"]["values"]
    }
    assert actions == {75: "Ignore", 76: "FailJob", 99: "Count"}


def test_a_job_set_with_several_jobs_is_not_understood_and_stays() -> None:
    item = job_set()
    item["spec"]["replicatedJobs"] *= 2
    assert without_jobset(item, HERE) == item


def test_a_cluster_with_the_controller_keeps_job_sets() -> None:
    here = Here(groups=frozenset({"jobset.x-k8s.io"}))
    assert without_jobset(job_set(), here) == job_set()


def test_a_run_that_would_wait_in_a_queue_starts_at_once() -> None:
    found = without_queue(job(), HERE)
    assert "suspend" not in found["spec"]
    assert not [label for label in found["metadata"]["labels"] if "kueue" in label]
    assert job()["spec"]["suspend"] is True


def test_a_cluster_with_kueue_keeps_its_queues() -> None:
    here = Here(groups=frozenset({"kueue.x-k8s.io"}))
    assert without_queue(job(), here) == job()


@given(st.sampled_from(["Deployment", "Service", "NodePool"]))
def test_only_runs_are_ever_started(kind: str) -> None:
    item = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, "spec": {"suspend": True}}
    assert without_queue(item, HERE) == item


@pytest.mark.parametrize("environment", ["files", "direct", "autopilot"])
def test_every_run_of_an_environment_keeps_its_pods(environment: str) -> None:
    for item in kubernetes_objects(plan_of(environment)):
        if item["kind"] != "JobSet":
            continue
        found = without_jobset(item, HERE)
        assert found is not None
        old = item["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
        assert found["spec"]["template"]["spec"]["nodeSelector"] == old["spec"]["nodeSelector"]
        assert found["spec"]["template"]["metadata"] == old["metadata"]


def test_a_pods_rule_that_does_not_fail_the_job_stays_as_it_is() -> None:
    item = job_set()
    inner = item["spec"]["replicatedJobs"][0]["template"]["spec"]
    ignored = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    inner["podFailurePolicy"]["rules"] = [ignored]
    found = without_jobset(item, HERE)
    assert found is not None
    assert found["spec"]["podFailurePolicy"]["rules"] == [ignored]
