"""What an environment file means: the same values however they are written."""

from pathlib import Path

import pytest

from springtide import settings
from springtide.spec import SpecError

from .environment_files import BASE, ENVIRONMENTS, ROOT, edited, load, mistakes, project

DIGEST = f"sha256:{'a' * 64}"
EVERY_FILE = [*ROOT.glob("stacks/Pulumi.*.yaml"), *ENVIRONMENTS.glob("Pulumi.*.yaml")]


@pytest.mark.parametrize("file", EVERY_FILE, ids=lambda file: file.stem)
def test_every_environment_of_the_repository_is_accepted(file: Path, tmp_path: Path) -> None:
    name = file.stem.removeprefix("Pulumi.")
    for other in file.parent.glob("Pulumi.*.yaml"):  # work needs its platform's file beside it
        project(tmp_path, other.read_text(encoding="utf-8"), other.stem.removeprefix("Pulumi."))
    assert load(tmp_path, file.read_text(encoding="utf-8"), name).name == name


def test_a_file_needs_no_more_than_a_place_and_a_cluster(tmp_path: Path) -> None:
    least = """\
config:
  cloud: aws
  account: "123456789012"
  region: us-east-1
  cluster: {version: "1.35", access: [203.0.113.0/24]}
"""
    found = load(tmp_path, least)
    assert dict(found.network) == {
        "cidr": "10.0.0.0/16",
        "nat": "one",
        "zones": ["use1-az1", "use1-az2"],
        "endpoints": ["storage"],
        "subnets": {},
    }
    assert (found.storage, found.pools, found.jobs, found.services) == ({}, {}, {}, {})


def test_arguments_hold_what_was_said_and_the_defaults_of_the_spec(tmp_path: Path) -> None:
    assert load(tmp_path, BASE).pools["serve"] == {
        "gpu": "L4",
        "max_nodes": 2,
        "gpus_per_node": 1,
        "min_nodes": 0,
        "capacity": ["spot"],
        "reservation_kind": "standard",
        "machine_types": [],
        "zones": [],
        "purpose": "serving",
        "fabric": "none",
        "efa_layout": "ip-optimised",
        "local_disks": "scratch",
        "driver": "default",
        "disk_gib": 200,
        "labels": {},
        "taints": [],
    }


def test_what_is_not_said_is_not_among_the_arguments(tmp_path: Path) -> None:
    found = load(tmp_path, edited(("      run: first\n", ""), (", expire_days: 30", "")))
    assert found.job(found.jobs["gpt"]) == {"recipe": "gpt_small", "nodes": 2}
    assert dict(found.storage["artifacts"]) == {"kind": "bucket"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max_nodes: 2\n", 'max_nodes: "2"\n'),
        ("max_nodes: 2\n", "max_nodes: 2.0\n"),
        ("zones: 2", 'zones: "2"'),
        ("zones: 2", "springtide:zones: 2"),
        ("  pools:", "  springtide:pools:"),
        ('account: "123456789012"', "account: 123456789012"),
        ("      run: first", "      run: 'first'"),
        ("capacity: [spot]\n", "capacity:\n        - spot\n"),
        ("    serve: {gpu: L4,", "    serve: {<<: {gpu: L4},"),
        (
            "config:",
            "encryptionsalt: v1:abc=\nsecretsprovider: default\nenvironment: [shared]\nconfig:\n  aws:region: eu-west-1",
        ),
    ],
    ids=lambda text: text.strip()[:40] if isinstance(text, str) else None,
)
def test_another_way_of_writing_says_the_same(old: str, new: str, tmp_path: Path) -> None:
    assert load(tmp_path, edited((old, new))) == load(tmp_path, BASE)


def test_a_zero_stays_a_zero(tmp_path: Path) -> None:
    found = load(tmp_path, (ENVIRONMENTS / "Pulumi.zeros.yaml").read_text(encoding="utf-8"), "zeros")
    assert found.environment["budget_usd_per_hour"] == 0
    assert found.pools["idle"]["min_nodes"] == 0
    chat = found.service(found.services["chat"])
    assert (chat["gpus"], chat["propagation_seconds"]) == (0, 0)


