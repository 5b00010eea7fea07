"""Waits until objects are ready, and says of each that is not what the scheduler, Karpenter and its containers say."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from springtide.local.cluster.api import Api
from springtide.local.cluster.refs import Object, Ref
from springtide.local.progress import Progress

READY_SECONDS = 300.0
_PAUSE = 0.5
_MOST_PODS = 3
"""Pods of one object whose reasons are quoted: the others wait for the same."""
_TRUE = "True"


class Until(StrEnum):
    """When a run counts as ready."""

    STARTED = "started"
    """All its pods run, or have done so."""
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An object that is not ready."""

    ref: Ref
    why: str
    said: tuple[str, ...] = ()
    """What others say of it or of its pods, each with who says so."""
    hopeless: bool = False
    """Whether waiting longer is no use."""


def wait(
    refs: Sequence[Ref],
    api: Api,
    progress: Progress,
    *,
    until: Until = Until.STARTED,
    seconds: float = READY_SECONDS,
) -> tuple[Pending, ...]:
    """Wait until objects are ready.

    Args:
        refs: The objects.
        api: The server that holds them.
        progress: Who is told what is being waited for, and why.
        until: When a run counts as ready.
        seconds: How long to wait at most.

    Returns:
        What is not ready when the time is over, with reasons; nothing when all is well. It comes back early where
        nothing that is left can become ready any more.
    """
    end = time.monotonic() + seconds
    while True:
        pending = [found for ref in refs if (found := readiness(api.get(ref), ref, until)) is not None]
        if all(item.hopeless for item in pending) or time.monotonic() >= end:
            return tuple(replace(item, said=tuple(dict.fromkeys(quotes(api, item.ref)))) for item in pending)
        first = next(item for item in pending if not item.hopeless)
        said = next(quotes(api, first.ref), "")
        told = f"{first.ref}: {first.why}{f' ({said})' if said else ''}"
        progress.doing(f"{len(refs) - len(pending)} of {len(refs)} ready; {told}")
        time.sleep(_PAUSE)


def readiness(item: Object | None, ref: Ref, until: Until = Until.STARTED) -> Pending | None:
    """Why an object is not ready; None where it is. A kind that reports nothing is ready by being there."""
    if item is None:
        return Pending(ref=ref, why="it is not there")
    if item["metadata"].get("generation", 0) > _status(item).get(
        "observedGeneration", item["metadata"].get("generation", 0)
    ):
        return Pending(ref=ref, why="its controller has not seen the change yet")
    check = _CHECKS.get(ref.kind, _no_bad_news)
    why, hopeless = check(item, until)
    return Pending(ref=ref, why=why, hopeless=hopeless) if why else None


_Verdict = tuple[str, bool]
"""Why not yet, empty for ready; and whether it never will be."""
_READY: _Verdict = ("", False)


def _status(item: Object) -> Object:
    found: Object = item.get("status") or {}
    return found


def condition(item: Object, kind: str) -> Mapping[str, str]:
    """One of an object's conditions; empty where it has none of that type."""
    return next((entry for entry in _status(item).get("conditions") or () if entry["type"] == kind), {})


def _replicas(item: Object, until: Until) -> _Verdict:  # noqa: ARG001  one signature for all kinds
    wanted, status = item["spec"].get("replicas", 1), _status(item)
    if "observedGeneration" not in status:
        return "its controller has not seen it yet", False
    current, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if current < wanted:
        return f"{current} of {wanted} replicas are of the current definition", False
    return _READY if available >= wanted else (f"{available} of {wanted} replicas answer", False)


def _job(item: Object, until: Until) -> _Verdict:
    status, failed = _status(item), condition(item, "Failed")
    if condition(item, "Complete").get("status") == _TRUE:
        return _READY
    if failed.get("status") == _TRUE:
        return f"it failed: {failed.get('message', failed.get('reason', ''))}", True
    if item["spec"].get("suspend", False):
        return "it is suspended until its queue lets it start", False
    wanted = min(
        item["spec"].get("parallelism", 1), item["spec"].get("completions", item["spec"].get("parallelism", 1))
    )
    running, done = status.get("ready", 0), status.get("succeeded", 0)
    if until is Until.COMPLETE:
        return f"{running} of {wanted} pods run, {done} are done", False
    return _READY if running + done >= wanted else (f"{running} of {wanted} pods run", False)


def _phase(item: Object, until: Until) -> _Verdict:  # noqa: ARG001  one signature for all kinds
    phase = _status(item).get("phase", "unknown")
    return _READY if phase == "Active" else (f"its phase is {phase}", False)


def _says(kind: str) -> "Callable[[Object, Until], _Verdict]":
    """A check of the kinds that say themselves whether they are ready."""

    def check(item: Object, until: Until) -> _Verdict:  # noqa: ARG001  one signature for all kinds
        found = condition(item, kind)
        if found.get("status") == _TRUE:
            return _READY
        words = found.get("message") or found.get("reason") or f"nobody has said yet that it is {kind}"
        return words, False

    return check


def _no_bad_news(item: Object, until: Until) -> _Verdict:  # noqa: ARG001  one signature for all kinds
    found = condition(item, "Ready")
    return (found.get("message", "it is not ready"), False) if found.get("status") == "False" else _READY


_CHECKS: Mapping[str, Callable[[Object, Until], _Verdict]] = {
    "APIService": _says("Available"), "CustomResourceDefinition": _says("Established"), "Deployment": _replicas,
    "Job": _job, "Namespace": _phase, "NodePool": _says("Ready"), "ScaledObject": _says("Ready"),
    "StatefulSet": _replicas,
}  # fmt: skip


def quotes(api: Api, ref: Ref) -> Iterator[str]:
    """What is said of an object that is not ready: of its waiting pods where it has some, else of itself."""
    item = api.get(ref)
    if item is None:
        return
    pods = waiting_pods(api, item)
    for about in pods[:_MOST_PODS] or [item]:
        yield from stuck_containers(about)
        yield from said_of(api, about)


def waiting_pods(api: Api, item: Object) -> list[Object]:
    """The pods of an object that do not run yet."""
    chosen = (item.get("spec") or {}).get("selector") or {}
    labels = chosen.get("matchLabels") if isinstance(chosen, Mapping) else None
    if not labels:
        return []
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    found = api.objects("v1", "Pod", namespace=item["metadata"].get("namespace", ""), labels=selector)
    return [pod for pod in found if condition(pod, "Ready").get("status") != _TRUE]


def stuck_containers(pod: Object) -> Iterator[str]:
    """Why containers of a pod do not start, in the kubelet's words."""
    for entry in _status(pod).get("containerStatuses") or ():
        waiting = entry.get("state", {}).get("waiting", {})
        if "message" in waiting:
            yield f"container {entry['name']}: {waiting.get('reason', '')}: {waiting['message']}"


def said_of(api: Api, item: Object) -> Iterator[str]:
    """The newest event from each who speaks of an object: `default-scheduler: FailedScheduling: 0/2 nodes …`."""
    newest = {_speaker(event): event for event in api.events(item)}
    for speaker, event in newest.items():
        yield f"{speaker}: {event.get('reason', '')}: {event.get('message', '')}"


def _speaker(event: Object) -> str:
    return str(event.get("reportingComponent") or event.get("source", {}).get("component", ""))
