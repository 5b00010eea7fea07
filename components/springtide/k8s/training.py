"""A training run: its pods, and the Indexed Job that runs them, found by name through a headless Service.

Each pod has a node's GPUs, and its index is its rank. Where the cluster has the JobSet controller, `k8s.jobset` puts the
same Job into a JobSet.
"""

from dataclasses import dataclass

from springtide.k8s import Manifest
from springtide.k8s.pod import Place, container, environment, pod_template
from springtide_workloads import contract
from springtide_workloads.contract import Env, ExitCode, TrainingContract

CONTAINER = "trainer"
HOPELESS = (ExitCode.CONFIG, ExitCode.NO_PROGRESS)
"""Endings that another try would only repeat."""
TRIES = 3
"""Tries that a run may spend on failures of its own. Pods lost to a disruption are replaced and not counted."""
RUN_LABEL = "springtide.dev/run"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
UNDISTURBED = {"karpenter.sh/do-not-disrupt": "true", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
"""Pod annotations by which node autoscalers leave a busy node alone; one that does not know a name passes it over."""
ZONE = "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of a job, with everything decided."""

    name: str
    """`<job>-<run>`: name of the Job or JobSet and of its Service."""
    job: str
    image: str
    contract: TrainingContract
    place: Place
    """Half of its memory may be shared between the pod's processes."""
    queue: object = None
    """Name of the queue that starts it; None: nobody but the scheduler stands between it and its nodes."""


def rendezvous_host(name: str) -> str:
    """Host name of rank 0's pod: an Indexed Job names its pods' hosts, a headless Service resolves them."""
    return f"{name}-0.{name}"


def headless_service(name: str, namespace: object) -> Manifest:
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
    """The Job of a run, for a cluster without JobSets."""
    return {
        "metadata": metadata(run),
        "spec": {
            **gang(run),
            **({} if run.queue is None else {"suspend": True}),
            "backoffLimit": TRIES,
            "podFailurePolicy": _failure_policy(),
        },
    }


def metadata(run: Run) -> Manifest:
    """Name and labels of a run's object.

    It has no TTL: Pulumi owns it, and would train again after its own refresh. Pulumi does not wait for it either; a run
    takes as long as it takes.
    """
    queued = {} if run.queue is None else {QUEUE_LABEL: run.queue}
    request = {} if run.queue is None else run.place.part.get("request", {})
    return {
        "name": run.name,
        "namespace": run.place.namespace,
        "labels": {**_labels(run), **queued},
        "annotations": {"pulumi.com/skipAwait": "true", **request},
    }


def gang(run: Run) -> Manifest:
    """The pods of a run, one a node, all at once: what a Job's spec says of them, except how it fails."""
    pods = pod_template(
        _trainer(run),
        run.place,
        labels=_labels(run),
        grace_seconds=run.contract.grace_seconds,
        shm_gib=max(run.place.memory_gib // 2, 1),
        gpu=True,
    )
    notes = {**pods["metadata"].get("annotations", {}), **UNDISTURBED}
    return {
        "completionMode": "Indexed",
        "completions": run.contract.nodes,
        "parallelism": run.contract.nodes,
        # The API takes no other word beside a podFailurePolicy: a pod is replaced once it is gone.
        "podReplacementPolicy": "Failed",
        "template": {
            "metadata": {**pods["metadata"], "annotations": notes},
            "spec": {**pods["spec"], **_together(run), "restartPolicy": "Never", "subdomain": run.name},
        },
    }


def told_apart(*codes: ExitCode) -> Manifest:
    """The condition of a podFailurePolicy's rule on how the trainer ended."""
    values = sorted(int(code) for code in codes)
    return {"onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": values}}


DISRUPTED = {"onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
"""The condition of a podFailurePolicy's rule on pods that somebody took away: a drain, a preemption, a lost node."""


def _failure_policy() -> Manifest:
    """Pods that were told to stop, or whose peers were, are replaced and cost no try; hopeless ones end the run."""
    return {
        "rules": [
            {"action": "Ignore", **DISRUPTED},
            {"action": "Ignore", **told_apart(ExitCode.INTERRUPTED)},
            {"action": "FailJob", **told_apart(*HOPELESS)},
        ]
    }


def _labels(run: Run) -> dict[str, str]:
    return {"app.kubernetes.io/name": run.job, "app.kubernetes.io/component": "training", RUN_LABEL: run.name}


def _trainer(run: Run) -> Manifest:
    rank = {"name": Env.NODE_RANK.value, "valueFrom": {"fieldRef": {"fieldPath": contract.RANK_FIELD}}}
    # The contract's word is last: a fabric's library never renames a rank.
    variables = {**run.place.part.get("env", {}), **run.contract.to_env()}
    return container(
        CONTAINER,
        run.image,
        contract.TRAIN_COMMAND,
        [*environment(variables), rank],
        place=run.place,
        gpus=run.contract.procs_per_node,
        ports=[{"name": "metrics", "containerPort": contract.METRICS_PORT}],
    )


def _together(run: Run) -> Manifest:
    """All pods of a run on one rung, by the label that the pool says, and in one zone: where the first one comes to be."""
    label = run.place.part.get("together")
    if label is None or run.contract.nodes == 1:
        return {}
    others = {"labelSelector": {"matchLabels": {RUN_LABEL: run.name}}}
    terms = [{"topologyKey": key, **others} for key in dict.fromkeys((label, ZONE))]
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}