@pytest.mark.parametrize("section", ["storage", "pools", "jobs", "services", "images", "policies", "network"])
def test_a_section_left_empty_is_as_if_it_were_not_there(section: str, tmp_path: Path) -> None:
    head = BASE.split("  storage:")[0].replace("  network: {cidr: 10.0.0.0/16, nat: one}\n", "")
    assert load(tmp_path, f"{head}  {section}:\n") == load(tmp_path, head)


@pytest.mark.parametrize(
    ("old", "new", "means"),
    [
        ("      run: first", "      run:", "      # no run"),
        ("min_nodes: 0", "min_nodes:", "# no minimum"),
        ("replicas: {min: 1, max: 2}", "replicas: {min: , max: 2}", "replicas: {max: 2}"),
        ("policies: {budget_usd_per_hour: 50}", "policies: {budget_usd_per_hour: }", "policies: {}"),
    ],
    ids=["run", "min_nodes", "replicas", "budget"],
)
def test_a_key_left_empty_is_as_if_it_were_not_there(old: str, new: str, means: str, tmp_path: Path) -> None:
    assert load(tmp_path, edited((old, new))) == load(tmp_path, edited((old, means)))


def test_a_pool_left_empty_is_there_and_lacks_what_it_needs(tmp_path: Path) -> None:
    text = edited(("    serve: {gpu: L4, capacity: [spot], max_nodes: 2, purpose: serving}", "    serve:"))
    assert [finding.path for finding in mistakes(tmp_path, text)] == ["/pools/serve/gpu", "/pools/serve/max_nodes"]


def test_an_image_of_the_environment_is_everyones_and_lies_in_the_accounts_own_registry(tmp_path: Path) -> None:
    found = load(tmp_path, edited(("  policies:", f"  images: {{digest: '{DIGEST}'}}\n  policies:")))
    image = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/springtide-workloads@{DIGEST}"
    assert found.job(found.jobs["gpt"])["image"] == image
    assert found.service(found.services["chat"])["image"] == image


def test_a_registry_that_is_named_is_used(tmp_path: Path) -> None:
    images = f"  images: {{digest: '{DIGEST}', registry: registry.example.com:5000/team}}\n  policies:"
    found = load(tmp_path, edited(("  policies:", images)))
    assert found.job(found.jobs["gpt"])["image"] == f"registry.example.com:5000/team/springtide-workloads@{DIGEST}"


def test_an_image_of_its_own_comes_before_the_environments(tmp_path: Path) -> None:
    found = load(tmp_path, (ENVIRONMENTS / "Pulumi.full.yaml").read_text(encoding="utf-8"), "full")
    assert found.service(found.services["draft"])["image"].startswith("registry.example.com/team/server@sha256:ab")
    assert found.service(found.services["chat"])["image"].startswith("registry.example.com/team/springtide-workloads@")


def test_a_number_of_zones_takes_the_first_that_clusters_may_use(tmp_path: Path) -> None:
    found = load(tmp_path, edited(("zones: 2", "zones: 5")))
    assert found.network["zones"] == ["use1-az1", "use1-az2", "use1-az4", "use1-az5", "use1-az6"]


def test_zones_that_are_listed_are_taken_as_they_are(tmp_path: Path) -> None:
    found = load(tmp_path, edited(("zones: 2", "zones: [use1-az6, use1-az1]")))
    assert found.network["zones"] == ["use1-az6", "use1-az1"]


def test_settings_made_without_a_file_name_their_mistakes_without_lines() -> None:
    with pytest.raises(SpecError, match=r"^4 mistakes in environment dev\n  cloud: cloud is required") as refused:
        settings.parse("dev", {})
    assert [finding.where for finding in refused.value.findings] == [""] * 4
