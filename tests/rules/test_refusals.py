"""Refusals beyond the list: as the settings of a stack say them, which is where the command has them from."""

import json
import warnings
from pathlib import Path

import pytest
import yaml
from tests.environment_files import load, mistakes, project

from springtide import clouds

from .rule_table import Case, base, cases
from .rule_verdicts import names_field_value_and_remedy

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pulumi_gcp warns of its own old names when it is imported
    clouds.load("gcp")

BEYOND = cases(numbered=False)
each_case = pytest.mark.parametrize("case", BEYOND, ids=lambda case: f"{case.name} {case.finding} {case.at}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with the platform that work runs on."""
    return project(tmp_path, yaml.safe_dump({"config": base("aws")}), "aws")


@each_case
def test_one_field_is_refused_with_its_value_and_its_remedy(folder: Path, case: Case) -> None:
    said = mistakes(folder, yaml.safe_dump({"config": case.refused_config()}))
    found = json.loads(json.dumps([item.to_json() for item in said]))
    names_field_value_and_remedy(case, found, "stacks/Pulumi.dev.yaml")
    assert {item["rule"] for item in found} == {case.finding, *case.also}


def test_work_on_a_platform_whose_file_is_no_yaml_is_told_so(folder: Path) -> None:
    (folder / "stacks" / "Pulumi.broken.yaml").write_text("config: [", encoding="utf-8")
    found = mistakes(folder, yaml.safe_dump({"config": {**base("work"), "on": "broken"}}))
    assert [(item.rule, item.path, item.value) for item in found] == [("settings/file", "/on", "broken")]


@each_case
def test_the_neighbour_is_accepted(folder: Path, case: Case) -> None:
    load(folder, yaml.safe_dump({"config": case.accepted_config()}))
