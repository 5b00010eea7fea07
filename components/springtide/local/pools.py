"""Pools that a cloud's own service keeps, as Karpenter's NodePools and as nodes that are simulated and always there.

What Karpenter makes in the cloud already is a NodePool in the plan and stays one. Three other renderings are read from
the plan's resources: node groups of EKS, node pools of GKE, and what Autopilot makes of a ComputeClass. A node that is
always there is a Node; what an autoscaler adds to it is a NodePool with what is left of the bound.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from springtide import catalog
from springtide.catalog import MachineType
from springtide.local import karpenter
from springtide.local.machines import ARCHITECTURES, Shared, resources
from springtide.local.objects import placeholder_owners
from springtide.local.plane.kwok import SIMULATED
from springtide.local.pods import GPU
from springtide.local.refs import Object
from springtide.local.substitution import Here, Substitution, named
from springtide.offline.plan import Plan, Resource
from springtide.offline.views import ClusterView, NetworkView, PoolView

POOL = "springtide.dev/pool"
NODE_CLASS = "simulated"
"""Node class of the NodePools that are made here."""
GENERAL = "general-purpose"
"""Name of the pool for pods that ask for none, where the cloud makes nodes by itself."""
_EKS = "aws:eks/nodeGroup:NodeGroup"
_GKE = "gcp:container/nodePool:NodePool"
_CLASS = "kubernetes:cloud.google.com/v1:ComputeClass"
_HEAVIEST = 100
"""Karpenter's own bound on weights; the steps of a ladder go down from it one by one."""
_EFFECTS = {
    "NO_SCHEDULE": "NoSchedule",
    "PREFER_NO_SCHEDULE": "PreferNoSchedule",
    "NO_EXECUTE": "NoExecute",
}
_EKS_CAPACITIES = {"SPOT": "spot", "CAPACITY_BLOCK": "reserved"}
_GPU_TAINT = {"key": GPU, "value": "present", "effect": "NoSchedule"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Alike nodes that a cloud's service keeps."""

    name: str
    pool: str
    machine: MachineType
    capacity: str
    zones: tuple[str, ...]
    labels: Mapping[str, str]
    taints: Sequence[Mapping[str, str]]
    least: int
    """Nodes that are always there."""
    most: int | None
    """Nodes that it may have; None where the cloud keeps no bound."""
    clients: int = 1
    """Pods that share a GPU."""
    weight: int | None = None
    notes: tuple[str, ...] = field(default=())
    """What of it is not imitated, in words."""

    @property
    def machine_type(self) -> str:
        """Its machine type as a node's label says it."""
        return self.machine.node_label if self.clients == 1 else Shared(machine=self.machine, clients=self.clients).name


def simulated(plan: Plan, here: Here) -> tuple[tuple[Object, ...], tuple[Substitution, ...]]:
    """The nodes and NodePools in place of what the cloud's services keep, and what that replaces."""
    eks, gke, automatic = list(_node_groups(plan)), list(_node_pools(plan)), list(_automatic(plan))
    general = list(_general(plan))
    pools = [*general, *(item for group in (*gke, *automatic) for item in _node_pool(group))]
    classes = [karpenter.node_class(NODE_CLASS, here)] if pools else []
    nodes = [item for group in (*eks, *gke) for item in _nodes(group, plan.environment["region"])]
    return (*classes, *pools, *nodes), (*_general_told(general), *_told(eks, gke, automatic))


def disks(plan: Plan) -> dict[str, int]:
    """Machine type → the largest disk, in GiB, that a pool of the plan gives it."""
    found: dict[str, int] = {}
    for pool in plan.pools():
        for name in pool.machine_types:
            found[name] = max(found.get(name, 0), pool.disk_gib)
    return found


def shared_machines(plan: Plan) -> tuple[Shared, ...]:
    """Machines of the plan whose GPUs are shared."""
    found = {(item.machine_type, item.clients): item for item in _node_pools(plan) if item.clients > 1}
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


def _node_groups(plan: Plan) -> Iterator[Group]:
    by_urn = {item.urn: item for item in plan.resources}
    networks = NetworkView.among(plan.resources)
    everywhere = tuple(zone for network in networks for zone in network.zones)
    for item in plan.of_type(_EKS):
        inputs = item.inputs
        subnets = _owners(inputs["subnetIds"], by_urn)
        template = _owners([inputs.get("launchTemplate", {}).get("id", "")], by_urn)
        types = inputs.get("instanceTypes") or [found.inputs.get("instanceType") for found in template]
        machine = catalog.machine_type("aws", next(iter(types), ""))
        if machine is None:
            continue
        yield Group(
            name=item.name,
            pool=inputs.get("labels", {}).get(POOL, item.name),
            machine=machine,
            capacity=_EKS_CAPACITIES.get(inputs.get("capacityType", ""), "on-demand"),
            zones=tuple(found.inputs["availabilityZoneId"] for found in subnets) or everywhere,
            labels={**inputs.get("labels", {}), "eks.amazonaws.com/nodegroup": item.name},
            taints=[_taint(taint) for taint in inputs.get("taints", [])],
            least=inputs["scalingConfig"]["desiredSize"],
            most=inputs["scalingConfig"]["desiredSize"],
        )


def _node_pools(plan: Plan) -> Iterator[Group]:
    weights = _weights(plan)
    for item in plan.of_type(_GKE):
        inputs, config = item.inputs, item.inputs["nodeConfig"]
        accelerators = config.get("guestAccelerators", [])
        machine = _gce(config["machineType"], accelerators)
        if machine is None:
            continue
        name = inputs.get("name", item.name)
        least, most = _bounds(inputs)
        sharing = accelerators[0].get("gpuSharingConfig", {}) if accelerators else {}
        spot = bool(config.get("spot"))
        yield Group(
            name=name,
            pool=config.get("labels", {}).get(POOL, name),
            machine=machine,
            capacity=_gke_capacity(config),
            zones=tuple(inputs["nodeLocations"]),
            labels={**config.get("labels", {}), **_gke_labels(name, accelerators, spot=spot)},
            taints=[_taint(taint) for taint in config.get("taints", [])],
            least=least,
            most=most,
            clients=int(sharing.get("maxSharedClientsPerGpu", 1)),
            weight=weights.get(name),
            notes=_gke_notes(config, queued=bool(inputs.get("queuedProvisioning", {}).get("enabled"))),
        )


def _automatic(plan: Plan) -> Iterator[Group]:
    """One group for each rule of each class from which Autopilot makes node pools."""
    for item in plan.of_type(_CLASS):
        spec, name = item.inputs["spec"], item.inputs["metadata"]["name"]
        if not spec.get("nodePoolAutoCreation", {}).get("enabled"):
            continue
        for index, rule in enumerate(spec["priorities"]):
            machine = _gce(rule["machineType"], [rule["gpu"]])
            if machine is None:
                continue
            title, pool, spot = f"{name}.{index}", _pool_of(item), bool(rule.get("spot"))
            yield Group(
                name=title,
                pool=pool,
                machine=machine,
                capacity="reserved" if "reservations" in rule else "spot" if spot else "on-demand",
                zones=tuple(rule["location"]["zones"]),
                labels={
                    "cloud.google.com/compute-class": name,
                    POOL: pool,
                    **_gke_labels(title, [rule["gpu"]], spot=spot),
                },
                # GKE lets whoever selects a class through the class's own taint.
                taints=[_GPU_TAINT],
                least=0,
                most=None,
                weight=_HEAVIEST - index,
                notes=("flex-start capacity",) if "flexStart" in rule else (),
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


def _weights(plan: Plan) -> dict[str, int]:
    """Node pool of a ladder → its weight: what the class tries first is the heaviest."""
    return {
        name: _HEAVIEST - index
        for item in plan.of_type(_CLASS)
        for index, rule in enumerate(item.inputs["spec"]["priorities"])
        for name in rule.get("nodepools", [])
    }


def _bounds(inputs: Mapping[str, Any]) -> tuple[int, int]:
    scaling = inputs.get("autoscaling")
    if scaling is None:
        fixed = inputs.get("nodeCount", inputs.get("initialNodeCount", 0)) * len(inputs["nodeLocations"])
        return fixed, fixed
    return scaling["totalMinNodeCount"], scaling["totalMaxNodeCount"]


def _gce(name: str, accelerators: Sequence[Mapping[str, Any]]) -> MachineType | None:
    """The machine type of that name with these accelerators on it."""
    wanted = [(item["type"], item["count"]) for item in accelerators] or [("", 0)]
    alike = [item for item in catalog.machine_types("gcp") if item.instance_type == name]
    return next((item for item in alike if not item.attachable or (item.accelerator, item.gpus) in wanted), None)


def _gke_capacity(config: Mapping[str, Any]) -> str:
    if config.get("spot"):
        return "spot"
    named_one = config.get("reservationAffinity", {}).get("consumeReservationType") == "SPECIFIC_RESERVATION"
    return "reserved" if named_one else "on-demand"


def _gke_labels(name: str, accelerators: Sequence[Mapping[str, Any]], *, spot: bool) -> dict[str, str]:
    """Labels that GKE gives a node by itself."""
    own = {"cloud.google.com/gke-nodepool": name}
    gpu = {"cloud.google.com/gke-accelerator": accelerators[0]["type"]} if accelerators else {}
    return {**own, **gpu, **({"cloud.google.com/gke-spot": "true"} if spot else {})}


def _gke_notes(config: Mapping[str, Any], *, queued: bool) -> tuple[str, ...]:
    found = {"flex-start capacity": bool(config.get("flexStart")), "capacity that is queued for": queued}
    return tuple(note for note, there in found.items() if there)


def _taint(taint: Mapping[str, str]) -> dict[str, str]:
    return {**taint, "effect": _EFFECTS.get(taint["effect"], taint["effect"])}


def _owners(values: Sequence[str], by_urn: Mapping[str, Resource]) -> list[Resource]:
    return [by_urn[urn] for value in values for urn in placeholder_owners(value) if urn in by_urn]


def _pool_of(item: Resource) -> str:
    """Name of the GPU pool that a resource is part of."""
    is_part = item.parent is not None and f"{PoolView.TYPE}::" in item.parent
    return str(item.parent).rpartition("::")[2] if is_part else item.name
