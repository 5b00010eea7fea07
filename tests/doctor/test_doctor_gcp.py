"""Single checks of the doctor in a GCP project."""

from importlib import import_module
from pathlib import Path

import pytest
from tests.doctor import doctor_cases as cases
from tests.fake_programs import FakePrograms, says

from springtide.doctor import gcp
from springtide.doctor.model import Check, State


@pytest.mark.parametrize(("version", "state"), [("528.0.0", State.GOOD), ("527.9.9", State.LATER), ("", State.UNKNOWN)])
def test_an_older_gcloud_than_was_tried_stops_nobody(
    programs: FakePrograms, root: Path, version: str, state: State
) -> None:
    cases.gcloud(programs, says("version", out=f"Google Cloud SDK {version}\n"))
    assert cases.only(gcp.command_line, root, "gcp").state is state


@pytest.mark.parametrize("check", gcp.CHECKS, ids=lambda check: check.__name__)
def test_a_gcp_project_in_which_all_is_well(root: Path, check: Check) -> None:
    rows = check(cases.MACHINE, cases.target(root, "gcp"))
    assert {(row.state, row.fix) for row in rows} == {(State.GOOD, "")}
    assert not [row for row in rows if "secret-token" in row.found]


@pytest.mark.parametrize(
    ("check", "answer", "state", "part"),
    [
        (gcp.login, says("auth", "list", out=[]), State.WRONG, "gcloud auth login"),
        (
            gcp.application_login,
            says("auth", "application-default", err="ERROR: no credentials\n", status=1),
            State.WRONG,
            "gcloud auth application-default login",
        ),
        (gcp.project, says("projects", err="permission\n", status=1), State.WRONG, "correct `account` in stacks/"),
        (
            gcp.project,
            says("projects", out={"lifecycleState": "DELETE_REQUESTED"}),
            State.WRONG,
            "gcloud projects undelete my-project",
        ),
        (
            gcp.apis,
            says("services", out="cloudresourcemanager.googleapis.com\n"),
            State.WRONG,
            "gcloud services enable serviceusage.googleapis.com --project my-project",
        ),
        (
            gcp.apis,
            says("services", out=cases.ALL_APIS.replace("container.googleapis.com\n", "")),
            State.LATER,
            "gcloud services enable container.googleapis.com --project my-project",
        ),
        (gcp.apis, says("services", err="denied\n", status=1), State.UNKNOWN, "gcloud services enable"),
        (
            gcp.billing,
            says("billing", out={"billingEnabled": False}),
            State.WRONG,
            "gcloud billing projects link my-project",
        ),
        (gcp.billing, says("billing", err="denied\n", status=1), State.UNKNOWN, "cloudbilling"),
        (gcp.region, says("compute", out={"status": "DOWN"}), State.WRONG, "choose another `region`"),
        (gcp.region, says("compute", err="API not enabled\n", status=1), State.UNKNOWN, "compute API"),
    ],
)
def test_what_gcp_answers(  # noqa: PLR0913, PLR0917  a row of the table
    programs: FakePrograms, root: Path, check: Check, answer: dict[str, object], state: State, part: str
) -> None:
    cases.gcloud(programs, answer)
    row = cases.only(check, root, "gcp")
    assert row.state is state
    assert part in row.fix


@pytest.mark.parametrize(
    ("content", "state", "found"),
    [
        ({"type": "authorized_user"}, State.LATER, "none"),
        ({"type": "authorized_user", "quota_project_id": "other"}, State.LATER, "other"),
        ({"type": "service_account"}, State.GOOD, "a service_account's own"),
    ],
)
def test_a_users_calls_are_counted_in_the_project(
    root: Path, tmp_path: Path, content: dict[str, str], state: State, found: str
) -> None:
    cases.credentials(tmp_path, **content)
    row = cases.only(gcp.quota_project, root, "gcp")
    assert (row.state, row.found) == (state, found)


def test_without_credentials_nobody_can_tell_what_calls_are_counted_in(root: Path, tmp_path: Path) -> None:
    (tmp_path / "application_default_credentials.json").unlink()
    assert cases.only(gcp.quota_project, root, "gcp").state is State.UNKNOWN


NOBODY = """\
ERROR: (gcloud.projects.describe) You do not currently have an active account selected.
Please run:

  $ gcloud auth login

to select an already authenticated account to use.
"""


@pytest.mark.parametrize(
    ("check", "words"),
    [(gcp.project, "projects"), (gcp.billing, "billing"), (gcp.apis, "services"), (gcp.region, "compute")],
)
def test_whoever_is_not_logged_in_reads_so_in_every_row(
    programs: FakePrograms, root: Path, check: Check, words: str
) -> None:
    cases.gcloud(programs, says(words, err=NOBODY, status=1))
    row = cases.only(check, root, "gcp")
    assert (row.found, row.fix) == ("You do not currently have an active account selected.", "gcloud auth login")


def test_apis_that_every_environment_turns_on_are_those_of_the_network() -> None:
    turned_on = {f"{name}.googleapis.com" for name in import_module("springtide.clouds.gcp.services").BASE}
    assert turned_on == set(gcp.LATER_APIS)
