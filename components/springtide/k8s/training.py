"""A training run as an Indexed Job: one pod a node, whose index is its rank, found by name through a headless Service."""

from dataclasses import dataclass
from typing import Any

from springtide.k8s import Manifest
from springtide.k8s.pod import container, environment, pod_spec, resources
from springtide_workloads import contract
from springtide_workloads.contract import Env, ExitCode, TrainingContract

HOPELESS = (ExitCode.CONFIG, ExitCode.NO_PROGRESS)
"""Endings that another try would only repeat."""
BACKOFF_LIMIT = 3
"""Tries that a run may spend on other failures. Pods lost to a disruption are replaced and not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of a job, with everything decided."""

    name: str
    """`<job>-<run>`: name of the Job and of its Service."""
    job: str
    image: str
    contract: TrainingContract
    namespace: Any
    account: Any
    selector: Any
    memory_gib: int
    """Memory of the pod; half of it may be shared between its processes."""
    scratch_gib: int


def rendezvous_host(name: str) -> str:
    """Host name of rank 0's pod: an Indexed Job names its pods' hosts, a headless Service resolves them."""
    return f"{name}-0.{name}"


def headless_service(name: str, namespace: Any) -> Manifest:
    """A Service that gives each pod of a run a name, also before it is ready: the rendezvous is how it gets ready."""
    return {
        # Nobody waits for its pods: they are made after it.
        "metadata": {"name": name, "namespace": namespace, "annotations": {"pulumi.com/skipAwait": "true"}},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"batch.kubernetes.io/job-name": name},
            "ports": [{"name": "rendezvous", "port": contract.RENDEZVOUS_PORT}],
        },
    }


def indexed_job(run: Run) -> Manifest:
    """The Job of a run.

    It has no TTL: Pulumi owns it, and would train again after its own refresh. Pulumi does not wait for it either; a run
    takes as long as it takes.
    """
    labels = {"app.kubernetes.io/name": run.job, "app.kubernetes.io/component": "training"}
    return {
        "metadata": {
            "name": run.name,
            "namespace": run.namespace,
            "labels": labels,
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        "spec": {
            "completionMode": "Indexed",
            "completions": run.contract.nodes,
            "parallelism": run.contract.nodes,
            "backoffLimit": BACKOFF_LIMIT,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": _failure_policy(),
            "template": {"metadata": {"labels": labels}, "spec": _pod(run)},
        },
    }


def _failure_policy() -> Manifest:
    """Pods that were told to stop, or whose peers were, are replaced and cost no try; hopeless ones end the run."""
    lost = {"onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    return {
        "rules": [
            {"action": "Ignore", **lost},
            {"action": "Ignore", **_ended_with(ExitCode.INTERRUPTED)},
            {"action": "FailJob", **_ended_with(*HOPELESS)},
        ]
    }


def _ended_with(*codes: ExitCode) -> Manifest:
    values = sorted(int(code) for code in codes)
    return {"onExitCodes": {"containerName": "trainer", "operator": "In", "values": values}}


def _pod(run: Run) -> Manifest:
    rank = {"name": Env.NODE_RANK.value, "valueFrom": {"fieldRef": {"fieldPath": contract.RANK_FIELD}}}
    trainer = container(
        "trainer",
        run.image,
        contract.TRAIN_COMMAND,
        [*environment(run.contract.to_env()), rank],
        ports=[{"name": "metrics", "containerPort": contract.METRICS_PORT}],
        resources=resources(run.contract.procs_per_node, memory_gib=run.memory_gib, scratch_gib=run.scratch_gib),
    )
    return {
        **pod_spec(
            account=run.account,
            selector=run.selector,
            grace_seconds=run.contract.grace_seconds,
            shm_gib=max(run.memory_gib // 2, 1),
            scratch_gib=run.scratch_gib,
            container=trainer,
            gpu=True,
        ),
        "restartPolicy": "Never",
        "subdomain": run.name,
    }
