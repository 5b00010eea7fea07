"""What is told of an environment in which nothing is impossible."""

from pathlib import Path

import pytest

from springtide.advice import advice

from .environment_files import ENVIRONMENTS, edited, load
from .recordings import of_text

FILES = (ENVIRONMENTS / "Pulumi.files.yaml").read_text(encoding="utf-8")
"""On AWS: Lustre in use1-az4, the first of zones, and a pool there that two jobs read it from."""
GCP = """\
config:
  cloud: gcp
  account: ml-platform-dev
  region: us-central1
  zones: [us-central1-a, us-central1-b, us-central1-c]
  cluster: {version: "1.35", access: [203.0.113.0/24]}
  storage:
    artifacts: {kind: bucket}
    corpus: {kind: lustre, size_gib: 9000, mbps_per_tib: 1000}
  pools:
    train: {gpu: L4, capacity: [on-demand], max_nodes: 2, purpose: training, zones: [us-central1-a]}
  jobs:
    gpt: {recipe: gpt_tiny, pool: train, data: corpus, checkpoints: artifacts}
"""
ELSEWHERE = {
    "aws": edited(
        ("max_nodes: 2, purpose: training, zones: [use1-az4]", "max_nodes: 2, zones: [use1-az1]"), text=FILES
    ),
    "gcp": edited(("zones: [us-central1-a]}", "zones: [us-central1-b]}"), text=GCP),
}


@pytest.mark.parametrize("cloud", ELSEWHERE)
def test_data_in_a_zone_without_machines_of_the_job_s_pool_is_told_with_what_it_means(
    cloud: str, tmp_path: Path
) -> None:
    found = advice(load(tmp_path, ELSEWHERE[cloud]).file)
    lies_in = {"aws": "use1-az4", "gcp": "us-central1-a"}[cloud]
    assert [item.path for item in found] == {
        "aws": ["/jobs/gpt/data", "/jobs/notes/data"],
        "gcp": ["/jobs/gpt/data"],
    }[cloud]
    for item in found:
        assert (item.rule, item.value, item.stops) == ("storage/other-zone", "corpus", False)
        assert f"lies in {lies_in}, the first of zones" in item.message
        assert "paid for by the GB" in item.message
        assert lies_in in item.fix


@pytest.mark.parametrize("text", [FILES, GCP], ids=["aws", "gcp"])
def test_data_beside_the_machines_is_nothing_to_tell(text: str, tmp_path: Path) -> None:
    assert advice(load(tmp_path, text).file) == []


def test_a_pool_that_may_be_where_the_data_lie_is_nothing_to_tell(tmp_path: Path) -> None:
    anywhere = edited((", zones: [us-central1-a]}", "}"), text=GCP)
    assert advice(load(tmp_path, anywhere).file) == []


def test_data_that_every_zone_has_are_nothing_to_tell(tmp_path: Path) -> None:
    bucket = edited(("data: corpus", "data: artifacts"), text=ELSEWHERE["gcp"])
    assert advice(load(tmp_path, bucket).file) == []


def test_a_plan_says_it_and_goes_on() -> None:
    plan = of_text(ELSEWHERE["gcp"])
    assert "storage/other-zone" in [item.rule for item in plan.warnings]
    assert plan.one("TrainingJob", "gpt")
