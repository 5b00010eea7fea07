"""ComputeClass: in which order GKE tries node pools, and what it does when none of them can grow.

A node pool of ours takes part by a label and a taint with the class's name. GKE tries the rules from the first to the last,
and the node pools of one rule in no order (GKE's documentation on custom ComputeClasses, read on 2026-11-22).
"""

from collections.abc import Sequence
from itertools import groupby

from springtide.clouds.gcp.groups import Group
from springtide.k8s import Manifest
from springtide.spec import Finding, PoolSpec, refuse

API_VERSION = "cloud.google.com/v1"
KIND = "ComputeClass"
COMPUTE_CLASS = "cloud.google.com/compute-class"
"""Label and taint of the nodes of a class, and the label that its pods select."""
_TAKEN = ("gke", "autopilot")
"""What no name of a class may begin with."""


def class_name(pool: str) -> str:
    """Name of a pool's class: the pool's, unless GKE keeps that to itself."""
    return f"pool-{pool}" if pool.startswith(_TAKEN) else pool


def compute_class(pool: str, spec: PoolSpec, groups: Sequence[Group]) -> Manifest:
    """The order of a ladder over node pools that are there.

    Both defaults are written out: they differ between versions of GKE. With `ScaleUpAnyway` GKE would grow whichever node pool
    of the class it likes. Moving pods to a better rule ends what runs, so that only serving pools, which have spare replicas, do.
    """
    rules = groupby(groups, key=lambda group: (group.kind, group.machine.name))
    return {
        "metadata": {"name": class_name(pool)},
        "spec": {
            "priorities": [{"nodepools": [group.name for group in same]} for _, same in rules],
            "nodePoolAutoCreation": {"enabled": False},
            "whenUnsatisfiable": "DoNotScaleUp",
            "activeMigration": {"optimizeRulePriority": spec.purpose == "serving"},
        },
    }


def ladder_findings(spec: PoolSpec) -> list[Finding]:
    """Which order of kinds GKE cannot keep."""
    if "queued" not in spec.capacity:
        return []
    message = "queued machines come to whoever has a place in the queue; no pod that waits for a node gets one."
    fix = "make a pool of its own for queued capacity"
    return [refuse("gcp/ladder", f"/capacity/{spec.capacity.index('queued')}", "queued", message, fix)]
