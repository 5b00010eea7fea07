"""Drivers that mount file systems: EKS add-ons, each with a role that lets it look, and nothing else.

A volume is ours: made by Pulumi, and named to the driver by its id. So a driver may neither make nor delete a file
system, which is what its usual policy allows. It needs no node selector: its controller tolerates no taint of a GPU node,
and the part that mounts must run on every node.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from springtide.clouds.aws.roles import document, role
from springtide.cluster import ClusterRef
from springtide.component import child_of
from springtide.spec import StorageSpec

NAMESPACE = "kube-system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """An add-on that mounts one kind of storage."""

    name: str
    accounts: tuple[str, ...]
    """ServiceAccounts of its pods that call AWS."""
    actions: tuple[str, ...]
    """What they look up. None of these can be held to one resource in the drivers' own examples."""


DRIVERS: Mapping[str, Driver] = {
    "lustre": Driver(
        name="aws-fsx-csi-driver", accounts=("fsx-csi-controller-sa",), actions=("fsx:DescribeFileSystems",)
    ),
    "shared": Driver(
        name="aws-efs-csi-driver",
        accounts=("efs-csi-controller-sa", "efs-csi-node-sa"),
        actions=(
            "ec2:DescribeAvailabilityZones",
            "elasticfilesystem:DescribeAccessPoints",
            "elasticfilesystem:DescribeFileSystems",
            "elasticfilesystem:DescribeMountTargets",
        ),
    ),
}
"""By kind of storage. Accounts and actions: charts and docs/ of kubernetes-sigs/aws-fsx-csi-driver v1.9 and
aws-efs-csi-driver v3.4."""
ADDONS: Mapping[str, Driver] = {driver.name: driver for driver in DRIVERS.values()}
"""By name."""


def addon(name: str, cluster: ClusterRef, parent: pulumi.Resource) -> aws.eks.Addon:
    """An add-on in the version that EKS recommends for the cluster when it is made, once there are nodes for its pods.

    Raises:
        LookupError: there is no such add-on; `controllers.unknown` says so before it comes to this.
    """
    driver = ADDONS[name]
    return aws.eks.Addon(
        name,
        addon_name=name,
        # The namespace is made once pods can run.
        cluster_name=pulumi.Output.all(cluster["name"], cluster["namespace"]).apply(lambda known: str(known[0])),
        resolve_conflicts_on_create="OVERWRITE",
        resolve_conflicts_on_update="OVERWRITE",
        opts=child_of(parent, depends_on=_identities(driver, cluster, parent)),
    )


def _identities(driver: Driver, cluster: ClusterRef, parent: pulumi.Resource) -> list[pulumi.Resource]:
    """The driver's role, for its accounts. A pod takes on what was its account's when it started."""
    made, _ = role(driver.name, "pods.eks.amazonaws.com", parent, actions=("sts:AssumeRole", "sts:TagSession"))
    allowed = aws.iam.RolePolicy(
        driver.name,
        role=made.name,
        policy=document({"Effect": "Allow", "Action": list(driver.actions), "Resource": "*"}),
        opts=child_of(parent),
    )
    return [
        aws.eks.PodIdentityAssociation(
            account,
            cluster_name=cluster["name"],
            namespace=NAMESPACE,
            service_account=account,
            role_arn=made.arn,
            opts=child_of(parent, depends_on=[allowed]),
        )
        for account in driver.accounts
    ]


def storage_controllers(spec: StorageSpec) -> tuple[str, ...]:
    """Add-ons without which nothing mounts such storage."""
    return (DRIVERS[spec.kind].name,) if spec.kind in DRIVERS else ()
