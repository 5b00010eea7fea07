"""A file of this machine: what it may say, what it means, and what of a cloud's file means nothing in it."""

from pathlib import Path

import pytest

from springtide import catalog, settings
from springtide.clouds.local.cluster import cluster_findings
from springtide.imitation import ACCOUNT, DIGEST, PRESENT
from springtide.parse import docstrings
from springtide.sections import MEANINGLESS, EnvironmentFile, LocalFile
from springtide.spec import PRIVATE, by_digest

from .environment_files import BASE, edited, load, mistakes, project

LOCAL = """\
config:
  cloud: local
  storage:
    artifacts: {kind: bucket}
  pools:
    train: {gpu: H100, gpus_per_node: 8, capacity: [spot, on-demand], max_nodes: 4, purpose: training}
    serve: {gpu: L4, capacity: [spot, on-demand], max_nodes: 3, purpose: serving}
  jobs:
    gpt: {recipe: gpt_tiny, pool: train, nodes: 2, checkpoints: artifacts, run: first}
  services:
    chat: {model: {job: gpt}, pool: serve, replicas: {max: 3}, scale_on: {in_flight_per_replica: 4}}
"""
ELSEWHERE = """\
config:
  cloud: local
  account: "123456789012"
  region: us-east-1
  zones: 2
  network: {cidr: 10.0.0.0/16}
  cluster: {version: "1.35", access: [203.0.113.0/24]}
  images: {digest: none}
  controllers: {install: [keda]}
"""


def changed(folder: Path, *changes: tuple[str, str]) -> settings.Settings:
    return load(folder, edited(*changes, text=LOCAL))


def wrong(folder: Path, *changes: tuple[str, str]) -> list[tuple[str, str]]:
    return [(found.path, found.rule) for found in mistakes(folder, edited(*changes, text=LOCAL))]


def test_a_file_needs_no_more_than_the_name_of_this_machine(tmp_path: Path) -> None:
    found = load(tmp_path, "config: {cloud: local}")
    assert dict(found.environment) == {
        "cloud": "local",
        "account": ACCOUNT,
        "region": "us-east-1",
        "machines": "aws",
        "exempt": [],
    }
    assert (found.storage, found.pools, found.jobs, found.services) == ({}, {}, {}, {})


@pytest.mark.parametrize(("machines", "region"), [("aws", "us-east-1"), ("gcp", "us-central1")])
def test_a_cloud_is_imitated_where_its_catalog_knows_most(machines: str, region: str, tmp_path: Path) -> None:
    found = changed(tmp_path, ("cloud: local", f"cloud: local\n  machines: {machines}"))
    assert (found.environment["machines"], found.environment["region"]) == (machines, region)
    usable = [zone.id for zone in catalog.zones(machines, region) if not zone.refused]
    assert found.network["zones"] == usable


@pytest.mark.parametrize("machines", catalog.clouds())
def test_every_accelerator_of_a_cloud_can_be_imitated(machines: str) -> None:
    region = catalog.best_known_region(machines)
    for item in catalog.accelerators(machines):
        assert item.unusable or any(catalog.candidates(machines, item.name, count, region) for count in item.counts)


def test_karpenter_and_keda_are_there_and_jobset_is_not_asked_for(tmp_path: Path) -> None:
    found = load(tmp_path, LOCAL).controllers
    assert set(found["install"]) <= set(found["existing"]) == set(PRESENT)


def test_the_image_is_made_here_and_has_a_name_by_digest(tmp_path: Path) -> None:
    found = load(tmp_path, LOCAL)
    image = found.job(found.jobs["gpt"])["image"]
    assert image == f"springtide.local/springtide-workloads@{DIGEST}"
    assert image == found.service(found.services["chat"])["image"]
    assert by_digest("/image", image) == []


def test_the_control_plane_is_the_one_that_is_there(tmp_path: Path) -> None:
    found = load(tmp_path, LOCAL)
    assert cluster_findings(found.file.cluster) == []
    assert found.cluster["access"] == [PRIVATE]


