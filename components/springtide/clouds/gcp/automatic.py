"""Autopilot: GKE makes node pools by itself, and a ComputeClass says of what and in which order.

What Autopilot cannot be told is refused. It knows no upper bound, which whoever makes such a pool is told.
"""

from typing import Any

from springtide.clouds.gcp.compute_class import class_name
from springtide.clouds.gcp.flex import most_seconds
from springtide.clouds.gcp.groups import Group
from springtide.clouds.gcp.node_pool import disk_type
from springtide.k8s import Manifest
from springtide.spec import Finding, PoolSpec, refuse, warn


def automatic_class(pool: str, spec: PoolSpec, groups: tuple[Group, ...]) -> Manifest:
    """The class from which Autopilot makes the nodes of a pool."""
    return {
        "metadata": {"name": class_name(pool)},
        "spec": {
            "priorities": [_rule(group, spec) for group in groups],
            "nodePoolAutoCreation": {"enabled": True},
            "whenUnsatisfiable": "DoNotScaleUp",
            "activeMigration": {"optimizeRulePriority": spec.purpose == "serving"},
        },
    }


def automatic_findings(spec: PoolSpec) -> list[Finding]:
    """What Autopilot cannot be told of a pool."""
    asked = {
        "capacity": "queued" in spec.capacity,
        "fabric": spec.fabric != "none",
        "labels": bool(spec.labels),
        "local_disks": spec.local_disks == "block",
        "min_nodes": spec.min_nodes > 0,
        "placement": spec.placement == "compact",
        "sharing": spec.sharing is not None,
        "taints": bool(spec.taints),
    }
    message = "in a cluster of mode auto GKE makes the nodes, and cannot be told this."
    fix = "remove it, or use a cluster of mode standard"
    return [
        refuse("gcp/automatic", f"/{key}", getattr(spec, key), message, fix) for key, found in asked.items() if found
    ]


def unbounded(path: str, spec: PoolSpec) -> list[Finding]:
    """A bound that nobody keeps."""
    message = f"Autopilot knows no upper bound: jobs and services of this file keep to {spec.max_nodes} nodes, others may not."
    fix = "give the jobs a queue with max_gpus, or use a cluster of mode standard"
    return [warn("gcp/unbounded", f"{path}/max_nodes", spec.max_nodes, message, fix)]


def mixed(path: str, spec: PoolSpec) -> list[Finding]:
    """Kinds of capacity that one run may be on at once."""
    if len(spec.capacity) == 1 or spec.purpose == "serving":
        return []
    kinds = " and ".join(spec.capacity)
    message = f"Autopilot keeps the pods of a run in one zone and no closer: a run of several nodes may be on {kinds} at once."
    fix = "name one kind of capacity, or use a cluster of mode standard"
    return [warn("gcp/mixed-run", f"{path}/capacity", list(spec.capacity), message, fix)]


def _rule(group: Group, spec: PoolSpec) -> dict[str, Any]:
    machine = group.machine
    disks = {"localSSDCount": machine.local_ssds} if machine.local_ssds > 0 else {}
    return {
        "machineType": machine.instance_type,
        "gpu": {"type": machine.accelerator, "count": machine.gpus, "driverVersion": spec.driver},
        "storage": {"bootDiskType": disk_type(machine), "bootDiskSize": spec.disk_gib, **disks},
        "location": {"zones": list(group.zones)},
        **_bought(group, spec),
    }


def _bought(group: Group, spec: PoolSpec) -> dict[str, Any]:
    ways: dict[str, dict[str, Any]] = {
        "on-demand": {"spot": False},
        "spot": {"spot": True},
        "flex-start": {"flexStart": {"enabled": True}, "maxRunDurationSeconds": most_seconds(spec)},
    }
    return ways[group.kind] if group.kind in ways else {"reservations": _reservation(spec)}


def _reservation(spec: PoolSpec) -> dict[str, Any]:
    _, project, _, name, *block = str(spec.reservation).split("/")
    blocks = {"reservationBlock": {"name": block[1]}} if block else {}
    return {"affinity": "Specific", "specific": [{"name": name, "project": project, **blocks}]}
