"""EKS: the control plane, its add-ons in the order they need, and the system nodes."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from springtide import catalog
from springtide.clouds import ClusterParts
from springtide.clouds.aws.nodes import launch_template, node_release, template_reference
from springtide.clouds.aws.roles import document, role
from springtide.component import after, child_of
from springtide.environment import EnvironmentRef
from springtide.network import NetworkRef
from springtide.spec import ClusterSpec, Finding, Source, refuse

BEFORE_NODES = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")
"""Add-ons that a node needs to become ready; the rest wait for a node."""
AFTER_NODES = ("coredns",)
LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
NODE_POLICIES = (
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonSSMManagedInstanceCore",
)
SYSTEM_DISK_GIB = 50
LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""What CloudWatch Logs accepts (PutRetentionPolicy)."""


def cluster(
    name: str, spec: ClusterSpec, place: EnvironmentRef, network: NetworkRef, parent: pulumi.Resource
) -> ClusterParts:
    """An EKS cluster whose system nodes are ready for pods."""
    control_plane, encrypted_by = _control_plane(name, spec, place, network, parent)
    early = [_addon(addon, control_plane, parent) for addon in BEFORE_NODES]
    node_role, node_role_arn = role(f"{name}-node", "ec2.amazonaws.com", parent, policies=NODE_POLICIES)
    system = _system_nodes(name, spec, place, network, _Nodes(control_plane, node_role_arn, early), parent)
    late = [_addon(addon, control_plane, parent, depends_on=[system]) for addon in AFTER_NODES]
    return ClusterParts(
        name=control_plane.name,
        endpoint=control_plane.endpoint,
        kubeconfig=pulumi.Output.all(
            control_plane.endpoint,
            control_plane.certificate_authority.apply(lambda authority: str(authority.data)),
            control_plane.name,
        ).apply(lambda known: kubeconfig(known[0], known[1], known[2], place["region"])),
        node_role=pulumi.Output.all(node_role_arn, after(None, node_role, encrypted_by, *early)).apply(
            lambda both: str(both[0])
        ),
        security_group=control_plane.vpc_config.apply(lambda vpc: str(vpc.cluster_security_group_id)),
        control_plane=control_plane,
        ready=(system, *late),
    )


def cluster_findings(spec: ClusterSpec) -> list[Finding]:
    """What EKS, or the catalog of pinned node images and machine types, does not have."""
    return [
        *_version(spec.version),
        *(found for i, name in enumerate(spec.system_machine_types) for found in _machine(i, name)),
        *_retention(spec.log_retention_days),
    ]


def _version(version: str) -> list[Finding]:
    known = [item.version for item in catalog.kubernetes_versions("aws")]
    pinned = [name for name in known if all(catalog.node_image("aws", name, gpu=gpu) for gpu in (True, False))]
    if version in pinned:
        return []
    message = f"Kubernetes {version} has no pinned node image in the catalog."
    fix = 'write one of the versions on offer, in quotes: version: "1.xx"'
    return [refuse("aws/version", "/version", version, message, fix, allowed=pinned, source=Source.CATALOG)]


def _machine(index: int, name: str) -> list[Finding]:
    known = catalog.machine_type("aws", name)
    if known is not None and not known.gpu and known.architecture == "x86_64":
        return []
    small = [item.name for item in catalog.machine_types("aws") if not item.gpu and item.architecture == "x86_64"]
    message = f"{name} is no CPU machine type (x86_64) that the catalog knows."
    path = f"/system_machine_types/{index}"
    return [refuse("aws/system-machine", path, name, message, "use one of them", allowed=small, source=Source.CATALOG)]


def _retention(days: int) -> list[Finding]:
    if days in LOG_RETENTION_DAYS:
        return []
    message = f"CloudWatch keeps no logs for {days} days."
    path = "/log_retention_days"
    return [refuse("aws/log-retention", path, days, message, "use one of them", allowed=LOG_RETENTION_DAYS)]


def kubeconfig(endpoint: str, authority: str, cluster_name: str, region: str) -> str:
    """A kubeconfig whose user asks the AWS CLI for a token at each use: nothing in it is a secret."""
    command = ["eks", "get-token", "--cluster-name", cluster_name, "--region", region, "--output", "json"]
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": cluster_name, "cluster": {"server": endpoint, "certificate-authority-data": authority}}
            ],
            "users": [
                {
                    "name": cluster_name,
                    "user": {
                        "exec": {
                            "apiVersion": "client.authentication.k8s.io/v1",
                            "command": "aws",
                            "args": command,
                            "interactiveMode": "Never",
                        }
                    },
                }
            ],
            "contexts": [{"name": cluster_name, "context": {"cluster": cluster_name, "user": cluster_name}}],
            "current-context": cluster_name,
        },
        ensure_ascii=False,
    )


