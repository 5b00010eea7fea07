"""Which models a service loads and by which server, and what it waits for before it can."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from springtide import exposure
from springtide.environment import EnvironmentRef
from springtide.file_system import known_storage
from springtide.identity import GrantArgs
from springtide.k8s.backends import BACKENDS, Backend, Launch, flags
from springtide.k8s.pod import Mount
from springtide.k8s.serving import EXIT_MARGIN_SECONDS
from springtide.place import grant, mount, mounted, mounts
from springtide.spec import Finding, ModelSpec, ServiceSpec, refuse, warn
from springtide.spec.work import OURS
from springtide.storage import StorageRef
from springtide.training import JobRef, known_job
from springtide_workloads.contract import KEYS_FILE, Device, ServingContract


class ModelArgs(TypedDict):
    """Which model a service loads: one of `job`, `hub` and `storage`."""

    job: NotRequired[JobRef]
    """Training job whose run exported it; take it from `TrainingJob.ref`."""
    further: NotRequired[list[JobRef]]
    """More jobs whose models, or adapters of the first, the same servers hold. A request names the job whose it means."""
    hub: NotRequired[str]
    """Name of a model at Hugging Face, for a backend that is not ours. Secret <service>-hub may hold a `token` for it."""
    storage: NotRequired[StorageRef]
    """Storage with a folder that holds it, for a backend that is not ours; take it from `Storage.ref` or `FileSystem.ref`."""
    path: NotRequired[str]
    """The folder, below the storage."""


def chosen(model: ModelSpec, jobs: Mapping[str, JobRef], storage: Mapping[str, StorageRef]) -> ModelArgs:
    """The model that a file names, with what it refers to."""
    found = ModelArgs()
    if model.job is not None:
        found["job"] = jobs[model.job]
    if model.further:
        found["further"] = [jobs[name] for name in model.further]
    if model.storage is not None:
        found["storage"], found["path"] = storage[model.storage], model.path or ""
    if model.hub is not None:
        found["hub"] = model.hub
    return found


def known(model: ModelArgs, place: EnvironmentRef) -> ModelArgs:
    """The model with whole references."""
    found = model.copy()
    if "job" in model:
        found["job"] = known_job(model["job"], place)
    if "further" in model:
        found["further"] = [known_job(job, place) for job in model["further"]]
    if "storage" in model:
        found["storage"] = known_storage(model["storage"], place)
    return found


def names(model: ModelArgs) -> dict[str, Any]:
    """The same by the names of what it refers to, as the spec has them."""
    found: dict[str, Any] = {key: model[key] for key in ("hub", "path") if key in model}
    found |= {key: model[key]["name"] for key in ("job", "storage") if key in model}
    further = [job["name"] for job in model.get("further", [])]
    return {**found, **({"further": further} if further else {})}


def jobs_of(model: ModelArgs) -> list[JobRef]:
    """The jobs whose models are served, the first one first; none where the model is not a job's."""
    return [*([model["job"]] if "job" in model else []), *model.get("further", [])]


def ready(spec: ServiceSpec, model: ModelArgs) -> bool:
    """Whether there is all that its servers and gateways need to start."""
    return spec.image is not None and _fronted(spec) and all(job["started"] for job in jobs_of(model))


def waits(name: str, spec: ServiceSpec, model: ModelArgs) -> list[Finding]:
    """What keeps a service from being started, told and not refused."""
    found = []
    push = "build and push workloads/images/workloads, then set images.digest"
    if spec.image is None:
        found.append(warn("images/missing", f"/services/{name}/image", None, f"service {name} waits: no image.", push))
    elif not _fronted(spec):
        message = f"service {name} waits: no image of ours for the gateways before its {spec.backend} servers."
        found.append(warn("images/missing", f"/services/{name}/gateway_image", None, message, push))
    for job in (job for job in jobs_of(model) if not job["started"]):
        message = f"service {name} waits: job {job['name']} has no run whose model it could load."
        found.append(warn("services/no-model", f"/services/{name}/model", job["name"], message, "give the job a run"))
    return found


def _fronted(spec: ServiceSpec) -> bool:
    """Whether its gateways, if it has any, have an image: ours, whatever its servers are."""
    return not (spec.is_foreign and spec.has_gateway) or spec.gateway_image is not None


