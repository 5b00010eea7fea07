"""A training run without the controllers that queue and restart it: its JobSet as the Indexed Job that it contains."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from springtide.local.cluster.refs import Object
from springtide.local.render.objects import kept, with_containers, without
from springtide.local.render.substitution import Here
from springtide_workloads.contract import Env

JOBSET = "jobset.x-k8s.io"
KUEUE = "kueue.x-k8s.io"
_REASON = "PodFailurePolicy"
_ACTIONS = {"FailJobSet": "FailJob", "RestartJobSetAndIgnoreMaxRestarts": "Ignore"}
"""What a JobSet does about a failed Job → what a Job does about a failed pod, to the same end. All else is counted."""


def without_jobset(item: Object, here: Here) -> Object | None:
    """A JobSet as the one Job in it, with the same pods; one of several Jobs stays what it is."""
    if not item["apiVersion"].startswith(f"{JOBSET}/") or JOBSET in here.groups or not _single(item):
        return item
    meta, spec = item["metadata"], item["spec"]
    [replicated] = spec["replicatedJobs"]
    job = replicated["template"]["spec"]
    name = meta["name"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {
            **job,
            **({"suspend": spec["suspend"]} if "suspend" in spec else {}),
            "backoffLimit": spec.get("failurePolicy", {}).get("maxRestarts", 0),
            **_policy(job, spec.get("failurePolicy", {}).get("rules", [])),
            "template": _template(job["template"], f"{name}-{replicated['name']}-0-0.{name}", name),
        },
    }


def without_queue(item: Object, here: Here) -> Object:
    """What waits in a queue starts at once."""
    if KUEUE in here.groups:
        return item
    meta = kept(item["metadata"], "labels", lambda label: not label.startswith(f"{KUEUE}/"))
    return {**item, "metadata": meta} | ({"spec": without(item["spec"], "suspend")} if _suspended(item) else {})


def _suspended(item: Object) -> bool:
    return item["kind"] in {"Job", "JobSet"} and "suspend" in item["spec"]


def _single(item: Object) -> bool:
    return [job.get("replicas", 1) for job in item["spec"]["replicatedJobs"]] == [1]


def _template(pod: Object, old: str, name: str) -> Object:
    """The pods with the host names that an Indexed Job gives them, and the first one's where they look for it."""
    spec = {**pod["spec"], "subdomain": name}
    return with_containers({**pod, "spec": spec}, lambda item: _told(item, old, f"{name}-0.{name}"))


def _told(container: Object, old: str, new: str) -> Object:
    first = {"name": Env.MASTER_ADDR.value, "value": new}
    env = [first if item == {**first, "value": old} else item for item in container.get("env", [])]
    return {**container, "env": env} if "env" in container else container


def _policy(job: Object, rules: Sequence[Object]) -> Object:
    """The pods' failure policy with the JobSet's decisions in it, in their order.

    JobSet decides by the message of the failed Job, and the message names the pods' rule. So each rule's message is put
    before the JobSet's rules, as its controller would.
    """
    own = job.get("podFailurePolicy", {}).get("rules", [])
    found = [new for rule in own for new in _decided(rule, rules)]
    return {"podFailurePolicy": {"rules": found}} if found else {}


def _decided(rule: Object, rules: Sequence[Object]) -> Iterator[Object]:
    if rule["action"] != "FailJob":
        yield rule
        return
    if "onPodConditions" in rule:
        for condition in rule["onPodConditions"]:
            message = f"has condition {condition['type']} matching FailJob rule"
            yield {"action": _action(message, rules), "onPodConditions": [condition]}
        return
    codes = rule["onExitCodes"]
    decided = [
        (_action(f"failed with exit code {code} matching FailJob rule", rules), code) for code in codes["values"]
    ]
    for action, pairs in groupby(decided, key=lambda pair: pair[0]):
        yield {"action": action, "onExitCodes": {**codes, "values": [code for _, code in pairs]}}


def _action(message: str, rules: Sequence[Object]) -> str:
    def applies(rule: Object) -> bool:
        patterns: list[Any] = rule.get("onJobFailureMessagePatterns", [""])
        return _REASON in rule.get("onJobFailureReasons", [_REASON]) and any(re.search(it, message) for it in patterns)

    return next((_ACTIONS.get(rule["action"], "Count") for rule in rules if applies(rule)), "Count")
