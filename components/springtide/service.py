"""A model server behind one address inside the cluster."""

import re
from dataclasses import replace
from typing import Literal, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import clouds, exposure, gateway, grace, served
from springtide.autoscaling import KEDA, autoscaler, scales
from springtide.cluster import ClusterRef
from springtide.component import checked, child_of, intent, tell
from springtide.controllers import absent
from springtide.identity import WorkloadIdentity
from springtide.k8s.exposure import front_labels
from springtide.k8s.pod import Place, PodPart, alone
from springtide.k8s.serving import EXIT_MARGIN_SECONDS, Server, deployment, disruption_budget
from springtide.k8s.serving import service as front_of
from springtide.monitoring import watch
from springtide.place import DEFAULT_ACCOUNT, system_nodes
from springtide.pool import PoolRef, fits, known_pool
from springtide.served import ModelArgs
from springtide.spec import Finding, ServiceSpec, refuse, warn
from springtide.spec.work import service_name
from springtide_workloads.contract import PREDICTOR

CPU_MILLIS = 250
CPU_MEMORY_GIB = 3
CPU_SCRATCH_GIB = 5
"""What a server on a system node gets, and uses more CPU where there is more; those have 2 cores, 8 GiB, a 50 GiB disk,
and other things to do."""


class ReplicasArgs(TypedDict):
    """How many servers run."""

    min: NotRequired[int]
    """At least. Default 1. With 0 a gateway of two CPU pods, which stay, holds requests while no server runs, and wakes one."""
    max: NotRequired[int]
    """At most. Default 1."""


class ScaleOnArgs(TypedDict):
    """What makes a service grow from its minimum towards its maximum."""

    cpu_percent: NotRequired[int]
    """CPU use of a replica, in percent of what it requests, to aim at; for services that compute on the CPU."""
    in_flight_per_replica: NotRequired[int]
    """Requests of a replica, computed or waiting, to aim at. KEDA reads them from the servers."""


class PublicArgs(TypedDict):
    """A name on the internet. It is served by HTTPS, with a certificate that renews itself."""

    host: str
    """Name under which the service is reached, such as chat.example.com."""
    zone: str
    """DNS zone that the name lies in, which is there already: hosted zone id on AWS, name of the managed zone on GCP."""
    auth: NotRequired[str]
    """Who may use it: `keys`, whoever sends one of the keys in Secret <service>-keys; `open`, everybody. No default."""


class ModelServiceArgs(TypedDict):
    """Arguments of `ModelService`."""

    cluster: ClusterRef
    """Cluster it runs in; take it from `Cluster.ref`."""
    pool: NotRequired[PoolRef | None]
    """Pool it runs on; take it from `GpuPool.ref`. Default: the CPU, on the system nodes where these are ours."""
    model: ModelArgs
    """Model to serve."""
    backend: NotRequired[str]
    """Kind of server: `springtide` (default), `vllm`, `sglang`, `triton`."""
    predictor: NotRequired[str]
    """What serves it, `name[:key=value,...]`: `gpt` with OpenAI's endpoints (default), or a class of a module in the image."""
    arguments: NotRequired[list[str]]
    """More arguments of a server that is not ours, such as --max-model-len=8192."""
    replicas: NotRequired[ReplicasArgs]
    """How many servers run. Default: exactly one."""
    scale_on: NotRequired[ScaleOnArgs]
    """What makes it grow. Default: nothing, it stays at its minimum."""
    gpus: NotRequired[int]
    """Accelerators of each replica. Default: 1 on a pool, 0 without one."""
    expose: NotRequired[str]
    """Who can reach it from outside the cluster: `none` (default), `internal` (the network, and what is joined to it)."""
    public: NotRequired[PublicArgs]
    """A name on the internet, in place of `expose`."""
    image: NotRequired[str]
    """Image by digest. Default: the environment's; without one the service waits. A backend that is not ours has no default."""
    gateway_image: NotRequired[str]
    """Image of ours by digest, for gateways before a backend that is not ours. Default: the environment's."""
    propagation_seconds: NotRequired[int]
    """After SIGTERM, how long new requests are still answered while everyone learns of it. Default 10."""
    drain_seconds: NotRequired[int]
    """After that, how long accepted requests may take to finish. Default 60."""
    startup_seconds: NotRequired[int]
    """Time the model may take to load before its server is given up, machine and image aside. Default 600."""
    split: NotRequired[dict[str, int]]
    """Percent of its requests that other services answer, by their names: arms of an A/B test. Default: none."""


