"""A training job: what a run becomes in the cluster, where its data come from, and what it may touch."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import catalog
from springtide.component import ArgumentsError
from springtide.spec import JobSpec
from springtide.training import TrainingJob, data_url, findings, longest_run_name, queue_findings, queue_room

from .environment_files import BASE, edited, load, mistakes
from .recordings import Recorded, of_file, pod_of, variables_of
from .workload_programs import recorded

IN_A_SET = 'TrainingJob("gpt", {**RUN, "cluster": with_controllers("jobset")})'
ALONE = 'TrainingJob("gpt", RUN)'


@pytest.fixture(scope="module")
def full() -> Recorded:
    return of_file("full")


def test_a_run_is_a_jobset_just_where_the_cluster_knows_jobsets() -> None:
    assert [item.name for item in recorded(IN_A_SET).all("JobSet")] == ["gpt-first"]
    assert recorded(IN_A_SET).all("Job") == recorded(IN_A_SET).all("Service") == []
    assert [item.name for item in recorded(ALONE).all("Job")] == ["gpt-first"]
    assert recorded(ALONE).all("JobSet") == []
    assert (
        variables_of(recorded(IN_A_SET).one("JobSet", "gpt-first"))["PET_MASTER_ADDR"] == "gpt-first-node-0-0.gpt-first"
    )
    assert variables_of(recorded(ALONE).one("Job", "gpt-first"))["PET_MASTER_ADDR"] == "gpt-first-0.gpt-first"


def test_an_environment_with_jobs_brings_the_controller_of_its_runs(full: Recorded) -> None:
    run = full.one("JobSet", "gpt-2026-11-22a")
    assert full.needs(run, full.one("Release", "jobset"))
    assert run.options["ignore_changes"] == ["metadata", "spec"]


def test_a_run_in_a_queue_is_made_after_it_and_gone_before_it(full: Recorded) -> None:
    run = full.one("JobSet", "gpt-2026-11-22a")
    assert run.inputs["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    assert run.inputs["spec"]["suspend"] is True
    assert full.needs(run, full.one("LocalQueue", "research"))
    assert full.needs(run, full.one("ClusterQueue", "research"))


def test_a_run_knows_what_all_its_machines_cost_an_hour(full: Recorded) -> None:
    price = catalog.price("aws", "us-east-1", "g5.12xlarge", "on-demand")
    assert price is not None
    said = variables_of(full.one("JobSet", "gpt-2026-11-22a"))["SPRINGTIDE_USD_PER_HOUR"]
    assert float(said) == pytest.approx(2 * price.usd_per_hour, abs=1e-4)
    assert "SPRINGTIDE_USD_PER_HOUR" not in variables_of(recorded(ALONE).one("Job", "gpt-first"))


def test_data_of_a_bucket_are_read_below_data_and_nowhere_else_and_never_written(full: Recorded) -> None:
    run = full.one("JobSet", "gpt-2026-11-22a")
    assert variables_of(run)["SPRINGTIDE_DATA_URL"] == "s3://springtide-full-archive-123456789012/data"
    statements = json.loads(full.one("RolePolicy", "gpt-2026-11-22a").inputs["policy"])["Statement"]
    arn = "arn:aws:s3:::springtide-full-archive-123456789012"
    listing, reading = (item for item in statements if arn in str(item["Resource"]))
    assert (listing["Action"], reading["Action"]) == (["s3:ListBucket"], ["s3:GetObject"])
    assert listing["Condition"]["StringLike"]["s3:prefix"] == ["data/*", "data"]
    assert reading["Resource"] == [f"{arn}/data/*"]


def test_without_data_a_run_is_told_of_none() -> None:
    assert "SPRINGTIDE_DATA_URL" not in variables_of(recorded(ALONE).one("Job", "gpt-first"))


def mounts_of(program: str) -> dict[str, tuple[str, bool]]:
    pod = pod_of(recorded(program).one("Job", "gpt-first"))
    claims = {
        item["name"]: item["persistentVolumeClaim"]["claimName"]
        for item in pod["volumes"]
        if "persistentVolumeClaim" in item
    }
    places = pod["containers"][0]["volumeMounts"]
    return {claims[item["name"]]: (item["mountPath"], item["readOnly"]) for item in places if item["name"] in claims}


def test_data_of_a_file_system_are_mounted_and_cannot_be_written() -> None:
    program = 'TrainingJob("gpt", {**RUN, "data": DISK})'
    assert mounts_of(program) == {"corpus": ("/mnt/corpus", True)}
    assert variables_of(recorded(program).one("Job", "gpt-first"))["SPRINGTIDE_DATA_URL"] == "file:///mnt/corpus"
    statements = json.loads(recorded(program).one("RolePolicy", "gpt-first").inputs["policy"])["Statement"]
    assert "corpus" not in json.dumps(statements)


@pytest.mark.parametrize("data", ["", ', "data": DISK'], ids=["no-data", "data-beside"])
def test_checkpoints_on_a_file_system_are_mounted_once_and_can_be_written(data: str) -> None:
    program = f'TrainingJob("gpt", {{**RUN, "checkpoints": DISK{data}}})'
    assert mounts_of(program) == {"corpus": ("/mnt/corpus", False)}
    run = variables_of(recorded(program).one("Job", "gpt-first"))
    assert run["SPRINGTIDE_ARTIFACTS_URL"] == "file:///mnt/corpus/jobs/gpt/first"


def test_a_run_that_uses_nothing_of_the_cloud_is_nobody_to_it() -> None:
    found = recorded('TrainingJob("gpt", {**RUN, "checkpoints": DISK})')
    assert found.all("WorkloadIdentity") == found.all("ServiceAccount") == []
    assert pod_of(found.one("Job", "gpt-first"))["serviceAccountName"] == "default"


def test_a_run_takes_all_gpus_of_its_nodes_whatever_the_pool() -> None:
    """Configuration rule 54 cannot be broken by a job: it names nodes, never GPUs."""
    run = recorded('TrainingJob("gpt", {**RUN, "pool": {**POOL, "gpus_per_node": 3}})').one("Job", "gpt-first")
    limits = pod_of(run)["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == "3" == variables_of(run)["PET_NPROC_PER_NODE"]


def refused(**more: Any) -> list[str]:
    pool = {"name": "train", "gpus_per_node": 8, "capacity": ["spot"], "max_nodes": 4, "pod": {}}
    place = {"name": "dev", "cloud": "aws"}
    cluster = {"environment": place, "version": "1.35", "namespace": "s", "controllers": {}}
    bucket = {"name": "a", "url": "s3://b", "resource": "arn", "claim": "", "mount_path": ""}
    args: Any = {"cluster": cluster, "pool": pool, "checkpoints": bucket, "recipe": "gpt_small", **more}
    with pytest.raises(ArgumentsError) as error:
        TrainingJob("gpt", args)
    return [finding.message for finding in error.value.findings]


def test_a_run_that_its_queue_would_never_start_is_refused() -> None:
    queue = {"name": "research", "label": "research", "max_gpus": 16, "pools": ["train"]}
    assert refused(nodes=3, queue=queue) == ["a run takes 24 GPUs (3 nodes of 8); queue research gives 16 at once."]
    assert refused(queue={**queue, "pools": ["other"]}) == ["runs of queue research use other, and not pool train."]


@given(nodes=st.integers(1, 1000), gpus=st.sampled_from([1, 2, 4, 8]), most=st.integers(1, 8000))
def test_a_run_is_refused_just_where_its_queue_has_too_little_and_the_remedy_fits(
    nodes: int, gpus: int, most: int
) -> None:
    found = queue_room(JobSpec(recipe="r", nodes=nodes), gpus, "q", most)
    assert bool(found) == (nodes * gpus > most)
    if found:
        assert most // gpus * gpus <= most
        assert f"at most {most // gpus} nodes" in found[0].fix


@given(nodes=st.integers(1, 10_000), length=st.integers(1, 63))
def test_a_name_that_is_taken_makes_no_name_that_kubernetes_or_the_cloud_refuses(nodes: int, length: int) -> None:
    run = "r" * length
    found = [item for item in findings("gpt", JobSpec(recipe="gpt", nodes=nodes, run=run)) if item.path == "/run"]
    name = f"gpt-{run}"
    assert bool(found) == (len(name) > longest_run_name(nodes))
    if not found:
        assert len(f"{name}-node-0-{nodes - 1}-abcde") <= 63
        assert len(name) + 8 <= 64


def test_data_url_says_where_data_lie() -> None:
    bucket: Any = {"url": "s3://b", "mount_path": ""}
    disk: Any = {"url": "file:///mnt/corpus", "mount_path": "/mnt/corpus"}
    assert (data_url(bucket), data_url(disk)) == ("s3://b/data", "file:///mnt/corpus")


def test_a_job_whose_name_begins_with_a_digit_is_refused_by_name(tmp_path: Path) -> None:
    """Its run would be the name of a headless Service, which begins with a letter."""
    text = edited(("    gpt:\n", "    7b:\n"), ("model: {job: gpt}", "model: {job: 7b}"))
    [found] = mistakes(tmp_path, text)
    assert (found.path, found.rule) == ("/jobs/7b", "spec/name")


QUEUE = ("  jobs:\n", "  queues: {research: {max_gpus: 2}}\n  jobs:\n")
QUEUED = ("      run: first\n", "      run: first\n      queue: research\n")


def test_a_file_is_refused_where_a_run_would_wait_for_ever(tmp_path: Path) -> None:
    small = (QUEUE[0], QUEUE[1].replace("max_gpus: 2", "max_gpus: 1"))
    [found] = mistakes(tmp_path, edited(small, QUEUED))
    assert (found.path, found.rule, found.value) == ("/jobs/gpt/nodes", "queues/never", 2)


def test_a_job_on_a_pool_for_services_finds_no_queue_there(tmp_path: Path) -> None:
    [found] = mistakes(tmp_path, edited(QUEUE, QUEUED, ("      pool: train\n", "      pool: serve\n")))
    assert (found.path, found.rule, found.allowed) == ("/jobs/gpt/queue", "queues/pool", ("train",))


def test_a_queue_that_is_not_there_is_named_once(tmp_path: Path) -> None:
    [found] = mistakes(tmp_path, edited(QUEUED))
    assert found.path == "/jobs/gpt/queue"


def test_a_job_in_no_queue_needs_no_queue_on_a_pool_that_anyone_wakes() -> None:
    assert "queue" not in BASE
    pool: Any = {"name": "train", "gpus_per_node": 1}
    queue: Any = {"name": "q", "pools": ["train"], "max_gpus": 1}
    assert queue_findings(JobSpec(recipe="r"), pool, queue) == []


def on_efa(images: str, *more: tuple[str, str]) -> str:
    pool = "    wide: {gpu: H100, gpus_per_node: 8, zones: [use1-az2], max_nodes: 2, fabric: efa, purpose: training}\n"
    return edited(
        ("  pools:\n", f"  pools:\n{pool}"),
        ("zones: 2", "zones: [use1-az1, use1-az2]"),
        ("      pool: train\n", "      pool: wide\n"),
        (
            "  policies:",
            f'  images: {{registry: registry.example.com/team, digest: "sha256:{"a" * 64}"{images}}}\n  policies:',
        ),
        *more,
    )


def test_an_image_that_nobody_declared_fit_for_a_fabric_is_refused_and_one_that_is_declared_is_not(
    tmp_path: Path,
) -> None:
    [found] = mistakes(tmp_path, on_efa(""))
    assert (found.path, found.rule, found.allowed) == ("/jobs/gpt/fabrics", "images/fabric", ("efa",))
    assert "libfabric" in found.fix
    assert "aws-ofi-nccl" in found.fix
    load(tmp_path, on_efa(", fabrics: [efa]"))


def test_one_machine_alone_needs_nothing_of_its_fabric(tmp_path: Path) -> None:
    load(tmp_path, on_efa("", ("      nodes: 2\n", "      nodes: 1\n")))


def test_an_image_of_the_jobs_own_speaks_for_itself(tmp_path: Path) -> None:
    own = ("      nodes: 2\n", f"      nodes: 2\n      image: registry.example.com/own@sha256:{'b' * 64}\n")
    [found] = mistakes(tmp_path, on_efa(", fabrics: [efa]", own))
    assert found.path == "/jobs/gpt/fabrics"
