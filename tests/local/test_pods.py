from typing import Any

import pytest

from springtide.local.plane.kwok import DURATION, RUNS, START_DELAY
from springtide.local.render import pods
from springtide.local.render.objects import kubernetes_objects
from springtide.local.render.runs import without_jobset
from springtide.local.render.substitution import Here

from .local_plans import IMAGE, one, plan_of, variables

HERE = Here()
REAL = Here(real=True, image="springtide.local/machine:1", storage_path="/storage")


def job(environment: str, name: str) -> dict[str, Any]:
    found = without_jobset(one(kubernetes_objects(plan_of(environment)), "JobSet", name), HERE)
    assert found is not None
    return found


def pod(item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = item["spec"]["template"]["spec"]
    return found


def container(item: dict[str, Any]) -> dict[str, Any]:
    [found] = pod(item)["containers"]
    return dict(found)


def test_a_gpu_direct_pod_keeps_its_gpus_and_loses_its_fabric() -> None:
    found = pods.without_devices(job("direct", "gpt-first"), HERE)
    assert "initContainers" not in pod(found)
    assert not [volume for volume in pod(found)["volumes"] if "hostPath" in volume]
    assert not [note for note in found["spec"]["template"]["metadata"]["annotations"] if "gke.io" in note]
    assert found["spec"]["template"]["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "true"
    assert container(found)["resources"]["requests"]["nvidia.com/gpu"] == "8"


def test_every_mount_that_stays_has_its_volume() -> None:
    found = pods.on_local_storage(pods.without_devices(job("direct", "gpt-first"), HERE), HERE)
    volumes = {volume["name"] for volume in pod(found)["volumes"]}
    assert {mount["name"] for mount in container(found)["volumeMounts"]} <= volumes


@pytest.mark.parametrize(
    ("environment", "run", "variable", "value"),
    [
        ("full", "gpt-2026-11-22a", "SPRINGTIDE_DATA_URL", "file:///storage/springtide-full-archive-123456789012/data"),
        ("direct", "slow-first", "SPRINGTIDE_ARTIFACTS_URL", "file:///storage/home/jobs/slow/first"),
        ("files", "notes-first", "SPRINGTIDE_DATA_URL", "file:///storage/corpus"),
        ("files", "notes-first", "SPRINGTIDE_ARTIFACTS_URL", "file:///storage/home/jobs/notes/first"),
    ],
)
def test_buckets_and_file_systems_are_folders_of_one_place(
    environment: str, run: str, variable: str, value: str
) -> None:
    found = pods.on_local_storage(job(environment, run), HERE)
    assert variables(found)[variable] == value
    assert not [volume for volume in pod(found)["volumes"] if "persistentVolumeClaim" in volume]


def test_a_server_of_the_public_becomes_ready_without_a_load_balancer_and_without_keys() -> None:
    chat = one(kubernetes_objects(plan_of("exposed")), "Deployment", "chat")
    assert "readinessGates" in pod(chat)
    assert "SPRINGTIDE_KEYS_FILE" in variables(chat)
    found = pods.unexposed(chat, HERE)
    assert "readinessGates" not in pod(found)
    assert "SPRINGTIDE_KEYS_FILE" not in variables(found)
    assert not [volume for volume in pod(found)["volumes"] if "secret" in volume]


def test_a_real_pod_trains_in_one_process_on_the_cpu_in_this_machines_image() -> None:
    found = pods.on_this_machine(job("full", "gpt-2026-11-22a"), REAL)
    assert variables(found)["PET_NPROC_PER_NODE"] == "1"
    assert variables(found)["SPRINGTIDE_DEVICE"] == "cpu"
    assert container(found)["image"] == "springtide.local/machine:1"


def test_a_simulated_pod_keeps_its_image_and_its_processes() -> None:
    item = job("full", "gpt-2026-11-22a")
    assert pods.on_this_machine(item, HERE) == item
    assert container(item)["image"] == IMAGE


def test_a_simulated_run_says_how_long_it_takes_and_a_server_never_ends() -> None:
    run = pods.timed(job("full", "gpt-2026-11-22a"), Here(run_seconds=7, start_seconds=1))
    notes = run["spec"]["template"]["metadata"]["annotations"]
    assert (notes[DURATION], notes[START_DELAY]) == ("7s", "1s")
    server = pods.timed(one(kubernetes_objects(plan_of("full")), "Deployment", "chat"), HERE)
    assert server["spec"]["template"]["metadata"]["annotations"] == {START_DELAY: "2s"}


def test_a_pod_that_really_runs_says_so_and_pretends_nothing() -> None:
    simulated = pods.timed(job("full", "gpt-2026-11-22a"), HERE)
    notes = pods.timed(simulated, REAL)["spec"]["template"]["metadata"]["annotations"]
    assert notes[RUNS] == "true"
    assert not {DURATION, START_DELAY} & notes.keys()


def test_a_server_whose_image_is_not_here_is_simulated_beside_pods_that_run() -> None:
    item = one(kubernetes_objects(plan_of("full")), "Deployment", "chat")
    [server] = item["spec"]["template"]["spec"]["containers"]
    server["env"] = [{"name": "HOME", "value": "/scratch"}]
    found = pods.timed(pods.foreign_simulated(pods.on_this_machine(item, REAL), REAL), REAL)
    assert found["spec"]["template"]["metadata"]["annotations"] == {START_DELAY: "2s"}
    assert container(found) == server
    assert pods.foreign_simulated(item, HERE) == item


def test_an_account_has_no_rights_in_a_cloud() -> None:
    account = one(kubernetes_objects(plan_of("direct")), "ServiceAccount", "chat")
    assert account["metadata"]["annotations"]
    assert "annotations" not in pods.without_identity(account, HERE)["metadata"]


def test_a_service_that_is_too_large_shrinks_soon() -> None:
    found = pods.hurried(one(kubernetes_objects(plan_of("full")), "ScaledObject", "chat"), Here(idle_seconds=9))
    down = found["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] == 9
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 9}]


def test_a_pod_by_itself_is_told_like_one_that_somebody_makes() -> None:
    container = {
        "name": "main",
        "image": "main",
        "env": [{"name": "SPRINGTIDE_MODEL_URL", "value": "gs://models/chat"}],
    }
    item = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "main"}, "spec": {"containers": [container]}}
    found = pods.on_local_storage(item, HERE)
    assert found["kind"] == "Pod"
    assert found["spec"]["containers"][0]["env"][0]["value"] == "file:///storage/models/chat"
