"""Kueue's objects of one queue: what it may use of each pool, how much over all of them, and where runs wait.

Kueue counts GPUs for each flavor, that is pool, and has no limit over several. So each GPU is counted twice, the second
time under a name of ours that has one flavor for all pools (Kueue's own recipe, "Share quotas across flavors").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from springtide.k8s import Manifest
from springtide.k8s.pod import GPU

API_VERSION = "kueue.x-k8s.io/v1beta2"
"""Served since Kueue 0.14, and the only one that the pinned chart stores."""
TOTAL = "springtide.dev/gpus"
"""Resource under which Kueue counts a run's GPUs whatever pool they are in."""
PROVISIONING = "kueue.x-k8s.io/provisioning-request"
"""Kueue's controller that asks a node autoscaler for all machines of a run before it starts it."""
READY_SECONDS = 1800
"""Time for all machines of a run to come; then it gives back what it has and waits again. Kueue's own default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A pool as a queue uses it."""

    pool: str
    selector: Any
    """Node labels of the pool."""
    tolerations: list[dict[str, str]]
    """Taints of the pool, besides the GPU's, that the queue's runs accept."""
    gpus: int
    """GPUs of the pool at its ceiling."""
    queued: bool
    """Whether its machines come all at once, on request."""


def flavor_name(queue: str, pool: str) -> str:
    """Name of a pool's flavor in a queue; flavors have no namespace."""
    return f"{queue}-{pool}"


def flavor(name: str, share: Share) -> Manifest:
    """A pool as Kueue knows it. Kueue writes its labels and tolerations into whatever it admits there."""
    gpu = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}
    return {
        "metadata": {"name": name},
        "spec": {"nodeLabels": share.selector, "tolerations": [gpu, *share.tolerations]},
    }


def any_flavor(name: str) -> Manifest:
    """All pools at once: it holds the total and places nothing."""
    return {"metadata": {"name": name}, "spec": {}}


def cluster_queue(name: str, namespace: Any, max_gpus: int, shares: Sequence[Share]) -> Manifest:
    """The quota. A run of a pool takes that pool's flavor, for its pods ask for its label."""
    pools = [(flavor_name(name, share.pool), min(share.gpus, max_gpus)) for share in shares]
    checked = [flavor_name(name, share.pool) for share in shares if share.queued]
    checks = {"admissionChecks": [{"name": name, "onFlavors": checked}]}
    return {
        "metadata": {"name": name},
        "spec": {
            # No selector would mean no namespace at all.
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "queueingStrategy": "BestEffortFIFO",
            "resourceGroups": [
                _group(GPU, pools),
                _group(TOTAL, [(name, max_gpus)]),
            ],
            **({"admissionChecksStrategy": checks} if checked else {}),
        },
    }


def local_queue(name: str, namespace: Any) -> Manifest:
    """Where the workloads of a namespace find the queue."""
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterQueue": name}}


def admission_check(name: str) -> Manifest:
    """Runs on queued capacity start once the cloud has promised all their machines."""
    reference = {"apiGroup": "kueue.x-k8s.io", "kind": "ProvisioningRequestConfig", "name": name}
    return {"metadata": {"name": name}, "spec": {"controllerName": PROVISIONING, "parameters": reference}}


def provisioning_config(name: str, provisioning_class: str) -> Manifest:
    """What is asked of the node autoscaler."""
    return {
        "metadata": {"name": name},
        "spec": {"provisioningClassName": provisioning_class, "managedResources": [GPU]},
    }


def configuration() -> Manifest:
    """Kueue's own configuration, for its chart: whose workloads it looks at and what of them it counts.

    What a queue does not count it must be told to pass over, or no pod that asks for memory would ever be admitted.
    A run whose pods do not all come in time steps back, so that two runs never wait for each other's machines.
    """
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8081"},
        "metrics": {"bindAddress": ":8443"},
        "webhook": {"port": 9443},
        "leaderElection": {"leaderElect": True, "resourceName": "c1f6bfd2.kueue.x-k8s.io"},
        "integrations": {"frameworks": ["batch/job", "jobset.x-k8s.io/jobset"]},
        "resources": {
            "excludeResourcePrefixes": [
                *("cpu", "memory", "ephemeral-storage", "hugepages-"),
                *("vpc.amazonaws.com/", "networking.gke.io"),
            ],
            "transformations": [{"input": GPU, "strategy": "Retain", "outputs": {TOTAL: "1"}}],
        },
        "waitForPodsReady": {
            "timeout": f"{READY_SECONDS}s",
            "recoveryTimeout": f"{READY_SECONDS}s",
            "blockAdmission": False,
            "requeuingStrategy": {"timestamp": "Eviction", "backoffBaseSeconds": 60, "backoffMaxSeconds": 3600},
        },
    }


def _group(resource: str, quotas: Sequence[tuple[str, int]]) -> Manifest:
    flavors = [{"name": name, "resources": [{"name": resource, "nominalQuota": str(gpus)}]} for name, gpus in quotas]
    return {"coveredResources": [resource], "flavors": flavors}
