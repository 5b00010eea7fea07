"""An AWS account as this machine's credentials see it. The AWS command line is asked: kubeconfigs need it anyway."""

from collections.abc import Sequence

from springtide.doctor import quotas
from springtide.doctor.aws_quotas import AwsQuotas
from springtide.doctor.model import Check, Row, good, later, shown, unanswered, unknown, version_in, wrong
from springtide.target import Target
from springtide.tools import ABSENT, Machine

ASKED_REGION = "us-east-1"
"""Which regions are on is asked here: a region that is off takes no credentials."""
FLOORS = {1: (1, 27, 160), 2: (2, 12, 3)}
"""By major version, the oldest whose tokens EKS wants (docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html)."""
_INSTALL = "install the AWS CLI as docs.aws.amazon.com/cli says"
_OFF = "not-opted-in"


def command_line(machine: Machine, _target: Target) -> Sequence[Row]:
    """The AWS CLI, new enough: a kubeconfig asks it for a token at each use."""
    answer = machine.ask("aws", "--version")
    if answer.status == ABSENT:
        return wrong("aws", "not on the PATH; the kubeconfig asks it for tokens", _INSTALL)
    found = version_in(answer.out or answer.err)
    if not found:
        return unknown("aws", answer.why, _INSTALL)
    floor = FLOORS.get(found[0], ())
    if found < floor:
        return wrong("aws", f"{shown(found)}; EKS wants {shown(floor)} or later", _INSTALL)
    return good("aws", shown(found))


def account(machine: Machine, target: Target) -> Sequence[Row]:
    """Credentials, and whether they are of the account in the file."""
    answer = machine.ask("aws", "sts", "get-caller-identity", "--region", ASKED_REGION, "--output", "json")
    if answer.status == ABSENT:
        return unanswered("account", "aws", answer, "")
    said = answer.json()
    if not answer.good or not isinstance(said, dict):
        return wrong("account", answer.why, "aws sso login, or aws configure; AWS_PROFILE chooses among several")
    if said.get("Account") != target.account:
        fix = f"set AWS_PROFILE to one of {target.account}, or correct `account` in {target.shown}"
        return wrong("account", f"credentials of {said.get('Account')}; the file says {target.account}", fix)
    return good("account", f"{target.account} as {said.get('Arn')}")


def administrators(machine: Machine, target: Target) -> Sequence[Row]:
    """Whether whoever deploys is listed as administrator too: where it makes the cluster, EKS refuses the second entry."""
    section = target.section("cluster")
    admins = section.get("admins")
    if section.get("existing") is not None or not isinstance(admins, list) or not admins:
        return ()
    said = machine.ask("aws", "sts", "get-caller-identity", "--region", ASKED_REGION, "--output", "json").json()
    if not isinstance(said, dict):
        return unknown("admins", "who deploys is not known", "as for account, above")
    mine = _principal(str(said.get("Arn")))
    listed = [item for item in admins if isinstance(item, str) and _principal(item) == mine]
    if not listed:
        return good("admins", f"{len(admins)} under cluster.admins, besides whoever makes the cluster")
    fix = f"if so, take it out of {target.shown}: it is administrator of what it makes, and EKS refuses a second entry (409)"
    return unknown("admins", f"whether {listed[0]} makes the cluster; it is listed under cluster.admins", fix)


def _principal(arn: str) -> tuple[str, str, str]:
    """Account, kind and name of a role or user; a session has its role's, and of neither AWS says the path."""
    _, _, resource = arn.partition("::")
    account, _, rest = resource.partition(":")
    kind, *path = rest.split("/")
    if kind == "assumed-role":
        return account, "role", path[0] if path else ""
    return account, kind, path[-1] if path else ""


def region(machine: Machine, target: Target) -> Sequence[Row]:
    """Whether the region is on in this account."""
    answer = machine.ask(
        *("aws", "ec2", "describe-regions", "--all-regions", "--filters", f"Name=region-name,Values={target.region}"),
        *("--region", ASKED_REGION, "--output", "json"),
    )
    said = answer.json()
    if not answer.good or not isinstance(said, dict):
        return unanswered("region", "aws", answer, "it takes credentials that may call ec2:DescribeRegions")
    found = [item.get("OptInStatus") for item in said.get("Regions", [])]
    if not found:
        return wrong("region", f"AWS knows no region {target.region}", f"correct `region` in {target.shown}")
    if _OFF in found:
        return wrong("region", f"{target.region} is off", f"aws account enable-region --region-name {target.region}")
    return good("region", f"{target.region}: {found[0]}")


def spot_role(machine: Machine, _target: Target) -> Sequence[Row]:
    """The role that EC2 Spot needs, which an account gets with its first spot request, or with the plan."""
    name = "AWSServiceRoleForEC2Spot"
    answer = machine.ask("aws", "iam", "get-role", "--role-name", name, "--region", ASKED_REGION, "--output", "json")
    if answer.good:
        return good("spot role", name)
    if "NoSuchEntity" in answer.err:
        return later(
            "spot role",
            "this account never used spot",
            "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com",
        )
    return unanswered("spot role", "aws", answer, "it takes credentials that may call iam:GetRole")


def quota(machine: Machine, target: Target) -> Sequence[Row]:
    """What Service Quotas grants, held against the plan."""
    return quotas.rows(target, lambda: AwsQuotas.reached(machine, target))


CHECKS: tuple[Check, ...] = (command_line, account, administrators, region, spot_role, quota)
