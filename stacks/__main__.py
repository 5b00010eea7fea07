"""One environment: settings in, components out, exports. Which cloud it is, only the file knows."""

import pulumi

from springtide import Environment, ModelService, TrainingJob, settings
from springtide.platform import build, join
from springtide.pool import PoolRef
from springtide.queue import QueueRef
from springtide.storage import StorageRef

env = settings.load()

environment = Environment(env.name, env.environment)
here = build(env, environment) if env.platform is None else join(env.platform, environment)

queues: dict[str | None, QueueRef | None] = {
    None: None,
    **here.queues,
}  # no queue: a run starts when machines are there
storage: dict[str | None, StorageRef | None] = {None: None, **here.storage}  # no data: the recipe's own
jobs = {
    name: TrainingJob(
        name,
        {
            **env.job(job),
            "cluster": here.cluster,
            "pool": here.pools[job.pool],
            "checkpoints": here.storage[job.checkpoints],
            "data": storage[job.data],
            "queue": queues[job.queue],
        },
        here.inside,
    )
    for name, job in env.jobs.items()
}
places: dict[str | None, PoolRef | None] = dict(here.pools)
places[None] = None  # no pool: the system nodes, and the CPU
services = {
    name: ModelService(
        name,
        {
            **env.service(service),
            "cluster": here.cluster,
            "model": {"job": jobs[service.model.job].ref},
            "pool": places[service.pool],
        },
        here.inside,
    )
    for name, service in env.services.items()
}

pulumi.export("services", {name: item.endpoint for name, item in services.items()})
