"""What is impossible about an environment as a whole: its parts against the cloud, the catalog, and each other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace

from springtide import (
    clouds,
    exposure,
    gateway,
    grace,
    naming,
    needs,
    queue,
    room,
    saves,
    selection,
    service,
    training,
)
from springtide.charts import CLASHING, OTHERS
from springtide.controllers import unknown, unread
from springtide.parse import Spec, independent
from springtide.pool import fits, reference
from springtide.sections import EnvironmentFile, JobSection, NetworkSection, ServiceSection
from springtide.spec import (
    FEWEST_ZONES,
    Finding,
    NetworkSpec,
    PoolSpec,
    Source,
    StorageSpec,
    below,
    did_you_mean,
    refuse,
    zone_list,
)


def findings(name: str, file: EnvironmentFile, mistakes: Sequence[Finding] = ()) -> list[Finding]:
    """Everything impossible about an environment.

    Args:
        name: Name of the environment.
        file: What its file says, or what is left of it without the mistakes.
        mistakes: What is known to be wrong already. Nothing is said about those values, nor concluded from them.
    """
    cloud = clouds.cloud_findings(file.cloud)
    found = [*cloud, *_sections(file), *naming.findings(name, file)]
    if not cloud:
        found += _on_its_cloud(name, file, mistakes)
    wrong = [*mistakes, *found]
    found += [*_queues(file, wrong), *_jobs(file, wrong), *_services(file, wrong)]
    found += [] if cloud else _room([*mistakes, *found], file)
    return independent(found, mistakes)


def of_work(name: str, file: EnvironmentFile, platform: EnvironmentFile, mistakes: Sequence[Finding]) -> list[Finding]:
    """What is impossible about work on a platform: `file` is the platform's, with this work instead of its own."""
    found = findings(name, file, mistakes)
    mine = [item for item in found if item.path.partition("/")[2].partition("/")[0] in _WORK]
    return [*mine, *_not_installed(file, platform)]


def _not_installed(file: EnvironmentFile, platform: EnvironmentFile) -> list[Finding]:
    """Controllers that services need and their platform does not bring: it does not know of work in other stacks."""
    there = {*needs.controllers(platform), *platform.controllers.existing}
    return [
        refuse(
            "controllers/absent",
            f"/services/{name}/{key}",
            controller,
            f"it needs {controller}, which the platform does not bring.",
            f"add it in the platform's file: controllers: {{install: [{controller}]}}",
        )
        for name, item in file.services.items()
        for key, controller in _needed(item, file)
        if controller not in there
    ]


def _needed(item: ServiceSection, file: EnvironmentFile) -> Iterator[tuple[str, str]]:
    """Controllers that a service needs, each with the key that asks for it."""
    yield from (("scale_on", name) for name in service.controllers(item))
    yield from (("expose", name) for name in exposure.controllers(item, file.cloud, file.cluster.mode))


_WORK = ("", "jobs", "services", "images", "policies")
"""Keys of a file that is work on a platform; the empty one is the environment's own name."""


def _on_its_cloud(name: str, file: EnvironmentFile, mistakes: Sequence[Finding]) -> list[Finding]:
    target, place = clouds.load(file.cloud), _place(file)
    return [
        *target.account_findings(file.account),
        *place,
        *below("/network", target.network_findings(replace(_network(file), zones=() if place else zone_ids(file)))),
        *below("/cluster", target.cluster_findings(file.cluster)),
        *below("/controllers", unknown("/install", file.controllers.install, target.addons)),
        *below("/controllers", _existing(file.controllers.existing, [*target.addons, *OTHERS])),
        *below("/controllers", unread(file.controllers.monitor_labels, file.controllers.existing)),
        *_storage(name, file),
        *(
            found
            for item, spec in file.queues.items()
            for found in below(f"/queues/{item}", clouds.queue_findings(file.cloud, spec))
        ),
        # A wrong region would only repeat itself in every pool.
        *([] if place else _pools(file, mistakes)),
    ]


