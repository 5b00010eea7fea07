"""A training job: a definition, and the one run of it that lives."""

import re
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import grace
from springtide.cluster import ClusterRef
from springtide.component import checked, child_of, intent, tell
from springtide.identity import GrantArgs, WorkloadIdentity
from springtide.k8s.training import Run, headless_service, indexed_job, rendezvous_host
from springtide.pool import PoolRef, fits
from springtide.spec import Finding, JobSpec, dns_label, refuse, warn
from springtide.storage import StorageRef
from springtide_workloads.contract import RECIPE, TrainingContract

LONGEST_RUN_NAME = 56
"""An IAM role is called like the run, and 8 characters more, 64 at most; a pod is called like it, and its index, 63 at most."""


class TrainingJobArgs(TypedDict):
    """Arguments of `TrainingJob`."""

    cluster: ClusterRef
    """Cluster it runs in; take it from `Cluster.ref`."""
    pool: PoolRef
    """Pool it runs on; take it from `GpuPool.ref`."""
    checkpoints: StorageRef
    """Storage for checkpoints, events and the exported model; take it from `Storage.ref`."""
    recipe: str
    """What to train: a recipe of the image, `name[:key=value,…]`."""
    nodes: NotRequired[int]
    """Machines that train together, each with all its GPUs. Default 1."""
    run: NotRequired[str]
    """Name of the run; a new name starts a new run. Default: the job is defined and not started."""
    image: NotRequired[str]
    """Image by digest. Default: the environment's; without one the job waits."""


class JobRef(TypedDict):
    """Training job whose model is served; take it from `TrainingJob.ref`."""

    name: str
    """Name of the job."""
    started: bool
    """Whether the job has a run."""
    artifacts_url: str
    """Where the run's artifacts lie."""
    storage: StorageRef
    """Storage they lie in."""


class TrainingJob(pulumi.ComponentResource):
    """A PyTorch training job on a GPU pool.

    A run keeps the definition it began with: what changes in the arguments takes effect in the next run.

    Attributes:
        ref: What a service needs to know of it.
    """

    artifacts_url: pulumi.Output[str]
    """Where the run's checkpoints and its exported model lie."""

    def __init__(self, name: str, args: TrainingJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        pool, cluster = args["pool"], args["cluster"]
        spec = checked(
            JobSpec,
            args,
            f"TrainingJob {name}",
            wiring=["cluster", "pool", "checkpoints"],
            rules=lambda spec: [
                *dns_label("/name", name),
                *findings(name, spec),
                *fits("/nodes", spec.nodes, pool["name"], pool["max_nodes"], "nodes"),
            ],
        )
        allowed = grace.budget(cluster["environment"]["cloud"], cluster["version"], pool["capacity"])
        said = intent(
            spec,
            pool=pool["name"],
            gpus_per_node=pool["gpus_per_node"],
            checkpoints=args["checkpoints"]["name"],
            notice_seconds=allowed.notice_seconds,
            grace_seconds=allowed.grace_seconds,
            save_deadline_seconds=allowed.save_deadline_seconds,
        )
        super().__init__("springtide:index:TrainingJob", name, said, opts)
        url = f"{args['checkpoints']['url']}/{artifacts_prefix(name, spec.run)}"
        tell(_waits(name, spec))
        if spec.run is not None and spec.image is not None:
            self._start(f"{name}-{spec.run}", name, spec, args, _contract(name, spec, pool, allowed, url))
        self.artifacts_url = pulumi.Output.from_input(url)
        self.ref = JobRef(name=name, started=spec.run is not None, artifacts_url=url, storage=args["checkpoints"])
        self.register_outputs(said | {"artifactsUrl": url})

    def _start(self, run_name: str, job: str, spec: JobSpec, args: TrainingJobArgs, agreed: TrainingContract) -> None:
        cluster = args["cluster"]
        grant = GrantArgs(storage=args["checkpoints"], prefix=artifacts_prefix(job, spec.run), write=True)
        identity = WorkloadIdentity(run_name, {"cluster": cluster, "grants": [grant]}, child_of(self))
        hosts = kubernetes.core.v1.Service(
            run_name, **headless_service(run_name, cluster["namespace"]), opts=child_of(self)
        )
        run = Run(
            name=run_name,
            job=job,
            image=str(spec.image),
            contract=agreed,
            namespace=cluster["namespace"],
            account=identity.service_account,
            selector=args["pool"]["selector"],
            memory_gib=args["pool"]["memory_gib"],
            scratch_gib=args["pool"]["scratch_gib"],
        )
        # A run keeps the definition it began with; a Job's template could not be changed anyway.
        lives = child_of(self, depends_on=[hosts], ignore_changes=["metadata", "spec"])
        kubernetes.batch.v1.Job(run_name, **indexed_job(run), opts=lives)


def artifacts_prefix(job: str, run: str | None) -> str:
    """Where a run's artifacts lie below its storage; a job that was never run has none, and shows the place of all."""
    return f"jobs/{job}" if run is None else f"jobs/{job}/{run}"


def findings(name: str, spec: JobSpec) -> list[Finding]:
    """What is impossible about a job beyond its fields: names that grow too long, a recipe that no container reads."""
    run_name = f"{name}-{spec.run}"
    found = []
    if spec.run is not None and len(run_name) > LONGEST_RUN_NAME:
        message = f"{run_name!r} has {len(run_name)} characters; names of cloud resources are made of it."
        fix = f"shorten the run's or the job's name: {LONGEST_RUN_NAME} at most, together and with a hyphen"
        found.append(refuse("spec/name", "/run", spec.run, message, fix))
    if not re.fullmatch(RECIPE, spec.recipe):
        fix = "write name[:key=value,…], such as gpt_small or gpt_tiny:steps=100"
        found.append(refuse("spec/recipe", "/recipe", spec.recipe, f"{spec.recipe!r} is no recipe.", fix))
    return found


def _contract(name: str, spec: JobSpec, pool: PoolRef, allowed: grace.Grace, url: str) -> TrainingContract:
    run_name = f"{name}-{spec.run}"
    return TrainingContract(
        run=run_name,
        recipe=spec.recipe,
        artifacts_url=url,
        nodes=spec.nodes,
        procs_per_node=pool["gpus_per_node"],
        master_addr=rendezvous_host(run_name),
        notice_seconds=allowed.notice_seconds,
        grace_seconds=allowed.grace_seconds,
        shutdown_seconds=allowed.shutdown_seconds,
        save_deadline_seconds=allowed.save_deadline_seconds,
    )


def _waits(name: str, spec: JobSpec) -> list[Finding]:
    if spec.run is None or spec.image is not None:
        return []
    message = f"job {name} waits: run {spec.run} has no image."
    fix = "build and push workloads/images/workloads, then set images.digest"
    return [warn("images/missing", f"/jobs/{name}/image", None, message, fix)]
