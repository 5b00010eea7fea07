"""Pods on simulated nodes and their twins: what is made, told, stopped and let go."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.local.real.twin import (
    IMAGE,
    NAMESPACE,
    NODE,
    RUNS,
    TWIN_OF,
    Create,
    Machine,
    Release,
    Report,
    Stop,
    actions,
)

MACHINE = Machine(
    read_only=("/usr", "/opt/python"), storage="/data", storage_path="/springtide/storage", python="/opt/bin"
)
INDEX = "batch.kubernetes.io/job-completion-index"


def pod(index: int | None = None, *, leaving: bool = False, uid: str = "a", **status: Any) -> dict[str, Any]:
    rank = {} if index is None else {INDEX: str(index)}
    away = {"deletionTimestamp": "2026-11-22T00:00:00Z", "deletionGracePeriodSeconds": 60} if leaving else {}
    return {
        "metadata": {
            "name": f"gpt-first-{uid}",
            "namespace": "springtide",
            "uid": uid,
            "labels": {"app": "gpt"},
            "annotations": {RUNS: "true", **rank},
            **away,
        },
        "spec": {
            "nodeName": "simulated-1",
            "hostname": f"gpt-first-{index}",
            "subdomain": "gpt-first",
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 100,
            "nodeSelector": {"springtide.dev/pool": "train"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
            "containers": [
                {
                    "name": "trainer",
                    "image": "registry.example.com/workloads@sha256:0",
                    "command": ["python", "-m", "springtide_workloads.train"],
                    "env": [{"name": "PET_NNODES", "value": "2"}],
                    "resources": {"limits": {"nvidia.com/gpu": "8", "memory": "900Gi"}},
                    "readinessProbe": {"httpGet": {"path": "/health/ready", "port": 8000}},
                    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                }
            ],
            "volumes": [
                {"name": "scratch", "emptyDir": {}},
                {"name": "corpus", "persistentVolumeClaim": {"claimName": "corpus"}},
            ],
        },
        "status": status,
    }


def made(of: dict[str, Any], *, leaving: bool = False, **status: Any) -> dict[str, Any]:
    [create] = actions([of], [], MACHINE)
    assert isinstance(create, Create)
    away = {"deletionTimestamp": "2026-11-22T00:00:00Z"} if leaving else {}
    return {**create.twin, "metadata": {**create.twin["metadata"], "uid": "t", **away}, "status": status}


def test_a_twin_runs_the_same_container_on_the_real_node_with_the_machines_own_files() -> None:
    twin = made(pod(0))
    [container] = twin["spec"]["containers"]
    assert twin["metadata"]["namespace"] == NAMESPACE
    assert twin["metadata"]["labels"] == {"app": "gpt", TWIN_OF: "a"}
    assert twin["spec"]["nodeName"] == NODE
    assert container["command"] == ["python", "-m", "springtide_workloads.train"]
    assert container["readinessProbe"] == {"httpGet": {"path": "/health/ready", "port": 8000}}
    assert (container["image"], container["imagePullPolicy"]) == (IMAGE, "Never")
    assert container["env"] == [
        {"name": "PATH", "value": "/opt/bin:/usr/local/bin:/usr/bin:/bin"},
        {"name": "PET_NNODES", "value": "2"},
    ]
    assert [(item["mountPath"], item.get("readOnly", False)) for item in container["volumeMounts"]] == [
        *(("/scratch", False), ("/usr", True), ("/opt/python", True), ("/springtide/storage", False)),
    ]


def test_a_twin_asks_for_no_device_and_no_node_of_the_cloud() -> None:
    spec = made(pod(0))["spec"]
    assert "resources" not in spec["containers"][0]
    assert "nodeSelector" not in spec
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert {"name": "corpus", "emptyDir": {}} in spec["volumes"]


def test_the_first_pod_of_a_run_finds_itself_without_a_name_service() -> None:
    [alias] = made(pod(0))["spec"]["hostAliases"]
    assert (alias["ip"], alias["hostnames"][0]) == ("127.0.0.1", "gpt-first-0.gpt-first")


def test_the_others_of_a_run_wait_for_the_address_of_the_first() -> None:
    first, second = pod(0), pod(1, uid="b")
    assert not any(isinstance(item, Create) for item in actions([first, second], [made(first)], MACHINE))
    *_, create = actions([first, second], [made(first, podIP="10.0.0.5")], MACHINE)
    assert isinstance(create, Create)
    [alias] = create.twin["spec"]["hostAliases"]
    assert (alias["ip"], alias["hostnames"][0]) == ("10.0.0.5", "gpt-first-0.gpt-first")


def test_a_pod_that_no_node_has_yet_has_no_twin() -> None:
    waiting = pod()
    del waiting["spec"]["nodeName"]
    assert actions([waiting], [], MACHINE) == []


def test_a_pod_takes_over_how_its_twin_is_and_keeps_who_evicted_it() -> None:
    evicted = {"type": "DisruptionTarget", "status": "True"}
    ended = [{"name": "trainer", "image": IMAGE, "state": {"terminated": {"exitCode": 75}}}]
    own = pod(phase="Running", conditions=[{"type": "PodScheduled", "status": "True"}, evicted])
    twin = made(pod(), phase="Failed", hostIP="192.0.2.1", containerStatuses=ended, conditions=[{"type": "Ready"}])
    [report] = actions([own], [twin], MACHINE)
    assert isinstance(report, Report)
    assert report.status["phase"] == "Failed"
    assert report.status["conditions"] == [{"type": "PodScheduled", "status": "True"}, evicted, {"type": "Ready"}]
    assert report.status["containerStatuses"][0]["state"] == {"terminated": {"exitCode": 75}}
    assert report.status["containerStatuses"][0]["image"] == "registry.example.com/workloads@sha256:0"
    assert "hostIP" not in report.status


def test_what_was_reported_is_not_reported_again() -> None:
    twin = made(pod(), phase="Running", conditions=[{"type": "Ready"}])
    [report] = actions([pod()], [twin], MACHINE)
    assert isinstance(report, Report)
    assert actions([pod(**report.status)], [twin], MACHINE) == []


def test_a_pod_that_must_go_gives_its_twin_the_grace_it_has() -> None:
    *_, stop = actions([pod(leaving=True)], [made(pod(), phase="Running")], MACHINE)
    assert stop == Stop(name="gpt-first-a", seconds=60)


def test_a_twin_that_is_told_to_stop_is_told_once() -> None:
    found = actions([pod(leaving=True)], [made(pod(), phase="Running", leaving=True)], MACHINE)
    assert not any(isinstance(action, Stop) for action in found)


def test_a_pod_goes_when_its_twin_is_gone() -> None:
    leaving = pod(leaving=True, phase="Running")
    assert actions([leaving], [], MACHINE) == [Release(pod=leaving)]


def test_a_pod_whose_twin_somebody_took_away_has_failed() -> None:
    [report] = actions([pod(phase="Running")], [], MACHINE)
    assert isinstance(report, Report)
    assert (report.status["phase"], report.status["reason"]) == ("Failed", "TwinLost")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_ended_runs_no_second_time(phase: str) -> None:
    assert actions([pod(phase=phase)], [], MACHINE) == []


def test_a_twin_without_a_pod_is_stopped() -> None:
    assert actions([], [made(pod(), phase="Running")], MACHINE) == [Stop(name="gpt-first-a", seconds=100)]


def test_a_pod_of_the_same_name_that_came_later_has_a_twin_of_its_own() -> None:
    later = pod(uid="later")
    later["metadata"]["name"] = "gpt-first-a"
    found = actions([later], [made(pod(), phase="Running")], MACHINE)
    assert [type(action) for action in found] == [Stop, Create]


@given(
    st.lists(st.tuples(st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]), st.booleans(), st.booleans())),
    st.booleans(),
)
def test_doing_what_is_said_ends(states: list[tuple[str, bool, bool]], deaf: bool) -> None:
    """Whatever pods and twins there are, following the actions comes to rest: no two of them undo each other."""
    pods = {str(i): pod(uid=str(i), leaving=leaving, phase=phase) for i, (phase, leaving, _) in enumerate(states)}
    twins = {uid: made(pods[uid] | {"status": {}, "metadata": pod(uid=uid)["metadata"]}) for uid in pods}
    twins = {uid: twin for uid, twin in twins.items() if states[int(uid)][2] or deaf}
    for _ in range(6):
        todo = actions(pods.values(), twins.values(), MACHINE)
        for action in todo:
            match action:
                case Create(twin=new):
                    twins[new["metadata"]["labels"][TWIN_OF]] = {**new, "status": {"phase": "Running"}}
                case Report(pod=one, status=status):
                    one["status"].update(status)
                case Stop(name=name):
                    twins.pop(name.removeprefix("gpt-first-"))
                case Release(pod=one):
                    pods.pop(one["metadata"]["uid"])
    assert actions(pods.values(), twins.values(), MACHINE) == []
