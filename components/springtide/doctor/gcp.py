"""A GCP project as this machine's credentials see it. The gcloud command line is asked: logins are its own."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from springtide.doctor import gcloud, quotas
from springtide.doctor.gcp_quotas import GcpQuotas
from springtide.doctor.model import Check, Row, good, later, shown, unknown, version_in, wrong
from springtide.target import Target
from springtide.tools import ABSENT, Answer, Machine

FIRST_APIS = ("cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com")
"""APIs by which the others are turned on; without them nothing begins."""
LATER_APIS = (
    "artifactregistry.googleapis.com",
    "cloudkms.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "containerfilesystem.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "servicenetworking.googleapis.com",
)
"""What every environment turns on by itself."""
AUTH_PLUGIN = "gke-gcloud-auth-plugin"
TRIED = (528, 0, 0)
"""The oldest gcloud that these commands were compared with; no document names a floor."""
_INSTALL = "install gcloud as cloud.google.com/sdk/docs/install says"
_ADC_LOGIN = "gcloud auth application-default login"


def command_line(machine: Machine, _target: Target) -> Sequence[Row]:
    """The gcloud CLI: it keeps the credentials that Pulumi uses, and says everything below."""
    answer = machine.ask("gcloud", "version")
    if answer.status == ABSENT:
        return wrong("gcloud", "not on the PATH", _INSTALL)
    found = version_in(answer.out)
    if not found:
        return unknown("gcloud", answer.why, _INSTALL)
    if found < TRIED:
        return later(
            "gcloud", f"{shown(found)}; {shown(TRIED)} is the oldest that was tried", "gcloud components update"
        )
    return good("gcloud", shown(found))


def auth_plugin(machine: Machine, _target: Target) -> Sequence[Row]:
    """What a kubeconfig asks for a token at each use."""
    there = machine.find(AUTH_PLUGIN)
    if there is None:
        fix = f"gcloud components install {AUTH_PLUGIN}, or apt-get install google-cloud-cli-{AUTH_PLUGIN}"
        return wrong(AUTH_PLUGIN, "not on the PATH; the kubeconfig asks it for tokens", fix)
    return good(AUTH_PLUGIN, there)


def login(machine: Machine, _target: Target) -> Sequence[Row]:
    """Who is logged in to gcloud."""
    answer = machine.ask("gcloud", "auth", "list", "--filter", "status:ACTIVE", "--format", "json")
    said = answer.json()
    if not answer.good or not isinstance(said, list):
        return _unanswered("login", answer, gcloud.LOGIN)
    if not said:
        return wrong("login", "nobody is logged in", gcloud.LOGIN)
    return good("login", str(said[0].get("account")))


def application_login(machine: Machine, _target: Target) -> Sequence[Row]:
    """The credentials that programs use, which gcloud keeps apart from its own. The token is not shown."""
    answer = machine.ask("gcloud", "auth", "application-default", "print-access-token")
    if answer.status == ABSENT:
        return _unanswered("credentials", answer, _ADC_LOGIN)
    if not answer.good:
        return wrong("credentials", gcloud.why(answer), _ADC_LOGIN)
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
        return _unanswered("project", answer, "")
    said = answer.json()
    if not answer.good or not isinstance(said, dict):
        fix = f"correct `account` in {target.shown}, or log in as somebody who may see it"
        return wrong("project", gcloud.why(answer), gcloud.fix(answer, fix))
    if said.get("lifecycleState") != "ACTIVE":
        return wrong(
            "project", f"{target.account} is {said.get('lifecycleState')}", f"gcloud projects undelete {target.account}"
        )
    return good("project", f"{target.account}, number {said.get('projectNumber')}")


def billing(machine: Machine, target: Target) -> Sequence[Row]:
    """Whether somebody pays for the project: a new one is linked to no billing account, and then no API gives anything."""
    answer = machine.ask("gcloud", "billing", "projects", "describe", target.account, "--format", "json")
    said = answer.json()
    if not answer.good or not isinstance(said, dict):
        return _unanswered("billing", answer, "it takes the cloudbilling API and the right to see the project")
    if not said.get("billingEnabled"):
        fix = (
            f"gcloud billing projects link {target.account} --billing-account ID; gcloud billing accounts list says it"
        )
        return wrong("billing", "off", fix)
    return good("billing", str(said.get("billingAccountName")))


def apis(machine: Machine, target: Target) -> Sequence[Row]:
    """Which APIs are on; the deployment turns on the rest, once it can."""
    answer = machine.ask(
        *("gcloud", "services", "list", "--enabled", "--project", target.account, "--format", "value(config.name)")
    )
    if not answer.good:
        return _unanswered("APIs", answer, _enable(FIRST_APIS, target))
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
        return _unanswered("region", answer, "it takes the compute API and the right compute.regions.get")
    if said.get("status") != "UP":
        return wrong("region", f"{target.region} is {said.get('status')}", f"choose another `region` in {target.shown}")
    return good("region", f"{target.region} is up")


def quota(machine: Machine, target: Target) -> Sequence[Row]:
    """What the project is granted, held against the plan."""
    return quotas.rows(target, lambda: GcpQuotas.reached(machine, target))


CHECKS: tuple[Check, ...] = (
    command_line,
    auth_plugin,
    login,
    application_login,
    quota_project,
    project,
    billing,
    apis,
    region,
    quota,
)


def _unanswered(check: str, answer: Answer, fix: str) -> Sequence[Row]:
    """What only gcloud knows, and it did not say."""
    absent = answer.status == ABSENT
    return unknown(check, gcloud.why(answer), "as for gcloud, above" if absent else gcloud.fix(answer, fix))


def _enable(names: Sequence[str], target: Target) -> str:
    return f"gcloud services enable {' '.join(names)} --project {target.account}"


def _credentials_file() -> Path:
    """Where application default credentials lie (cloud.google.com/docs/authentication/application-default-credentials)."""
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    folder = os.environ.get("CLOUDSDK_CONFIG", str(Path.home() / ".config" / "gcloud"))
    return Path(named) if named else Path(folder) / "application_default_credentials.json"
