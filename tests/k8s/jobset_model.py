"""What Kubernetes' Job controller and JobSet make of pods that end, as their documentation has it.

Job: the first failed pod that matches a `FailJob` rule fails the Job with reason PodFailurePolicy and a message that names
pod and rule; a failure that no rule matches counts towards `backoffLimit` (kubernetes.io, pod failure policy; message: JobSet
KEP-262). JobSet: the first of its rules whose reasons and patterns match decides; without one it restarts, and counts it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from springtide.k8s import Manifest

FREE = "RestartJobSetAndIgnoreMaxRestarts"
COUNTED = "RestartJobSet"
FAILED = "FailJobSet"


@dataclass(frozen=True)
class Ended:
    """A pod that failed."""

    exit_code: int
    disrupted: bool = False


def action(job_set: Manifest, pods: Sequence[Ended]) -> str:
    """What the JobSet does after these pods failed, in the order in which the Job controller looks at them."""
    [replicated] = job_set["spec"]["replicatedJobs"]
    reason, message = _failure(replicated["template"]["spec"], pods)
    return decide(job_set["spec"]["failurePolicy"], reason, message)


def decide(policy: Manifest, reason: str, message: str) -> str:
    """What the JobSet does after its Job failed."""
    matching = (
        rule["action"]
        for rule in policy["rules"]
        if reason in rule["onJobFailureReasons"]
        and any(re.search(pattern, message) for pattern in rule["onJobFailureMessagePatterns"])
    )
    return next(matching, COUNTED)


def starts(job_set: Manifest, endings: Sequence[Sequence[Ended]]) -> int:
    """How often a run is started in all, if its attempts end like this, one after the other."""
    counted, started = 0, 1
    for pods in endings:
        found = action(job_set, pods)
        if found == FAILED or (found == COUNTED and counted >= job_set["spec"]["failurePolicy"]["maxRestarts"]):
            break
        counted += found == COUNTED
        started += 1
    return started


def _failure(job: Manifest, pods: Sequence[Ended]) -> tuple[str, str]:
    for pod in pods:
        for index, rule in enumerate(job["podFailurePolicy"]["rules"]):
            if (cause := _cause(rule, pod)) is not None:
                # The first rule that matches a pod speaks for it.
                return "PodFailurePolicy", f"{cause} matching {rule['action']} rule at index {index}"
    assert len(pods) > job["backoffLimit"]
    return "BackoffLimitExceeded", "Job has reached the specified backoff limit"


def _cause(rule: dict[str, Any], pod: Ended) -> str | None:
    if any(item["type"] == "DisruptionTarget" for item in rule.get("onPodConditions", [])):
        return "Pod springtide/gpt-node-0-1-x2x has condition DisruptionTarget" if pod.disrupted else None
    codes = rule["onExitCodes"]
    assert codes["operator"] == "In"
    if pod.exit_code not in codes["values"]:
        return None
    return (
        f"Container {codes['containerName']} for pod springtide/gpt-node-0-1-x2x failed with exit code {pod.exit_code}"
    )
