"""IAM roles, written once: who may take one on, and what it may do."""

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from springtide.component import after, child_of

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
    arn = pulumi.Output.all(made.arn, after(None, *attached)).apply(lambda both: str(both[0]))
    return made, arn