def _existing(names: Sequence[str], addons: Sequence[str]) -> list[Finding]:
    """Which controllers that are there already nobody here knows, and which are one owner of the GPUs too many."""
    fix = "take it off the cluster, or off nodes with the label springtide.dev/pool, and out of this list"
    clashing = [
        refuse("controllers/clash", f"/existing/{i}", name, f"{name} beside our GPU nodes: {CLASHING[name]}.", fix)
        for i, name in enumerate(names)
        if name in CLASHING
    ]
    return [*(found for found in unknown("/existing", names, addons) if found.value not in CLASHING), *clashing]


def _storage(name: str, file: EnvironmentFile) -> list[Finding]:
    target = clouds.load(file.cloud)
    found = []
    for item, spec in file.storage.items():
        own = target.bucket_findings(name, item, file.account) if spec.kind == "bucket" else []
        linked = spec.linked_bucket
        buckets = {key: value for key, value in file.storage.items() if value.kind == "bucket"}
        refers = [] if linked is None else _refers("/linked_bucket", linked, buckets, "storage, of kind bucket")
        found += below(f"/storage/{item}", [*own, *clouds.storage_findings(file.cloud, spec), *refers])
    return found


def _network(file: EnvironmentFile) -> NetworkSpec:
    return NetworkSpec(zones=(), **{item.name: getattr(file.network, item.name) for item in fields(NetworkSection)})


def _unclear(wrong: Iterable[Finding], part: str, *keys: str) -> bool:
    """Whether nothing can be concluded from these values of a part, because they are wrong themselves."""
    places = [f"{part}/{key}" for key in keys]
    return any(
        found.path == part or any(found.path == place or found.path.startswith(f"{place}/") for place in places)
        for found in wrong
    )


def zone_ids(file: EnvironmentFile) -> tuple[str, ...]:
    """The zone ids that an environment spans: those listed, or the first that clusters may use in the region."""
    if isinstance(file.zones, tuple):
        return file.zones
    return selection.usable_zones(file.machines, file.region)[: file.zones]


def _place(file: EnvironmentFile) -> list[Finding]:
    return (
        clouds.machines_findings(file.cloud, file.machines)
        or selection.region_findings(file.machines, file.region)
        or _zones(file)
    )


def _zones(file: EnvironmentFile) -> list[Finding]:
    if isinstance(file.zones, tuple):
        return [*zone_list("/zones", file.zones), *selection.zone_findings(file.machines, file.region, file.zones)]
    usable = selection.usable_zones(file.machines, file.region)
    if FEWEST_ZONES <= file.zones <= len(usable):
        return []
    message = f"{file.region} has {len(usable)} zones that clusters may use, and a cluster needs {FEWEST_ZONES}."
    fix = f"use {FEWEST_ZONES} to {len(usable)}" if len(usable) >= FEWEST_ZONES else "use another region"
    return [refuse("catalog/zones", "/zones", file.zones, message, fix, allowed=usable, source=Source.CATALOG)]


def _sections(file: EnvironmentFile) -> list[Finding]:
    single: dict[str, Spec] = {
        "/network": _network(file),
        "/cluster": file.cluster,
        "/controllers": file.controllers,
        "/policies": file.policies,
    }
    if file.images is not None:
        single["/images"] = file.images
    groups: dict[str, Mapping[str, Spec]] = {
        "/storage": file.storage,
        "/pools": file.pools,
        "/queues": file.queues,
        "/jobs": file.jobs,
        "/services": file.services,
    }
    many = {f"{path}/{name}": part for path, parts in groups.items() for name, part in parts.items()}
    own = [found for path, part in {**single, **many}.items() for found in below(path, part.findings())]
    # Zones are the file's own key, which `_zones` looks at.
    return [found for found in own if not found.path.startswith("/network/zones")]


