"""Scripts of the workflows, run as GitHub runs them, with stand-ins for the programs that need an account."""

import os
import subprocess
from pathlib import Path

import pytest

from .workflow_files import workflow

DIGEST = "sha256:" + "ab" * 32
SPRINGTIDE = """
printf '%s\\n' "$*" >> calls
for last; do :; done
printf 'the plan as %s\\n' "$4" > "$last"
[ "$4" != "$STOPS" ]
"""
DOCKER = """
printf '%s\\n' "$*" >> calls
case "$1" in
  login) cat > password ;;
  image) printf 'base@sha256:00\\n%s@%s\\n' "$REGISTRY/$IMAGE" "$PUSHED" ;;
esac
"""


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{script}", encoding="utf-8")
    path.chmod(0o755)


def step(flow: str, job: str, name: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a step's script with GitHub's own options of bash."""
    found = workflow(flow)
    (script,) = (item["run"] for item in found.job(job)["steps"] if item.get("name") == name)
    assert found.data["defaults"] == {"run": {"shell": "bash"}}
    given = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        **found.data.get("env", {}),
        **env,
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("stops", "status"), [("nothing", 0), ("markdown", 1), ("html", 1)])
def test_a_preview_that_findings_stop_writes_both_forms_and_then_fails(tmp_path: Path, stops: str, status: int) -> None:
    program(tmp_path / ".venv" / "bin" / "springtide", SPRINGTIDE)
    done = step("preview", "plan", "Plan", tmp_path, GITHUB_BASE_REF="main", STOPS=stops)
    assert done.returncode == status, done.stderr
    assert (tmp_path / "preview" / "plan.html").read_text() == "the plan as html\n"
    assert (tmp_path / "summary").read_text() == "the plan as markdown\n"


def test_a_branch_name_cannot_become_a_command_or_an_option(tmp_path: Path) -> None:
    program(tmp_path / ".venv" / "bin" / "springtide", SPRINGTIDE)
    step("preview", "plan", "Plan", tmp_path, GITHUB_BASE_REF="--out=/x;$(touch owned)", STOPS="nothing")
    first = (tmp_path / "calls").read_text().splitlines()[0]
    assert first == "plan --all --format markdown --base origin/--out=/x;$(touch owned) --out preview/plan.markdown"
    assert not (tmp_path / "owned").exists()


def test_a_push_prints_the_digest_as_an_environment_file_takes_it(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "docker", DOCKER)
    done = step("images", "push", "Push", tmp_path, REGISTRY="registry.example/team", TAG="t", PUSHED=DIGEST)
    assert done.returncode == 0, done.stderr
    assert f'\nimages: {{ digest: "{DIGEST}" }}\n' in (tmp_path / "summary").read_text()
    assert (tmp_path / "calls").read_text().splitlines()[
        0
    ] == "push --quiet registry.example/team/springtide-workloads:t"


@pytest.mark.parametrize(
    ("name", "user"), [("Log in to ECR", "AWS"), ("Log in to Artifact Registry", "oauth2accesstoken")]
)
def test_a_login_hands_the_password_over_where_no_process_list_shows_it(tmp_path: Path, name: str, user: str) -> None:
    program(tmp_path / "bin" / "docker", DOCKER)
    program(tmp_path / "bin" / "aws", "echo the-password")
    done = step("images", "push", name, tmp_path, REGISTRY="registry.example/team", TOKEN="the-password")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "password").read_text() == "the-password\n"
    assert (tmp_path / "calls").read_text() == f"login --username {user} --password-stdin registry.example\n"


def test_a_login_without_a_password_fails(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "docker", DOCKER)
    program(tmp_path / "bin" / "aws", "exit 1")
    assert step("images", "push", "Log in to ECR", tmp_path, REGISTRY="registry.example").returncode != 0


def test_a_push_that_is_refused_fails_and_prints_nothing(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "docker", '[ "$1" != push ]')
    done = step("images", "push", "Push", tmp_path, REGISTRY="registry.example", TAG="t", PUSHED=DIGEST)
    assert done.returncode != 0
    assert not (tmp_path / "summary").exists()


@pytest.mark.parametrize("base", ["", "python:3.11-slim"])
def test_an_image_on_a_base_without_a_digest_is_not_built(tmp_path: Path, base: str) -> None:
    program(tmp_path / "bin" / "docker", DOCKER)
    done = step("images", "push", "Build", tmp_path, BASE=base, REGISTRY="registry.example", TAG="t")
    assert done.returncode == 1
    assert done.stdout == "::error::BASE_IMAGE has to name an image by digest\n"
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize("missing", ["PULUMI_BACKEND_URL", "SECRETS_PROVIDER"])
def test_a_deployment_without_its_variables_names_the_one_that_is_missing(tmp_path: Path, missing: str) -> None:
    program(tmp_path / "bin" / "pulumi", "touch ran")
    variables = {"PULUMI_BACKEND_URL": "s3://state", "SECRETS_PROVIDER": "awskms://alias/key", missing: ""}
    done = step("deploy", "up", "Update", tmp_path, ENVIRONMENT="dev", **variables)
    assert done.returncode != 0
    assert f"{missing}: is no variable of this environment" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_deployment_makes_the_stack_with_its_key_and_updates_under_the_policies(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "pulumi", 'echo "$*" >> calls')
    variables = {"PULUMI_BACKEND_URL": "s3://state", "SECRETS_PROVIDER": "awskms://alias/key"}
    done = step("deploy", "up", "Update", tmp_path, ENVIRONMENT="dev", **variables)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text().splitlines() == [
        "stack select --stack dev --create --secrets-provider awskms://alias/key --non-interactive",
        "up --stack dev --policy-pack policies --yes --non-interactive --suppress-outputs --suppress-progress",
    ]
