"""When an object counts as ready, and what is said of one that is not."""

from typing import Any

import pytest
from tests.local.applied_objects import Remembers, autoscaler, deployment, job, namespace, settings

from springtide.local.cluster import wait as waiting
from springtide.local.cluster.refs import Object, Ref
from springtide.local.cluster.wait import Pending, Until, readiness, stuck_containers, wait


def with_status(item: Object, *, generation: int = 1, **status: Any) -> Object:
    return {**item, "metadata": {**item["metadata"], "generation": generation}, "status": status}


def conditions(**words: str) -> list[dict[str, str]]:
    return [{"type": kind, "status": value, "message": f"{kind} says {value}"} for kind, value in words.items()]


def why(item: Object, until: Until = Until.STARTED) -> str:
    found = readiness(item, Ref.of(item), until)
    return "" if found is None else found.why


def servers(replicas: int, available: int, *, seen: int = 1) -> Object:
    return with_status(
        deployment("work", replicas), observedGeneration=seen, updatedReplicas=available, availableReplicas=available
    )


def run(parallelism: int = 2, **status: Any) -> Object:
    item = with_status(job("work"), **status)
    return {**item, "spec": {**item["spec"], "suspend": False, "parallelism": parallelism, "completions": parallelism}}


READY: dict[str, Object] = {
    "a service that sleeps at zero": servers(0, 0),
    "a service with all its replicas": servers(2, 2),
    "a run whose pods run": run(ready=2),
    "a run of which a part is done": run(ready=1, succeeded=1),
    "a run that is complete": run(conditions=conditions(Complete="True")),
    "a namespace": with_status(namespace("work"), phase="Active"),
    "a pool": with_status({**settings(""), "kind": "NodePool"}, conditions=conditions(Ready="True")),
    "something that reports nothing": settings("work"),
}  # fmt: skip
NOT_READY: dict[str, tuple[Object, str]] = {
    "replicas that do not answer": (servers(2, 1), "1 of 2 replicas"),
    "a change that nobody has seen": (servers(2, 2, seen=0), "has not seen the change"),
    "a deployment that is new": (deployment("work"), "has not seen it yet"),
    "pods that do not run": (run(ready=1), "1 of 2 pods run"),
    "a run in its queue": (with_status(job("work")), "until its queue lets it start"),
    "a namespace that goes": (with_status(namespace("work"), phase="Terminating"), "its phase is Terminating"),
    "a pool whose class is missing": (
        with_status({**settings(""), "kind": "NodePool"}, conditions=conditions(Ready="False")), "Ready says False",
    ),
    "a scaled object before KEDA": ({**autoscaler("work"), "kind": "ScaledObject"}, "nobody has said yet"),
    "anything that says it is not": (
        with_status(settings("work"), conditions=conditions(Ready="False")), "Ready says False",
    ),
}  # fmt: skip


@pytest.mark.parametrize("item", READY.values(), ids=READY)
def test_this_is_ready(item: Object) -> None:
    assert why(item) == ""


@pytest.mark.parametrize(("item", "reason"), NOT_READY.values(), ids=NOT_READY)
def test_this_is_not_ready_and_says_why(item: Object, reason: str) -> None:
    assert reason in why(item)


def test_a_run_that_runs_is_not_complete() -> None:
    assert why(run(ready=2), Until.COMPLETE) == "2 of 2 pods run, 0 are done"


def test_a_run_that_failed_never_becomes_ready() -> None:
    found = readiness(run(conditions=conditions(Failed="True")), Ref.of(job("work")))
    assert found == Pending(ref=Ref.of(job("work")), why="it failed: Failed says True", hopeless=True)


def test_what_is_not_there_is_not_ready() -> None:
    found = readiness(None, Ref.of(job("work")))
    assert found is not None
    assert found.why == "it is not there"


def test_a_container_that_does_not_start_is_quoted() -> None:
    state = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    pod = {"status": {"containerStatuses": [{"name": "server", "state": state}, {"name": "other", "state": {}}]}}
    assert list(stuck_containers(pod)) == ["container server: ErrImagePull: no such image"]


class Cluster:
    """What `wait` asks of an API, answered from a list of states, one a round."""

    def __init__(self, *states: Object) -> None:
        self._states = list(states)

    def get(self, _ref: Ref) -> Object:
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]

    def objects(self, *_kind: str, **_selectors: str) -> list[Object]:
        return []

    def events(self, _about: Object) -> list[Object]:
        said = {"reason": "FailedScheduling", "message": "0/2 nodes are available", "metadata": {}}
        karpenter = {"reason": "FailedScheduling", "message": "no instance type has enough", "metadata": {}}
        return [
            {**said, "message": "0/1 nodes are available", "reportingComponent": "default-scheduler"},
            {**said, "reportingComponent": "default-scheduler"},
            {**karpenter, "source": {"component": "karpenter"}},
        ]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PAUSE", 0.0)


def test_waiting_ends_when_all_is_ready_and_tells_what_it_waits_for() -> None:
    progress = Remembers()
    cluster: Any = Cluster(servers(1, 0), servers(1, 0), servers(1, 1))
    assert wait([Ref.of(deployment("work"))], cluster, progress) == ()
    assert "0 of 1 replicas are of the current definition (default-scheduler: Failed" in progress.lines[0]
    assert "0 of 1 ready" in progress.lines[0]


def test_what_is_still_pending_is_returned_with_what_others_say() -> None:
    cluster: Any = Cluster(servers(1, 0))
    [left] = wait([Ref.of(deployment("work"))], cluster, Remembers(), seconds=0)
    assert left.said == (
        "default-scheduler: FailedScheduling: 0/2 nodes are available",
        "karpenter: FailedScheduling: no instance type has enough",
    )


def test_nobody_waits_for_what_is_hopeless() -> None:
    cluster: Any = Cluster(run(conditions=conditions(Failed="True")))
    [left] = wait([Ref.of(job("work"))], cluster, Remembers(), seconds=60)
    assert left.hopeless
