"""A GPU pool on this machine: Karpenter makes its nodes as pods ask for them, and its kwok provider simulates them.

Rungs, limits, taints and what may end a node are those of the AWS rendering.
"""

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import catalog
from springtide.clouds import PoolParts
from springtide.clouds.local.boot import registration_delay
from springtide.clouds.local.pool_rules import rungs_of
from springtide.cluster import ClusterRef
from springtide.component import after, child_of
from springtide.environment import machines_of
from springtide.k8s import Manifest
from springtide.k8s.karpenter import DELETE_TIMEOUT, DO_NOT_DISRUPT, node_pool, requirements
from springtide.k8s.pod import PodPart
from springtide.ladder import RUNG, Rung, gathered, node_labels, node_taints, tolerations
from springtide.selection import Choice
from springtide.spec import PoolSpec

GROUP, KIND = "karpenter.kwok.sh", "KWOKNodeClass"
ZONE = "topology.kubernetes.io/zone"
"""Node label that names the zone; the kwok provider knows no other. Its values are the zone ids of the imitated cloud."""


def gpu_pool(name: str, spec: PoolSpec, choice: Choice, cluster: ClusterRef, parent: pulumi.Resource) -> PoolParts:
    """Machines that pods of this pool wake."""
    found = rungs_of(name, spec, choice)
    place = cluster["environment"]
    karpenter = pulumi.Output.from_input(cluster["controllers"]["karpenter"])
    machines = _custom(name, node_class(karpenter.apply(lambda _version: name), machines_of(place)), parent)
    pools = [
        _custom(rung.name, _node_pool(name, spec, choice, rung, place["region"]), parent, machines) for rung in found
    ]
    return PoolParts(
        selector=after({"springtide.dev/pool": name}, machines, *pools),
        pod=pod_part(name, spec, choice, version=cluster["version"], mode=cluster["mode"]),
    )


def pod_part(name: str, spec: PoolSpec, choice: Choice, *, version: str, mode: str) -> PodPart:  # noqa: ARG001
    """What a pod says that takes a whole node of the pool."""
    return PodPart(
        resources={},
        env={},
        annotations=dict(DO_NOT_DISRUPT) if spec.purpose == "training" else {},
        tolerations=tolerations(spec),
        together=RUNG if gathered(spec) else ZONE,
    )


def node_class(name: object, machines: str) -> Manifest:
    """How machines of a pool come: simulated, after the time that those of the imitated cloud take."""
    return {
        "api_version": f"{GROUP}/v1alpha1",
        "kind": KIND,
        "metadata": {"name": name},
        "spec": {"nodeRegistrationDelay": registration_delay(machines)},
    }


def _node_pool(name: str, spec: PoolSpec, choice: Choice, rung: Rung, region: str) -> Manifest:
    offered = [item for item in choice.machine_types if set(catalog.offered(item, region)) & set(rung.zones)]
    return node_pool(
        rung.name,
        weight=rung.weight,
        node_class={"group": GROUP, "kind": KIND, "name": name},
        requirements=requirements(
            rung.kinds, {machine.node_label: machine.architecture for machine in offered}, ZONE, rung.zones
        ),
        labels=node_labels(name, spec, rung.name),
        taints=node_taints(spec),
        purpose=spec.purpose,
        gpus=spec.max_nodes * spec.gpus_per_node,
    )


def _custom(
    name: str, manifest: Manifest, parent: pulumi.Resource, *needed: pulumi.Resource
) -> kubernetes.apiextensions.CustomResource:
    gone = pulumi.CustomTimeouts(delete=DELETE_TIMEOUT)
    opts = child_of(parent, depends_on=list(needed), custom_timeouts=gone)
    return kubernetes.apiextensions.CustomResource(name, **manifest, opts=opts)
