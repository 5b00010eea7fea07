"""How an environment stands now: nodes and what they cost, how far jobs have come, what services answer.

The server is asked, what it says is put together by pure functions. Whatever cannot be reached from here is None.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from springtide.local.cluster.api import Api
from springtide.local.cluster.refs import ENVIRONMENT, POOL, Object
from springtide.local.cluster.wait import condition
from springtide.local.observe import diary
from springtide.local.observe.diary import Diary
from springtide.local.observe.meter import Meter, Reading
from springtide.local.observe.pool_status import PoolNow, Prices, list_price, pool_now
from springtide.local.plane.kwok import SIMULATED
from springtide.local.real.twin import RUNS
from springtide.local.render.objects import containers, pod_template
from springtide.local.render.substitution import Substitution
from springtide.offline.idle import Amount, total
from springtide.offline.plan import Plan
from springtide.offline.views import JobView, ServiceView
from springtide_workloads.contract import METRICS_PORT, Env

RATE_SECONDS = 1.0
_TRUE = "True"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNow:
    """A job and its run."""

    name: str
    run: str | None
    phase: str
    """`defined`, `not applied`, `queued`, `waiting`, `starting`, `running`, `complete` or `failed`."""
    running: int
    wanted: int
    steps: int | None
    """Steps that the recipe asks for; None where it leaves them to its own default."""
    diary: Diary


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceNow:
    """A service and its replicas."""

    name: str
    ready: int
    wanted: int
    ceiling: int
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """An environment at one moment."""

    environment: str
    server: str
    substituted: tuple[Substitution, ...] = ()
    pools: tuple[PoolNow, ...] = ()
    jobs: tuple[JobNow, ...] = ()
    services: tuple[ServiceNow, ...] = ()

    @property
    def cost(self) -> Amount:
        """What all nodes cost in an hour."""
        return total(pool.cost for pool in self.pools)

    def to_json(self) -> dict[str, Any]:
        """The status as `springtide status --format json` prints it."""
        pools = [
            {
                **asdict(pool),
                "usd_per_hour": pool.cost.usd,
                "fully_priced": pool.cost.complete,
                "at_most": pool.cost_at_most,
            }
            for pool in self.pools
        ]
        return {
            "environment": self.environment, "server": self.server,
            "substituted": [item.to_json() for item in self.substituted], "pools": pools,
            "jobs": [asdict(job) for job in self.jobs], "services": [asdict(service) for service in self.services],
            "usd_per_hour": self.cost.usd,
        }  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Observer:
    """Looks at an environment, as often as somebody wants to know.

    Attributes:
        api: The server that holds it.
        plan: What it was made from.
        prices: What machines cost: the catalog's list prices, unless somebody knows better.
        artifacts: Where on this machine lies what containers know under a URL: `{"file:///storage": folder}`.
        substituted: What is not as it would be in the cloud.
    """

    api: Api
    plan: Plan
    prices: Prices = field(default_factory=lambda: list_price)
    artifacts: Mapping[str, Path] = field(default_factory=dict)
    substituted: Sequence[Substitution] = ()
    _meters: dict[str, Meter] = field(default_factory=dict)

    def look(self) -> Status:
        """How the environment stands now.

        Rates are those since the last look: the first one has none.
        """
        nodes = self.api.objects("v1", "Node", labels=POOL)
        claims = self.api.objects("karpenter.sh/v1", "NodeClaim", labels=POOL)
        jobs = {item["metadata"]["name"]: item for item in self._ours("batch/v1", "Job")}
        servers = {item["metadata"]["name"]: item for item in self._ours("apps/v1", "Deployment")}
        simulated = {node["metadata"]["name"] for node in nodes if _simulated(node)}
        return Status(
            environment=str(self.plan.environment["name"]),
            server=self.api.server,
            substituted=tuple(self.substituted),
            pools=tuple(pool_now(pool, nodes, claims, self.prices) for pool in self.plan.pools()),
            jobs=tuple(self._job(job, jobs) for job in self.plan.jobs()),
            services=tuple(self._service(item, servers.get(item.name), simulated) for item in self.plan.services()),
        )

    @property
    def measures(self) -> bool:
        """Whether a server was there to be asked."""
        return any(meter.reaches for meter in self._meters.values())

    def _ours(self, api_version: str, kind: str) -> list[Object]:
        return self.api.objects(api_version, kind, labels=f"{ENVIRONMENT}={self.plan.environment['name']}")

    def _job(self, job: JobView, applied: Mapping[str, Object]) -> JobNow:
        item = applied.get(f"{job.name}-{job.run}")
        return job_now(job, item, Diary() if item is None else diary.read(self._folder(item)))

    def _folder(self, item: Object) -> Path:
        return folder_of(_variable(item, Env.ARTIFACTS_URL, ""), self.artifacts)

    def _service(self, service: ServiceView, item: Object | None, simulated: set[str]) -> ServiceNow:
        pods = [] if item is None else self._pods(item)
        meter = self._meters.setdefault(service.name, Meter())
        port = _variable(item or {}, Env.METRICS_PORT, str(METRICS_PORT))
        return service_now(service, item, meter.read(addresses(pods, port, simulated)))

    def _pods(self, item: Object) -> list[Object]:
        labels = ",".join(f"{key}={value}" for key, value in item["spec"]["selector"]["matchLabels"].items())
        return self.api.objects("v1", "Pod", namespace=item["metadata"]["namespace"], labels=labels)


def status(
    api: Api,
    plan: Plan,
    *,
    artifacts: Mapping[str, Path] | None = None,
    substituted: Sequence[Substitution] = (),
) -> Status:
    """How an environment stands now; see `Observer` for the arguments, and to look again.

    Where servers can be asked, it takes a second look after `RATE_SECONDS`: requests a second need two.
    """
    known = {} if artifacts is None else artifacts
    observer = Observer(api=api, plan=plan, artifacts=known, substituted=substituted)
    now = observer.look()
    if not observer.measures:
        return now
    time.sleep(RATE_SECONDS)
    return observer.look()


def _simulated(node: Object) -> bool:
    return SIMULATED.items() <= (node["metadata"].get("annotations") or {}).items()


def job_now(job: JobView, item: Object | None, written: Diary) -> JobNow:
    """A job with its run.

    Args:
        job: The job as the plan has it.
        item: The Job of its run; None where there is none.
        written: What the run has written of itself.
    """
    status = {} if item is None else item.get("status") or {}
    return JobNow(
        name=job.name, run=job.run, phase=_job_phase(job, item, status), running=status.get("ready", 0),
        wanted=job.nodes, steps=diary.steps_of(job.recipe), diary=written,
    )  # fmt: skip


def _job_phase(job: JobView, item: Object | None, status: Mapping[str, Any]) -> str:
    if item is None:
        return "defined" if job.run is None else "not applied"
    phases = (
        ("complete", condition(item, "Complete").get("status") == _TRUE),
        ("failed", condition(item, "Failed").get("status") == _TRUE),
        ("queued", bool(item["spec"].get("suspend"))),
        ("running", status.get("ready", 0) + status.get("succeeded", 0) >= job.nodes),
        ("starting", status.get("ready", 0) > 0),
    )
    return next((name for name, holds in phases if holds), "waiting")


def service_now(service: ServiceView, item: Object | None, measured: Reading) -> ServiceNow:
    """A service with its replicas.

    Args:
        service: The service as the plan has it.
        item: Its Deployment; None where there is none.
        measured: What its servers say.
    """
    spec, status = ({}, {}) if item is None else (item["spec"], item.get("status") or {})
    return ServiceNow(
        name=service.name, ready=status.get("readyReplicas", 0), wanted=spec.get("replicas", 0),
        ceiling=service.max_replicas, reading=measured,
    )  # fmt: skip


def addresses(pods: Iterable[Object], port: str, simulated: set[str]) -> dict[str, str]:
    """Where ready pods answer, by UID. A pod on a simulated node has an address that leads nowhere, unless it really runs."""
    return {
        pod["metadata"]["uid"]: f"{pod['status']['podIP']}:{port}"
        for pod in pods
        if condition(pod, "Ready").get("status") == _TRUE
        and pod["status"].get("podIP")
        and (pod["spec"].get("nodeName") not in simulated or RUNS in (pod["metadata"].get("annotations") or {}))
    }


def folder_of(url: str, artifacts: Mapping[str, Path]) -> Path:
    """Where on this machine lies what containers know under a URL; a path that is not there where nobody knows."""
    for prefix, folder in artifacts.items():
        if url == prefix or url.startswith(f"{prefix.rstrip('/')}/"):
            return folder / url.removeprefix(prefix).lstrip("/")
    return Path(url.removeprefix("file://")) if url.startswith("file://") else Path(url)


def _variable(item: Object, name: Env, default: str) -> str:
    """A variable of an object's containers."""
    pod = pod_template(item) if item else None
    found = (
        entry for it in (containers(pod) if pod else ()) for entry in it.get("env", ()) if entry["name"] == name.value
    )
    return next((str(entry.get("value", default)) for entry in found), default)
