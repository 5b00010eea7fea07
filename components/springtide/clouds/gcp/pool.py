"""A GPU pool as node pools of GKE, and a ComputeClass where they have an order; in an Autopilot cluster as the class alone."""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from springtide.clouds import PoolParts
from springtide.clouds.gcp import automatic
from springtide.clouds.gcp.compute_class import (
    API_VERSION,
    COMPUTE_CLASS,
    KIND,
    class_name,
    compute_class,
)
from springtide.clouds.gcp.fabric import Fabric, fabric, unknown_floor_findings
from springtide.clouds.gcp.fabric_nodes import daemon_sets
from springtide.clouds.gcp.fabric_pods import direct_part
from springtide.clouds.gcp.flex import MOST_SECONDS, most_seconds
from springtide.clouds.gcp.groups import Group, groups, together
from springtide.clouds.gcp.node_pool import arguments, taints
from springtide.clouds.gcp.reservation import shared_block_findings, unknown_findings
from springtide.cluster import ClusterRef
from springtide.component import after, child_of, refused, tell
from springtide.k8s import Manifest
from springtide.k8s.pod import PodPart
from springtide.selection import Choice
from springtide.spec import Finding, PoolSpec, below, warn

AT_ONCE = 2
"""Node pools of one GPU pool made at the same time: GKE runs about five operations of a cluster at once, and refuses more
(terraform-provider-google issue 15579)."""
POOL = "springtide.dev/pool"
DO_NOT_EVICT = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
"""A run is not moved for the sake of a fuller node, nor to a better rung."""
QUEUED = ({"key": "cloud.google.com/gke-queued", "value": "true", "effect": "NoSchedule"},)
"""GKE's own taint of queued nodes."""
_OWNED_BY_GKE = [
    # Where a pool begins; the autoscaler decides how it goes on, and another beginning would be another pool.
    "initialNodeCount",
    # GKE fills in what comes with the machine, and a difference would replace the pool (mozilla/terraform-modules issue 464).
    "nodeConfig.ephemeralStorageLocalSsdConfig",
    "nodeConfig.localNvmeSsdBlockConfig",
]
_TIMEOUTS = pulumi.CustomTimeouts(create="45m", update="4h", delete="90m")
"""An upgrade takes node after node, each with an hour to drain; so does a deletion, all nodes at once."""


def gpu_pool(name: str, spec: PoolSpec, choice: Choice, cluster: ClusterRef, parent: pulumi.Resource) -> PoolParts:
    """Node pools that nothing but a workload's toleration can enter."""
    path = f"/pools/{name}"
    part = pod_part(name, spec, choice, version=cluster["version"], mode=cluster["mode"])
    foreign = shared_block_findings(spec, cluster["environment"]["account"])
    refused(below(path, foreign), f"GpuPool {name}")
    tell(unknown_findings(path, spec, choice))
    made_of = groups(name, spec, choice)
    by_class = {COMPUTE_CLASS: class_name(name)}
    if cluster["mode"] == "auto":
        tell([*automatic.unbounded(path, spec), *automatic.mixed(path, spec)])
        made = _class(name, automatic.automatic_class(name, spec, made_of), [], parent)
        return PoolParts(selector=after(by_class, made), pod=part)
    tell([*unknown_floor_findings(path, spec, choice, cluster["version"]), *_may_exceed(path, spec, made_of)])
    networks = _networks(name, spec, choice, cluster, parent)
    pools: list[pulumi.Resource] = []
    for group in made_of:
        pools.append(_node_pool(group, spec, cluster, networks, _made_before(pools), parent))
    daemons = _daemons(name, spec, choice, pools, parent)
    if len(spec.capacity) == 1:
        return PoolParts(selector=after({POOL: name}, *pools, *daemons), pod=part)
    ladder = _class(name, compute_class(name, spec, made_of), pools, parent)
    return PoolParts(selector=after(by_class, ladder, *pools, *daemons), pod=part)


