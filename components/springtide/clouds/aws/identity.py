"""EKS Pod Identity: a role for one ServiceAccount, without keys, held to some prefixes of some buckets."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from springtide.clouds import IdentityParts
from springtide.clouds.aws.roles import Statement, document, role
from springtide.cluster import ClusterRef
from springtide.component import child_of
from springtide.identity import Grant

READ = ("s3:GetObject",)
WRITE = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")


def identity(
    name: str, account: str, grants: Sequence[Grant], cluster: ClusterRef, parent: pulumi.Resource
) -> IdentityParts:
    """A role that pods of ServiceAccount `account` take on by being there."""
    made, _ = role(name, "pods.eks.amazonaws.com", parent, actions=("sts:AssumeRole", "sts:TagSession"))
    allowed = [
        aws.iam.RolePolicy(
            name,
            role=made.name,
            policy=pulumi.Output.all(*(grant.resource for grant in grants)).apply(
                lambda arns: document(
                    *(part for grant, arn in zip(grants, arns, strict=True) for part in statements(grant, str(arn)))
                )
            ),
            opts=child_of(parent),
        )
    ]
    association = aws.eks.PodIdentityAssociation(
        name,
        cluster_name=cluster["name"],
        namespace=cluster["namespace"],
        service_account=account,
        role_arn=made.arn,
        opts=child_of(parent, depends_on=allowed),
    )
    return IdentityParts(annotations={}, ready=(association,))


def statements(grant: Grant, arn: str) -> list[Statement]:
    """What a grant allows: listing under its prefix, reading there, and writing only where it says so."""
    actions = [*READ, *(WRITE if grant.write else ())]
    return [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [arn],
            "Condition": {"StringLike": {"s3:prefix": [f"{grant.prefix}/*", grant.prefix]}},
        },
        {"Effect": "Allow", "Action": actions, "Resource": [f"{arn}/{grant.prefix}/*"]},
    ]
