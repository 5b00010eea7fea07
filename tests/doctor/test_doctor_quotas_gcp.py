"""What a GCP project is granted, held against what a plan asks for."""

import json
import math
from pathlib import Path
from typing import Any

import googleapiclient
import pytest
from tests.doctor import doctor_cases as cases
from tests.fake_programs import FakePrograms, says
from tests.offline.sample_plan import Sample

from springtide.doctor.gcp_quotas import quota_id, value_in
from springtide.doctor.model import State
from springtide.offline.quota import asks


def family(value: str | None, **dimensions: str) -> dict[str, Any]:
    details = {} if value is None else {"value": value}
    return {"dimensions": dimensions or None, "details": details, "applicableLocations": ["us-central1", "us-east1"]}


def described(quota: str, *infos: dict[str, Any]) -> dict[str, object]:
    """What `gcloud beta quotas info describe` prints."""
    return says("beta", "quotas", "info", "describe", quota, out={"quotaId": quota, "dimensionsInfos": list(infos)})


def test_older_gpus_stand_in_the_lists_of_compute_engine(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("gcp"))
    assert cases.states(tmp_path, "gcp") == {
        "NVIDIA_L4_GPUS": State.GOOD,
        "PREEMPTIBLE_NVIDIA_L4_GPUS": State.GOOD,
        "GPUS_ALL_REGIONS": State.GOOD,
    }
    assert not [words for words in programs.asked if "beta" in words]


def test_the_zero_of_a_new_project_stops_every_pool(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("gcp"))
    cases.gcloud(programs, says("compute", "project-info", out=cases.gcp_limits({"GPUS_ALL_REGIONS": 0.0})))
    found = cases.rows(tmp_path, "gcp")
    assert {check: row.state for check, row in found.items()} == {
        "NVIDIA_L4_GPUS": State.GOOD,
        "PREEMPTIBLE_NVIDIA_L4_GPUS": State.GOOD,
        "GPUS_ALL_REGIONS": State.WRONG,
    }
    assert found["GPUS_ALL_REGIONS"].found.startswith("serve cannot begin: 0 GPU in all regions, 0 in use")
    assert found["GPUS_ALL_REGIONS"].fix == (
        "gcloud beta quotas preferences create --service compute.googleapis.com --project my-project "
        '--quota-id GPUS-ALL-REGIONS-per-project --preferred-value 6 --email "$(gcloud config get account)"'
    )


@pytest.mark.parametrize(("limit", "state"), [(5.0, State.WRONG), (15.0, State.GOOD)])
def test_a_new_projects_five_networks_do_not_do_for_gpudirect(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned, limit: float, state: State
) -> None:
    made = Sample()
    for index in range(9):
        made.add("gcp:compute/network:Network", f"card-{index}", made.stack)
    planned(made.plan(environment={"name": "dev", "cloud": "gcp", "region": "us-central1"}))
    cases.gcloud(programs, says("compute", "project-info", out=cases.gcp_limits({"NETWORKS": limit})))
    row = cases.rows(tmp_path, "gcp")["NETWORKS"]
    assert row.state is state
    if state is State.WRONG:
        assert row.found == (
            "VPC networks cannot begin: 5 VPC in all regions, 0 in use; "
            "needed: 9 for VPC networks to begin, 9 at the most"
        )
        assert "--quota-id NETWORKS-per-project --preferred-value 9 " in row.fix


def test_newer_gpus_are_asked_for_one_by_one(programs: FakePrograms, tmp_path: Path, planned: cases.Planned) -> None:
    planned(cases.plan("gcp", {**cases.MEGA, "capacity": ["spot", "on-demand"]}))
    spot = "PREEMPTIBLE-NVIDIA-H100-MEGA-GPUS-per-project-region"
    cases.gcloud(
        programs,
        described(cases.FAMILY, family("8", gpu_family="NVIDIA_H100"), family("0", gpu_family="NVIDIA_H100_MEGA")),
        described(spot, family("64")),
    )
    found = cases.rows(tmp_path, "gcp")
    name = f"{cases.FAMILY} gpu_family=NVIDIA_H100_MEGA"
    assert {check: row.state for check, row in found.items()} == {
        name: State.LATER,
        "PREEMPTIBLE_NVIDIA_H100_MEGA_GPUS": State.GOOD,
        "GPUS_ALL_REGIONS": State.GOOD,
    }
    assert found[name].found.startswith("0 GPU in us-central1; needed: 8 for train (on-demand) to begin, 64")
    assert "--dimensions region=us-central1,gpu_family=NVIDIA_H100_MEGA " in found[name].fix
    assert "--preferred-value 64 " in found[name].fix


