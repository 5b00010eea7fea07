"""Mistakes in an environment file: each refused where it stands, all in one text, with what is allowed and what to do."""

from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from springtide.spec import Outcome, Severity

from .environment_files import BASE, edited, in_stack, line_of, load, mistakes, project, refusal

MISTAKES = yaml.safe_load((Path(__file__).parent / "errors" / "mistakes.yaml").read_text(encoding="utf-8"))


def identity(case: Any) -> str:
    return f"{case['path']} {case['new'].strip().splitlines()[0] if case['new'].strip() else 'nothing'}"[:70]


def test_the_file_that_the_mistakes_are_made_in_has_none(tmp_path: Path) -> None:
    assert load(tmp_path, BASE).name == "dev"


@pytest.mark.parametrize("case", MISTAKES, ids=identity)
def test_one_wrong_edit_is_one_finding_with_its_line_and_its_remedy(case: dict[str, str], tmp_path: Path) -> None:
    text = edited((case["old"], case["new"]))
    [found] = mistakes(tmp_path, text)
    assert (found.path, found.rule) == (case["path"], case["rule"])
    assert (found.outcome, found.severity) == (Outcome.FAIL, Severity.ERROR)
    assert case["says"] in found.message
    assert case["fix"] in found.fix
    assert case.get("allowed", "") in " ".join(map(str, found.allowed))
    line = line_of(text, case["at"]) if "at" in case else line_of_path(text, case["path"])
    assert found.where == f"stacks/Pulumi.dev.yaml:{line}"


def line_of_path(text: str, path: str) -> int:
    """Line of the last key of `path`, found by reading the text from top to bottom; items of a list have their list's."""
    place = text.index("config:")
    for key in path.split("/")[1:]:
        if not key.isdigit():
            place = text.index(f"{key}:", place)
    return text[:place].count("\n") + 1


EVERYTHING_WRONG = """\
config:
  cloud: aws
  acount: "123456789012"
  region: us-east-1
  zones: [use1-az3, use1-az1]

  # a comment, which moves lines and nothing else
  network: {cidr: 10.0.0.0/12, nat: none}
  cluster:
    version: 1.35
    access: []
  storage:
    artifacts: {kind: buckets, expire_days: 0}
  pools:
    train:
      gpu: A10
      max_nodes: true
      min_nodes: -1
      capacity: [spto]
    serve: {gpu: L4, maxnodes: 2}
  jobs:
    gpt: {recipe: GPT, pool: trian, nodes: 9, checkpoints: artifacts, run: 1}
    far: {recipe: gpt_tiny, pool: train, nodes: 9, checkpoints: artefacts}
  services:
    chat: {model: {job: gtp}, pool: serve, replicas: {min: 0, max: 0}, gpus: 9}
  images: {digest: latest}
  policies: {budget_usd_per_hour: lots}
"""
WHERE = [
    (1, "account"), (3, "acount"), (5, "zones.0"), (8, "network.cidr"), (8, "network.nat"), (10, "cluster.version"),
    (11, "cluster.access"), (13, "storage.artifacts.expire_days"), (13, "storage.artifacts.kind"),
    (17, "pools.train.max_nodes"), (18, "pools.train.min_nodes"), (19, "pools.train.capacity.0"),
    (20, "pools.serve.max_nodes"), (20, "pools.serve.maxnodes"), (22, "jobs.gpt.pool"), (22, "jobs.gpt.recipe"),
    (22, "jobs.gpt.run"), (23, "jobs.far.checkpoints"), (25, "services.chat.model.job"),
    (25, "services.chat.replicas.max"), (25, "services.chat.replicas.min"), (26, "images.digest"),
    (27, "policies.budget_usd_per_hour"),
]  # fmt: skip


def test_all_mistakes_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    error = refusal(tmp_path, EVERYTHING_WRONG)
    found = [(int(item.where.rpartition(":")[2]), item.path[1:].replace("/", ".")) for item in error.findings]
    assert [line for line, _ in found] == sorted(line for line, _ in found)
    assert sorted(found) == WHERE


def test_the_text_says_each_mistake_once_and_nothing_else(tmp_path: Path) -> None:
    lines = str(refusal(tmp_path, EVERYTHING_WRONG)).splitlines()
    assert lines[0] == f"{len(WHERE)} mistakes in stacks/Pulumi.dev.yaml"
    assert sum(line.startswith("  stacks/Pulumi.dev.yaml:") for line in lines) == len(WHERE)
    assert sum(line.startswith("    fix: ") for line in lines) == len(WHERE)
    assert len(lines) == 1 + 2 * len(WHERE)


def test_a_mistake_is_a_paragraph_that_a_person_can_act_on(tmp_path: Path) -> None:
    assert str(refusal(tmp_path, edited(("nat: one", "nat: two")))) == (
        "1 mistake in stacks/Pulumi.dev.yaml\n"
        "  stacks/Pulumi.dev.yaml:6 network.nat: 'two' is not known here. Allowed: one, per-zone.\n"
        "    fix: use one of them"
    )


@pytest.mark.parametrize(
    ("first", "second", "paths"),
    [
        (("gpu: A10G", "gpu: A10"), ("nodes: 2\n      ch", "nodes: 9\n      ch"), "/pools/train/gpu /jobs/gpt/nodes"),
        (
            ("max_nodes: 2\n", "max_nodes: many\n"),
            ("nodes: 2\n      ch", "nodes: 9\n      ch"),
            "/pools/train/max_nodes",
        ),
        (
            ("gpu: A10G", "gup: A10G"),
            ("purpose: training", "machine_types: [p4d.24xlarge]"),
            "/pools/train/gpu /pools/train/gup",
        ),
        (("region: us-east-1", "region: mars-1"), ("gpu: A10G", "gpu: H900"), "/region"),
        (("cloud: aws", "cloud: mars"), ("min_nodes: 0", "min_nodes: -1"), "/cloud /pools/train/min_nodes"),
        (("pool: train", "pool: trian"), ("min_nodes: 0", "min_nodes: x"), "/pools/train/min_nodes /jobs/gpt/pool"),
        (("zones: 2", "zones: []"), ("gpu: A10G", "gpu: H900"), "/zones"),
    ],
    ids=["unrelated", "no-size", "no-gpu", "no-region", "no-cloud", "no-pool", "no-zones"],
)
def test_nothing_is_concluded_from_a_mistake_and_nothing_else_is_kept_back(
    first: tuple[str, str], second: tuple[str, str], paths: str, tmp_path: Path
) -> None:
    changed = edited(first, text=edited(second))
    assert [item.path for item in mistakes(tmp_path, changed)] == paths.split()


def test_a_name_of_the_environment_that_no_resource_could_have_is_refused(tmp_path: Path) -> None:
    [found] = mistakes(tmp_path, BASE, "Dev_1")
    assert (found.rule, found.value, found.where) == ("spec/name", "Dev_1", "stacks/Pulumi.Dev_1.yaml:1")


def test_a_long_value_is_cut_in_the_text(tmp_path: Path) -> None:
    [found] = mistakes(tmp_path, edited(("max_nodes: 2\n", f"max_nodes: {'x' * 500}\n")))
    assert len(found.message) < 100


def test_a_stack_whose_file_is_elsewhere_has_mistakes_without_lines(tmp_path: Path) -> None:
    root = project(tmp_path, BASE, "other")
    config = yaml.safe_load(BASE)["config"] | {"account": "12"}
    with pytest.raises(pulumi.RunError, match=r"^1 mistake in environment dev\n  account: '12'"):
        in_stack(root, config)
