"""One environment: settings in, components out, exports. Which cloud it is, only the file knows."""

import pulumi

from springtide import Environment, ModelService, TrainingJob, settings
from springtide.platform import build, join, named
from springtide.served import chosen

env = settings.load()

environment = Environment(env.name, env.environment)
here = build(env, environment) if env.platform is None else join(env.platform, environment)

jobs = {
    name: TrainingJob(
        name,
        {
            **env.job(job),
            "cluster": here.cluster,
            "pool": here.pools[job.pool],
            "checkpoints": here.storage[job.checkpoints],
            "data": named(here.storage, job.data),
            "queue": named(here.queues, job.queue),
        },
        here.inside,
    )
    for name, job in env.jobs.items()
}
models = {name: job.ref for name, job in jobs.items()}
services = {
    name: ModelService(
        name,
        {
            **env.service(service),
            "cluster": here.cluster,
            "model": chosen(service.model, models, here.storage),
            "pool": named(here.pools, service.pool),
        },
        here.inside,
    )
    for name, service in env.services.items()
}

pulumi.export("services", {name: item.endpoint for name, item in services.items()})
if exposed := {name: services[name].address for name, item in env.services.items() if item.reached != "none"}:
    pulumi.export("addresses", exposed)
