"""A program that reads another stack's outputs gets those of that stack's plan."""

from pathlib import Path

import pytest

from springtide.offline.record import MistakeError, Recording, record

PROGRAM = """\
import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace
if pulumi.Config().get("on") is None:
    made = Namespace("there", metadata={"name": "there"})
    pulumi.export("platform", {"plain": "base", "uid": made.metadata.uid, "zones": ["a", "b"]})
    pulumi.export("token", pulumi.Output.secret("hush"))
else:
    there = pulumi.StackReference(f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.Config().get('on')}")
    facts = there.require_output("platform")
    ConfigMap("seen", metadata={"name": "seen"}, data={
        "plain": facts["plain"], "uid": facts["uid"], "first": facts["zones"][0], "token": there.require_output("token"),
    })
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("{name: house, runtime: python}")
    (tmp_path / "Pulumi.base.yaml").write_text("config: {size: 1}")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    return tmp_path


def team(folder: Path, config: str = "{on: base}") -> Recording:
    (folder / "Pulumi.team.yaml").write_text(f"config: {config}")
    return record(folder, "team")


@pytest.mark.parametrize("config", ["{on: base}", "{'house:on': base}"])
def test_what_a_platform_knows_is_known_and_what_only_its_cloud_knows_is_not(folder: Path, config: str) -> None:
    found = team(folder, config)
    [seen] = [item for item in found.resources if item.name == "seen"]
    assert seen.inputs["data"]["plain"] == "base"
    assert seen.inputs["data"]["first"] == "a"
    assert seen.inputs["data"]["uid"].startswith("«urn:pulumi:base::house::")
    assert seen.unknown == ("/data/token", "/data/uid")


def test_a_platforms_resources_are_not_its_teams(folder: Path) -> None:
    assert [item.name for item in team(folder).resources] == ["organization/house/base", "seen"]


def test_no_secret_crosses_from_plan_to_plan(folder: Path) -> None:
    assert "hush" not in str([item.to_json() for item in team(folder).resources])


@pytest.mark.parametrize("config", ["{on: team}", "{on: absent}", "{on: ../base}"])
def test_a_stack_that_has_no_plan_has_no_outputs(folder: Path, config: str) -> None:
    with pytest.raises(MistakeError, match="no plan was made of"):
        team(folder, config)


def test_a_platform_that_cannot_be_planned_is_named(folder: Path) -> None:
    (folder / "Pulumi.base.yaml").write_text("config: {size: 1")
    with pytest.raises(MistakeError, match="the platform base, which team runs on, has mistakes"):
        team(folder)
