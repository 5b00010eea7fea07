"""Who gets into a cluster: people by access entries, machines by their role's.

The deployer needs no entry here. EKS makes one when the deployer makes the cluster, and it goes with the cluster itself:
whatever else a destroy takes away, the deployer can still reach it (the rule that access goes last).
"""

import re
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from springtide.component import child_of
from springtide.spec import Finding, refuse

ADMIN = "AmazonEKSClusterAdminPolicy"
MACHINES = {"standard": ("EC2_LINUX", None), "auto": ("EC2", "AmazonEKSAutoNodePolicy")}
"""Mode of a cluster → type of its machines' entry, and the access policy that goes with it. `EC2_LINUX` takes none."""
_PRINCIPAL = re.compile(r"arn:aws:iam::\d{12}:(role|user)/(?!aws-service-role/)([\w+=,.@-]+/)*[\w+=,.@-]+", re.ASCII)


def administrators(
    name: str, principals: Sequence[str], cluster_name: pulumi.Input[str], parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """Full access for some roles and users.

    Whoever deploys may be one of them and not the one who made the cluster. Whatever is inside the cluster is therefore
    made after these entries, and destroyed before them.
    """
    return [
        _entry(f"{name}-admin-{principal.partition('::')[2]}", principal, "STANDARD", ADMIN, cluster_name, parent)
        for principal in principals
    ]


def machines(
    name: str, role_arn: pulumi.Output[str], mode: str, cluster_name: pulumi.Input[str], parent: pulumi.Resource
) -> pulumi.Resource:
    """Leave for machines of a role to join a cluster whose nodes somebody else made.

    In a cluster of ours EKS grants it by itself, to the role of the system nodes as to the role of Auto Mode, and does
    not let anybody grant it twice.
    """
    kind, policy = MACHINES[mode]
    return _entry(name, role_arn, kind, policy, cluster_name, parent)


def _entry(  # noqa: PLR0913, PLR0917  an entry ties these together
    name: str,
    principal: pulumi.Input[str],
    kind: str,
    policy: str | None,
    cluster_name: pulumi.Input[str],
    parent: pulumi.Resource,
) -> pulumi.Resource:
    """An entry with its policy: whatever depends on the result may use the access."""
    entry = aws.eks.AccessEntry(
        name, cluster_name=cluster_name, principal_arn=principal, type=kind, opts=child_of(parent)
    )
    if policy is None:
        return entry
    return aws.eks.AccessPolicyAssociation(
        name,
        cluster_name=cluster_name,
        principal_arn=entry.principal_arn,
        policy_arn=f"arn:aws:eks::aws:cluster-access-policy/{policy}",
        access_scope={"type": "cluster"},
        opts=child_of(parent),
    )


def admin_findings(admins: Sequence[str]) -> list[Finding]:
    """Who can be no administrator of a cluster: groups, roots, sessions, and roles that AWS' services own."""
    return [
        refuse(
            "aws/admin",
            f"/admins/{i}",
            principal,
            f"{principal!r} is no IAM role or user that an access entry can name.",
            "write the ARN of a role or a user: arn:aws:iam::123456789012:role/ops; of a session, its role's",
        )
        for i, principal in enumerate(admins)
        if not _PRINCIPAL.fullmatch(principal)
    ]
