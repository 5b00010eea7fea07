"""What the load balancer controller may do in an account: say which pods stand behind target groups of its own cluster.

Load balancers, listeners and security groups are Pulumi's, so that a destroy leaves none behind; of the project's own
policy (docs/install/iam_policy.json, v3.5.0) that leaves two rights that change anything.
"""

import pulumi
import pulumi_aws as aws

from springtide.clouds import ControllerParts
from springtide.clouds.aws.roles import Statement, document, role
from springtide.cluster import ClusterRef
from springtide.component import child_of

NAME = "aws-load-balancer-controller"
"""Name of the chart, and of its ServiceAccount."""
CLUSTER_TAG = "eks:eks-cluster-name"
"""Tag of a target group with the name of its cluster; EKS Auto Mode's controller goes by the same."""
READ = (
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeVpcs",
    "elasticloadbalancing:DescribeTags",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
)
"""What it looks up for a TargetGroupBinding; none of these can be held to one resource."""
WRITE = ("elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets")


def load_balancer(cluster: ClusterRef, parent: pulumi.Resource) -> ControllerParts:
    """The controller's rights, and the Helm values that it needs.

    Region and network are told: it would ask the metadata service of its node, which answers no pod.
    """
    place = cluster["environment"]
    made, _ = role(NAME, "pods.eks.amazonaws.com", parent, actions=("sts:AssumeRole", "sts:TagSession"))
    rights = aws.iam.RolePolicy(
        NAME,
        role=made.name,
        policy=pulumi.Output.from_input(cluster["name"]).apply(
            lambda name: document(*statements(region=place["region"], account=place["account"], cluster=name))
        ),
        opts=child_of(parent),
    )
    association = aws.eks.PodIdentityAssociation(
        NAME,
        cluster_name=cluster["name"],
        namespace="kube-system",
        service_account=NAME,
        role_arn=made.arn,
        opts=child_of(parent, depends_on=[rights]),
    )
    values = {"clusterName": cluster["name"], "region": place["region"], "vpcId": cluster["network_id"]}
    return ControllerParts(values=values, ready=(association,))


def statements(*, region: str, account: str, cluster: str) -> list[Statement]:
    """Rights of the controller: to look, and to say which addresses a target group of this cluster has.

    Args:
        region: Region of the cluster.
        account: Account of the cluster.
        cluster: Name of the cluster, as target groups carry it in a tag.
    """
    groups = f"arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/*/*"
    return [
        {"Effect": "Allow", "Action": list(READ), "Resource": ["*"]},
        {
            "Effect": "Allow",
            "Action": list(WRITE),
            "Resource": [groups],
            "Condition": {"StringEquals": {f"aws:ResourceTag/{CLUSTER_TAG}": cluster}},
        },
    ]
