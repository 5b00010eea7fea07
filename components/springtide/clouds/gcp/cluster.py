"""GKE: a regional control plane, what is switched on in it, and the system nodes."""

from dataclasses import replace
from typing import Any

import pulumi
import pulumi_gcp as gcp

from springtide.clouds import ClusterParts
from springtide.clouds.gcp.cluster_rules import adopted_findings, channel
from springtide.clouds.gcp.encryption import secrets_key
from springtide.clouds.gcp.identity import workload_pool
from springtide.clouds.gcp.kubeconfig import Reach, address, authority, kubeconfig, reach
from springtide.clouds.gcp.names import LONGEST_CLUSTER_NAME, fitted, label
from springtide.clouds.gcp.network import PODS, SERVICES
from springtide.clouds.gcp.nodes import SCOPES, guarded, node_account, system_nodes
from springtide.clouds.gcp.provider import labels
from springtide.component import after, child_of, tell
from springtide.environment import EnvironmentRef
from springtide.network import NetworkRef
from springtide.spec import ClusterSpec

CONTROL_PLANE_LOGS = ("SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "SCHEDULER", "CONTROLLER_MANAGER")
METRICS = ("SYSTEM_COMPONENTS", "DCGM")
"""DCGM: what the GPUs do."""
WINDOW: gcp.container.ClusterMaintenancePolicyRecurringWindowArgsDict = {
    # Nights of the weekend: twelve hours a week, of which GKE wants 48 in any 32 days.
    "start_time": "2026-01-03T00:00:00Z",
    "end_time": "2026-01-03T06:00:00Z",
    "recurrence": "FREQ=WEEKLY;BYDAY=SA,SU",
}
NOT_BY_ITSELF = {"standard": "NO_MINOR_OR_NODE_UPGRADES", "auto": "NO_MINOR_UPGRADES"}
"""What GKE leaves alone, by the cluster's mode. The minor version is the file's to say, and a node that is upgraded takes a run
with it: nodes follow a new version when somebody says so (`node_pool`), for what GKE is asked for is not held back. Autopilot's
nodes nobody can ask for; without patches from GKE they would have none until the version's support ends, which ends both."""


def cluster(
    name: str, spec: ClusterSpec, place: EnvironmentRef, network: NetworkRef, parent: pulumi.Resource
) -> ClusterParts:
    """A GKE cluster whose system nodes are ready for pods; in mode `auto`, one that makes all nodes by itself."""
    way = reach(spec)
    account = node_account(name, place, network["network_id"], parent)
    admins = _admins(spec, place, parent)
    if spec.existing is not None:
        tell(adopted_findings(spec.existing))
        path = f"projects/{place['account']}/locations/{place['region']}/clusters/{spec.existing}"
        adopted = gcp.container.Cluster.get(name, path, opts=child_of(parent))
        return replace(_parts(adopted, way, spec.existing, account, [adopted, *admins]), control_plane=None)
    control_plane = _control_plane(name, spec, place, network, account, admins, parent)
    ready: list[pulumi.Resource] = [control_plane]
    if spec.mode == "standard":
        ready = [system_nodes(name, spec, control_plane, place, account, network["zones"], parent)]
    return _parts(control_plane, way, cluster_name(place["name"]), account, ready)


def cluster_name(environment: str) -> str:
    """How the cluster of an environment is called."""
    return fitted(label(environment), LONGEST_CLUSTER_NAME)


def _parts(
    control_plane: gcp.container.Cluster,
    way: Reach,
    name: str,
    account: pulumi.Output[str],
    ready: list[pulumi.Resource],
) -> ClusterParts:
    server = address(control_plane, way)
    return ClusterParts(
        name=after(name, control_plane),
        endpoint=server,
        kubeconfig=pulumi.Output.all(server, authority(control_plane, way)).apply(
            lambda known: kubeconfig(str(known[0]), str(known[1]), name)
        ),
        node_role=account,
        security_group=pulumi.Output.from_input(""),
        control_plane=control_plane,
        ready=ready,
    )


def _control_plane(  # noqa: PLR0913, PLR0917  a cluster ties all of these together
    name: str,
    spec: ClusterSpec,
    place: EnvironmentRef,
    network: NetworkRef,
    account: pulumi.Output[str],
    admins: list[pulumi.Resource],
    parent: pulumi.Resource,
) -> gcp.container.Cluster:
    zones = network["zones"]
    return gcp.container.Cluster(
        name,
        name=cluster_name(place["name"]),
        location=place["region"],
        network=network["network_id"],
        subnetwork=network["private_subnets"][zones[0]],
        ip_allocation_policy={"cluster_secondary_range_name": PODS, "services_secondary_range_name": SERVICES},
        min_master_version=spec.version,
        release_channel={"channel": channel(spec).upper()},
        database_encryption={"state": "ENCRYPTED", "key_name": secrets_key(name, place, network["network_id"], parent)},
        maintenance_policy=_maintenance(spec.mode),
        gateway_api_config={"channel": "CHANNEL_STANDARD"},
        cost_management_config={"enabled": True},
        logging_config={"enable_components": list(CONTROL_PLANE_LOGS)},
        monitoring_config={"enable_components": list(METRICS), "managed_prometheus": {"enabled": True}},
        security_posture_config={"mode": "BASIC"},
        resource_labels=labels(place["name"]),
        # Pulumi's own `protect` refuses a destroy before it begins; this would refuse it half-way, after the pools.
        deletion_protection=False,
        **reach(spec).settings,
        **(_auto(account) if spec.mode == "auto" else _standard(place, zones, account)),
        # What the first, short-lived pool was made of; GKE answers with another pool's once it is gone.
        opts=child_of(parent, depends_on=admins, ignore_changes=[] if spec.mode == "auto" else ["nodeConfig"]),
    )


def _maintenance(mode: str) -> gcp.container.ClusterMaintenancePolicyArgsDict:
    return {
        "recurring_window": WINDOW,
        "maintenance_exclusions": [
            {
                "exclusion_name": "versions-are-ours",
                "start_time": "2026-01-01T00:00:00Z",
                "exclusion_options": {"scope": NOT_BY_ITSELF[mode], "end_time_behavior": "UNTIL_END_OF_SUPPORT"},
            }
        ],
    }


def _standard(place: EnvironmentRef, zones: list[str], account: pulumi.Output[str]) -> dict[str, Any]:
    """What a cluster says whose pools are ours. Datapath and networks can be chosen when it is made, and never later."""
    on = {"enabled": True}
    drivers = ("gce_persistent_disk", "gcp_filestore", "gcs_fuse", "lustre")
    return {
        "node_locations": zones,
        "remove_default_node_pool": True,
        "initial_node_count": 1,
        "node_config": guarded(place["name"], account),
        "workload_identity_config": {"workload_pool": workload_pool(place["account"])},
        "datapath_provider": "ADVANCED_DATAPATH",
        # GPUDirect's networks need it, whose pools may come later.
        "enable_multi_networking": True,
        "enable_shielded_nodes": True,
        # An idle GPU node is given back after minutes and not after a balance was struck.
        "cluster_autoscaling": {"enabled": False, "autoscaling_profile": "OPTIMIZE_UTILIZATION"},
        "addons_config": {**{f"{driver}_csi_driver_config": on for driver in drivers}, "dns_cache_config": on},
    }


def _auto(account: pulumi.Output[str]) -> dict[str, Any]:
    """What an Autopilot cluster says; the rest of `_standard` is a given there, and refused."""
    return {
        "enable_autopilot": True,
        "cluster_autoscaling": {
            "auto_provisioning_defaults": {"service_account": account, "oauth_scopes": list(SCOPES)}
        },
        "addons_config": {"lustre_csi_driver_config": {"enabled": True}},
    }


def _admins(spec: ClusterSpec, place: EnvironmentRef, parent: pulumi.Resource) -> list[pulumi.Resource]:
    """Administrators by IAM, of whom the deployer may be one: there before the cluster, and gone after it.

    GKE's roles go no deeper than a project: they administer all its clusters.
    """
    return [
        gcp.projects.IAMMember(
            f"admin-{member}",
            project=place["account"],
            role="roles/container.admin",
            member=member,
            opts=child_of(parent),
        )
        for member in spec.admins
    ]
