"""What system nodes and GPU nodes have in common: who they are, and how they are guarded."""

from dataclasses import dataclass
from math import ceil
from typing import Any

import pulumi
import pulumi_gcp as gcp

from springtide.clouds.gcp.names import LONGEST_ACCOUNT_ID, account_email, fitted, label
from springtide.clouds.gcp.order import behind
from springtide.clouds.gcp.provider import labels
from springtide.component import after, child_of
from springtide.environment import EnvironmentRef
from springtide.spec import ClusterSpec

NODE_ROLES = (
    "roles/container.defaultNodeServiceAccount",
    "roles/artifactregistry.reader",
    # Image streaming asks for it of any account but the default one (GKE's documentation on image streaming, Requirements);
    # without it an image is pulled whole before a pod starts. It may spend the project's API quota, and reads nothing.
    "roles/serviceusage.serviceUsageConsumer",
)
"""Logs, metrics and images: the least a node works with. A registry of another project gives the last two by itself."""
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
"""Rights are the service account's roles; narrower scopes would only hide some of them."""
SYSTEM_DISK_GIB = 100


def node_account(
    name: str, place: EnvironmentRef, network_id: pulumi.Input[str], parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Address of the service account that nodes have, for whoever is made after its rights.

    Without one of their own, nodes would be the project's default account, which may be editor of everything.
    """
    account_id = fitted(label(place["name"]), LONGEST_ACCOUNT_ID)
    email = account_email(account_id, place["account"])
    account = gcp.serviceaccount.Account(
        f"{name}-nodes",
        account_id=behind(account_id, network_id),
        display_name=f"Nodes of {label(place['name'])}",
        opts=child_of(parent),
    )
    member = after(f"serviceAccount:{email}", account)
    rights = [
        gcp.projects.IAMMember(
            f"{name}-nodes-{role.rpartition('.')[2]}",
            project=place["account"],
            role=role,
            member=member,
            opts=child_of(parent),
        )
        for role in NODE_ROLES
    ]
    return after(email, account, *rights)


def guarded(environment: str, account: pulumi.Input[str]) -> dict[str, Any]:
    """What every node of ours says: its own identity, verified boot, and pods that see no node's credentials."""
    return {
        "service_account": account,
        "oauth_scopes": list(SCOPES),
        "image_type": "COS_CONTAINERD",
        "shielded_instance_config": {"enable_secure_boot": True, "enable_integrity_monitoring": True},
        "workload_metadata_config": {"mode": "GKE_METADATA"},
        "metadata": {"disable-legacy-endpoints": "true"},
        "kubelet_config": {"insecure_kubelet_readonly_port_enabled": "FALSE"},
        "gvnic": {"enabled": True},
        "gcfs_config": {"enabled": True},
        "resource_labels": labels(environment),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How a pool in several zones is said to have a number of nodes."""

    zones: int
    """Zones that it uses."""
    by_zone: int
    """Nodes in each zone when it is made; GKE knows no other first size."""
    most: int
    """Nodes in all zones, at most."""


def system_size(nodes: int, zones: int) -> Size:
    """The smallest pool of at least `nodes` nodes in at most `zones` zones, with one more to move onto."""
    used = min(nodes, zones)
    by_zone = ceil(nodes / used)
    return Size(zones=used, by_zone=by_zone, most=max(nodes + 1, used * by_zone))


def system_nodes(  # noqa: PLR0913, PLR0917  a node pool ties all of these together
    name: str,
    spec: ClusterSpec,
    control_plane: gcp.container.Cluster,
    place: EnvironmentRef,
    account: pulumi.Input[str],
    zones: list[str],
    parent: pulumi.Resource,
) -> gcp.container.NodePool:
    """CPU nodes for the cluster's own add-ons."""
    size = system_size(spec.system_nodes, len(zones))
    return gcp.container.NodePool(
        f"{name}-system",
        cluster=control_plane.name,
        location=place["region"],
        node_locations=zones[: size.zones],
        initial_node_count=size.by_zone,
        autoscaling={
            "total_min_node_count": spec.system_nodes,
            "total_max_node_count": size.most,
            "location_policy": "BALANCED",
        },
        management={"auto_repair": True, "auto_upgrade": True},
        upgrade_settings={"strategy": "SURGE", "max_surge": 1, "max_unavailable": 0},
        node_config=gcp.container.NodePoolNodeConfigArgs(
            **guarded(place["name"], account),
            machine_type=spec.system_machine_types[0],
            disk_size_gb=SYSTEM_DISK_GIB,
            disk_type="pd-balanced",
            labels={"springtide.dev/pool": "system"},
        ),
        # The first size is the autoscaler's to change, and GKE would make the pool anew for another.
        opts=child_of(parent, ignore_changes=["initialNodeCount"]),
    )
