"""The guarded AWS provider: one account, one region, one set of tags."""

import re

import pulumi
import pulumi_aws as aws

from springtide.spec import EnvironmentSpec, Finding, refuse


def provider(name: str, spec: EnvironmentSpec, opts: pulumi.ResourceOptions) -> pulumi.ProviderResource:
    """A provider that refuses every account but the environment's and tags all it makes."""
    return aws.Provider(
        name,
        region=spec.region,
        allowed_account_ids=[spec.account],
        default_tags={"tags": tags(name)},
        opts=opts,
    )


def tags(environment: str) -> dict[str, str]:
    """Tags by which everything of an environment is found again, in a bill as in a search for what was left behind."""
    return {"springtide:environment": environment, "springtide:managed-by": "pulumi"}


def label(environment: str) -> str:
    """Name of what an environment has one of: its VPC, its cluster."""
    return f"springtide-{environment}"


def account_findings(account: str) -> list[Finding]:
    """What is wrong with the form of an AWS account id."""
    if re.fullmatch(r"\d{12}", account):
        return []
    fix = 'write all twelve digits, in quotes: "123456789012"'
    return [refuse("aws/account", "/account", account, f"{account!r} is no AWS account id.", fix)]