def _pools(file: EnvironmentFile, mistakes: Sequence[Finding]) -> list[Finding]:
    return [
        found
        for name, pool in file.pools.items()
        for found in below(f"/pools/{name}", _pool(file, pool, unclear=_unclear(mistakes, f"/pools/{name}", *_CHOICE)))
    ]


_CHOICE = ("gpu", "gpus_per_node", "machine_types")
"""Keys of a pool that machine types are chosen by."""


def _pool(file: EnvironmentFile, pool: PoolSpec, *, unclear: bool) -> list[Finding]:
    choice = selection.Choice() if unclear else selection.choose(pool, file.machines, file.region, zone_ids(file))
    place = {"version": file.cluster.version, "mode": file.cluster.mode}
    return [*choice.findings, *clouds.pool_findings(file.cloud, pool, choice, **place)]


def ceilings(file: EnvironmentFile) -> dict[str, int]:
    """GPUs of each pool that runs of a queue may use, with all its nodes; pools for services are no queue's."""
    pools = {name: pool for name, pool in file.pools.items() if pool.purpose != "serving"}
    return {name: pool.max_nodes * pool.gpus_per_node for name, pool in pools.items()}


def _queues(file: EnvironmentFile, wrong: Sequence[Finding]) -> list[Finding]:
    if any(_unclear(wrong, f"/pools/{name}", "max_nodes", "gpus_per_node", "purpose") for name in file.pools):
        return []
    room = ceilings(file)
    return [
        found for name, spec in file.queues.items() for found in below(f"/queues/{name}", queue.findings(spec, room))
    ]


def _jobs(file: EnvironmentFile, wrong: Sequence[Finding]) -> list[Finding]:
    return [found for name, job in file.jobs.items() for found in below(f"/jobs/{name}", _job(file, name, job, wrong))]


def _job(file: EnvironmentFile, name: str, job: JobSection, wrong: Sequence[Finding]) -> list[Finding]:
    found = [
        *training.findings(name, job),
        *_refers("/pool", job.pool, file.pools, "pools"),
        *_refers("/checkpoints", job.checkpoints, file.storage, "storage"),
        *_writable(job.checkpoints, file.storage),
        *([] if job.data is None else _refers("/data", job.data, file.storage, "storage")),
        *([] if job.queue is None else _refers("/queue", job.queue, file.queues, "queues")),
    ]
    if job.pool not in file.pools or _unclear(wrong, f"/pools/{job.pool}", *_ROOM):
        return found
    pool = file.pools[job.pool]
    found += fits("/nodes", job.nodes, job.pool, pool.max_nodes, "nodes")
    if _known(file) and (file.images is not None or job.image is not None):
        found += training.fabric_findings(replace(job, fabrics=fabrics(file, job)), pool.fabric, file.machines)
    return [*found, *_saves(file, job, pool), *_waiting(file, job, pool, wrong)]


def _saves(file: EnvironmentFile, job: JobSection, pool: PoolSpec) -> list[Finding]:
    """A last save that takes longer than the notice of the pool's machines."""
    if clouds.cloud_findings(file.cloud) or job.checkpoints not in file.storage:
        return []
    allowed = grace.budget(file.cloud, file.cluster.version, pool.capacity)
    return saves.findings(job, allowed, bucket=file.storage[job.checkpoints].kind == "bucket")


def fabrics(file: EnvironmentFile, job: JobSection) -> tuple[str, ...]:
    """Fabrics whose libraries a job's image has: as said of the job, else of the environment's image."""
    if job.fabrics or job.image is not None or file.images is None:
        return job.fabrics
    return file.images.fabrics


def _writable(name: str, storage: Mapping[str, StorageSpec]) -> list[Finding]:
    """A Lustre file system begins with a root that belongs to root, and none of our pods is root."""
    if name not in storage or storage[name].kind != "lustre":
        return []
    message = (
        f"the root of Lustre file system {name} belongs to root, and no pod of ours is root: it could write nothing."
    )
    fix = "use a bucket, or storage of kind shared; data may lie on Lustre"
    return [refuse("storage/lustre-root", "/checkpoints", name, message, fix)]


