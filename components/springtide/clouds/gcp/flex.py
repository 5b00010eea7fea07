"""Machines that are waited for: flex-start and queued capacity, both of GCP's Dynamic Workload Scheduler."""

from springtide.selection import Choice
from springtide.spec import Finding, PoolSpec, refuse

WAITING = ("flex-start", "queued")
MOST_HOURS = 168
"""A machine that was waited for is taken back after seven days at most."""
PROVISIONING_CLASS = "queued-provisioning.gke.io"
"""Who hands over queued capacity, in words of Kubernetes' ProvisioningRequest."""
MOST_SECONDS = "provreq.kueue.x-k8s.io/maxRunDurationSeconds"
"""Annotation of a run that Kueue hands on: how long its machines are wanted for. GKE's documentation on flex-start with
queued provisioning has it on the Job; Kueue copies parameters from a run, and not from its pods (its KEP 1788)."""
COMPACT_FLEX_START = ("a3-ultragpu-", "a4-")
"""Series whose flex-start machines can lie close together; H4D is the other one, and has no GPU."""


def queued_findings(spec: PoolSpec, choice: Choice) -> list[Finding]:  # noqa: ARG001  the protocol's signature
    """What cannot go with queued capacity."""
    return [*_from_zero(spec, "queued"), *_queued_compact(spec)]


def flex_start_findings(spec: PoolSpec, choice: Choice) -> list[Finding]:
    """What cannot go with flex-start."""
    first = _from_zero(spec, "flex-start") if spec.capacity[0] == "flex-start" else []
    return [*first, *_flex_start_compact(spec, choice)]


def hours_findings(spec: PoolSpec) -> list[Finding]:
    """What is wrong with how long machines may run."""
    hours = spec.max_run_hours
    if hours is None or hours < 1:
        return []
    if not set(WAITING) & set(spec.capacity):
        message = "only machines that were waited for have an end."
        fix = "remove it, or use flex-start or queued capacity"
        return [refuse("gcp/max-run-hours", "/max_run_hours", hours, message, fix, allowed=WAITING)]
    if hours <= MOST_HOURS:
        return []
    message = f"GCP takes such machines back after {MOST_HOURS} hours at the latest."
    return [refuse("gcp/max-run-hours", "/max_run_hours", hours, message, f"use at most {MOST_HOURS}")]


def most_seconds(spec: PoolSpec) -> int:
    """How long a machine that was waited for runs."""
    return (MOST_HOURS if spec.max_run_hours is None else spec.max_run_hours) * 3600


def _from_zero(spec: PoolSpec, kind: str) -> list[Finding]:
    if spec.min_nodes == 0:
        return []
    message = f"{kind} machines are waited for, so none can be kept warm."
    fix = "set min_nodes to 0, or put a kind that is there at once before it"
    return [refuse("gcp/from-zero", "/min_nodes", spec.min_nodes, message, fix)]


def _queued_compact(spec: PoolSpec) -> list[Finding]:
    if spec.placement != "compact":
        return []
    message = "queued GPUs cannot be placed close together."
    return [refuse("gcp/compact", "/placement", spec.placement, message, "remove placement, or use other capacity")]


def _flex_start_compact(spec: PoolSpec, choice: Choice) -> list[Finding]:
    unfit = [item.name for item in choice.machine_types if not item.name.startswith(COMPACT_FLEX_START)]
    if spec.placement != "compact" or not unfit:
        return []
    message = f"flex-start machines of type {unfit[0]} cannot be placed close together."
    fix = "remove placement, or use a3-ultragpu-8g or a4-highgpu-8g"
    return [refuse("gcp/compact", "/placement", spec.placement, message, fix)]
