"""A model server behind one address inside the cluster."""

from dataclasses import replace
from typing import Literal, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import grace
from springtide.cluster import ClusterRef
from springtide.component import checked, child_of, intent, tell
from springtide.identity import GrantArgs, WorkloadIdentity
from springtide.k8s.serving import Server, cpu_autoscaler, deployment, disruption_budget
from springtide.k8s.serving import service as address
from springtide.pool import SYSTEM, PoolRef, fits
from springtide.spec import Finding, ServiceSpec, dns_label, refuse, warn
from springtide.training import JobRef
from springtide_workloads.contract import Device, ServingContract

EXIT_MARGIN_SECONDS = 5
"""Between the end of the drain and SIGKILL, for the process to end by itself."""
SYSTEM_NODES = {"springtide.dev/pool": SYSTEM}
CPU_MEMORY_GIB = 3
CPU_SCRATCH_GIB = 5
"""What a server on a system node gets; those have 8 GiB and a 50 GiB disk, and other things to do."""


class ModelArgs(TypedDict):
    """Which model a service loads."""

    job: JobRef
    """Training job whose run exported it; take it from `TrainingJob.ref`."""


class ReplicasArgs(TypedDict):
    """How many servers run."""

    min: NotRequired[int]
    """At least. Default 1; 0 needs something that wakes the service."""
    max: NotRequired[int]
    """At most. Default 1."""


class ScaleOnArgs(TypedDict):
    """What makes a service grow from its minimum towards its maximum."""

    cpu_percent: NotRequired[int]
    """CPU use of a replica, in percent of what it requests, to aim at; for services that compute on the CPU."""


class ModelServiceArgs(TypedDict):
    """Arguments of `ModelService`."""

    cluster: ClusterRef
    """Cluster it runs in; take it from `Cluster.ref`."""
    pool: NotRequired[PoolRef | None]
    """Pool it runs on; take it from `GpuPool.ref`. Default: the system nodes, and the CPU."""
    model: ModelArgs
    """Model to serve."""
    replicas: NotRequired[ReplicasArgs]
    """How many servers run. Default: exactly one."""
    scale_on: NotRequired[ScaleOnArgs]
    """What makes it grow. Default: nothing, it stays at its minimum."""
    gpus: NotRequired[int]
    """Accelerators of each replica. Default: 1 on a pool, 0 without one."""
    expose: NotRequired[str]
    """Who can reach it from outside the cluster: `none` (default)."""
    image: NotRequired[str]
    """Image by digest. Default: the environment's; without one the service waits."""
    propagation_seconds: NotRequired[int]
    """After SIGTERM, how long new requests are still answered while everyone learns of it. Default 10."""
    drain_seconds: NotRequired[int]
    """After that, how long accepted requests may take to finish. Default 60."""