def _control_plane(
    name: str, spec: ClusterSpec, place: EnvironmentRef, network: NetworkRef, parent: pulumi.Resource
) -> tuple[aws.eks.Cluster, aws.kms.Key]:
    inside = child_of(parent)
    eks_name = f"springtide-{place['name']}"
    key = aws.kms.Key(
        name,
        description=f"Kubernetes secrets of {eks_name}",
        enable_key_rotation=True,
        deletion_window_in_days=7,
        opts=inside,
    )
    # EKS would make this group itself, keep its logs for ever, and leave it behind.
    logs = aws.cloudwatch.LogGroup(
        name, name=f"/aws/eks/{eks_name}/cluster", retention_in_days=spec.log_retention_days, opts=inside
    )
    made, role_arn = role(f"{name}-control-plane", "eks.amazonaws.com", parent, policies=["AmazonEKSClusterPolicy"])
    may_encrypt = aws.iam.RolePolicy(f"{name}-secrets", role=made.name, policy=key.arn.apply(_use_of_key), opts=inside)
    control_plane = aws.eks.Cluster(
        name,
        name=eks_name,
        version=spec.version,
        role_arn=role_arn,
        access_config={"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": True},
        bootstrap_self_managed_addons=False,
        enabled_cluster_log_types=list(LOG_TYPES),
        encryption_config={"provider": {"key_arn": key.arn}, "resources": ["secrets"]},
        # Extended support costs six times as much an hour and would begin by itself.
        upgrade_policy={"support_type": "STANDARD"},
        vpc_config={
            "subnet_ids": list(network["private_subnets"].values()),
            "endpoint_private_access": True,
            "endpoint_public_access": True,
            "public_access_cidrs": list(spec.ranges),
        },
        opts=child_of(parent, depends_on=[logs, may_encrypt]),
    )
    return control_plane, key


def _use_of_key(arn: str) -> str:
    actions = ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:ListGrants"]
    return document({"Effect": "Allow", "Action": actions, "Resource": [arn]})


def _addon(
    addon: str, control_plane: aws.eks.Cluster, parent: pulumi.Resource, depends_on: list[pulumi.Resource] | None = None
) -> aws.eks.Addon:
    """An add-on in the version that EKS recommends for the cluster; the version is EKS' to choose."""
    return aws.eks.Addon(
        addon,
        addon_name=addon,
        cluster_name=control_plane.name,
        resolve_conflicts_on_create="OVERWRITE",
        resolve_conflicts_on_update="OVERWRITE",
        opts=child_of(parent, depends_on=depends_on),
    )


@dataclass(frozen=True, slots=True)
class _Nodes:
    control_plane: aws.eks.Cluster
    role_arn: pulumi.Output[str]
    addons: list[aws.eks.Addon]


def _system_nodes(  # noqa: PLR0913, PLR0917  a node group ties all of these together
    name: str,
    spec: ClusterSpec,
    place: EnvironmentRef,
    network: NetworkRef,
    nodes: _Nodes,
    parent: pulumi.Resource,
) -> aws.eks.NodeGroup:
    template = launch_template(f"{name}-system", place["name"], SYSTEM_DISK_GIB, parent)
    return aws.eks.NodeGroup(
        f"{name}-system",
        cluster_name=nodes.control_plane.name,
        node_role_arn=nodes.role_arn,
        subnet_ids=list(network["private_subnets"].values()),
        ami_type="BOTTLEROCKET_x86_64",
        release_version=node_release(spec.version, gpu=False),
        version=spec.version,
        capacity_type="ON_DEMAND",
        instance_types=list(spec.system_machine_types),
        launch_template=template_reference(template),
        scaling_config={
            "min_size": spec.system_nodes,
            "desired_size": spec.system_nodes,
            "max_size": spec.system_nodes + 1,
        },
        update_config={"max_unavailable": 1},
        labels={"springtide.dev/pool": "system"},
        node_repair_config={"enabled": True},
        opts=child_of(parent, depends_on=nodes.addons),
    )
