"""What GCP cannot do of what a pool asks for; flex-start, queues, reservations and fabrics have files of their own."""

from springtide.clouds.gcp.automatic import automatic_findings
from springtide.clouds.gcp.fabric import floor_findings
from springtide.clouds.gcp.flex import hours_findings
from springtide.clouds.gcp.groups import MOST_GROUPS, groups, sells
from springtide.clouds.gcp.node_pool import MOST_PODS
from springtide.selection import Choice
from springtide.spec import Finding, PoolSpec, Source, refuse

MOST_CLIENTS = 48
"""Pods that may share one GPU (GKE's documentation on GPU sharing)."""
_NOT_CLOSE = "n1-"
"""Series that no compact placement takes (Compute Engine's documentation; from memory, unverified)."""
_IMPLIED = "ip-optimised"


def pool_findings(spec: PoolSpec, choice: Choice, *, version: str, mode: str) -> list[Finding]:
    """What is impossible about a pool on GKE."""
    machines = choice.machine_types
    return [
        *_never_sold(spec, choice),
        *hours_findings(spec),
        *_efa(spec),
        *([] if not machines else [*_disks(spec, choice), *_close(spec, choice), *_too_many(spec, choice)]),
        *(automatic_findings(spec) if mode == "auto" else floor_findings(spec, choice, version)),
    ]


def sharing_findings(spec: PoolSpec) -> list[Finding]:
    """What cannot go with sharing."""
    shared = spec.sharing
    if shared is None:
        return []
    found = []
    room = min(MOST_CLIENTS, MOST_PODS // max(spec.gpus_per_node, 1))
    if shared.clients > room:
        message = f"a node has room for {MOST_PODS} pods and GKE shares a GPU among {MOST_CLIENTS} at most."
        found.append(refuse("gcp/sharing", "/sharing/clients", shared.clients, message, f"use at most {room}"))
    if spec.purpose == "training":
        message = "a training pod asks for all GPUs of its node, and of shared GPUs a pod may ask for one."
        found.append(refuse("gcp/sharing", "/sharing/strategy", shared.strategy, message, "remove sharing"))
    return found


def most_nodes(spec: PoolSpec, choice: Choice) -> int:
    """Most nodes that the pool can have, over all its node pools."""
    return spec.max_nodes * max(len(groups("", spec, choice)), 1)


def wakes(spec: PoolSpec) -> bool:  # noqa: ARG001  the protocol's signature
    """Whether something makes the first node: GKE's autoscaler knows what an empty node pool would bring.

    For queued capacity that is a queue's ProvisioningRequest.
    """
    return True


def _never_sold(spec: PoolSpec, choice: Choice) -> list[Finding]:
    machines = choice.machine_types
    return [
        refuse(
            "gcp/capacity",
            f"/capacity/{i}",
            kind,
            f"{', '.join(machine.instance_type for machine in machines)} cannot be had {_had(kind)}.",
            "use another kind of capacity, or other machine types",
            allowed=[*machines[0].usage_classes, "reserved"],
            source=Source.CATALOG,
        )
        for i, kind in enumerate(spec.capacity)
        if machines and not any(sells(machine, kind) for machine in machines)
    ]


def _had(kind: str) -> str:
    return {"on-demand": "on demand", "spot": "on spot"}.get(kind, f"as {kind}")


def _efa(spec: PoolSpec) -> list[Finding]:
    if spec.efa_layout == _IMPLIED:
        return []
    message = "there is no EFA on GCP that could be laid out."
    return [refuse("gcp/efa-layout", "/efa_layout", spec.efa_layout, message, "remove efa_layout")]


def _disks(spec: PoolSpec, choice: Choice) -> list[Finding]:
    without = [machine.name for machine in choice.machine_types if machine.local_ssds == 0]
    if spec.local_disks != "block" or not without:
        return []
    message = f"{without[0]} comes without local disks, so there is nothing to hand out raw."
    fix = "remove local_disks, or use machine types that have some"
    return [refuse("gcp/local-disks", "/local_disks", spec.local_disks, message, fix)]


def _close(spec: PoolSpec, choice: Choice) -> list[Finding]:
    unfit = [machine.name for machine in choice.machine_types if machine.name.startswith(_NOT_CLOSE)]
    if spec.placement != "compact" or not unfit:
        return []
    message = f"{unfit[0]} cannot be placed close to others."
    return [refuse("gcp/compact", "/placement", spec.placement, message, "remove placement, or use another GPU")]


def _too_many(spec: PoolSpec, choice: Choice) -> list[Finding]:
    count = len(groups("pool", spec, choice))
    if count <= MOST_GROUPS:
        return []
    message = f"this pool would be {count} node pools, which GKE makes a few at a time: {MOST_GROUPS} are bearable."
    path, value = ("/machine_types", spec.machine_types) if spec.machine_types else ("/capacity", spec.capacity)
    return [refuse("gcp/node-pools", path, list(value), message, "name fewer, or fewer zones")]
