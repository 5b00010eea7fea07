"""What is impossible about an environment as a whole: its parts against the cloud, the catalog, and each other."""

from collections.abc import Iterable, Mapping

from springtide import catalog, clouds, selection, service, training
from springtide.parse import Spec, below
from springtide.pool import reference
from springtide.sections import EnvironmentFile, JobSection, ServiceSection
from springtide.spec import Finding, NetworkSpec, Source, dns_label, refuse

LONGEST_NAME = 40
"""Leaves room for what cloud and Kubernetes names put around a name, at most 63 characters in all."""


def findings(name: str, file: EnvironmentFile) -> list[Finding]:
    """Everything impossible about an environment, in the order of the file."""
    if file.cloud not in clouds.available():
        message, names = f"unknown cloud {file.cloud!r}.", clouds.available()
        return [refuse("settings/cloud", "/cloud", file.cloud, message, "use a cloud of this version", allowed=names)]
    place = _place(file)
    # A wrong region would only repeat itself in every pool.
    return [
        *place,
        *_sections(file),
        *_names(name, file),
        *([] if place else _pools(file)),
        *_jobs(file),
        *_services(file),
    ]


def zone_ids(file: EnvironmentFile) -> tuple[str, ...]:
    """The zone ids that an environment spans: those listed, or the first that clusters may use in the region."""
    if isinstance(file.zones, tuple):
        return file.zones
    return _usable_zones(file)[: file.zones]


def _usable_zones(file: EnvironmentFile) -> tuple[str, ...]:
    return tuple(zone.id for zone in catalog.zones(file.cloud, file.region) if not zone.refused)


def _place(file: EnvironmentFile) -> list[Finding]:
    account = clouds.load(file.cloud).account_findings(file.account)
    regions = catalog.regions(file.cloud)
    if file.region not in regions:
        message = f"the catalog knows no region {file.region!r} of {file.cloud}."
        fix = "use a region on offer"
        return [
            *account,
            refuse("catalog/region", "/region", file.region, message, fix, allowed=regions, source=Source.CATALOG),
        ]
    return [*account, *_zones(file)]


def _zones(file: EnvironmentFile) -> list[Finding]:
    usable = _usable_zones(file)
    if isinstance(file.zones, int):
        if 2 <= file.zones <= len(usable):  # noqa: PLR2004  a control plane spans two zones at least
            return []
        message = f"{file.region} has {len(usable)} zones that clusters may use, and a cluster needs 2."
        fix = f"use 2 to {len(usable)}"
        return [refuse("catalog/zones", "/zones", file.zones, message, fix, allowed=usable, source=Source.CATALOG)]
    refused = {zone.id: zone.refused for zone in catalog.zones(file.cloud, file.region)}
    return [
        refuse(
            "catalog/zones", f"/zones/{i}", zone, refused.get(zone) or f"{file.region} has no zone id {zone!r}.",
            "use zone ids, not names: an id means the same place in every account", allowed=usable, source=Source.CATALOG,
        )
        for i, zone in enumerate(file.zones)
        if refused.get(zone, "unknown")
    ]  # fmt: skip


def _sections(file: EnvironmentFile) -> list[Finding]:
    network = NetworkSpec(zones=(), cidr=file.network.cidr, nat=file.network.nat)
    single: dict[str, Spec] = {"/network": network, "/cluster": file.cluster}
    groups: dict[str, Mapping[str, Spec]] = {
        "/storage": file.storage,
        "/pools": file.pools,
        "/jobs": file.jobs,
        "/services": file.services,
    }
    many = {f"{path}/{name}": part for path, parts in groups.items() for name, part in parts.items()}
    own = [found for path, part in {**single, **many}.items() for found in below(path, part.findings())]
    return [*own, *below("/cluster", clouds.load(file.cloud).cluster_findings(file.cluster)), *_budget(file)]


def _budget(file: EnvironmentFile) -> list[Finding]:
    budget = file.policies.budget_usd_per_hour
    if budget is None or budget >= 0:
        return []
    path = "/policies/budget_usd_per_hour"
    return [refuse("spec/at-least", path, budget, f"{budget} is below 0.", "use 0 or more")]


