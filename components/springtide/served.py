"""Which models a service loads, and what it waits for before it can."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

from springtide.spec import Finding, ServiceSpec, warn
from springtide.training import JobRef


class ModelArgs(TypedDict):
    """Which model a service loads."""

    job: JobRef
    """Training job whose run exported it; take it from `TrainingJob.ref`."""
    further: NotRequired[list[JobRef]]
    """More jobs whose models, or adapters of the first, the same servers hold. A request names the job whose it means."""


def jobs_of(model: ModelArgs) -> list[JobRef]:
    """The jobs whose models are served, the first one first."""
    return [model["job"], *model.get("further", [])]


def names(model: ModelArgs) -> dict[str, str | list[str]]:
    """The same by their names, as the spec has them."""
    further = [job["name"] for job in model.get("further", [])]
    return {"job": model["job"]["name"], **({"further": further} if further else {})}


def export(job: JobRef) -> str:
    """Where a job's run exports its model, below its storage."""
    return job["artifacts_url"].removeprefix(f"{job['storage']['url']}/")


def waits(name: str, spec: ServiceSpec, jobs: Sequence[JobRef]) -> list[Finding]:
    """What keeps a service from being started, told and not refused."""
    found = []
    if spec.image is None:
        fix = "build and push workloads/images/workloads, then set images.digest"
        found.append(warn("images/missing", f"/services/{name}/image", None, f"service {name} waits: no image.", fix))
    for job in (job for job in jobs if not job["started"]):
        message = f"service {name} waits: job {job['name']} has no run whose model it could load."
        found.append(warn("services/no-model", f"/services/{name}/model", job["name"], message, "give the job a run"))
    return found
