"""Pools that a cloud's own service keeps, as Karpenter's NodePools and as nodes that are simulated and always there.

What Karpenter makes in the cloud already is a NodePool in the plan and stays one. Three other renderings are read from
the plan's resources: node groups of EKS, node pools of GKE, and what Autopilot makes of a ComputeClass. A node that is
always there is a Node; what an autoscaler adds to it is a NodePool with what is left of the bound.
"""

from collections.abc import Iterator, Sequence

from springtide import catalog
from springtide.local.cluster.refs import POOL, Object
from springtide.local.plane.kwok import SIMULATED
from springtide.local.render import karpenter
from springtide.local.render.groups import Group, automatic_pools, node_groups, node_pools, unknown_machines
from springtide.local.render.machines import ARCHITECTURES, Shared, resources
from springtide.local.render.pods import GPU
from springtide.local.render.substitution import Here, Substitution, named
from springtide.offline.plan import Plan
from springtide.offline.views import ClusterView

NODE_CLASS = "simulated"
"""Node class of the NodePools that are made here."""
GENERAL = "general-purpose"
"""Name of the pool for pods that ask for none, where the cloud makes nodes by itself."""


def simulated(plan: Plan, here: Here) -> tuple[tuple[Object, ...], tuple[Substitution, ...]]:
    """The nodes and NodePools in place of what the cloud's services keep, and what that replaces."""
    eks, gke, automatic = list(node_groups(plan)), list(node_pools(plan)), list(automatic_pools(plan))
    general = list(_general(plan))
    pools = [*general, *(item for group in (*gke, *automatic) for item in _node_pool(group))]
    classes = [karpenter.node_class(NODE_CLASS, here)] if pools else []
    nodes = [item for group in (*eks, *gke) for item in _nodes(group, plan.environment["region"])]
    told = (*_general_told(general), *_told(eks, gke, automatic), *_strangers_told(list(unknown_machines(plan))))
    return (*classes, *pools, *nodes), told


def disks(plan: Plan) -> dict[str, int]:
    """Machine type → the largest disk, in GiB, that a pool of the plan gives it."""
    found: dict[str, int] = {}
    for pool in plan.pools():
        for name in pool.machine_types:
            found[name] = max(found.get(name, 0), pool.disk_gib)
    return found


def shared_machines(plan: Plan) -> tuple[Shared, ...]:
    """Machines of the plan whose GPUs are shared."""
    found = {(item.machine_type, item.clients): item for item in node_pools(plan) if item.clients > 1}
    return tuple(Shared(machine=item.machine, clients=item.clients) for item in found.values())


def _told(eks: Sequence[Group], gke: Sequence[Group], automatic: Sequence[Group]) -> Iterator[Substitution]:
    if eks:
        yield Substitution(
            what=f"EKS node groups{named(group.name for group in eks)}",
            instead=f"{sum(group.least for group in eks)} simulated nodes that are always there",
            why="nothing but EKS changes the size of a group, and Karpenter makes no node of one",
        )
    if gke:
        yield Substitution(
            what=f"GKE node pools{named(group.name for group in gke)}",
            instead="Karpenter NodePools, in a ladder's order and with what the autoscaler may add as limit; "
            "minimum nodes are simulated nodes that are always there",
            why="GKE's cluster autoscaler runs in Google's control plane only",
        )
    if automatic:
        yield Substitution(
            what=f"Autopilot's node pools{named(group.pool for group in automatic)}",
            instead="a Karpenter NodePool for each rule of a ComputeClass, without a limit",
            why="GKE makes nodes from a ComputeClass in Google's control plane only",
        )
    noted = {
        note: [it.name for it in (*gke, *automatic) if note in it.notes]
        for it in (*gke, *automatic)
        for note in it.notes
    }
    for note, names in noted.items():
        yield Substitution(
            what=f"{note}{named(names)}", instead="on-demand capacity", why="Karpenter knows no such kind of capacity"
        )


def _general(plan: Plan) -> Iterator[Object]:
    """What a cloud makes by itself for pods that ask for no pool: machines without a GPU, as many as it takes."""
    for cluster in ClusterView.among(plan.resources):
        if cluster.mode == "auto":
            plain = [item for item in catalog.machine_types(cluster.cloud) if item.gpus == 0 and not item.unusable]
            yield karpenter.node_pool(
                GENERAL,
                node_class=NODE_CLASS,
                labels={POOL: GENERAL},
                taints=[],
                requirements={
                    karpenter.CAPACITY: ["on-demand"],
                    karpenter.MACHINE_TYPE: [item.node_label for item in plain],
                    karpenter.ARCHITECTURE: ["amd64"],
                },
                limits={},
                weight=None,
            )


def _general_told(pools: Sequence[Object]) -> Iterator[Substitution]:
    if pools:
        yield Substitution(
            what="Nodes that the cloud makes by itself for pods without a GPU",
            instead=f"a Karpenter NodePool of its machine types without one, {GENERAL}",
            why="whoever makes them runs in the cloud's control plane only",
        )


def _strangers_told(names: Sequence[str]) -> Iterator[Substitution]:
    if names:
        yield Substitution(
            what=f"Machines of types that the catalog does not know{named(names)}",
            instead="none come, and pods that ask for them wait",
            why="nobody here says what such a machine has",
        )


def _node_pool(group: Group) -> Iterator[Object]:
    """What may be added to the nodes that are always there."""
    if group.most is not None and group.most <= group.least:
        return
    has = resources(group.machine, clients=group.clients)
    bounded = GPU if GPU in has else "cpu"
    more = None if group.most is None else (group.most - group.least) * int(has[bounded])
    yield karpenter.node_pool(
        group.name,
        node_class=NODE_CLASS,
        labels=group.labels,
        taints=group.taints,
        requirements={
            karpenter.CAPACITY: [group.capacity],
            karpenter.MACHINE_TYPE: [group.machine_type],
            karpenter.ZONE: group.zones,
        },
        limits={} if more is None else {bounded: str(more)},
        weight=group.weight,
    )


def _nodes(group: Group, region: str) -> Iterator[Object]:
    """The nodes that are always there, spread over the group's zones."""
    has = resources(group.machine, clients=group.clients)
    for index in range(group.least):
        name, zone = f"{group.name}-{index}", group.zones[index % len(group.zones)]
        ids = {karpenter.ZONE_IDS[group.machine.cloud]: zone} if group.machine.cloud in karpenter.ZONE_IDS else {}
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": dict(SIMULATED),
                "labels": {
                    **group.labels,
                    karpenter.ARCHITECTURE: ARCHITECTURES[group.machine.architecture],
                    karpenter.CAPACITY: group.capacity,
                    karpenter.HOST: name,
                    karpenter.MACHINE_TYPE: group.machine_type,
                    karpenter.REGION: region,
                    karpenter.SYSTEM: "linux",
                    karpenter.ZONE: zone,
                    **ids,
                },
            },
            "spec": {"taints": [dict(taint) for taint in group.taints]} if group.taints else {},
            "status": {"capacity": has, "allocatable": has},
        }
