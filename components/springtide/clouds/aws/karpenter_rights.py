"""What Karpenter may do in an account: machines, templates and profiles of its own cluster, and nobody else's.

The rights are those of Karpenter's own CloudFormation template (1.14), the resources and conditions too. What it makes
carries the cluster's tag, and what carries no such tag it can neither change nor delete.
"""

from collections.abc import Iterable

from springtide.clouds.aws.roles import Statement

MADE = ("fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request")
"""Kinds of EC2 resources that Karpenter makes."""
READ = (
    "ec2:DescribeCapacityReservations",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribePlacementGroups",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSubnets",
)
_LAUNCH = ["ec2:RunInstances", "ec2:CreateFleet"]
_NODE_POOL = "karpenter.sh/nodepool"
_NODE_CLASS = "karpenter.k8s.aws/ec2nodeclass"


def statements(*, region: str, account: str, cluster: str, node_role: str, queue: str) -> list[Statement]:
    """Rights of the controller.

    Args:
        region: Region of the cluster.
        account: Account of the cluster.
        cluster: Name of the cluster.
        node_role: ARN of the one role that its machines may have.
        queue: ARN of the queue that interruptions are told in.
    """
    return [
        *_machines(region, cluster),
        *_profiles(region, account, cluster),
        _allow(["iam:PassRole"], [node_role], {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}),
        _allow(["eks:DescribeCluster"], [f"arn:aws:eks:{region}:{account}:cluster/{cluster}"]),
        _allow(["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"], [queue]),
        _allow(READ, ["*"], {"StringEquals": {"aws:RequestedRegion": region}}),
        _allow(["ssm:GetParameter"], [f"arn:aws:ssm:{region}::parameter/aws/service/*"]),
        _allow(["pricing:GetProducts"], ["*"]),
    ]


def _machines(region: str, cluster: str) -> list[Statement]:
    owned, ec2 = f"kubernetes.io/cluster/{cluster}", f"arn:aws:ec2:{region}"
    used = [f"{ec2}:*:{kind}/*" for kind in ("security-group", "subnet", "capacity-reservation", "placement-group")]
    made = [f"{ec2}:*:{kind}/*" for kind in MADE]
    asked = {f"aws:RequestTag/{owned}": "owned", "aws:RequestTag/eks:eks-cluster-name": cluster}
    ours = {
        "StringEquals": {f"aws:ResourceTag/{owned}": "owned"},
        "StringLike": {f"aws:ResourceTag/{_NODE_POOL}": "*"},
    }
    new = {"StringEquals": asked, "StringLike": {f"aws:RequestTag/{_NODE_POOL}": "*"}}
    tagged_when_made = {
        **new,
        "StringEquals": {**asked, "ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"]},
    }
    named_later = {
        **ours,
        "StringEqualsIfExists": {"aws:RequestTag/eks:eks-cluster-name": cluster},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"]},
    }
    gone = [f"{ec2}:*:{kind}/*" for kind in ("instance", "launch-template")]
    return [
        _allow(_LAUNCH, [f"{ec2}::image/*", f"{ec2}::snapshot/*", *used]),
        _allow(_LAUNCH, [f"{ec2}:*:launch-template/*"], ours),
        _allow([*_LAUNCH, "ec2:CreateLaunchTemplate"], made, new),
        _allow(["ec2:CreateTags"], made, tagged_when_made),
        _allow(["ec2:CreateTags"], [f"{ec2}:*:instance/*"], named_later),
        _allow(["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"], gone, ours),
    ]


def _profiles(region: str, account: str, cluster: str) -> list[Statement]:
    """Instance profiles, which Karpenter makes one of for each node class."""
    profiles = [f"arn:aws:iam::{account}:instance-profile/*"]
    owned, where = f"kubernetes.io/cluster/{cluster}", "topology.kubernetes.io/region"
    asked = {
        f"aws:RequestTag/{owned}": "owned",
        "aws:RequestTag/eks:eks-cluster-name": cluster,
        f"aws:RequestTag/{where}": region,
    }
    ours = {f"aws:ResourceTag/{owned}": "owned", f"aws:ResourceTag/{where}": region}
    new, there = {f"aws:RequestTag/{_NODE_CLASS}": "*"}, {f"aws:ResourceTag/{_NODE_CLASS}": "*"}
    change = ["iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile", "iam:DeleteInstanceProfile"]
    return [
        _allow(["iam:CreateInstanceProfile"], profiles, {"StringEquals": asked, "StringLike": new}),
        _allow(
            ["iam:TagInstanceProfile"], profiles, {"StringEquals": {**ours, **asked}, "StringLike": {**there, **new}}
        ),
        _allow(change, profiles, {"StringEquals": ours, "StringLike": there}),
        _allow(["iam:ListInstanceProfiles"], ["*"]),
        _allow(["iam:GetInstanceProfile"], profiles),
    ]


def _allow(actions: Iterable[str], resources: list[str], condition: Statement | None = None) -> Statement:
    """One statement, its actions in order."""
    said: Statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": resources}
    return said if condition is None else {**said, "Condition": condition}