def pod_part(
    name: str,
    spec: PoolSpec,
    choice: Choice,
    *,
    version: str,  # noqa: ARG001  the protocol's signature
    mode: str,
) -> PodPart:
    """What a pod says that takes a whole node: its fabric's part, what lets it in, and what keeps a job in one place."""
    direct = spec.fabric == "gpudirect" and bool(choice.machine_types)
    part = direct_part(name, choice.machine_types[0]) if direct else PodPart()
    notes = {**part.get("annotations", {}), **(DO_NOT_EVICT if spec.purpose == "training" else {})}
    accepted = [
        {"operator": "Equal", **taint}
        for taint in (*taints(name, spec), *(QUEUED if "queued" in spec.capacity else ()))
    ]
    part = {**part, "annotations": notes, "tolerations": accepted, "together": together(spec, mode)}
    return {**part, "request": {MOST_SECONDS: str(most_seconds(spec))}} if "queued" in spec.capacity else part


def _node_pool(  # noqa: PLR0913, PLR0917  a node pool ties all of these together
    group: Group,
    spec: PoolSpec,
    cluster: ClusterRef,
    networks: Fabric | None,
    before: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> pulumi.Resource:
    place = cluster["environment"]
    said = arguments(group, spec, version=cluster["version"], environment=place["name"], account=cluster["node_role"])
    ready = () if networks is None else networks.ready
    said["network_config"] = {"enable_private_nodes": True, **_cards(networks)}
    return gcp.container.NodePool(
        group.title,
        cluster=cluster["name"],
        location=place["region"],
        **said,
        opts=child_of(
            parent,
            depends_on=[*ready, *before],
            protect=group.kind == "reserved" if spec.protect is None else spec.protect,
            ignore_changes=_OWNED_BY_GKE,
            # Its name is taken, and scarce machines are not to be had twice.
            delete_before_replace=True,
            custom_timeouts=_TIMEOUTS,
        ),
    )


def _made_before(made: Sequence[pulumi.Resource]) -> Sequence[pulumi.Resource]:
    """What the next one waits for, so that `AT_ONCE` of them are being made."""
    return made[-AT_ONCE:][:1] if len(made) >= AT_ONCE else ()


def _cards(networks: Fabric | None) -> dict[str, list[dict[str, pulumi.Output[str]]]]:
    if networks is None:
        return {}
    pairs = zip(networks.networks, networks.interfaces, strict=True)
    return {
        "additional_node_network_configs": [
            {"network": network.name, "subnetwork": subnet.name} for network, subnet in pairs
        ]
    }


def _networks(name: str, spec: PoolSpec, choice: Choice, cluster: ClusterRef, parent: pulumi.Resource) -> Fabric | None:
    if spec.fabric != "gpudirect":
        return None
    return fabric(name, choice.machine_types[0], choice.zones[0], cluster, parent)


def _daemons(
    name: str, spec: PoolSpec, choice: Choice, pools: Sequence[pulumi.Resource], parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """What nodes with a fabric are prepared by: there before a pod that uses it, and gone before the nodes."""
    if spec.fabric != "gpudirect":
        return []
    return [
        kubernetes.apps.v1.DaemonSet(f"{name}-{title}", **manifest, opts=child_of(parent, depends_on=list(pools)))
        for title, manifest in daemon_sets(name, choice.machine_types[0]).items()
    ]


def _class(
    name: str, manifest: Manifest, made_of: Sequence[pulumi.Resource], parent: pulumi.Resource
) -> pulumi.Resource:
    return kubernetes.apiextensions.CustomResource(
        name, api_version=API_VERSION, kind=KIND, **manifest, opts=child_of(parent, depends_on=list(made_of))
    )


def _may_exceed(path: str, spec: PoolSpec, made_of: Sequence[Group]) -> list[Finding]:
    """GKE counts each node pool by itself; whoever pays must know what that can come to."""
    most = spec.max_nodes * len(made_of)
    if most == spec.max_nodes:
        return []
    message = f"GKE bounds each of {len(made_of)} node pools, and not all together: {most} nodes at worst."
    gpus = spec.max_nodes * spec.gpus_per_node
    fix = f"let its jobs wait in a queue of max_gpus {gpus}, or name one kind of capacity and one zone"
    return [warn("gcp/ceiling", f"{path}/max_nodes", spec.max_nodes, message, fix)]
