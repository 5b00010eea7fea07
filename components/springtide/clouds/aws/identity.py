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
    """A role that pods of ServiceAccount `account` take on by being there.

    What is mounted has no name in AWS' access rules: a pod may use it because it is mounted. With nothing else to use
    there is nothing to allow, and no role.
    """
    named = [grant for grant in grants if grant.resource != ""]
    if not named:
        return IdentityParts(annotations={}, ready=())
    made, _ = role(name, "pods.eks.amazonaws.com", parent, actions=("sts:AssumeRole", "sts:TagSession"))
    allowed = [
        aws.iam.RolePolicy(
            name,
            role=made.name,
            policy=pulumi.Output.all(*(grant.resource for grant in named)).apply(
                lambda arns: document(
                    *(part for grant, arn in zip(named, arns, strict=True) for part in statements(grant, str(arn)))
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
    """What a grant allows: listing under its prefix, reading there, and writing only where it says so.

    S3 says of an object that is not there that it is not, and not that access is denied, to whoever may list its name:
    so the condition on listing is what lets a workload look for what may be missing.
    """
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