def test_a_clouds_keys_are_refused_with_the_reason_all_at_once(tmp_path: Path) -> None:
    found = mistakes(tmp_path, ELSEWHERE)
    assert [item.path for item in found] == [f"/{key}" for key in MEANINGLESS]
    assert {item.rule for item in found} == {"settings/meaningless"}
    assert [item.where for item in found] == [f"stacks/Pulumi.dev.yaml:{line}" for line in range(3, 10)]
    assert found[0].message == "account means nothing on this cloud: no account is asked."


def test_every_key_of_a_cloud_is_one_of_this_machine_or_has_a_reason() -> None:
    assert docstrings(EnvironmentFile).keys() - docstrings(LocalFile).keys() == MEANINGLESS.keys()
    assert docstrings(LocalFile).keys() - docstrings(EnvironmentFile).keys() == {"machines"}


@pytest.mark.parametrize(
    ("old", "new", "path", "rule"),
    [
        ("  pools:", "  polos: {}\n  pools:", "/polos", "settings/unknown-key"),
        ("cloud: local", "cloud: local\n  machines: awz", "/machines", "settings/machines"),
        ("{kind: bucket}", "{kind: lustre, size_gib: 1200}", "/storage/artifacts/kind", "clouds/absent"),
        ("max_nodes: 4", "max_nodes: 4, min_nodes: 1", "/pools/train/min_nodes", "local/in-vain"),
        ("max_nodes: 4", "max_nodes: 4, fabric: efa", "/pools/train/fabric", "clouds/absent"),
        ("max_nodes: 4", "max_nodes: 4, local_disks: block", "/pools/train/local_disks", "local/in-vain"),
        ("max_nodes: 4", "max_nodes: 4, labels: {k8s.io/a: b}", "/pools/train/labels/k8s.io~1a", "local/label"),
        ("gpu: L4", "gpu: l4", "/pools/serve/gpu", "catalog/gpu"),
        ("pool: serve", "pool: serve, expose: internal", "/services/chat/expose", "clouds/absent"),
        ("pool: serve,", "", "/services/chat/pool", "services/pool"),
        ("nodes: 2", "nodes: 5", "/jobs/gpt/nodes", "spec/fits"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_as_on_every_cloud(old: str, new: str, path: str, rule: str, tmp_path: Path) -> None:
    assert (path, rule) in wrong(tmp_path, (old, new))


@pytest.mark.parametrize(("machines", "says"), [("awz", "did you mean aws?"), ("mars", "use aws or gcp")])
def test_machines_of_nobody_are_said_once_and_nothing_is_concluded_from_them(
    machines: str, says: str, tmp_path: Path
) -> None:
    [found] = mistakes(tmp_path, edited(("cloud: local", f"cloud: local\n  machines: {machines}"), text=LOCAL))
    assert (found.path, found.value, found.fix) == ("/machines", machines, says)


def test_runs_do_not_wait_in_queues_here(tmp_path: Path) -> None:
    queued = (
        ("  jobs:", "  queues: {research: {max_gpus: 16}}\n  jobs:"),
        ("run: first", "run: first, queue: research"),
    )
    [found] = mistakes(tmp_path, edited(*queued, text=LOCAL))
    assert (found.path, found.message) == ("/queues/research/max_gpus", "local has no queues here.")
    assert found.fix == (
        "remove it, and `queue` from its jobs: they start as soon as machines are there; clouds that can: aws, gcp"
    )


def test_work_of_another_stack_cannot_run_here(tmp_path: Path) -> None:
    project(tmp_path, LOCAL, "local")
    [found] = mistakes(tmp_path, "config: {'on': local}", "team")
    assert (found.path, found.rule) == ("/on", "settings/platform")
    assert found.message == "local is on this machine, and has no state that another stack could join."


def test_a_clouds_own_machines_are_its_own(tmp_path: Path) -> None:
    found = load(tmp_path, BASE)
    assert found.file.machines == "aws"
    assert "machines" not in found.environment
