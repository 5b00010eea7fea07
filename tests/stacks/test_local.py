"""The environment of this machine: what its plan holds, and what it holds nothing of."""

from pathlib import Path

import pytest
from tests.environment_files import ROOT, project
from tests.recordings import Recorded, of_text, pod_of, variables_of

from springtide.offline.cost import estimate
from springtide.offline.page import render
from springtide.offline.plan import Plan
from springtide.offline.planner import plan_environment
from springtide.offline.quota import asks, notes
from springtide.offline.report import Report


@pytest.fixture(scope="module")
def local() -> Recorded:
    return of_text((ROOT / "stacks" / "Pulumi.local.yaml").read_text(encoding="utf-8"), "local")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_environment(Path(ROOT), "local")


def test_everything_is_an_object_of_the_cluster(local: Recorded) -> None:
    custom = [item for item in local.resources if item.custom]
    assert {item.type.partition(":")[0] for item in custom} == {"kubernetes", "pulumi"}
    assert local.all("Release") == []


def test_the_objects_are_what_the_api_server_would_take_and_nothing_is_said_against_them(plan: Plan) -> None:
    assert plan.findings == ()
    assert {kind for kind, item in plan.coverage.items() if item["paths"] != item["checked"]} <= {
        "pulumi:providers:kubernetes"
    }


def test_a_run_is_an_indexed_job_that_finds_its_pods_by_a_service(local: Recorded) -> None:
    job = local.one("Job", "gpt-first")
    assert job.inputs["spec"]["completionMode"] == "Indexed"
    assert local.needs(job, local.one("Service", "gpt-first"))
    assert local.all("JobSet") == []
    assert variables_of(job)["PET_MASTER_ADDR"] == "gpt-first-0.gpt-first"


def test_requests_move_a_service_and_karpenter_its_nodes(local: Recorded) -> None:
    assert [item.name for item in local.all("ScaledObject")] == ["chat"]
    named = {item.inputs["spec"]["template"]["spec"]["nodeClassRef"]["name"] for item in local.all("NodePool")}
    assert named == {item.name for item in local.all("KWOKNodeClass")} == {"train", "serve"}
    assert {item.name for item in local.all("GpuPool") if item.inputs["wakes"]} == {"train", "serve"}


def test_trainer_and_server_see_one_folder(local: Recorded) -> None:
    job, server = local.one("Job", "gpt-first"), local.one("Deployment", "chat")
    url = variables_of(job)["SPRINGTIDE_ARTIFACTS_URL"]
    assert url == "file:///storage/artifacts/jobs/gpt/first"
    assert variables_of(server)["SPRINGTIDE_MODEL_URL"] == url


def test_the_namespace_is_restricted_and_no_pod_mounts_a_folder_of_the_machine(local: Recorded) -> None:
    labels = local.one("Namespace", "springtide").inputs["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    workloads = [local.one("Job", "gpt-first"), local.one("Deployment", "chat")]
    assert not any("hostPath" in volume for item in workloads for volume in pod_of(item)["volumes"])


def test_a_pool_is_of_the_machines_that_are_imitated_and_priced_as_they_are(plan: Plan) -> None:
    [train] = [item for item in estimate(plan).pools if item.pool.name == "train"]
    assert train.pool.machine_types == ("p5.48xlarge",)
    assert train.pool.catalog == "aws"
    assert train.bands["on-demand"].ceiling.usd > train.bands["on-demand"].now.usd > 0


def test_nothing_is_billed_and_the_figures_say_so(plan: Plan) -> None:
    cost = estimate(plan)
    assert (cost.idle, cost.idle_total.usd, cost.idle_total.complete) == ((), 0, True)
    assert cost.notes[1] == "Imitated, nothing is billed: prices are what such machines cost on aws in us-east-1."
    assert not any("disks" in item for item in cost.unpriced)


def test_no_quota_is_asked_for(plan: Plan) -> None:
    assert asks(plan) == ()
    assert notes(plan) == ()


def test_the_picture_shows_what_is_simulated_and_what_was_there_before(plan: Plan) -> None:
    drawn = render([Report.of(plan)])
    assert "simulated nodes of aws" in drawn
    assert "loopback, adopted" in drawn
    assert "run by the cloud" not in drawn
    assert "system node" not in drawn


def test_a_budget_is_held_to_what_the_machines_would_cost(tmp_path: Path) -> None:
    text = (ROOT / "stacks" / "Pulumi.local.yaml").read_text(encoding="utf-8")
    poor = f"{text}  policies: {{ budget_usd_per_hour: 200 }}\n"
    [found] = plan_environment(project(tmp_path, poor, "local"), "local").findings
    assert (found.rule, found.stops) == ("policy/gpu-ceiling-budget", True)
    assert "train 8 of p5.48xlarge" in found.message
