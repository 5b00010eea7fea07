"""What a cloud's own service keeps of nodes, read from a plan: node groups of EKS, node pools of GKE, Autopilot's rules."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from springtide import catalog
from springtide.catalog import MachineType
from springtide.local.cluster.refs import POOL
from springtide.local.render.machines import Shared
from springtide.local.render.objects import placeholder_owners
from springtide.local.render.pods import GPU
from springtide.offline.plan import Plan, Resource
from springtide.offline.views import NetworkView, PoolView

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


def node_groups(plan: Plan) -> Iterator[Group]:
    """The node groups of EKS. None of them grows by itself: `most` is what it has."""
    by_urn = {item.urn: item for item in plan.resources}
    networks = NetworkView.among(plan.resources)
    everywhere = tuple(zone for network in networks for zone in network.zones)
    for item in plan.of_type(_EKS):
        inputs = item.inputs
        subnets = _owners(inputs["subnetIds"], by_urn)
        machine = _ec2(item, by_urn)
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


def node_pools(plan: Plan) -> Iterator[Group]:
    """The node pools of GKE, with the weights that the ComputeClasses give them."""
    weights = _weights(plan)
    for item in plan.of_type(_GKE):
        inputs, config = item.inputs, item.inputs["nodeConfig"]
        accelerators = config.get("guestAccelerators", [])
        machine = _gce(config)
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


def automatic_pools(plan: Plan) -> Iterator[Group]:
    """One group for each rule of each class from which Autopilot makes node pools."""
    for item in plan.of_type(_CLASS):
        spec, name = item.inputs["spec"], item.inputs["metadata"]["name"]
        if not spec.get("nodePoolAutoCreation", {}).get("enabled"):
            continue
        for index, rule in enumerate(spec["priorities"]):
            machine = _gce(_config(rule))
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


def _ec2(item: Resource, by_urn: Mapping[str, Resource]) -> MachineType | None:
    """The machine type of a node group, where the catalog knows it: its own, or its launch template's."""
    template = _owners([item.inputs.get("launchTemplate", {}).get("id", "")], by_urn)
    types = item.inputs.get("instanceTypes") or [found.inputs.get("instanceType", "") for found in template]
    return catalog.machine_type("aws", next(iter(types), ""))


def _gce(config: Mapping[str, Any]) -> MachineType | None:
    """The machine type of a node pool with its accelerators, where the catalog knows it."""
    wanted = [(item["type"], item["count"]) for item in config.get("guestAccelerators", [])]
    alike = [item for item in catalog.machine_types("gcp") if item.instance_type == config["machineType"]]
    return next((item for item in alike if not item.attachable or (item.accelerator, item.gpus) in wanted), None)


def _config(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule of a ComputeClass in the words of a node pool."""
    return {"machineType": rule["machineType"], "guestAccelerators": [rule["gpu"]]}


def unknown_machines(plan: Plan) -> Iterator[str]:
    """Names of what would make machines of types that the catalog does not know."""
    by_urn = {item.urn: item for item in plan.resources}
    yield from (item.name for item in plan.of_type(_EKS) if _ec2(item, by_urn) is None)
    yield from (item.name for item in plan.of_type(_GKE) if _gce(item.inputs["nodeConfig"]) is None)
    for item in plan.of_type(_CLASS):
        rules = [rule for rule in item.inputs["spec"]["priorities"] if "machineType" in rule]
        yield from (item.name for rule in rules if _gce(_config(rule)) is None)


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