def _names(name: str, file: EnvironmentFile) -> list[Finding]:
    groups: dict[str, Iterable[str]] = {
        "storage": file.storage, "pools": file.pools, "jobs": file.jobs, "services": file.services,
    }  # fmt: skip
    found = [
        finding
        for group, names in groups.items()
        for item in names
        for finding in [*dns_label(f"/{group}/{item}", item), *_too_long(f"/{group}/{item}", item, LONGEST_NAME)]
    ]
    return [*dns_label("", name), *_too_long("", name, LONGEST_NAME // 2), *found, *_one_name_twice(file)]


def _too_long(path: str, name: str, most: int) -> list[Finding]:
    if len(name) <= most:
        return []
    message = f"{name!r} has {len(name)} characters; names of cloud resources are made of it."
    return [refuse("spec/name", path, name, message, f"use at most {most}")]


def _one_name_twice(file: EnvironmentFile) -> list[Finding]:
    runs = {f"{name}-{job.run}": name for name, job in file.jobs.items() if job.run is not None}
    return [
        refuse(
            "spec/name", f"/services/{name}", name,
            f"service {name} and the run of job {runs[name]} would both be the Service {name!r}.", "rename one of them",
        )
        for name in file.services
        if name in runs
    ]  # fmt: skip


def _pools(file: EnvironmentFile) -> list[Finding]:
    return [
        found
        for name, pool in file.pools.items()
        for found in below(
            f"/pools/{name}",
            [
                *selection.choose(pool, file.cloud, file.region, zone_ids(file)).findings,
                *clouds.pool_findings(file.cloud, pool),
            ],
        )
    ]


def _jobs(file: EnvironmentFile) -> list[Finding]:
    return [found for name, job in file.jobs.items() for found in below(f"/jobs/{name}", _job(file, name, job))]


def _job(file: EnvironmentFile, name: str, job: JobSection) -> list[Finding]:
    pool = file.pools.get(job.pool)
    return [
        *training.findings(name, job),
        *_refers("/pool", job.pool, file.pools, "pools"),
        *_refers("/checkpoints", job.checkpoints, file.storage, "storage"),
        *([] if pool is None else _fits("/nodes", job.nodes, job.pool, pool.max_nodes, "nodes")),
    ]


def _services(file: EnvironmentFile) -> list[Finding]:
    return [found for name, item in file.services.items() for found in below(f"/services/{name}", _service(file, item))]


def _service(file: EnvironmentFile, item: ServiceSection) -> list[Finding]:
    references = [
        *_refers("/model/job", item.model.job, file.jobs, "jobs"),
        *([] if item.pool is None else _refers("/pool", item.pool, file.pools, "pools")),
    ]
    if references:
        return references
    if item.pool is None:
        return service.findings(item, file.cloud, None)
    pool = file.pools[item.pool]
    gpus = max(service.gpus_of(item, on_pool=True), 1)
    places = pool.max_nodes * (pool.gpus_per_node // gpus)
    choice = selection.choose(pool, file.cloud, file.region, zone_ids(file))
    return [
        *service.findings(item, file.cloud, reference(item.pool, pool, choice, {})),
        *_fits("/replicas/max", item.replicas.max, item.pool, places, "replicas"),
    ]


def _refers(path: str, name: str, known: Mapping[str, object], section: str) -> list[Finding]:
    if name in known:
        return []
    message = f"there is no {name!r} under {section}."
    return [
        refuse(
            "settings/reference", path, name, message, f"name one that is there, or add it to {section}", allowed=known
        )
    ]


def _fits(path: str, wanted: int, pool: str, room: int, what: str) -> list[Finding]:
    if wanted <= room:
        return []
    message = f"{wanted} {what} never fit on pool {pool}, which has room for {room}."
    return [refuse("settings/fits", path, wanted, message, f"use at most {room}, or raise pools.{pool}.max_nodes")]
