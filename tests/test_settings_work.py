"""Work on a platform: a file that says `on:` is read together with the platform's, and judged against it."""

from pathlib import Path

import pytest

from springtide.settings import Settings
from springtide.spec import Finding

from .environment_files import BASE, edited, load, mistakes, project

WORK = """\
config:
  on: base
  jobs:
    gpt: {recipe: gpt_tiny, pool: train, nodes: 2, checkpoints: artifacts, run: one}
  services:
    chat: {model: {job: gpt}, pool: serve}
"""


def work(folder: Path, *changes: tuple[str, str], platform: str = BASE) -> Settings:
    project(folder, platform, "base")
    return load(folder, edited(*changes, text=WORK), "team")


def refused(folder: Path, *changes: tuple[str, str], platform: str = BASE) -> tuple[Finding, ...]:
    project(folder, platform, "base")
    return mistakes(folder, edited(*changes, text=WORK), "team")


def test_work_sees_its_platforms_pools_and_storage_and_has_jobs_of_its_own(tmp_path: Path) -> None:
    team = work(tmp_path)
    assert team.platform is not None
    assert team.platform.name == "base"
    assert team.pools == team.platform.pools
    assert {name: job.run for name, job in team.jobs.items()} == {"gpt": "one"}
    assert {name: job.run for name, job in team.platform.jobs.items()} == {"gpt": "first"}


def test_work_is_in_the_account_of_its_platform_with_limits_of_its_own(tmp_path: Path) -> None:
    team = work(tmp_path, ("  on: base\n", "  on: base\n  policies: {budget_usd_per_hour: 7}\n"))
    assert dict(team.environment) == {
        "cloud": "aws",
        "account": "123456789012",
        "region": "us-east-1",
        "budget_usd_per_hour": 7.0,
        "exempt": [],
    }


@pytest.mark.parametrize(
    ("old", "new", "path", "rule"),
    [
        ("on: base", "on: prod", "/on", "settings/platform"),
        ("on: base", "on: team", "/on", "settings/platform"),
        ("on: base", "on: ../stacks/base", "/on", "settings/platform"),
        ("pool: train", "pool: trian", "/jobs/gpt/pool", "settings/reference"),
        ("nodes: 2", "nodes: 3", "/jobs/gpt/nodes", "spec/fits"),
        ("checkpoints: artifacts", "checkpoints: elsewhere", "/jobs/gpt/checkpoints", "settings/reference"),
        ("job: gpt}", "job: draft}", "/services/chat/model/job", "settings/reference"),
        ("  on: base\n", "  on: base\n  pools: {}\n", "/pools", "settings/unknown-key"),
        (
            "pool: serve}",
            "pool: serve, scale_on: {in_flight_per_replica: 4}}",
            "/services/chat/scale_on",
            "controllers/absent",
        ),
    ],
)
def test_what_a_platform_does_not_have_is_one_finding_of_the_works_file(
    tmp_path: Path, old: str, new: str, path: str, rule: str
) -> None:
    [found] = refused(tmp_path, (old, new))
    assert (found.path, found.rule) == (path, rule)
    assert found.where.startswith("stacks/Pulumi.team.yaml:")
    assert found.fix


def test_a_key_of_a_platform_is_told_where_it_belongs(tmp_path: Path) -> None:
    [found] = refused(tmp_path, ("  on: base\n", "  on: base\n  pools: {}\n"))
    assert found.fix == "it belongs into the platform's file, Pulumi.base.yaml"


def test_what_a_service_grows_on_is_there_where_the_platform_installs_it(tmp_path: Path) -> None:
    grows = ("pool: serve}", "pool: serve, scale_on: {in_flight_per_replica: 4}}")
    work(tmp_path, grows, platform=edited(("  pools:\n", "  controllers: {install: [keda]}\n  pools:\n")))


def test_work_on_work_is_sent_to_the_platform(tmp_path: Path) -> None:
    project(tmp_path, BASE, "base")
    project(tmp_path, WORK, "first")
    [found] = mistakes(tmp_path, edited(("on: base", "on: first"), text=WORK), "team")
    assert found.fix == "name its platform: base"


def test_a_platforms_own_mistakes_are_left_to_its_own_plan(tmp_path: Path) -> None:
    [found] = refused(tmp_path, platform=edited(("max_nodes: 2\n", "max_nodes: 0\n")))
    assert (found.path, found.message) == ("/on", "platform base has 1 mistake of its own.")
    assert found.fix == "mend what `springtide plan base` lists"