def test_a_quota_that_has_room_is_not_blamed_for_one_that_has_none(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("gcp", cases.MEGA))
    cases.gcloud(
        programs,
        described(cases.FAMILY, family("8", gpu_family="NVIDIA_H100_MEGA")),
        says("compute", "project-info", out=cases.gcp_limits({"GPUS_ALL_REGIONS": 0.0})),
    )
    assert cases.states(tmp_path, "gcp") == {
        f"{cases.FAMILY} gpu_family=NVIDIA_H100_MEGA": State.LATER,
        "GPUS_ALL_REGIONS": State.WRONG,
    }


def test_an_api_that_is_off_is_named_with_what_turns_it_on(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("gcp", cases.MEGA))
    cases.gcloud(programs, says("beta", err="ERROR: (gcloud.beta) Cloud Quotas API has not been used\n", status=1))
    row = cases.rows(tmp_path, "gcp")[f"{cases.FAMILY} gpu_family=NVIDIA_H100_MEGA"]
    assert row.state is State.UNKNOWN
    assert row.found.startswith("Cloud Quotas API has not been used; needed: 8 for train")
    assert row.fix == ("gcloud services enable compute.googleapis.com cloudquotas.googleapis.com --project my-project")


def test_no_number_is_no_zero(programs: FakePrograms, tmp_path: Path, planned: cases.Planned) -> None:
    planned(cases.plan("gcp", cases.MEGA))
    cases.gcloud(programs, described(cases.FAMILY, family(None)))
    row = cases.rows(tmp_path, "gcp")[f"{cases.FAMILY} gpu_family=NVIDIA_H100_MEGA"]
    assert row.state is State.UNKNOWN
    assert row.fix.startswith("gcloud beta quotas preferences create")


def test_whoever_is_not_logged_in_is_asked_no_further(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("gcp", cases.MEGA))
    nobody = "ERROR: (gcloud.compute) You do not currently have an active account selected.\n  $ gcloud auth login\n"
    cases.gcloud(programs, says("compute", err=nobody, status=1))
    [row] = cases.rows(tmp_path, "gcp").values()
    assert (row.state, row.fix) == (State.UNKNOWN, "gcloud auth login")
    assert len(programs.asked) == 2


@pytest.mark.parametrize(
    ("infos", "value"),
    [
        ([], None),
        ([family("-1")], math.inf),
        ([family("1"), family("2", region="us-central1")], 2),
        ([family("1"), family("2", gpu_family="NVIDIA_H100")], 2),
        ([family("1", region="us-central1"), family("2", gpu_family="NVIDIA_H100")], 1),
        ([family("3", region="us-central1", gpu_family="NVIDIA_H100"), family("1", region="us-central1")], 3),
        ([family("1"), family("9", region="us-east1"), family("9", gpu_family="NVIDIA_H200")], 1),
        ([{"details": {"value": "9"}, "applicableLocations": ["us-east1"]}], None),
        ([{"details": {"value": "4"}}], 4),
    ],
)
def test_the_closest_dimensions_decide(infos: list[dict[str, Any]], value: float | None) -> None:
    assert value_in(infos, {"region": "us-central1", "gpu_family": "NVIDIA_H100"}) == value


def test_a_quota_of_the_whole_project_applies_to_the_location_global() -> None:
    assert value_in([{"details": {"value": "0"}, "applicableLocations": ["global"]}], {}) == 0


def test_quotas_are_named_as_the_cloud_quotas_api_names_them() -> None:
    found = {
        quota_id(ask) for ask in asks(cases.plan("gcp", *cases.PLANS["gcp"], {**cases.MEGA, "capacity": ["spot"]}))
    }
    assert found == {
        "GPUS-ALL-REGIONS-per-project",
        "NVIDIA-L4-GPUS-per-project-region",
        "PREEMPTIBLE-NVIDIA-L4-GPUS-per-project-region",
        "PREEMPTIBLE-NVIDIA-H100-MEGA-GPUS-per-project-region",
    }


def test_what_gcp_answers_here_is_as_its_api_has_it() -> None:
    documents = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    schema = json.loads((documents / "compute.v1.json").read_text())["schemas"]
    assert "quotas" in schema["Region"]["properties"]
    assert "quotas" in schema["Project"]["properties"]
    quota = schema["Quota"]["properties"]
    for item in cases.gcp_limits({**cases.REGION_LIMITS, **cases.PROJECT_LIMITS})["quotas"]:
        assert set(item) <= set(quota)
        assert item["metric"] in quota["metric"]["enum"]