class ModelService(pulumi.ComponentResource):
    """Model servers that answer over HTTP and drain before they go."""

    endpoint: pulumi.Output[str]
    """Address inside the cluster."""

    def __init__(self, name: str, args: ModelServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        job, pool, cluster = args["model"]["job"], args.get("pool"), args["cluster"]
        plain = {**args, "model": {"job": job["name"]}}
        spec = checked(
            ServiceSpec,
            plain,
            f"ModelService {name}",
            wiring=["cluster", "pool"],
            rules=lambda spec: [
                *dns_label("/name", name),
                *findings(spec, cluster["environment"]["cloud"], cluster["version"], pool),
            ],
        )
        spec = replace(spec, gpus=gpus_of(spec, on_pool=pool is not None))
        grace_seconds = spec.propagation_seconds + spec.drain_seconds + EXIT_MARGIN_SECONDS
        said = intent(spec, pool=None if pool is None else pool["name"], grace_seconds=grace_seconds)
        said |= {"minReplicas": spec.replicas.min, "maxReplicas": spec.replicas.max}
        del said["replicas"]
        super().__init__("springtide:index:ModelService", name, said, opts)
        tell([*_waits(name, spec, job), *_stays_small(name, spec)])
        if spec.image is not None and job["started"]:
            self._serve(name, spec, args, _contract(spec, job, grace_seconds))
        self.endpoint = pulumi.Output.concat("http://", name, ".", cluster["namespace"])
        self.register_outputs(said | {"endpoint": self.endpoint})

    def _serve(self, name: str, spec: ServiceSpec, args: ModelServiceArgs, agreed: ServingContract) -> None:
        cluster, job, pool = args["cluster"], args["model"]["job"], args.get("pool")
        space, inside, gpus = cluster["namespace"], child_of(self), gpus_of(spec, on_pool=pool is not None)
        export = job["artifacts_url"].removeprefix(f"{job['storage']['url']}/")
        grant = GrantArgs(storage=job["storage"], prefix=export)
        identity = WorkloadIdentity(name, {"cluster": cluster, "grants": [grant]}, inside)
        server = Server(
            name=name,
            image=str(spec.image),
            contract=agreed,
            gpus=gpus,
            replicas=spec.replicas.min,
            spare_replica=_has_room_for_one_more(spec, pool),
            namespace=space,
            account=identity.service_account,
            selector=SYSTEM_NODES if pool is None else pool["selector"],
            memory_gib=_share(gpus, pool, "memory_gib", CPU_MEMORY_GIB),
            scratch_gib=_share(gpus, pool, "scratch_gib", CPU_SCRATCH_GIB),
        )
        # An autoscaler owns the count once it is there; writing it back would reset capacity at every update.
        scales = spec.scale_on.cpu_percent is not None
        owned = child_of(self, ignore_changes=["spec.replicas"] if scales else None)
        kubernetes.apps.v1.Deployment(name, **deployment(server), opts=owned)
        kubernetes.core.v1.Service(name, **address(name, space), opts=inside)
        kubernetes.policy.v1.PodDisruptionBudget(name, **disruption_budget(name, space), opts=inside)
        if spec.scale_on.cpu_percent is not None:
            bounds = {"least": spec.replicas.min, "most": spec.replicas.max}
            scaler = cpu_autoscaler(name, space, cpu_percent=spec.scale_on.cpu_percent, **bounds)
            kubernetes.autoscaling.v2.HorizontalPodAutoscaler(name, **scaler, opts=inside)


def gpus_of(spec: ServiceSpec, *, on_pool: bool) -> int:
    """Accelerators of a replica: what the spec says, else one on a pool and none elsewhere."""
    return spec.gpus if spec.gpus is not None else int(on_pool)


def findings(spec: ServiceSpec, cloud: str, version: str, pool: PoolRef | None) -> list[Finding]:
    """What is impossible about a service on this pool."""
    gpus = gpus_of(spec, on_pool=pool is not None)
    most = 0 if pool is None else pool["gpus_per_node"]
    found = []
    if gpus > most:
        where = "without a pool there is no GPU" if pool is None else f"a node of pool {pool['name']} has {most}"
        message = f"{gpus} GPUs a replica: {where}."
        found.append(refuse("spec/gpus", "/gpus", gpus, message, f"use at most {most}, or another pool"))
    elif pool is not None:
        room = pool["max_nodes"] * (most // max(gpus, 1))
        found += fits("/replicas/max", spec.replicas.max, pool["name"], room, "replicas")
    if gpus > 0 and spec.scale_on.cpu_percent is not None:
        message = "CPU use says nothing about a server that computes on a GPU."
        fix = "remove cpu_percent: the service stays at replicas.min in this version"
        found.append(refuse("spec/scale-on", "/scale_on/cpu_percent", spec.scale_on.cpu_percent, message, fix))
    return [*found, *_drain_fits(spec, cloud, version, pool)]


def _drain_fits(spec: ServiceSpec, cloud: str, version: str, pool: PoolRef | None) -> list[Finding]:
    allowed = grace.budget(cloud, version, ["on-demand"] if pool is None else pool["capacity"]).grace_seconds
    needed = spec.propagation_seconds + spec.drain_seconds + EXIT_MARGIN_SECONDS
    if needed <= allowed:
        return []
    message = f"propagation, drain and exit take {needed} s; a pod of this pool has {allowed} s when its machine goes."
    fix = f"lower propagation_seconds and drain_seconds to {allowed - EXIT_MARGIN_SECONDS} together"
    return [refuse("spec/drain", "/drain_seconds", spec.drain_seconds, message, fix)]


def _share(gpus: int, pool: PoolRef | None, of: Literal["memory_gib", "scratch_gib"], without_pool: int) -> int:
    """A replica's part of a node, in proportion to its GPUs."""
    if pool is None:
        return without_pool
    return max(pool[of] * max(gpus, 1) // pool["gpus_per_node"], 1)


def _has_room_for_one_more(spec: ServiceSpec, pool: PoolRef | None) -> bool:
    if pool is None:
        return True
    gpus = gpus_of(spec, on_pool=True)
    return (spec.replicas.max + 1) * gpus <= pool["max_nodes"] * pool["gpus_per_node"]


def _contract(spec: ServiceSpec, job: JobRef, grace_seconds: int) -> ServingContract:
    return ServingContract(
        model_url=job["artifacts_url"],
        device=Device.CUDA if spec.gpus else Device.CPU,
        grace_seconds=grace_seconds,
        propagation_seconds=spec.propagation_seconds,
        drain_seconds=spec.drain_seconds,
    )


def _waits(name: str, spec: ServiceSpec, job: JobRef) -> list[Finding]:
    found = []
    if spec.image is None:
        fix = "build and push workloads/images/workloads, then set images.digest"
        found.append(warn("images/missing", f"/services/{name}/image", None, f"service {name} waits: no image.", fix))
    if not job["started"]:
        message = f"service {name} waits: job {job['name']} has no run whose model it could load."
        found.append(warn("services/no-model", f"/services/{name}/model", job["name"], message, "give the job a run"))
    return found


def _stays_small(name: str, spec: ServiceSpec) -> list[Finding]:
    if spec.scale_on.cpu_percent is not None or spec.replicas.max == spec.replicas.min:
        return []
    message = f"service {name} stays at {spec.replicas.min} replicas: nothing in this version scales it on demand."
    fix = "raise replicas.min by hand until signals (KEDA) are in the plan"
    return [warn("services/no-signal", f"/services/{name}/replicas/max", spec.replicas.max, message, fix)]
