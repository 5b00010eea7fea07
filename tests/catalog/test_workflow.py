"""The report of catalog.yml, run as GitHub runs it, with stand-ins for what it installs and asks."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

FLOW = Path(__file__).parents[2] / ".github" / "workflows" / "catalog.yml"
DATA = yaml.load(FLOW.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
UV = "echo botocore==9.9.9; echo boto3==9.9.9; echo moto==9.9.9"
REFRESH = (
    'printf "changed machine_types.json\\n"\n[ -z "$CHANGES" ] || echo new >> components/springtide/catalog/data.json'
)
PYTEST = 'echo "1 test ran"\nexit "$TESTS"'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, script in (("uv", UV), ("springtide", REFRESH), ("python", PYTEST)):
        path = tmp_path / ".venv" / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
    data = tmp_path / "components" / "springtide" / "catalog" / "data.json"
    data.parent.mkdir(parents=True)
    data.write_text("old\n", encoding="utf-8")
    author = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"]
    for words in (["init", "-q"], ["add", "components"], [*author, "commit", "-qm", "data"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def report(project: Path, *, changes: str = "", tests: int = 0) -> tuple[int, str]:
    """Exit status of the step and what the run's summary says."""
    (script,) = (step["run"] for step in DATA["jobs"]["freshness"]["steps"] if step.get("name") == "Report")
    assert DATA["defaults"] == {"run": {"shell": "bash"}}
    env = {"PATH": os.environ["PATH"], "GITHUB_STEP_SUMMARY": "summary", "CHANGES": changes, "TESTS": str(tests)}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == (project / "summary").read_text(encoding="utf-8"), done.stderr
    return done.returncode, done.stdout


def test_a_fresh_catalog_passes_and_says_against_what(project: Path) -> None:
    status, summary = report(project)
    assert status == 0
    assert summary.startswith("## The catalog against botocore==9.9.9 moto==9.9.9\n")
    assert "behind" not in summary


def test_data_that_is_behind_fails_with_the_lines_that_differ(project: Path) -> None:
    status, summary = report(project, changes="yes")
    assert status == 1
    assert "run `springtide catalog refresh`" in summary
    assert "\n+new\n" in summary


def test_a_family_without_a_reason_fails_after_everything_was_told(project: Path) -> None:
    status, summary = report(project, changes="yes", tests=1)
    assert status == 1
    assert summary.index("+new") < summary.index("1 test ran")


def test_a_family_without_a_reason_is_enough_to_fail(project: Path) -> None:
    assert report(project, tests=1)[0] == 1


def test_it_runs_every_week_and_may_only_read() -> None:
    (cron,) = (item["cron"] for item in DATA["on"]["schedule"])
    assert cron.split()[4].isdigit()
    assert sorted(DATA["on"]) == ["schedule", "workflow_dispatch"]
    assert DATA["permissions"] == {"contents": "read"}
    assert "permissions" not in DATA["jobs"]["freshness"]
