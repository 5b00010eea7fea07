"""A queue: a share of the GPU pools that runs wait for in order, each until all its machines can be had."""

from collections.abc import Sequence
from typing import TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import clouds
from springtide.cluster import ClusterRef
from springtide.component import after, checked, child_of, intent, tell
from springtide.controllers import EXISTING, absent
from springtide.k8s import Manifest
from springtide.k8s.queue import (
    API_VERSION,
    Share,
    admission_check,
    any_flavor,
    cluster_queue,
    flavor,
    flavor_name,
    local_queue,
    provisioning_config,
)
from springtide.place import controlled
from springtide.pool import PoolRef, known_pool
from springtide.spec import Finding, QueueSpec, dns_label, refuse, warn

CONTROLLER = "kueue"
DRAIN_TIMEOUT = "30m"
"""A queue goes once its last run has given its place back, which is after that run's pods have saved and ended."""


class QueueArgs(TypedDict):
    """Arguments of `Queue`."""

    cluster: ClusterRef
    """Cluster whose runs wait in it; take it from `Controllers.ref`."""
    pools: list[PoolRef]
    """Pools that its runs may use, at least one; take them from `GpuPool.ref`."""
    max_gpus: int
    """GPUs that its runs may use at once, over all pools."""


class QueueRef(TypedDict):
    """Queue that a job waits in; take it from `Queue.ref`."""

    name: str
    """Name of the queue."""
    label: pulumi.Input[str]
    """What a run's queue label says; whoever uses it is made after the queue and destroyed before it."""
    max_gpus: int
    """GPUs that its runs may use at once."""
    pools: list[str]
    """Names of the pools that its runs may use."""


class Queue(pulumi.ComponentResource):
    """A Kueue queue over some pools.

    Attributes:
        ref: What a job needs to know of it.
    """

    max_gpus: pulumi.Output[int]
    """GPUs that its runs may use at once."""
    label: pulumi.Output[str]
    """What a run's queue label says; whoever uses it is made after the queue and destroyed before it."""

    def __init__(self, name: str, args: QueueArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        cluster, pools = args["cluster"], [known_pool(pool, f"/pools/{i}/args") for i, pool in enumerate(args["pools"])]
        spec = checked(
            QueueSpec,
            args,
            f"Queue {name}",
            wiring=["cluster", "pools"],
            rules=lambda spec: [
                *dns_label("/name", name),
                *findings(spec, {pool["name"]: ceiling(pool) for pool in pools}),
                *absent(cluster, [CONTROLLER], "/cluster", CONTROLLER),
            ],
        )
        said = intent(spec, pools=[pool["name"] for pool in pools])
        super().__init__("springtide:index:Queue", name, said, opts)
        tell(_counted_by_others(name, cluster))
        waits = self._make(name, spec, cluster, [_share(pool) for pool in pools])
        self.max_gpus, self.label = pulumi.Output.from_input(spec.max_gpus), after(name, waits)
        self.ref = QueueRef(
            name=name,
            label=self.label,
            max_gpus=spec.max_gpus,
            pools=[pool["name"] for pool in pools],
        )
        self.register_outputs(said)

    def _make(self, name: str, spec: QueueSpec, cluster: ClusterRef, shares: Sequence[Share]) -> pulumi.Resource:
        """Kueue's objects, from what others name to what names them; they go the other way round, before Kueue does."""
        namespace = controlled(cluster, CONTROLLER, cluster["namespace"])
        flavors = {flavor_name(name, share.pool): flavor(flavor_name(name, share.pool), share) for share in shares}
        needed = [
            self._object("ResourceFlavor", each, manifest, cluster)
            for each, manifest in {**flavors, name: any_flavor(name)}.items()
        ]
        cloud = clouds.load(cluster["environment"]["cloud"])
        if isinstance(cloud, clouds.SupportsQueuedCapacity) and any(share.queued for share in shares):
            config = provisioning_config(name, cloud.provisioning_class)
            asks = self._object("ProvisioningRequestConfig", name, config, cluster)
            needed.append(self._object("AdmissionCheck", name, admission_check(name), cluster, [asks]))
        quota = self._object(
            "ClusterQueue", name, cluster_queue(name, namespace, spec.max_gpus, shares), cluster, needed
        )
        return self._object("LocalQueue", name, local_queue(name, namespace), cluster, [quota])

    def _object(
        self,
        kind: str,
        name: str,
        manifest: Manifest,
        cluster: ClusterRef,
        needed: Sequence[pulumi.Resource] = (),
    ) -> kubernetes.apiextensions.CustomResource:
        return kubernetes.apiextensions.CustomResource(
            name,
            api_version=API_VERSION,
            kind=kind,
            metadata={**manifest["metadata"], "name": controlled(cluster, CONTROLLER, name)},
            spec=manifest["spec"],
            opts=child_of(self, depends_on=list(needed), custom_timeouts=pulumi.CustomTimeouts(delete=DRAIN_TIMEOUT)),
        )


def standing(name: str, spec: QueueSpec, pools: Sequence[str]) -> QueueRef:
    """A queue that is there already, for work in another stack."""
    return QueueRef(name=name, label=name, max_gpus=spec.max_gpus, pools=list(pools))


def findings(spec: QueueSpec, ceilings: dict[str, int]) -> list[Finding]:
    """What is impossible about a queue over pools with so many GPUs each."""
    if not ceilings:
        fix = "make a pool whose purpose is training or general, or remove the queue"
        return [refuse("queues/no-pool", "/max_gpus", spec.max_gpus, "there is no pool that its runs could use.", fix)]
    room = sum(ceilings.values())
    if spec.max_gpus <= room:
        return []
    pools = ", ".join(f"{name} {gpus}" for name, gpus in ceilings.items())
    message = f"its pools never have more than {room} GPUs ({pools})."
    fix = f"use at most {room}, or raise max_nodes of a pool"
    return [refuse("queues/room", "/max_gpus", spec.max_gpus, message, fix)]


def ceiling(pool: PoolRef) -> int:
    """GPUs of a pool when all its nodes are there."""
    return pool["max_nodes"] * pool["gpus_per_node"]


def _share(pool: PoolRef) -> Share:
    return Share(
        pool=pool["name"],
        selector=pool["selector"],
        tolerations=pool["pod"].get("tolerations", []),
        gpus=ceiling(pool),
        queued="queued" in pool["capacity"],
    )


def _counted_by_others(name: str, cluster: ClusterRef) -> list[Finding]:
    if cluster["controllers"][CONTROLLER] != EXISTING:
        return []
    message = (
        f"queue {name}: whether max_gpus holds over all pools is up to the configuration of the Kueue that is there."
    )
    fix = "see that it excludes cpu, memory and ephemeral-storage, and counts each nvidia.com/gpu as one springtide.dev/gpus"
    return [warn("queues/existing", f"/queues/{name}/max_gpus", None, message, fix)]
