"""What a node pool says of itself: a pure function of the GPU pool and of which of its node pools this is.

None says a version. A new one gets the control plane's, and keeps it, at zero nodes too, until somebody asks GKE to upgrade
it: the cluster's maintenance exclusion holds back what GKE would do by itself, and not what it is asked for. The provider
has no word for "the newest patch of 1.35": a minor version alone is another value than the one that is read back, so that
every update would upgrade every pool, under whatever runs there (pulumi_gcp, `NodePool.version`); and a full version would
have to be on offer, and no newer than a control plane whose patch GKE chooses. So the plan says what to run, and when
(`springtide.offline.upgrade`).
"""

from typing import Any

import pulumi

from springtide.catalog import MachineType
from springtide.clouds.gcp.compute_class import COMPUTE_CLASS, class_name
from springtide.clouds.gcp.flex import COMPACT_FLEX_START, WAITING, most_seconds
from springtide.clouds.gcp.groups import Group
from springtide.clouds.gcp.nodes import guarded
from springtide.clouds.gcp.notice import SHUTDOWN_SECONDS, SYSTEM_SECONDS, stretches
from springtide.clouds.gcp.reservation import affinity
from springtide.spec import PoolSpec
from springtide.spec.taints import API_EFFECTS, parsed_taint

GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}
HYPERDISK_ONLY = ("a3-ultragpu", "a4-", "g4-")
"""Series that take no Persistent Disk (Compute Engine's documentation on Hyperdisk)."""
FEWEST_PODS = 64
"""Pods a node has room for: a GPU pod or two, and the daemons. GKE's 110 would take twice the addresses."""
MOST_PODS = 256
DAEMONS = 20
"""Pods that a node runs for the cluster, on the safe side."""
LONGEST_DRAIN = "3600s"
"""GKE waits an hour at most, for a disruption budget as for a pod's own grace period, which is what decides (GKE's
documentation on node upgrades)."""


