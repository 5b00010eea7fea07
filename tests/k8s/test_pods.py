"""What all our pods keep to, and the small objects around them."""

import pytest

from springtide.k8s import Manifest
from springtide.k8s.identity import service_account
from springtide.k8s.namespace import namespace
from springtide.k8s.pod import resources
from springtide.k8s.serving import deployment
from springtide.k8s.training import indexed_job
from springtide_workloads import contract

from .manifests import IMAGE, RUN, SERVER, container_of, known_to_kubernetes, pod_of

every_pod = pytest.mark.parametrize("workload", [indexed_job(RUN), deployment(SERVER)], ids=["run", "server"])


@every_pod
def test_a_pod_meets_the_restricted_standard_of_its_namespace(workload: Manifest) -> None:
    pod, container = pod_of(workload)["securityContext"], container_of(workload)["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert {next(iter(volume.keys() - {"name"})) for volume in pod_of(workload)["volumes"]} == {"emptyDir"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod_of(workload).keys()


@every_pod
def test_a_pod_has_no_key_to_the_kubernetes_api(workload: Manifest) -> None:
    assert pod_of(workload)["automountServiceAccountToken"] is False


@every_pod
def test_other_services_put_nothing_into_the_environment_that_the_contract_names(workload: Manifest) -> None:
    assert pod_of(workload)["enableServiceLinks"] is False


@every_pod
def test_the_image_is_taken_as_given(workload: Manifest) -> None:
    assert container_of(workload)["image"] == IMAGE


@every_pod
def test_the_root_is_read_only_and_what_is_written_has_a_volume(workload: Manifest) -> None:
    container = container_of(workload)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"scratch": contract.SCRATCH_DIR, "shm": contract.SHM_PATH, "tmp": "/tmp"}
    assert mounts.keys() == {volume["name"] for volume in pod_of(workload)["volumes"]}
    assert all("sizeLimit" in volume["emptyDir"] for volume in pod_of(workload)["volumes"])


@pytest.mark.parametrize("gpus", [0, 1, 8])
def test_gpus_are_asked_for_where_there_are_any(gpus: int) -> None:
    found = resources(gpus, memory_gib=1, scratch_gib=1)
    expected = {"nvidia.com/gpu": str(gpus)} if gpus > 0 else {}
    assert {key: value for key, value in found["limits"].items() if "gpu" in key} == expected
    assert {key: value for key, value in found["requests"].items() if "gpu" in key} == expected


def test_the_namespace_refuses_privileged_pods() -> None:
    found = namespace("springtide")
    known_to_kubernetes("v1", "Namespace", found)
    modes = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    assert found["metadata"] == {"name": "springtide", "labels": modes}


@pytest.mark.parametrize(("notes", "expected"), [({}, {}), ({"a/b": "c"}, {"annotations": {"a/b": "c"}})])
def test_an_account_has_annotations_only_where_its_cloud_wants_some(
    notes: dict[str, str], expected: dict[str, str]
) -> None:
    found = service_account("gpt", "springtide", notes)
    known_to_kubernetes("v1", "ServiceAccount", found)
    assert found == {"metadata": {"name": "gpt", "namespace": "springtide", **expected}}
