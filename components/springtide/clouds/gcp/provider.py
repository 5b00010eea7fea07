"""The guarded GCP provider: one project, one region, one set of labels."""

import re

import pulumi
import pulumi_gcp as gcp

from springtide.spec import EnvironmentSpec, Finding, refuse

_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


def provider(name: str, spec: EnvironmentSpec, opts: pulumi.ResourceOptions) -> pulumi.ProviderResource:
    """A provider that names the environment's project in every call and labels all it makes.

    Google's credentials belong to no project, so there is nothing like AWS' allowed account ids: the guard is that the
    file's project is in every resource, and that every call is charged to it and checked against it. Whoever has no
    right there fails at the first call.
    """
    return gcp.Provider(
        name,
        project=spec.account,
        region=spec.region,
        user_project_override=True,
        billing_project=spec.account,
        default_labels=labels(name),
        opts=opts,
    )


def labels(environment: str) -> dict[str, str]:
    """Labels by which everything of an environment is found again, in a bill as in a search for what was left behind."""
    return {"springtide-environment": environment, "springtide-managed-by": "pulumi"}


def account_findings(account: str) -> list[Finding]:
    """What is wrong with the form of a project id.

    A number is no id, and `example.com:name` (legacy, domain-scoped) would change the addresses of service accounts.
    """
    if _PROJECT.fullmatch(account):
        return []
    message = f"{account!r} is no id of a Google Cloud project."
    fix = "write the id, not the name or the number: 6 to 30 lower-case letters, digits and '-', a letter first"
    return [refuse("gcp/project", "/account", account, message, fix)]
