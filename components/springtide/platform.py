"""A platform, which jobs and services run on: built by this stack, or by another one that this one joins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import clouds, needs, relations, selection
from springtide.cluster import Cluster, ClusterRef
from springtide.controllers import Controllers
from springtide.environment import Environment, EnvironmentRef, machines_of
from springtide.file_system import FileSystem, FileSystemArgs, mounted
from springtide.network import Network
from springtide.pool import GpuPool, PoolRef, reference
from springtide.queue import Queue, QueueRef, standing
from springtide.settings import Settings
from springtide.spec import PoolSpec, StorageSpec
from springtide.storage import Storage, StorageRef

R = TypeVar("R")

EXPORT = "platform"
"""Name of the stack's output in which a platform says what only the cloud knows of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What jobs and services need to know of the place they run in."""

    cluster: ClusterRef
    inside: pulumi.ResourceOptions
    """Options for components that deploy into the cluster."""
    storage: Mapping[str, StorageRef]
    pools: Mapping[str, PoolRef]
    queues: Mapping[str, QueueRef]


def named(references: Mapping[str, R], name: str | None) -> R | None:
    """What goes by a name; no name, nothing: no queue, no data of one's own, no pool."""
    return None if name is None else references[name]


def build(env: Settings, environment: Environment) -> Platform:
    """A platform of its own, exported for work in other stacks."""
    inside = environment.inside
    network = Network("network", {**env.network, "environment": environment.ref}, inside)
    cluster = Cluster("cluster", {**env.cluster, "environment": environment.ref, "network": network.ref}, inside)
    controllers = Controllers("controllers", {**env.controllers, "cluster": cluster.ref}, cluster.inside)
    buckets = {
        name: Storage(name, {**args, "environment": environment.ref}, inside).ref for name, args in env.storage.items()
    }
    file_systems: dict[str, StorageRef] = {}
    for name, item in env.file_systems.items():
        args: FileSystemArgs = {**env.file_system(item), "cluster": controllers.ref}
        if item.linked_bucket is not None:
            args["linked_bucket"] = buckets[item.linked_bucket]
        file_systems[name] = FileSystem(name, args, cluster.inside).ref
    pools = {
        name: GpuPool(name, {**args, "cluster": controllers.ref}, cluster.inside).ref
        for name, args in env.pools.items()
    }
    usable = [pools[name] for name in env.queued_pools]
    queues = {
        name: Queue(name, {"cluster": controllers.ref, "pools": usable, "max_gpus": item.max_gpus}, cluster.inside).ref
        for name, item in env.queues.items()
    }
    here = Platform(
        cluster=controllers.ref, inside=cluster.inside, storage=buckets | file_systems, pools=pools, queues=queues
    )
    pulumi.export("cluster", cluster.name)
    pulumi.export("kubeconfig", cluster.kubeconfig)
    pulumi.export("storage", {name: item["url"] for name, item in here.storage.items()})
    pulumi.export(EXPORT, exported(here))
    return here


def exported(here: Platform) -> dict[str, object]:
    """What only the cloud knows of a platform, for work in other stacks; the rest is in the platform's file."""
    plain = {"environment", "zones", "version", "mode", "existing", "monitor_labels"}
    return {
        "cluster": {key: value for key, value in here.cluster.items() if key not in plain},
        "storage": {
            name: {"resource": item["resource"], "claim": item["claim"]} for name, item in here.storage.items()
        },
        "pools": {name: {"selector": item["selector"]} for name, item in here.pools.items()},
    }


def join(platform: Settings, environment: Environment) -> Platform:
    """The platform that this work runs on; it must be up."""
    name = platform.name
    stack = pulumi.StackReference(f"{pulumi.get_organization()}/{pulumi.get_project()}/{name}")
    there = stack.require_output(EXPORT)
    provider = kubernetes.Provider(name, kubeconfig=stack.require_output("kubeconfig"), enable_server_side_apply=True)
    place = EnvironmentRef(
        name=name, cloud=platform.file.cloud, account=platform.file.account, region=platform.file.region
    )
    return Platform(
        cluster=_cluster(platform, place, there["cluster"]),
        inside=pulumi.ResourceOptions(providers=[*_own(environment), provider]),
        storage={key: _storage(place, key, item, there["storage"]) for key, item in platform.file.storage.items()},
        pools={key: _pool(platform, place, key, item, there["pools"]) for key, item in platform.file.pools.items()},
        queues={key: standing(key, item, platform.queued_pools) for key, item in platform.queues.items()},
    )


def _own(environment: Environment) -> list[pulumi.ProviderResource]:
    given = environment.inside.providers
    return list(given) if isinstance(given, list) else []


def _cluster(platform: Settings, place: EnvironmentRef, there: Any) -> ClusterRef:
    controllers = (*needs.controllers(platform.file), *platform.file.controllers.existing)
    zones = relations.zone_ids(platform.file)
    return ClusterRef(
        environment=place,
        zones=list(zones),
        version=platform.file.cluster.version,
        mode=platform.file.cluster.mode,
        existing=platform.file.cluster.existing is not None,
        name=there["name"],
        node_role=there["node_role"],
        network_id=there["network_id"],
        security_group=there["security_group"],
        private_subnets={zone: there["private_subnets"][zone] for zone in zones},
        public_subnets=there["public_subnets"],
        namespace=there["namespace"],
        controllers={
            name: _installed(platform.name, name, there["controllers"]) for name in dict.fromkeys(controllers)
        },
        monitor_labels=platform.file.controllers.monitor_labels,
    )


def _installed(platform: str, name: str, there: pulumi.Output[dict[str, str]]) -> pulumi.Output[str]:
    """What a platform that is up says of a controller that its file names."""

    def found(controllers: dict[str, str]) -> str:
        if name in controllers:
            return controllers[name]
        message = f"{name} is in the file of platform {platform} and not in what is up: pulumi up -s {platform} first"
        raise pulumi.RunError(message)

    return there.apply(found)


def _storage(place: EnvironmentRef, name: str, spec: StorageSpec, there: Any) -> StorageRef:
    if spec.kind != "bucket":
        return mounted(name, there[name]["claim"])
    url = clouds.load(place["cloud"]).bucket_url(place["name"], name, place["account"])
    return StorageRef(name=name, url=url, resource=there[name]["resource"], claim="", mount_path="")


def _pool(platform: Settings, place: EnvironmentRef, name: str, spec: PoolSpec, there: Any) -> PoolRef:
    choice = selection.choose(spec, machines_of(place), place["region"], relations.zone_ids(platform.file))
    cluster = platform.file.cluster
    pod = clouds.load(place["cloud"]).pod_part(name, spec, choice, version=cluster.version, mode=cluster.mode)
    return reference(name, spec, choice, clouds.PoolParts(selector=there[name]["selector"], pod=pod))
