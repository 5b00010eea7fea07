"""What the workflows may do, and may never do, with code that strangers wrote."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from springtide.doctor.gcp import AUTH_PLUGIN, TRIED
from springtide.settings import IMAGE

from .workflow_files import FOLDER, ROOT, Workflow, workflow, workflows

ACTIONLINT = "v1.7.12"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
READ = {"contents": "read"}
ASSUME_ROLE = {"contents": "read", "id-token": "write"}
AWS_LOGIN = "aws-actions/configure-aws-credentials@"
GOOGLE_LOGIN = "google-github-actions/auth@"

every_workflow = pytest.mark.parametrize("flow", workflows(), ids=lambda flow: flow.name)


def unpinned(uses: Iterable[str]) -> list[str]:
    """Actions that a moved tag could change."""
    return [item for item in uses if PINNED.fullmatch(item) is None]


def interpolated(scripts: Iterable[str]) -> list[str]:
    """Scripts into which GitHub would paste text before a shell reads them."""
    return [script for script in scripts if "${{" in script]


def using(flow: str, action: str) -> dict[str, Any]:
    """The one step of a workflow that uses an action."""
    (found,) = (step for step in workflow(flow).steps() if action in step.get("uses", ""))
    return found


def test_the_workflows_are_these() -> None:
    assert [flow.name for flow in workflows()] == ["catalog", "ci", "comment", "deploy", "images", "preview"]


@pytest.mark.parametrize(
    "action",
    [
        "actions/checkout@v7",
        "actions/checkout@3d3c42e # v7.0.1",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # main",
        "./.github/actions/own",
        "docker://alpine:3",
    ],
)
def test_a_tag_a_short_hash_or_a_hash_without_its_version_is_no_pin(action: str) -> None:
    assert unpinned([action]) == [action]


@every_workflow
def test_every_action_is_pinned_by_its_full_hash_with_the_version_beside_it(flow: Workflow) -> None:
    assert unpinned(flow.uses()) == []
    assert len(flow.uses()) == sum("uses" in step for step in flow.steps())


def test_an_action_has_one_hash_wherever_it_is_used() -> None:
    pins = {item.split("@")[0]: set[str]() for flow in workflows() for item in flow.uses()}
    for flow in workflows():
        for item in flow.uses():
            pins[item.split("@")[0]].add(item)
    assert [action for action, found in pins.items() if len(found) != 1] == []


def test_an_expression_in_a_script_is_found() -> None:
    script = 'echo "${{ github.event.pull_request.title }}"'
    assert interpolated(["make test", script]) == [script]


@every_workflow
def test_scripts_take_values_from_the_environment_and_never_from_an_expression(flow: Workflow) -> None:
    assert interpolated(flow.scripts()) == []


@every_workflow
def test_no_workflow_runs_on_pull_request_target(flow: Workflow) -> None:
    assert "pull_request_target" not in flow.triggers


@every_workflow
def test_no_workflow_knows_a_secret(flow: Workflow) -> None:
    assert re.findall(r"\bsecrets\b\s*[.\[:]", flow.text) == []


@every_workflow
def test_checkouts_leave_no_credentials_behind(flow: Workflow) -> None:
    checkouts = [step for step in flow.steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert [step for step in checkouts if step.get("with", {}).get("persist-credentials") != "false"] == []


@every_workflow
def test_every_job_ends_by_itself(flow: Workflow) -> None:
    assert [name for name, job in flow.jobs.items() if not 0 < int(job.get("timeout-minutes", 0)) <= 60] == []


def test_each_job_has_exactly_the_rights_it_needs() -> None:
    granted = {f"{flow.name}/{job}": flow.permissions(job) for flow in workflows() for job in flow.jobs}
    assert granted == {
        "catalog/freshness": READ,
        "ci/check": READ,
        "comment/comment": {"actions": "read", "pull-requests": "write"},
        "deploy/up": ASSUME_ROLE,
        "images/build": READ,
        "images/push": ASSUME_ROLE,
        "preview/plan": READ,
    }


def test_ci_runs_what_the_repository_says_and_nothing_else() -> None:
    assert workflow("ci").scripts() == [".ci/run"]


@pytest.mark.parametrize("name", ["ci", "preview", "images"])
def test_pull_requests_run_without_privileges(name: str) -> None:
    assert "pull_request" in workflow(name).triggers
    assert workflow(name).data["permissions"] == READ


def test_preview_plans_against_a_base_that_is_never_pasted_into_the_script() -> None:
    plan = next(script for script in workflow("preview").scripts() if "springtide plan" in script)
    assert '--all --format "$form" --base "origin/$GITHUB_BASE_REF"' in plan


def test_preview_uploads_what_comment_looks_for() -> None:
    uploads = [step["with"] for step in workflow("preview").steps() if "upload-artifact@" in step.get("uses", "")]
    (script,) = workflow("comment").scripts()
    assert [(item["name"], item["path"]) for item in uploads] == [
        ("preview-comment", "preview/plan.markdown"),
        ("preview-pages", "preview/plan.html"),
    ]
    assert 'ARTIFACT, MEMBER = "preview-comment", "plan.markdown"' in script


def test_comment_uses_no_action_and_so_checks_nothing_out() -> None:
    flow = workflow("comment")
    (step,) = flow.steps()
    assert flow.triggers == {"workflow_run": {"workflows": ["preview"], "types": ["completed"]}}
    assert sorted(step) == ["env", "name", "run", "shell"]
    assert step["env"] == {"GITHUB_TOKEN": "${{ github.token }}"}
    assert re.findall(r"\b(git|subprocess|system|exec|eval|popen|import_module)\b", step["run"]) == []


def test_deploy_comes_with_githubs_token_to_either_cloud_and_holds_no_key() -> None:
    aws, google = using("deploy", AWS_LOGIN), using("deploy", GOOGLE_LOGIN)
    assert aws["with"] == {"role-to-assume": "${{ vars.AWS_ROLE_ARN }}", "aws-region": "${{ vars.AWS_REGION }}"}
    assert google["with"] == {
        "workload_identity_provider": "${{ vars.GCP_IDENTITY_PROVIDER }}",
        "service_account": "${{ vars.GCP_SERVICE_ACCOUNT }}",
    }


@pytest.mark.parametrize(
    ("flow", "job", "variable", "steps"),
    [
        ("deploy", "up", "GCP_IDENTITY_PROVIDER", (1, 2)),
        ("images", "push", "IMAGE_IDENTITY_PROVIDER", (2, 2)),
    ],
)
def test_a_job_with_credentials_logs_in_to_one_cloud_and_never_to_both(
    flow: str, job: str, variable: str, steps: tuple[int, int]
) -> None:
    said = [step.get("if", "") for step in workflow(flow).job(job)["steps"]]
    assert (said.count(f"vars.{variable} == ''"), said.count(f"vars.{variable} != ''")) == steps
    assert said.count("") == len(said) - sum(steps)
    for action, sign in ((AWS_LOGIN, "=="), (GOOGLE_LOGIN, "!=")):
        assert using(flow, action)["if"] == f"vars.{variable} {sign} ''"


def test_every_variable_that_a_workflow_reads_is_explained_at_its_head_and_in_the_bootstrap_page() -> None:
    page = (ROOT / "docs" / "bootstrap.md").read_text(encoding="utf-8")
    for name in ("deploy", "images"):
        text = workflow(name).text
        head = text.partition(f"name: {name}")[0]
        read = set(re.findall(r"vars\.(\w+)", text))
        assert {variable for variable in read if variable not in head} == set()
        by_outputs = read - {"BASE_IMAGE", "DEPLOY", "AWS_REGION", "IMAGE_REGION"}
        assert {variable for variable in by_outputs if f"`{variable}`" not in page} == set()


def test_a_deployment_to_gke_has_the_plugin_of_its_kubeconfig_and_the_gcloud_that_was_tried() -> None:
    step = using("deploy", "google-github-actions/setup-gcloud@")
    assert step["with"] == {"version": "528.0.0", "install_components": AUTH_PLUGIN}
    assert step["with"]["version"] == ".".join(map(str, TRIED))


def test_deploy_runs_once_at_a_time_for_an_environment_and_is_never_cut_off() -> None:
    job = workflow("deploy").job("up")
    assert job["concurrency"] == {"group": "deploy-${{ matrix.environment }}", "cancel-in-progress": "false"}
    assert job["environment"] == "${{ matrix.environment }}"


def test_deploy_runs_for_main_only_and_not_until_somebody_switches_it_on() -> None:
    flow = workflow("deploy")
    assert sorted(flow.triggers) == ["push", "workflow_dispatch"]
    assert flow.triggers["push"]["branches"] == ["main"]
    assert flow.job("up")["if"] == "github.ref == 'refs/heads/main' && vars.DEPLOY == 'true'"


def test_deploy_knows_only_environments_that_exist() -> None:
    declared = workflow("deploy").job("up")["strategy"]["matrix"]["environment"]
    assert declared
    assert [name for name in declared if not (ROOT / "stacks" / f"Pulumi.{name}.yaml").is_file()] == []


def test_deploy_plans_offline_before_it_has_credentials_and_updates_under_the_policies() -> None:
    steps = list(workflow("deploy").steps())
    said = [step.get("run", "") + step.get("uses", "") for step in steps]
    order = ["springtide plan", AWS_LOGIN, GOOGLE_LOGIN, "setup-gcloud@", "pulumi up"]
    places = [next(index for index, text in enumerate(said) if word in text) for word in order]
    assert places == sorted(places)
    assert '--stack "$ENVIRONMENT" --policy-pack policies --yes' in said[places[-1]]


def test_the_engine_has_the_version_that_the_lock_has() -> None:
    lock = (ROOT / "requirements" / "base.txt").read_text(encoding="utf-8")
    (locked,) = re.findall(r"^pulumi==(\S+)", lock, re.MULTILINE)
    steps = [step for flow in workflows() for step in flow.steps() if "pulumi/actions@" in step.get("uses", "")]
    assert steps
    assert {step["with"]["pulumi-version"] for step in steps} == {locked}


def test_images_are_pushed_from_main_only_and_built_before_credentials_exist() -> None:
    push = workflow("images").job("push")
    said = [step.get("run", "") + step.get("uses", "") for step in push["steps"]]
    order = ["docker build", AWS_LOGIN, "--username AWS", GOOGLE_LOGIN, "--username oauth2accesstoken", "docker push"]
    assert push["if"] == "github.ref == 'refs/heads/main' && vars.IMAGE_REGISTRY != ''"
    places = [next(index for index, text in enumerate(said) if word in text) for word in order]
    assert places == list(range(2, len(said)))


def test_whoever_pushes_to_google_leaves_no_credentials_file_behind() -> None:
    said = using("images", GOOGLE_LOGIN)["with"]
    assert (said["token_format"], said["create_credentials_file"]) == ("access_token", "false")


def test_the_image_that_is_built_is_the_one_that_environments_name() -> None:
    env = workflow("images").data["env"]
    assert env["IMAGE"] == IMAGE
    assert (ROOT / env["CONTAINERFILE"]).is_file()


@pytest.mark.parametrize("name", ["images", "deploy"])
def test_paths_that_start_a_workflow_exist(name: str) -> None:
    triggers = workflow(name).triggers
    paths = {path for event in triggers.values() if event for path in event.get("paths", ())}
    assert paths
    assert [path for path in sorted(paths) if not (ROOT / path.removesuffix("/**")).exists()] == []


def test_actionlint_finds_nothing() -> None:
    files = sorted(FOLDER.glob("*.yml"))
    done = subprocess.run([actionlint(), "-no-color", *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def actionlint() -> Path:
    """The linter, built once from its module; the proxy and Go's checksum database vouch for it."""
    folder = ROOT / ".cache" / "actionlint" / ACTIONLINT
    binary = folder / "actionlint"
    if binary.is_file():
        return binary
    go = shutil.which("go")
    if go is None:
        pytest.skip("actionlint is a Go module, and there is no go on the PATH")
    module = f"github.com/rhysd/actionlint/cmd/actionlint@{ACTIONLINT}"
    env = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "-mod=mod"}
    built = subprocess.run([go, "install", module], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        pytest.skip(f"actionlint could not be built here: {built.stderr.strip()[-300:]}")
    return binary
