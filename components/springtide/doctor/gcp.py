"""A GCP project as this machine's credentials see it. The gcloud command line is asked: logins are its own."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from springtide.doctor.model import Check, Row, good, later, shown, unanswered, unknown, version_in, wrong
from springtide.target import Target
from springtide.tools import ABSENT, Machine

FIRST_APIS = ("cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com")
"""APIs by which the others are turned on; without them nothing begins."""
LATER_APIS = (
    "artifactregistry.googleapis.com",
    "cloudkms.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "iam.googleapis.com",
)
AUTH_PLUGIN = "gke-gcloud-auth-plugin"
_INSTALL = "install gcloud as cloud.google.com/sdk/docs/install says"
_LOGIN = "gcloud auth login"
_ADC_LOGIN = "gcloud auth application-default login"


def command_line(machine: Machine, _target: Target) -> Sequence[Row]:
    """The gcloud CLI: it keeps the credentials that Pulumi uses."""
    answer = machine.ask("gcloud", "version")
    if answer.status == ABSENT:
        return wrong("gcloud", "not on the PATH", _INSTALL)
    found = version_in(answer.out)
    return good("gcloud", shown(found)) if found else unknown("gcloud", answer.why, _INSTALL)


def auth_plugin(machine: Machine, _target: Target) -> Sequence[Row]:
    """What a kubeconfig asks for a token at each use."""
    there = machine.find(AUTH_PLUGIN)
    if there is None:
        return wrong(AUTH_PLUGIN, "not on the PATH", f"gcloud components install {AUTH_PLUGIN}")
    return good(AUTH_PLUGIN, there)


def login(machine: Machine, _target: Target) -> Sequence[Row]:
    """Who is logged in to gcloud."""
    answer = machine.ask("gcloud", "auth", "list", "--filter", "status:ACTIVE", "--format", "json")
    said = answer.json()
    if not answer.good or not isinstance(said, list):
        return unanswered("login", "gcloud", answer, _LOGIN)
    if not said:
        return wrong("login", "nobody is logged in", _LOGIN)
    return good("login", str(said[0].get("account")))


def application_login(machine: Machine, _target: Target) -> Sequence[Row]:
    """The credentials that programs use, which gcloud keeps apart from its own. The token is not shown."""
    answer = machine.ask("gcloud", "auth", "application-default", "print-access-token")
    if answer.status == ABSENT:
        return unanswered("credentials", "gcloud", answer, _ADC_LOGIN)
    if not answer.good:
        return wrong("credentials", answer.why, _ADC_LOGIN)
    return good("credentials", "application default credentials give a token")


def quota_project(_machine: Machine, target: Target) -> Sequence[Row]:
    """The project that a user's calls are counted in; a service account's are counted in its own."""
    file = _credentials_file()
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return unknown("quota project", "there is no file with application default credentials", _ADC_LOGIN)
    fix = f"gcloud auth application-default set-quota-project {target.account}"
    if said.get("type") != "authorized_user":
        return good("quota project", f"a {said.get('type')}'s own")
    if said.get("quota_project_id") != target.account:
        return later("quota project", str(said.get("quota_project_id", "none")), fix)
    return good("quota project", target.account)


def project(machine: Machine, target: Target) -> Sequence[Row]:
    """Whether the project in the file is there, and ours to see."""
    answer = machine.ask("gcloud", "projects", "describe", target.account, "--format", "json")
    if answer.status == ABSENT:
        return unanswered("project", "gcloud", answer, "")
    said = answer.json()
    if not answer.good or not isinstance(said, dict):
        return wrong(
            "project", answer.why, f"correct `account` in {target.shown}, or log in as somebody who may see it"
        )
    if said.get("lifecycleState") != "ACTIVE":
        return wrong(
            "project", f"{target.account} is {said.get('lifecycleState')}", f"gcloud projects undelete {target.account}"
        )
    return good("project", f"{target.account}, number {said.get('projectNumber')}")


def apis(machine: Machine, target: Target) -> Sequence[Row]:
    """Which APIs are on; the deployment turns on the rest, once it can."""
    answer = machine.ask(
        *("gcloud", "services", "list", "--enabled", "--project", target.account, "--format", "value(config.name)")
    )
    if not answer.good:
        return unanswered("APIs", "gcloud", answer, _enable(FIRST_APIS, target))
    on = set(answer.out.split())
    if missing := [name for name in FIRST_APIS if name not in on]:
        return wrong("APIs", f"off: {', '.join(missing)}", _enable(missing, target))
    if missing := [name for name in LATER_APIS if name not in on]:
        fix = f"the deployment turns them on; before that: {_enable(missing, target)}"
        return later("APIs", f"off: {', '.join(missing)}", fix)
    return good("APIs", f"{len(on)} on")


def region(machine: Machine, target: Target) -> Sequence[Row]:
    """Whether the region is there and up."""
    answer = machine.ask(
        *("gcloud", "compute", "regions", "describe", target.region, "--project", target.account, "--format", "json")
    )
    said = answer.json()
    if not answer.good or not isinstance(said, dict):
        return unanswered("region", "gcloud", answer, "it takes the compute API and the right compute.regions.get")
    if said.get("status") != "UP":
        return wrong("region", f"{target.region} is {said.get('status')}", f"choose another `region` in {target.shown}")
    return good("region", f"{target.region} is up")


CHECKS: tuple[Check, ...] = (
    command_line,
    auth_plugin,
    login,
    application_login,
    quota_project,
    project,
    apis,
    region,
)


def _enable(names: Sequence[str], target: Target) -> str:
    return f"gcloud services enable {' '.join(names)} --project {target.account}"


def _credentials_file() -> Path:
    """Where application default credentials lie (cloud.google.com/docs/authentication/application-default-credentials)."""
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    folder = os.environ.get("CLOUDSDK_CONFIG", str(Path.home() / ".config" / "gcloud"))
    return Path(named) if named else Path(folder) / "application_default_credentials.json"