_ROOM = ("max_nodes", "gpus_per_node", "capacity", "purpose")
"""Keys of a pool that say how much of it a job can have, and when."""


def _waiting(file: EnvironmentFile, job: JobSection, pool: PoolSpec, wrong: Sequence[Finding]) -> list[Finding]:
    """What keeps a job waiting for ever: a queue that never gives so much, or capacity that only a queue asks for."""
    if job.queue is None and "queued" in pool.capacity:
        message = f"pool {job.pool} has queued capacity: its machines come when a queue asks for a whole run's at once."
        fix = "name a queue, and describe it under queues" if not file.queues else "name a queue"
        return [refuse("queues/queued", "/queue", None, message, fix, allowed=tuple(file.queues))]
    if job.queue not in file.queues or _unclear(wrong, f"/queues/{job.queue}", "max_gpus"):
        return []
    if job.pool not in (usable := ceilings(file)):
        message = f"pool {job.pool} is for services: no queue gives out its GPUs."
        return [refuse("queues/pool", "/queue", job.queue, message, "use another pool", allowed=tuple(usable))]
    return training.queue_room(job, pool.gpus_per_node, job.queue, file.queues[job.queue].max_gpus)


def _services(file: EnvironmentFile, wrong: Sequence[Finding]) -> list[Finding]:
    each = (below(f"/services/{name}", _service(file, item, wrong)) for name, item in file.services.items())
    return [
        *(found for one in each for found in one),
        *exposure.one_host_twice(file.services),
        *gateway.names(file.services),
    ]


def _service(file: EnvironmentFile, item: ServiceSection, wrong: Sequence[Finding]) -> list[Finding]:
    found = [
        *([] if item.model.job is None else _refers("/model/job", item.model.job, file.jobs, "jobs")),
        *([] if item.model.storage is None else _refers("/model/storage", item.model.storage, file.storage, "storage")),
        *(
            found
            for at, name in enumerate(item.model.further)
            for found in _refers(f"/model/further/{at}", name, file.jobs, "jobs")
        ),
        *([] if item.pool is None else _refers("/pool", item.pool, file.pools, "pools")),
    ]
    if not _known(file):
        return found
    found += clouds.service_findings(file.cloud, item, adopted=file.network.existing is not None)
    if item.pool is None:
        return [*found, *service.findings(item, file.cloud, file.cluster.version, None)]
    if item.pool not in file.pools or _unclear(wrong, f"/pools/{item.pool}", "max_nodes", "gpus_per_node", "capacity"):
        return found
    pool = file.pools[item.pool]
    choice = selection.choose(pool, file.machines, file.region, zone_ids(file))
    return [*found, *service.findings(item, file.cloud, file.cluster.version, reference(item.pool, pool, choice, None))]


def _room(wrong: Sequence[Finding], file: EnvironmentFile) -> list[Finding]:
    """What system nodes cannot hold, once all is clear that says what runs there and on what."""
    unclear = (
        not _known(file)
        or _unclear(wrong, "/cluster", *_SYSTEM_NODES)
        or any(_unclear(wrong, f"/services/{name}", "replicas", "pool") for name in file.services)
    )
    return [] if unclear else room.findings(file)


_SYSTEM_NODES = ("mode", "existing", "system_machine_types", "system_nodes")
"""Keys of a cluster that say which system nodes it has."""


def _known(file: EnvironmentFile) -> bool:
    """Whether there is such a cloud, with such machines."""
    return not clouds.cloud_findings(file.cloud) and not clouds.machines_findings(file.cloud, file.machines)


def _refers(path: str, name: str, known: Mapping[str, object], section: str) -> list[Finding]:
    if name in known:
        return []
    message = f"there is no {name!r} under {section}."
    fix = did_you_mean(name, known, f"name one that is there, or add it to {section}")
    return [refuse("settings/reference", path, name, message, fix, allowed=known)]
