"""A training run as a JobSet: it starts all pods anew, together, when one is lost.

Who counts what: with `backoffLimit: 0` the Job fails at its first failed pod, and says why in its condition's message,
whose words JobSet's KEP-262 holds to be stable. The JobSet's rules read them. Only what is known to be nobody's fault is
free; whatever a rule does not recognise spends one of the restarts, so that no change of words makes a run restart for ever.
"""

from springtide.k8s import Manifest
from springtide.k8s.training import DISRUPTED, HOPELESS, TRIES, Run, gang, metadata, told_apart
from springtide_workloads.contract import ExitCode

API_VERSION = "jobset.x-k8s.io/v1alpha2"
KIND = "JobSet"
JOB = "node"
"""Name of the one replicated job: a pod of it is a node of the run."""
SUFFIX = "-abcde"
"""What Kubernetes adds to a pod's name; JobSet's webhook counts it in."""
LONGEST_POD_NAME = 63


def job_set_host(name: str) -> str:
    """Host name of rank 0's pod: the JobSet controller makes the headless Service itself, named like `subdomain`."""
    return f"{name}-{JOB}-0-0.{name}"


def longest_name(nodes: int) -> int:
    """How long the name of a run of so many nodes may be: its longest pod name must fit, as JobSet's webhook has it."""
    return LONGEST_POD_NAME - len(f"-{JOB}-0-{nodes - 1}{SUFFIX}")


def job_set(run: Run) -> Manifest:
    """The JobSet of a run."""
    job = {**gang(run), "backoffLimit": 0, "podFailurePolicy": _pods_fail()}
    # JobSet gives each pod its host name and subdomain.
    pod = {key: value for key, value in job["template"]["spec"].items() if key != "subdomain"}
    template = {**job["template"], "spec": pod}
    return {
        "metadata": metadata(run),
        "spec": {
            **({} if run.queue is None else {"suspend": True}),
            "network": {"enableDNSHostnames": True, "subdomain": run.name, "publishNotReadyAddresses": True},
            "failurePolicy": _jobs_fail(),
            "replicatedJobs": [{"name": JOB, "replicas": 1, "template": {"spec": {**job, "template": template}}}],
        },
    }


def _pods_fail() -> Manifest:
    """Endings that the JobSet must tell from others fail the Job by name; all others reach its `backoffLimit`."""
    conditions = (DISRUPTED, told_apart(ExitCode.INTERRUPTED), told_apart(*HOPELESS))
    return {"rules": [{"action": "FailJob", **condition} for condition in conditions]}


def _jobs_fail() -> Manifest:
    codes = "|".join(str(int(code)) for code in sorted(HOPELESS))
    free = {"action": "RestartJobSetAndIgnoreMaxRestarts", "onJobFailureReasons": ["PodFailurePolicy"]}
    rules = [
        {
            "name": "hopeless",
            "action": "FailJobSet",
            "onJobFailureReasons": ["PodFailurePolicy"],
            "onJobFailureMessagePatterns": [f"failed with exit code ({codes}) matching FailJob rule"],
        },
        {
            "name": "disrupted",
            **free,
            "onJobFailureMessagePatterns": ["has condition DisruptionTarget matching FailJob rule"],
        },
        {
            # A queue that suspends a run ends its pods without a DisruptionTarget (jobset#1117): they say so themselves.
            "name": "interrupted",
            **free,
            "onJobFailureMessagePatterns": [f"failed with exit code {int(ExitCode.INTERRUPTED)} matching FailJob rule"],
        },
    ]
    # Old and new pods never write below the same checkpoints at once.
    return {"maxRestarts": TRIES, "restartStrategy": "BlockingRecreate", "rules": rules}
