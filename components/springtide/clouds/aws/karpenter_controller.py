"""What Karpenter needs of AWS: an identity without keys, and a queue in which AWS tells it which machines it will lose."""

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from springtide.clouds import ControllerParts
from springtide.clouds.aws.karpenter_rights import statements
from springtide.clouds.aws.provider import label
from springtide.clouds.aws.roles import document, role
from springtide.cluster import ClusterRef
from springtide.component import after, child_of

NAME = "karpenter"
"""Name of the chart, and of its ServiceAccount."""
EVENTS: Mapping[str, tuple[str, str]] = {
    "spot-interruption": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "state-change": ("aws.ec2", "EC2 Instance State-change Notification"),
    "reservation-interruption": ("aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning"),
    "health": ("aws.health", "AWS Health Event"),
}
"""What AWS says beforehand, by its source and its words (Karpenter's CloudFormation template)."""
RETENTION_SECONDS = 300
"""Older news is of machines that are gone."""


def karpenter(cluster: ClusterRef, parent: pulumi.Resource) -> ControllerParts:
    """Karpenter's rights and its queue, and the Helm values that name them.

    It runs on the system nodes by the chart's own rules: never on a node that it made, nor where a taint keeps it away.
    """
    queue, filled = _interruptions(cluster, parent)
    association = _identity(cluster, queue, parent)
    values = {"settings": {"clusterName": cluster["name"], "interruptionQueue": after(_queue_name(cluster), *filled)}}
    return ControllerParts(values=values, ready=(association, *filled))


def _queue_name(cluster: ClusterRef) -> str:
    return f"{label(cluster['environment']['name'])}-{NAME}"


def _identity(cluster: ClusterRef, queue: aws.sqs.Queue, parent: pulumi.Resource) -> pulumi.Resource:
    place = cluster["environment"]
    made, _ = role(NAME, "pods.eks.amazonaws.com", parent, actions=("sts:AssumeRole", "sts:TagSession"))
    rights = aws.iam.RolePolicy(
        NAME,
        role=made.name,
        policy=pulumi.Output.all(cluster["name"], cluster["node_role"], queue.arn).apply(
            lambda known: document(
                *statements(
                    region=place["region"],
                    account=place["account"],
                    cluster=str(known[0]),
                    node_role=str(known[1]),
                    queue=str(known[2]),
                )
            )
        ),
        opts=child_of(parent),
    )
    return aws.eks.PodIdentityAssociation(
        NAME,
        cluster_name=cluster["name"],
        namespace="kube-system",
        service_account=NAME,
        role_arn=made.arn,
        opts=child_of(parent, depends_on=[rights]),
    )


def _interruptions(cluster: ClusterRef, parent: pulumi.Resource) -> tuple[aws.sqs.Queue, list[pulumi.Resource]]:
    """The queue, and what fills it."""
    inside = child_of(parent)
    queue = aws.sqs.Queue(
        NAME,
        name=_queue_name(cluster),
        message_retention_seconds=RETENTION_SECONDS,
        sqs_managed_sse_enabled=True,
        opts=inside,
    )
    rules = {
        name: aws.cloudwatch.EventRule(
            f"{NAME}-{name}",
            name=f"{_queue_name(cluster)}-{name}",
            event_pattern=json.dumps({"source": [source], "detail-type": [words]}),
            opts=inside,
        )
        for name, (source, words) in EVENTS.items()
    }
    account = cluster["environment"]["account"]
    policy = aws.sqs.QueuePolicy(
        NAME,
        queue_url=queue.url,
        policy=pulumi.Output.all(queue.arn, *(rule.arn for rule in rules.values())).apply(
            lambda known: queue_policy(str(known[0]), [str(arn) for arn in known[1:]], account)
        ),
        opts=inside,
    )
    targets = [
        aws.cloudwatch.EventTarget(f"{NAME}-{name}", rule=rule.name, arn=queue.arn, opts=inside)
        for name, rule in rules.items()
    ]
    return queue, [policy, *targets]


def queue_policy(queue: str, rules: list[str], account: str) -> str:
    """Who may fill the queue: these rules of this account, over encrypted connections."""
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": ["sqs:SendMessage"],
            "Resource": [queue],
            "Condition": {"ArnEquals": {"aws:SourceArn": rules}, "StringEquals": {"aws:SourceAccount": account}},
        },
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["sqs:*"],
            "Resource": [queue],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )
