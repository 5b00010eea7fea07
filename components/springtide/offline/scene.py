"""What runs where in a plan, and what moves between: jobs, services, pools of a platform, queues, storage, in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from springtide.offline.plan import Plan
from springtide.offline.report import count_of
from springtide.offline.views import (
    ControllersView,
    FileSystemView,
    JobView,
    PoolView,
    QueueView,
    ServiceView,
    StorageView,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One job or service in words."""

    kind: str
    name: str
    runs_on: str
    what: str
    waits_for: tuple[str, ...]
    """What must happen before it runs; empty when it would run as soon as this plan is applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What a workload writes to a storage or reads from it."""

    workload: tuple[str, str]
    """Kind and name: a job and a service may bear the same name."""
    storage: str
    kind: str
    """`checkpoints`, `data` or `model`."""
    inward: bool
    """Whether the workload reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A place that workloads read from and write to, as a picture shows it."""

    name: str
    kind: str
    note: str = ""


def workloads(plan: Plan) -> tuple[Workload, ...]:
    """Every job and service, with what it waits for."""
    pools = {pool.name: pool for pool in plan.pools()}
    jobs = {job.name: job for job in plan.jobs()}
    wakes = any(item.wake_nodes for item in ControllersView.among(plan.resources))
    asleep = {name for name, pool in pools.items() if pool.min_nodes == 0 and not (wakes or pool.wakes)}
    return (
        *(_job(job, pools.get(job.pool), asleep, plan.platform) for job in jobs.values()),
        *(_service(service, jobs, asleep, plan.platform) for service in plan.services()),
    )


def stores(plan: Plan) -> tuple[Store, ...]:
    """Buckets, then file systems; of work on a platform, what it uses there."""
    buckets = [
        Store(
            name=item.name,
            kind=item.kind,
            note="" if item.expire_days is None else f"old versions: {count_of(item.expire_days, 'day')}",
        )
        for item in StorageView.among(plan.resources)
    ]
    files = [
        Store(name=item.name, kind=item.kind, note="grows" if item.size_gib is None else f"{item.size_gib} GiB")
        for item in FileSystemView.among(plan.resources)
    ]
    used = dict.fromkeys(flow.storage for flow in flows(plan)) if plan.platform else ()
    return (*buckets, *files, *(Store(name=name, kind=f"of {plan.platform}") for name in used))


def queues(plan: Plan) -> tuple[str, ...]:
    """Each queue in words."""
    return tuple(
        f"queue {item.name}: {item.max_gpus} GPUs of {', '.join(item.pools)}"
        for item in QueueView.among(plan.resources)
    )


def lent_pools(plan: Plan) -> tuple[str, ...]:
    """Pools of the platform that a plan's work runs on, in the order in which it names them."""
    if not plan.platform:
        return ()
    names = [*(job.pool for job in plan.jobs()), *(item.pool for item in plan.services())]
    return tuple(dict.fromkeys(name for name in names if name is not None))


def flows(plan: Plan) -> tuple[Flow, ...]:
    """What moves between workloads and storage."""
    jobs = {job.name: job for job in plan.jobs()}
    return (
        *(flow for job in jobs.values() for flow in _job_flows(job)),
        *(flow for service in plan.services() for flow in _service_flows(service, jobs)),
    )


def _job(job: JobView, pool: PoolView | None, asleep: set[str], platform: str) -> Workload:
    waits = []
    if job.run is None:
        waits.append(f"a run: set jobs.{job.name}.run")
    if job.image is None:
        waits.append("an image: set images.digest")
    waits += _node(job.pool, asleep)
    gpu = "GPU" if pool is None else pool.gpu
    run = "not started" if job.run is None else f"run {job.run}"
    return Workload(
        kind="job", name=job.name, waits_for=tuple(waits),
        runs_on=f"{_pool_of(job.pool, platform)}: {count_of(job.nodes, 'node')} × {job.gpus_per_node} {gpu}",
        what=f"{job.recipe}, {run}"
        + ("" if job.queue is None else f", in queue {job.queue}")
        + ("" if job.interruption is None else f"; {job.interruption}"),
    )  # fmt: skip


def _service(service: ServiceView, jobs: Mapping[str, JobView], asleep: set[str], platform: str) -> Workload:
    waits = []
    source = jobs.get(service.model.get("job", ""))
    if source is not None and (source.run is None or source.image is None):
        waits.append(f"a model: what job {source.name} exports")
    if service.image is None:
        waits.append("an image: set images.digest")
    waits += _node(service.pool, asleep)
    model = f"job {service.model['job']}" if "job" in service.model else service.model.get("url", "?")
    return Workload(
        kind="service", name=service.name, waits_for=tuple(waits),
        runs_on=_pool_of("system nodes", platform) + ", CPU"
        if service.pool is None
        else f"{_pool_of(service.pool, platform)}: {service.gpus} GPU each",
        what=f"model of {model}, {service.min_replicas} to {service.max_replicas} replicas",
    )  # fmt: skip


def _pool_of(pool: str, platform: str) -> str:
    return f"{pool} of {platform}" if platform else pool


def _job_flows(job: JobView) -> Iterator[Flow]:
    if job.checkpoints is not None:
        yield Flow(workload=("job", job.name), storage=job.checkpoints, kind="checkpoints", inward=False)
    if job.data is not None:
        yield Flow(workload=("job", job.name), storage=job.data, kind="data", inward=True)


def _service_flows(service: ServiceView, jobs: Mapping[str, JobView]) -> Iterator[Flow]:
    job = jobs.get(service.model.get("job", ""))
    if job is not None and job.checkpoints is not None:
        yield Flow(workload=("service", service.name), storage=job.checkpoints, kind="model", inward=True)


def _node(pool: str | None, asleep: set[str]) -> list[str]:
    return [f"a node: {pool} sleeps at zero and nothing wakes it"] if pool in asleep else []
