"""A training job: a definition, and the one run of it that lives."""

import re
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import catalog, grace, saves
from springtide.cluster import ClusterRef
from springtide.component import checked, child_of, intent, tell
from springtide.environment import EnvironmentRef, machines_of
from springtide.file_system import known_storage
from springtide.identity import WorkloadIdentity
from springtide.k8s import jobset
from springtide.k8s.pod import Place
from springtide.k8s.training import Run, headless_service, indexed_job, rendezvous_host
from springtide.place import DEFAULT_ACCOUNT, controlled, grant, mount, mounted, mounts
from springtide.pool import PoolRef, fits, known_pool
from springtide.queue import QueueRef
from springtide.spec import Finding, JobSpec, refuse, warn
from springtide.spec.work import service_name
from springtide.storage import StorageRef
from springtide_workloads.contract import RECIPE, TrainingContract

JOBSET = "jobset"
LONGEST_ROLE_PREFIX = 56
"""An IAM role is called like the run, and 8 characters more, 64 at most."""
DATA = "data"
"""Part of a bucket that training data lies in; a file system is read as a whole."""


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
    data: NotRequired[StorageRef | None]
    """Storage that training data is read from: below `data/` in a bucket, all of a file system. Default: the recipe's own."""
    queue: NotRequired[QueueRef | None]
    """Queue that its runs wait in; take it from `Queue.ref`. Default: none, a run starts as soon as machines are there."""
    nodes: NotRequired[int]
    """Machines that train together, each with all its GPUs. Default 1."""
    run: NotRequired[str]
    """Name of the run; a new name starts a new run. Default: the job is defined and not started."""
    fabrics: NotRequired[list[str]]
    """Fabrics whose libraries are in the image, such as [efa]. Default: those of the environment's image, or none."""
    image: NotRequired[str]
    """Image by digest. Default: the environment's; without one the job waits."""
    checkpoint_gib: NotRequired[float]
    """Size of a checkpoint, all its parts together. Default: that of the image's own recipes; of others nothing is known."""
    save_seconds: NotRequired[float]
    """How long a save took when it was measured, as a run's `saved` events say. Default: estimated from the size."""
    on_notice: NotRequired[str]
    """What a run does when its machine is about to be taken back: `save` once more, or `leave` with its newest checkpoint
    and lose up to one interval. Default `save`, which is refused where the save does not fit the notice."""


class JobRef(TypedDict):
    """Training job whose model is served; take it from `TrainingJob.ref`."""

    name: str
    """Name of the job."""
    storage: StorageRef
    """Storage that its artifacts lie in."""
    run: NotRequired[str]
    """Name of its run. Default: it has none, where `started` does not say otherwise."""
    started: NotRequired[bool]
    """Whether the job has a run. Default: whether `run` names one."""
    artifacts_url: NotRequired[str]
    """Where the run's artifacts lie. Default: follows from storage, name and run."""