def arguments(
    group: Group, spec: PoolSpec, *, version: str, environment: str, account: pulumi.Input[str]
) -> dict[str, Any]:
    """Arguments of a node pool, without its cluster and its networks.

    Args:
        group: Which node pool of the GPU pool.
        spec: The GPU pool.
        version: Kubernetes minor version of the cluster.
        environment: Name of the environment.
        account: Service account of the nodes.
    """
    return {
        "name": group.name,
        "node_locations": list(group.zones),
        # Both in all zones together: a count for each zone would multiply the bound.
        "autoscaling": {
            "total_min_node_count": group.min_nodes,
            "total_max_node_count": spec.max_nodes,
            "location_policy": "BALANCED" if group.kind in {"on-demand", "reserved"} else "ANY",
        },
        # The autoscaler keeps a minimum; it does not build one up.
        "initial_node_count": -(-group.min_nodes // len(group.zones)),
        "max_pods_per_node": _most_pods(spec),
        # A channel upgrades nodes by itself and lets nobody switch that off. Flex-start and queued machines end in days,
        # and are upgraded by being replaced then; repairing one would give it back.
        "management": {"auto_repair": group.kind not in WAITING, "auto_upgrade": True},
        **_upgrades(group),
        "node_drain_configs": [
            {
                "respect_pdb_during_node_pool_deletion": True,
                "grace_termination_duration": LONGEST_DRAIN,
                "pdb_timeout_duration": LONGEST_DRAIN,
            }
        ],
        "node_config": _node(group, spec, version, guarded(environment, account)),
        **({"placement_policy": {"type": "COMPACT"}} if close_together(group, spec) else {}),
        **({"queued_provisioning": {"enabled": True}} if group.kind == "queued" else {}),
    }


def close_together(group: Group, spec: PoolSpec) -> bool:
    """Whether GKE has to place the nodes close together.

    Reserved machines lie where they were reserved. Queued GPUs cannot be placed, and flex-start ones of a few series only.
    """
    if not spec.compact or group.kind in {"reserved", "queued"}:
        return False
    return group.kind != "flex-start" or group.machine.name.startswith(COMPACT_FLEX_START)


def taints(pool: str, spec: PoolSpec) -> list[dict[str, str]]:
    """Taints of a pool's nodes besides the GPU's, in Kubernetes' words: the class's, and what the file says."""
    own = [] if len(spec.capacity) == 1 else [f"{COMPUTE_CLASS}={class_name(pool)}:NoSchedule"]
    return [parsed_taint(text) for text in (*own, *spec.taints)]


def _node(group: Group, spec: PoolSpec, version: str, guards: dict[str, Any]) -> dict[str, Any]:
    machine = group.machine
    return {
        **guards,
        "machine_type": machine.instance_type,
        "guest_accelerators": [_accelerator(machine, spec)],
        "disk_type": disk_type(machine),
        "disk_size_gb": spec.disk_gib,
        "kubelet_config": {**guards["kubelet_config"], **_shutdown(group, version)},
        "labels": _labels(group, spec),
        "taints": [
            GPU_TAINT,
            *({**taint, "effect": API_EFFECTS[taint["effect"]]} for taint in taints(group.pool, spec)),
        ],
        "resource_labels": {**guards["resource_labels"], "springtide-pool": group.pool},
        **_local_disks(machine, spec),
        **_bought(group, spec),
    }


def _accelerator(machine: MachineType, spec: PoolSpec) -> dict[str, Any]:
    shared = spec.sharing
    sharing = (
        {}
        if shared is None
        else {
            "gpu_sharing_config": {
                "gpu_sharing_strategy": shared.strategy.replace("-", "_").upper(),
                "max_shared_clients_per_gpu": shared.clients,
            }
        }
    )
    return {
        "type": machine.accelerator,
        "count": machine.gpus,
        "gpu_driver_installation_config": {"gpu_driver_version": spec.driver.upper()},
        **sharing,
    }


def disk_type(machine: MachineType) -> str:
    """The boot disk that goes with a machine type."""
    return "hyperdisk-balanced" if machine.name.startswith(HYPERDISK_ONLY) else "pd-balanced"


def _shutdown(group: Group, version: str) -> dict[str, int]:
    """How long a spot machine takes to go, where it may be stretched; `notice` says what of it is a pod's."""
    if group.kind != "spot" or not stretches(version):
        return {}
    return {
        "shutdown_grace_period_seconds": SHUTDOWN_SECONDS,
        "shutdown_grace_period_critical_pods_seconds": SYSTEM_SECONDS,
    }


def _labels(group: Group, spec: PoolSpec) -> dict[str, str]:
    ladder = {COMPUTE_CLASS: class_name(group.pool)} if len(spec.capacity) > 1 else {}
    # GKE taints queued nodes by itself and labels them not.
    queued = {"cloud.google.com/gke-queued": "true"} if group.kind == "queued" else {}
    return {**spec.labels, "springtide.dev/pool": group.pool, "springtide.dev/gpu": spec.gpu, **ladder, **queued}


def _local_disks(machine: MachineType, spec: PoolSpec) -> dict[str, Any]:
    """The machine's own disks as one file system below the pods, or raw. The two exclude each other."""
    modes = {"scratch": "ephemeral_storage_local_ssd_config", "block": "local_nvme_ssd_block_config"}
    if machine.local_ssds == 0 or spec.local_disks not in modes:
        return {}
    return {modes[spec.local_disks]: {"local_ssd_count": machine.local_ssds}}


def _bought(group: Group, spec: PoolSpec) -> dict[str, Any]:
    none = {"consume_reservation_type": "NO_RESERVATION"}
    ways: dict[str, dict[str, Any]] = {
        # An open reservation that fits is used by itself, as on any machine of the project.
        "on-demand": {},
        "spot": {"spot": True, "reservation_affinity": none},
        "reserved": {"reservation_affinity": affinity(spec)},
        "flex-start": {"flex_start": True, "max_run_duration": f"{most_seconds(spec)}s", "reservation_affinity": none},
        # How long these run, each run says that waits for them.
        "queued": {"reservation_affinity": none},
    }
    return ways[group.kind]


def _upgrades(group: Group) -> dict[str, Any]:
    """Scarce machines are given back before others are asked for: a spare one may never come.

    Where machines are waited for, GKE upgrades by its own strategy, SHORT_LIVED. The provider refuses that word, and would
    see a difference in any other for ever (google-beta 7.45: `upgrade_settings.strategy`; provider-upjet-gcp pull request
    1029), so nothing is said.
    """
    if group.kind in WAITING:
        return {}
    return {"upgrade_settings": {"strategy": "SURGE", "max_surge": 0, "max_unavailable": 1}}


def _most_pods(spec: PoolSpec) -> int:
    clients = 0 if spec.sharing is None else spec.sharing.clients
    return min(max(FEWEST_PODS, clients * spec.gpus_per_node + DAEMONS), MOST_PODS)
