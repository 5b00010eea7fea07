"""IAM roles, written once: who may take one on, and what it may do."""

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from springtide.clouds.aws.order import id_after
from springtide.component import child_of

Statement = dict[str, Any]


def document(*statements: Statement) -> str:
    """A policy document; its version is the policy language's, not ours."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, ensure_ascii=False)


def role(
    name: str,
    service: str,
    parent: pulumi.Resource,
    *,
    policies: Sequence[str] = (),
    actions: Sequence[str] = ("sts:AssumeRole",),
) -> tuple[aws.iam.Role, pulumi.Output[str]]:
    """A role that an AWS service takes on, with policies that AWS manages.

    Returns:
        The role, and its ARN for whoever needs the policies in force: made after them, destroyed before them.
    """
    trust = document({"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)})
    made = aws.iam.Role(name, assume_role_policy=trust, opts=child_of(parent))
    attached = [
        aws.iam.RolePolicyAttachment(
            f"{name}-{policy.rpartition('/')[2]}",
            role=made.name,
            policy_arn=f"arn:aws:iam::aws:policy/{policy}",
            opts=child_of(parent),
        )
        for policy in policies
    ]
    if not attached:
        return made, made.arn
    return made, id_after(made.arn, *attached)


def spot_role(parent: pulumi.Resource) -> aws.iam.ServiceLinkedRole:
    """The role by which EC2 starts and stops spot machines: one for the whole account, so it belongs to `bootstrap`.

    Auto Scaling groups make it when they first need it; Karpenter, which calls EC2 itself, may not, and gets no spot
    machine in an account without it. To make it where it is already is an error, and so is to delete it while a spot
    machine runs anywhere in the account: whoever calls this asks first whether it is there, and it is never deleted.
    """
    return aws.iam.ServiceLinkedRole(
        "spot", aws_service_name="spot.amazonaws.com", opts=child_of(parent, retain_on_delete=True)
    )
