"""Work moves between clouds by one line of its file; what it is stays the same."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.environment_files import ROOT, edited, project

from springtide.offline.plan import Resource
from springtide.offline.record import Recording, record

STACKS = ROOT / "stacks"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
PLATFORMS = ("prod-aws", "prod-gcp")
OF_THE_CLOUD = {"noticeSeconds", "graceSeconds", "saveDeadlineSeconds", "interruption"}
"""What a job's component says of the machines it runs on."""


@cache
def work_on(platform: str) -> Recording:
    """`stacks/Pulumi.research.yaml`, with an image, on that platform."""
    text = (STACKS / "Pulumi.research.yaml").read_text(encoding="utf-8")
    text = edited(
        ("  on: prod-aws\n", f"  on: {platform}\n"),
        (
            "  jobs:\n",
            f'  images: {{ registry: registry.example.com/team, digest: "{DIGEST}", fabrics: [efa] }}\n  jobs:\n',
        ),
        text=text,
    )
    with TemporaryDirectory() as folder:
        root = project(Path(folder), text, "research")
        for name in PLATFORMS:
            file = f"Pulumi.{name}.yaml"
            (root / "stacks" / file).write_text((STACKS / file).read_text(encoding="utf-8"), encoding="utf-8")
        return record(root, "research")


def one(recording: Recording, kind: str) -> Resource:
    [found] = [item for item in recording.resources if item.type.rpartition(":")[2] == kind]
    return found


def intent(recording: Recording, kind: str) -> dict[str, Any]:
    return {key: value for key, value in one(recording, kind).inputs.items() if key not in OF_THE_CLOUD}


@pytest.mark.parametrize("kind", ["TrainingJob", "ModelService"])
def test_the_same_work_is_asked_for_on_both_clouds(kind: str) -> None:
    aws, gcp = (intent(work_on(name), kind) for name in PLATFORMS)
    assert aws == gcp
    assert aws["image"].endswith(DIGEST)


def test_the_same_run_waits_in_the_same_queue_on_both_clouds() -> None:
    for platform in PLATFORMS:
        jobs = one(work_on(platform), "JobSet").inputs
        assert jobs["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
        [node] = jobs["spec"]["replicatedJobs"]
        assert node["template"]["spec"]["parallelism"] == 4


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_teams_plan_shows_no_network_no_cluster_and_no_pool(platform: str) -> None:
    kinds = {item.type.rpartition(":")[2] for item in work_on(platform).resources}
    assert not kinds & {"Network", "Cluster", "GpuPool", "Controllers", "Storage", "FileSystem", "Vpc", "NodePool"}


@pytest.mark.parametrize(("platform", "provider"), [("prod-aws", "aws"), ("prod-gcp", "gcp")])
def test_work_is_made_by_the_guarded_provider_of_its_platforms_account(platform: str, provider: str) -> None:
    found = work_on(platform)
    guarded = one(found, provider)
    made = [item for item in found.resources if item.type.startswith(f"{provider}:")]
    assert made
    assert {item.provider for item in made} == {guarded.urn}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_clouds_models_find_nothing_wrong_with_work(platform: str) -> None:
    assert [item for item in work_on(platform).findings if item.stops] == []
