from pathlib import Path

import pytest

from springtide.offline.planner import CRASHED, attempt, environments, plan_environment, project_root

from .sample_project import BROKEN, PROGRAM, REFUSING, write_project


def test_the_project_is_found_from_within(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project", dev=1)
    assert project_root(root / "stacks") == root
    assert project_root(tmp_path) is None


def test_an_environment_is_a_file(tmp_path: Path) -> None:
    root = write_project(tmp_path, prod=1, dev=2)
    (root / "stacks" / "Pulumi..yaml").touch()
    assert environments(root) == ("dev", "prod")


def test_a_plan_says_where_it_is_and_what_made_it(tmp_path: Path) -> None:
    plan = plan_environment(write_project(tmp_path, dev=3), "dev")
    assert plan.environment == {
        "name": "dev", "project": "sample", "file": "stacks/Pulumi.dev.yaml",
        "cloud": "aws", "region": "us-east-1", "account": "123456789012",
    }  # fmt: skip
    assert set(plan.made_with) == {"springtide", "pulumi", "catalog"}
    assert plan.pools()[0].max_nodes == 3
    assert plan.seconds["run"] > 0


def test_policies_are_asked_with_dated_prices_and_the_environments_limits(tmp_path: Path) -> None:
    program = PROGRAM.replace('account="123456789012"', 'account="123456789012", budgetUsdPerHour=0.1')
    (finding,) = plan_environment(write_project(tmp_path, program, dev=4), "dev").findings
    assert (finding.rule, finding.stops) == ("policy/gpu-ceiling-budget", True)


def test_a_mistake_makes_a_plan_of_findings_alone(tmp_path: Path) -> None:
    plan = plan_environment(write_project(tmp_path, REFUSING, dev=1), "dev")
    (finding,) = plan.findings
    assert plan.resources == ()
    assert finding.stops
    assert "max is too large" in finding.message


def test_a_crash_is_a_finding_and_its_traceback_stays_out_of_the_plan(tmp_path: Path) -> None:
    tried = attempt(write_project(tmp_path, BROKEN, dev=1), "dev")
    (finding,) = tried.plan.findings
    assert (finding.rule, finding.stops) == (CRASHED, True)
    assert "the program is broken" in finding.message
    assert "Traceback" in tried.traceback
    assert str(tmp_path) not in str(tried.plan.to_json())


def test_a_stopped_plan_still_says_what_its_file_says_of_its_place(tmp_path: Path) -> None:
    root = write_project(tmp_path, REFUSING)
    (root / "stacks" / "Pulumi.dev.yaml").write_text(
        "config:\n  sample:cloud: aws\n  region: eu-west-1\n  account: 12\n"
    )
    plan = plan_environment(root, "dev")
    assert {key: plan.environment.get(key) for key in ("cloud", "region", "account")} == {
        "cloud": "aws", "region": "eu-west-1", "account": None,
    }  # fmt: skip


def test_an_environment_file_that_is_no_yaml_is_a_mistake(tmp_path: Path) -> None:
    root = write_project(tmp_path, dev=1)
    (root / "stacks" / "Pulumi.dev.yaml").write_text("config: [")
    (finding,) = plan_environment(root, "dev").findings
    assert finding.stops
    assert finding.where == "stacks/Pulumi.dev.yaml:1"


def test_a_program_that_is_not_there_is_a_mistake_in_the_project(tmp_path: Path) -> None:
    root = write_project(tmp_path, dev=1)
    (root / "stacks" / "__main__.py").unlink()
    (finding,) = plan_environment(root, "dev").findings
    assert (finding.where, finding.stops) == ("Pulumi.yaml", True)
    assert "there is no program in stacks" in finding.message


@pytest.mark.parametrize(
    ("ending", "says"),
    [
        ("import os; os._exit(0)", "ended its own process with exit status 0"),
        ("import asyncio; raise asyncio.CancelledError", "CancelledError"),
        ("raise RuntimeError('\\ud83d')", "RuntimeError"),
        ("Part('Storage', 'things')", "things has no cloud, kind, region"),
    ],
)
def test_however_a_program_fails_it_is_a_finding(tmp_path: Path, ending: str, says: str) -> None:
    (finding,) = plan_environment(write_project(tmp_path, f"{PROGRAM}\n{ending}\n", dev=1), "dev").findings
    assert (finding.rule, finding.stops) == (CRASHED, True)
    assert says in finding.message


def test_nothing_is_said_of_an_encrypted_value_but_that_it_is_encrypted(tmp_path: Path) -> None:
    program = """
import pulumi
from springtide.spec import SpecError, refuse

said = pulumi.Config().get_object("pools")["a"]
raise pulumi.RunError("1 mistake") from SpecError([refuse("a/b", "/pools/a", said, f"{said} is no pool.", "mend it")])
"""
    root = write_project(tmp_path, program)
    (root / "stacks" / "Pulumi.dev.yaml").write_text("config:\n  pools: {a: {secure: AAAA}}\n")
    (finding,) = plan_environment(root, "dev").findings
    assert (finding.path, finding.value) == ("/pools/a", None)
    assert finding.message == "this is encrypted, and a plan cannot decrypt it."


def test_a_word_too_long_for_a_place_is_left_out_of_the_plans_head(tmp_path: Path) -> None:
    root = write_project(tmp_path, REFUSING)
    (root / "stacks" / "Pulumi.dev.yaml").write_text(f"config:\n  cloud: aws\n  region: {'x' * 100_000}\n")
    assert plan_environment(root, "dev").environment.keys() == {"name", "project", "file", "cloud"}
