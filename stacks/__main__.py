"""One environment: settings in, components out, exports. Which cloud it is, only the file knows."""

import pulumi

from springtide import (
    Cluster,
    Controllers,
    Environment,
    FileSystem,
    GpuPool,
    ModelService,
    Network,
    Storage,
    TrainingJob,
    settings,
)
from springtide.pool import PoolRef

env = settings.load()

environment = Environment(env.name, env.environment)
inside = environment.inside

network = Network("network", {**env.network, "environment": environment.ref}, inside)
cluster = Cluster("cluster", {**env.cluster, "environment": environment.ref, "network": network.ref}, inside)
controllers = Controllers("controllers", {**env.controllers, "cluster": cluster.ref}, cluster.inside)

buckets = {name: Storage(name, {**args, "environment": environment.ref}, inside) for name, args in env.storage.items()}
file_systems = {
    name: FileSystem(
        name,
        {
            **env.file_system(item),
            "cluster": controllers.ref,
            **({} if item.linked_bucket is None else {"linked_bucket": buckets[item.linked_bucket].ref}),
        },
        cluster.inside,
    )
    for name, item in env.file_systems.items()
}
storage = {name: item.ref for name, item in [*buckets.items(), *file_systems.items()]}
pools = {name: GpuPool(name, {**args, "cluster": controllers.ref}, cluster.inside) for name, args in env.pools.items()}

jobs = {
    name: TrainingJob(
        name,
        {
            **env.job(job),
            "cluster": controllers.ref,
            "pool": pools[job.pool].ref,
            "checkpoints": storage[job.checkpoints],
        },
        cluster.inside,
    )
    for name, job in env.jobs.items()
}
places: dict[str | None, PoolRef | None] = {name: pool.ref for name, pool in pools.items()}
places[None] = None  # no pool: the system nodes, and the CPU
services = {
    name: ModelService(
        name,
        {
            **env.service(service),
            "cluster": controllers.ref,
            "model": {"job": jobs[service.model.job].ref},
            "pool": places[service.pool],
        },
        cluster.inside,
    )
    for name, service in env.services.items()
}

pulumi.export("cluster", cluster.name)
pulumi.export("kubeconfig", cluster.kubeconfig)
pulumi.export("storage", {name: item["url"] for name, item in storage.items()})
pulumi.export("services", {name: item.endpoint for name, item in services.items()})