class TrainingJob(pulumi.ComponentResource):
    """A PyTorch training job on a GPU pool.

    A run keeps the definition it began with: what changes in the arguments takes effect in the next run.

    Attributes:
        ref: What a service needs to know of it.
    """

    artifacts_url: pulumi.Output[str]
    """Where the run's checkpoints and its exported model lie."""

    def __init__(self, name: str, args: TrainingJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        args = _known(args)
        pool, cluster, queue = args["pool"], args["cluster"], args.get("queue")
        allowed = grace.budget(cluster["environment"]["cloud"], cluster["version"], pool["capacity"])
        bucket = not args["checkpoints"]["mount_path"]
        spec = checked(
            JobSpec,
            args,
            f"TrainingJob {name}",
            wiring=["cluster", "pool", "checkpoints", "data", "queue"],
            rules=lambda spec: [
                *service_name("/name", name),
                *findings(name, spec),
                *fits("/nodes", spec.nodes, pool["name"], pool["max_nodes"], "nodes"),
                *(
                    []
                    if spec.image is None
                    else fabric_findings(spec, pool.get("fabric", "none"), machines_of(cluster["environment"]))
                ),
                *([] if queue is None else queue_findings(spec, pool, queue)),
                *saves.findings(spec, allowed, bucket=bucket),
            ],
        )
        data = args.get("data")
        said = intent(
            spec,
            pool=pool["name"],
            gpus_per_node=pool["gpus_per_node"],
            checkpoints=args["checkpoints"]["name"],
            data=None if data is None else data["name"],
            queue=None if queue is None else queue["name"],
            notice_seconds=allowed.notice_seconds,
            grace_seconds=allowed.grace_seconds,
            save_deadline_seconds=save_deadline(spec, allowed),
            interruption=saves.outlook(spec, allowed, bucket=bucket),
        )
        super().__init__("springtide:index:TrainingJob", name, said, opts)
        url = f"{args['checkpoints']['url']}/{artifacts_prefix(name, spec.run)}"
        tell(_waits(name, spec))
        if spec.run is not None and spec.image is not None:
            self._start(f"{name}-{spec.run}", name, spec, args, _contract(name, spec, args, allowed, url))
        self.artifacts_url = pulumi.Output.from_input(url)
        self.ref = JobRef(name=name, started=spec.run is not None, artifacts_url=url, storage=args["checkpoints"])
        self.register_outputs(said | {"artifactsUrl": url})

    def _start(self, run_name: str, job: str, spec: JobSpec, args: TrainingJobArgs, agreed: TrainingContract) -> None:
        cluster, queue = args["cluster"], args.get("queue")
        run = Run(
            name=run_name,
            job=job,
            image=str(spec.image),
            contract=agreed,
            place=self._place(run_name, artifacts_prefix(job, spec.run), args),
            queue=None if queue is None else queue["label"],
        )
        # A run keeps the definition it began with; a template could not be changed anyway, and a queue writes into both.
        whole = ["metadata", "spec"]
        if JOBSET in cluster["controllers"]:
            manifest = jobset.job_set(run)
            kubernetes.apiextensions.CustomResource(
                run_name,
                api_version=jobset.API_VERSION,
                kind=jobset.KIND,
                opts=child_of(self, ignore_changes=whole),
                **manifest,
            )
            return
        hosts = kubernetes.core.v1.Service(
            run_name, **headless_service(run_name, cluster["namespace"]), opts=child_of(self)
        )
        lives = child_of(self, depends_on=[hosts], ignore_changes=whole)
        kubernetes.batch.v1.Job(run_name, **indexed_job(run), opts=lives)

    def _place(self, run_name: str, prefix: str, args: TrainingJobArgs) -> Place:
        cluster, pool, checkpoints, data = args["cluster"], args["pool"], args["checkpoints"], args.get("data")
        grants = grant(checkpoints, prefix, write=True)
        volumes = mount(checkpoints, read_only=False)
        if data is not None:
            grants += grant(data, DATA, write=False)
            volumes += mount(data, read_only=True)
        account: pulumi.Input[str] = DEFAULT_ACCOUNT
        if grants:
            account = WorkloadIdentity(run_name, {"cluster": cluster, "grants": grants}, child_of(self)).service_account
        space = cluster["namespace"]
        return Place(
            namespace=controlled(cluster, JOBSET, space) if JOBSET in cluster["controllers"] else space,
            account=account,
            selector=pool["selector"],
            memory_gib=pool["memory_gib"],
            scratch_gib=pool["scratch_gib"],
            part=pool["pod"],
            mounts=mounts(*volumes),
        )


def known_job(job: JobRef, place: EnvironmentRef) -> JobRef:
    """A job with all that a service must know of it: what a reference leaves out follows from the rest.

    Args:
        job: The job as the caller refers to it.
        place: Environment of who serves its model.
    """
    if "started" in job and "artifacts_url" in job:
        return job
    run, storage = job.get("run"), known_storage(job["storage"], place)
    url = f"{storage['url']}/{artifacts_prefix(job['name'], run)}"
    return JobRef(name=job["name"], started=run is not None, artifacts_url=url, storage=storage)


def _known(args: TrainingJobArgs) -> TrainingJobArgs:
    """The arguments with whole references."""
    place, data = args["cluster"]["environment"], args.get("data")
    return {
        **args,
        "pool": known_pool(args["pool"], "/pool/args"),
        "checkpoints": known_storage(args["checkpoints"], place),
        "data": None if data is None else known_storage(data, place),
    }


def artifacts_prefix(job: str, run: str | None) -> str:
    """Where a run's artifacts lie below its storage; a job that was never run has none, and shows the place of all."""
    return f"jobs/{job}" if run is None else f"jobs/{job}/{run}"


def longest_run_name(nodes: int) -> int:
    """How long `<job>-<run>` may be, for the names that are made of it."""
    return min(LONGEST_ROLE_PREFIX, jobset.longest_name(nodes))


def findings(name: str, spec: JobSpec) -> list[Finding]:
    """What is impossible about a job beyond its fields: names that grow too long, a recipe that no container reads."""
    run_name, longest = f"{name}-{spec.run}", longest_run_name(spec.nodes)
    found = []
    if spec.run is not None and len(run_name) > longest:
        message = f"{run_name!r} has {len(run_name)} characters; names of pods and cloud resources are made of it."
        fix = f"shorten the run's or the job's name: {longest} at most, together and with a hyphen"
        found.append(refuse("spec/name", "/run", spec.run, message, fix))
    if not re.fullmatch(RECIPE, spec.recipe):
        fix = "write name[:key=value,…], such as gpt_small or gpt_tiny:steps=100"
        found.append(refuse("spec/recipe", "/recipe", spec.recipe, f"{spec.recipe!r} is no recipe.", fix))
    return found


def queue_findings(spec: JobSpec, pool: PoolRef, queue: QueueRef) -> list[Finding]:
    """What would keep a run in its queue for ever: a pool that is not the queue's, more GPUs than it ever gives."""
    pools, name = queue["pools"], queue["name"]
    if pool["name"] not in pools:
        message = f"runs of queue {name} use {', '.join(pools)}, and not pool {pool['name']}."
        return [refuse("queues/pool", "/queue", name, message, "name another pool, or no queue", allowed=pools)]
    return queue_room(spec, pool["gpus_per_node"], name, queue["max_gpus"])


def queue_room(spec: JobSpec, gpus_per_node: int, queue: str, max_gpus: int) -> list[Finding]:
    """What is wrong with a run that asks for more than its queue gives at once; a run takes all GPUs of its nodes."""
    wanted = spec.nodes * gpus_per_node
    if wanted <= max_gpus:
        return []
    message = (
        f"a run takes {wanted} GPUs ({spec.nodes} nodes of {gpus_per_node}); queue {queue} gives {max_gpus} at once."
    )
    fix = f"use at most {max_gpus // gpus_per_node} nodes, or raise queues.{queue}.max_gpus"
    return [refuse("queues/never", "/nodes", spec.nodes, message, fix)]


def fabric_findings(spec: JobSpec, fabric: str, cloud: str) -> list[Finding]:
    """An image that lacks what machines of a pool reach each other with; NCCL would use TCP and say nothing."""
    parts = [item for item in catalog.fabric_parts(cloud, fabric) if item.place == "image"] if fabric != "none" else []
    if spec.nodes == 1 or spec.run is None or not parts or fabric in spec.fabrics:
        return []
    needed = " and ".join(f"{item.name} ({item.floor} or newer)" for item in parts)
    message = (
        f"nobody says that the image can use {fabric}: {spec.nodes} nodes would talk over TCP and wait for each other."
    )
    fix = f"build it on a base with {needed}, then say fabrics: [{fabric}] beside the image"
    return [refuse("images/fabric", "/fabrics", list(spec.fabrics), message, fix, allowed=[fabric])]


def _contract(name: str, spec: JobSpec, args: TrainingJobArgs, allowed: grace.Grace, url: str) -> TrainingContract:
    run_name, data, price = f"{name}-{spec.run}", args.get("data"), args["pool"].get("usd_per_hour")
    host = jobset.job_set_host if JOBSET in args["cluster"]["controllers"] else rendezvous_host
    return TrainingContract(
        run=run_name,
        recipe=spec.recipe,
        artifacts_url=url,
        data_url=None if data is None else data_url(data),
        nodes=spec.nodes,
        procs_per_node=args["pool"]["gpus_per_node"],
        master_addr=host(run_name),
        notice_seconds=allowed.notice_seconds,
        grace_seconds=allowed.grace_seconds,
        shutdown_seconds=allowed.shutdown_seconds,
        save_deadline_seconds=save_deadline(spec, allowed),
        usd_per_hour=None if price is None else round(price * spec.nodes, 4),
    )


def save_deadline(spec: JobSpec, allowed: grace.Grace) -> int:
    """Seconds within which a run's last save must be whole; 0 for one that leaves without."""
    return 0 if spec.leaves else allowed.save_deadline_seconds


def data_url(data: StorageRef) -> str:
    """Where the training data of a storage lie."""
    return data["url"] if mounted(data) else f"{data['url']}/{DATA}"


def _waits(name: str, spec: JobSpec) -> list[Finding]:
    if spec.run is None or spec.image is not None:
        return []
    message = f"job {name} waits: run {spec.run} has no image."
    fix = "build and push workloads/images/workloads, then set images.digest"
    return [warn("images/missing", f"/jobs/{name}/image", None, message, fix)]