class ModelService(pulumi.ComponentResource):
    """Model servers that answer over HTTP and drain before they go."""

    endpoint: pulumi.Output[str]
    """Address inside the cluster."""
    address: pulumi.Output[str]
    """Address for those outside whom it is exposed to; the one inside the cluster where there are none."""

    def __init__(self, name: str, args: ModelServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        args = _known(args)
        pool, cluster = args.get("pool"), args["cluster"]
        expose = args.get("public", args.get("expose", exposure.NONE))
        plain = {**args, "model": served.names(args["model"]), "expose": expose}
        spec = checked(
            ServiceSpec,
            plain,
            f"ModelService {name}",
            wiring=["cluster", "pool", "public"],
            rules=lambda spec: [
                *service_name("/name", name),
                *findings(spec, cluster["environment"]["cloud"], cluster["version"], pool),
                *gateway.name_findings("/name", name, spec),
                *absent(
                    cluster, controllers(spec), "/scale_on/in_flight_per_replica", spec.scale_on.in_flight_per_replica
                ),
                *_way_in(spec, cluster),
            ],
        )
        spec = replace(spec, gpus=gpus_of(spec, on_pool=pool is not None))
        said = intent(spec, pool=None if pool is None else pool["name"], grace_seconds=served.grace_seconds(spec))
        said |= {"minReplicas": spec.replicas.min, "maxReplicas": spec.replicas.max}
        del said["replicas"]
        super().__init__("springtide:index:ModelService", name, said, opts)
        tell([*served.waits(name, spec, args["model"]), *_stays_small(name, spec), *exposure.warnings(name, spec)])
        self.endpoint = pulumi.Output.concat("http://", name, ".", cluster["namespace"])
        self.address = self.endpoint
        if served.ready(spec, args["model"]):
            front = self._serve(name, spec, args)
            if (address := exposure.address(name, spec, cluster, front, self)) is not None:
                self.address = address
        self.register_outputs(said | {"endpoint": self.endpoint, "address": self.address})

    def _serve(self, name: str, spec: ServiceSpec, args: ModelServiceArgs) -> pulumi.Resource:
        """The servers and all that keeps them; the Service in front of them."""
        cluster, pool, model = args["cluster"], args.get("pool"), args["model"]
        space, inside, gpus = cluster["namespace"], child_of(self), gpus_of(spec, on_pool=pool is not None)
        server = Server(
            name=name,
            image=str(spec.image),
            backend=served.backend_of(spec),
            launch=served.launch(name, spec, model, gpus),
            env=served.env(name, spec, model, gpus),
            propagation_seconds=spec.propagation_seconds,
            grace_seconds=served.grace_seconds(spec),
            replicas=spec.replicas.min,
            spare_replica=_has_room_for_one_more(spec, pool),
            startup_seconds=spec.startup_seconds,
            place=self._place(name, gpus, args),
            keys=served.keys(name, spec),
            hub_token=served.hub_token(name, model),
            conditions=() if spec.has_gateway else exposure.conditions(name, spec, cluster),
        )
        # An autoscaler owns the count once it is there; writing it back would reset capacity at every update.
        owned = child_of(self, ignore_changes=["spec.replicas"] if scales(spec) else None)
        servers = kubernetes.apps.v1.Deployment(name, **deployment(server), opts=owned)
        held = [gateway.build(name, spec, cluster, self)] if spec.has_gateway else []
        # What clients reach changes once it is there.
        numbers = "metrics" if spec.has_gateway else server.backend.metrics_port_name
        led = child_of(self, depends_on=held)
        front = kubernetes.core.v1.Service(name, **front_of(name, space, front_labels(name, spec), numbers), opts=led)
        kubernetes.policy.v1.PodDisruptionBudget(name, **disruption_budget(name, space), opts=inside)
        autoscaler(name, spec, cluster, child_of(self, depends_on=[servers, *held]))
        watch(name, spec, cluster, inside)
        return front

    def _place(self, name: str, gpus: int, args: ModelServiceArgs) -> Place:
        cluster, pool = args["cluster"], args.get("pool")
        grants = served.grants(args["model"])
        account: pulumi.Input[str] = DEFAULT_ACCOUNT
        if grants:
            account = WorkloadIdentity(name, {"cluster": cluster, "grants": grants}, child_of(self)).service_account
        return Place(
            namespace=cluster["namespace"],
            account=account,
            selector=system_nodes(cluster) if pool is None else pool["selector"],
            memory_gib=_share(gpus, pool, "memory_gib", CPU_MEMORY_GIB),
            scratch_gib=_share(gpus, pool, "scratch_gib", CPU_SCRATCH_GIB),
            cpu="1" if pool is not None else f"{CPU_MILLIS}m",
            part=_part(gpus, pool),
            mounts=served.file_systems(args["model"]),
        )


def _known(args: ModelServiceArgs) -> ModelServiceArgs:
    """The arguments with whole references."""
    pool = args.get("pool")
    return {
        **args,
        "model": served.known(args["model"], args["cluster"]["environment"]),
        "pool": None if pool is None else known_pool(pool, "/pool/args"),
    }


def controllers(spec: ServiceSpec) -> tuple[str, ...]:
    """Charts without which nothing makes the service grow."""
    return () if spec.scale_on.in_flight_per_replica is None else (KEDA,)


def _way_in(spec: ServiceSpec, cluster: ClusterRef) -> list[Finding]:
    """What is impossible about how the service is exposed in this cluster."""
    cloud = cluster["environment"]["cloud"]
    if spec.reached == exposure.NONE:
        return []
    needed = exposure.controllers(spec, cloud, cluster["mode"])
    return [
        *clouds.service_findings(cloud, spec, adopted=exposure.adopted(cluster)),
        *absent(cluster, needed, "/expose", spec.reached),
    ]


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
        fix = "use in_flight_per_replica: requests computed or waiting"
        found.append(refuse("spec/scale-on", "/scale_on/cpu_percent", spec.scale_on.cpu_percent, message, fix))
    return [
        *found,
        *_predictor(spec),
        *served.findings(spec, gpus),
        *_nowhere(cloud, pool),
        *_drain_fits(spec, cloud, version, pool),
        *gateway.findings(spec),
    ]


def _predictor(spec: ServiceSpec) -> list[Finding]:
    if re.fullmatch(PREDICTOR, spec.predictor):
        return []
    message = f"{spec.predictor!r} names no predictor."
    fix = "write gpt, or a class of a module in the image, with settings after a colon: team.chat.Chat:max_batch=32"
    return [refuse("services/predictor", "/predictor", spec.predictor, message, fix)]


def _nowhere(cloud: str, pool: PoolRef | None) -> list[Finding]:
    if pool is not None or clouds.load(cloud).system_machine_types:
        return []
    message = f"without a pool it runs on system nodes, and {cloud} has none."
    return [refuse("services/pool", "/pool", None, message, "name a pool")]


def _drain_fits(spec: ServiceSpec, cloud: str, version: str, pool: PoolRef | None) -> list[Finding]:
    allowed = grace.budget(cloud, version, ["on-demand"] if pool is None else pool["capacity"]).grace_seconds
    needed = served.grace_seconds(spec)
    if needed <= allowed:
        return []
    message = f"propagation, drain and exit take {needed} s; a pod of this pool has {allowed} s when its machine goes."
    room = allowed - EXIT_MARGIN_SECONDS
    propagation = min(spec.propagation_seconds, room // 2)
    fix = (
        f"use propagation_seconds: {propagation} and drain_seconds: {room - propagation}, or capacity with more notice"
    )
    return [refuse("spec/drain", "/drain_seconds", spec.drain_seconds, message, fix)]


def _share(gpus: int, pool: PoolRef | None, of: Literal["memory_gib", "scratch_gib"], without_pool: int) -> int:
    """A replica's part of a node, in proportion to its GPUs."""
    if pool is None:
        return without_pool
    return max(pool[of] * max(gpus, 1) // pool["gpus_per_node"], 1)


def _part(gpus: int, pool: PoolRef | None) -> PodPart:
    """What the pool needs a replica to say; the node's fabric is for a replica that has the node to itself."""
    if pool is None:
        return PodPart()
    return pool["pod"] if gpus == pool["gpus_per_node"] else alone(pool["pod"])


def _has_room_for_one_more(spec: ServiceSpec, pool: PoolRef | None) -> bool:
    if pool is None:
        return True
    gpus = gpus_of(spec, on_pool=True)
    return (spec.replicas.max + 1) * gpus <= pool["max_nodes"] * pool["gpus_per_node"]


def _stays_small(name: str, spec: ServiceSpec) -> list[Finding]:
    if scales(spec) or spec.replicas.max == spec.replicas.min:
        return []
    message = f"service {name} stays at {spec.replicas.min} replicas: nothing says what it should grow on."
    fix = "say scale_on: {in_flight_per_replica: 8}, or make replicas.max equal to replicas.min"
    return [warn("services/no-signal", f"/services/{name}/replicas/max", spec.replicas.max, message, fix)]