def findings(spec: ServiceSpec, gpus: int) -> list[Finding]:
    """What its kind of server cannot do with what it is given."""
    if spec.backend not in BACKENDS:
        return []  # the spec's own rules speak of it
    backend, found = backend_of(spec), []
    if backend.needs_gpu and gpus == 0:
        message = f"the image of {spec.backend} computes on GPUs."
        found.append(refuse("services/backend-gpu", "/gpus", gpus, message, f"name a pool, or use backend: {OURS}"))
    if spec.model.hub is not None and spec.is_foreign and not backend.hub:
        message = f"{spec.backend} loads a repository of models, not one by its name at Hugging Face."
        fix = "name storage and path of one"
        found.append(refuse("services/backend-hub", "/model/hub", spec.model.hub, message, fix))
    taken = flags(backend, Launch(name="", model="s3://", gpus=gpus, drain_seconds=1)) - {"--load-format"}
    return [
        *found,
        *(
            refuse(
                "services/backend-argument",
                f"/arguments/{at}",
                each,
                f"{each.partition('=')[0]} follows from the service's own keys.",
                "leave it out: name, model, gpus and drain_seconds say it",
            )
            for at, each in enumerate(spec.arguments)
            if each.partition("=")[0] in taken
        ),
    ]


def backend_of(spec: ServiceSpec) -> Backend:
    """The kind of server that runs."""
    return BACKENDS[spec.backend]


def launch(name: str, spec: ServiceSpec, model: ModelArgs, gpus: int) -> Launch:
    """What one replica is told as arguments."""
    return Launch(
        name=name,
        model=_location(model),
        gpus=gpus,
        drain_seconds=spec.drain_seconds,
        more=spec.arguments,
    )


def env(name: str, spec: ServiceSpec, model: ModelArgs, gpus: int) -> dict[str, str]:
    """What one replica is told in its environment: all, where the server is ours."""
    if spec.is_foreign:
        return {}
    further = model.get("further", [])
    return ServingContract(
        model_url=_location(model),
        further_model_urls=",".join(f"{job['name']}={job['artifacts_url']}" for job in further) or None,
        predictor=spec.predictor,
        device=Device.CUDA if gpus else Device.CPU,
        grace_seconds=grace_seconds(spec),
        propagation_seconds=spec.propagation_seconds,
        drain_seconds=spec.drain_seconds,
        keys_file=None if exposure.keys(name, spec) is None else KEYS_FILE,
    ).to_env()


def keys(name: str, spec: ServiceSpec) -> str | None:
    """Secret with the keys that the servers ask for. Those that are not ours ask for none: their gateways do."""
    return None if spec.is_foreign else exposure.keys(name, spec)


def hub_token(name: str, model: ModelArgs) -> str | None:
    """Secret that may hold a token for Hugging Face; None where the model is not there."""
    return f"{name}-hub" if "hub" in model else None


def grace_seconds(spec: ServiceSpec) -> int:
    """Seconds between the end of a replica's pod being decided and SIGKILL: a sleep before SIGTERM counts too."""
    return spec.propagation_seconds + spec.drain_seconds + EXIT_MARGIN_SECONDS


def grants(model: ModelArgs) -> list[GrantArgs]:
    """Rights to read the models that are in buckets."""
    of_jobs = (one for job in jobs_of(model) for one in grant(job["storage"], _export(job), write=False))
    folder = grant(model["storage"], model.get("path", ""), write=False) if "storage" in model else []
    return [*of_jobs, *folder]


def file_systems(model: ModelArgs) -> tuple[Mount, ...]:
    """Mounts of the models that are in file systems."""
    storages: Sequence[StorageRef] = [job["storage"] for job in jobs_of(model)]
    if "storage" in model:
        storages = [*storages, model["storage"]]
    return mounts(*(one for storage in storages for one in mount(storage, read_only=True)))


def _export(job: JobRef) -> str:
    """Where a job's run exports its model, below its storage."""
    return job["artifacts_url"].removeprefix(f"{job['storage']['url']}/")


def _location(model: ModelArgs) -> str:
    """Where the first model is, as its server is told."""
    if "job" in model:
        return model["job"]["artifacts_url"]
    if "storage" not in model:
        return model.get("hub", "")
    storage = model["storage"]
    return f"{storage['mount_path'] if mounted(storage) else storage['url']}/{model.get('path', '')}"
