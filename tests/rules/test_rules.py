"""Each rule of the list that an environment file can break, through the command: refused with one field, accepted without it."""

from pathlib import Path

import pytest
import yaml
from tests.environment_files import project

from springtide import cli

from .rule_plans import Plans, stops
from .rule_table import Case, cases, differences
from .rule_verdicts import names_field_value_and_remedy

NUMBERED = cases(numbered=True)
FAMILIES = sorted({case.family for case in NUMBERED})
pytestmark = pytest.mark.timeout(900)  # the first test that asks waits for the plans of a whole family
each_case = pytest.mark.parametrize("case", NUMBERED, ids=lambda case: f"{case.name} {case.finding} {case.at}")


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_case_and_its_neighbour_differ_in_one_field(case: Case) -> None:
    changed = set(differences(case.refused_config(), case.accepted_config()))
    assert changed
    assert all(pointer == case.at or pointer.startswith(f"{case.at}/") for pointer in changed)


@each_case
def test_a_refusal_names_the_field_its_value_and_the_remedy(plans: Plans, case: Case) -> None:
    findings = plans.refused(case)["findings"]
    names_field_value_and_remedy(case, findings, f"stacks/Pulumi.{case.name}.yaml")


@each_case
def test_nothing_else_is_wrong_with_a_refused_file(plans: Plans, case: Case) -> None:
    found = {item["rule"] for item in stops(plans.refused(case))}
    assert found == ({case.finding, *case.also} if case.outcome == "fail" else set())


@each_case
def test_the_neighbour_is_planned_without_that_finding(plans: Plans, case: Case) -> None:
    plan = plans.accepted(case)
    assert plan["resources"]
    assert stops(plan) == []
    assert (case.finding, case.path) not in {(item["rule"], item["path"]) for item in plan["findings"]}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_command_ends_with_one_for_refused_files_and_with_zero_for_the_others(plans: Plans, family: str) -> None:
    assert plans.run(family, stopped=True).status == 1
    assert plans.run(family, stopped=False).status == 0


def test_at_a_terminal_a_refusal_has_its_line_its_value_and_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    [case] = [case for case in NUMBERED if case.name == "rule-7-1"]
    project(tmp_path, yaml.safe_dump({"config": case.refused_config()}))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["plan", "dev"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "stacks/Pulumi.dev.yaml:" in said
    assert "pools.reserved.reservation" in said
    assert "value: high" in said
    assert "fix: write projects/<project>/reservations/<name>" in said
