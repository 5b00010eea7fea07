"""What all our pods keep to, and the small objects around them."""

from dataclasses import replace

import pytest

from springtide.k8s import Manifest
from springtide.k8s.identity import service_account
from springtide.k8s.jobset import job_set
from springtide.k8s.namespace import namespace
from springtide.k8s.pod import Mount, PodPart, alone, resources
from springtide.k8s.serving import deployment
from springtide.k8s.training import indexed_job
from springtide_workloads import contract

from .manifests import FABRIC, IMAGE, RUN, SERVER, container_of, job_of, known_to_kubernetes, pod_of

every_pod = pytest.mark.parametrize(
    "workload", [indexed_job(RUN), job_of(job_set(RUN)), deployment(SERVER)], ids=["run", "run-in-set", "server"]
)
WHOLE_NODE = replace(RUN, place=replace(RUN.place, part=FABRIC))


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
def test_gpus_are_asked_for_by_the_one_name_that_wakes_a_pool(workload: Manifest) -> None:
    """Configuration rules 51 and 52: no slice of a GPU and no claim, which the waking autoscaler would not understand."""
    asked = container_of(workload)["resources"]
    names = {name for kind in ("limits", "requests") for name in asked[kind] if "/" in name}
    assert names == {"nvidia.com/gpu"}
    assert "claims" not in asked
    assert "resourceClaims" not in pod_of(workload)


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
    found = resources(gpus, RUN.place)
    expected = {"nvidia.com/gpu": str(gpus)} if gpus > 0 else {}
    assert {key: value for key, value in found["limits"].items() if "gpu" in key} == expected
    assert {key: value for key, value in found["requests"].items() if "gpu" in key} == expected


def test_the_namespace_refuses_privileged_pods() -> None:
    found = namespace("springtide")
    known_to_kubernetes("v1", "Namespace", found)
    modes = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    assert found["metadata"] == {"name": "springtide", "labels": modes}


def test_where_pods_mount_the_node_the_namespace_still_says_which_pods_do() -> None:
    found = namespace("springtide", "privileged")["metadata"]["labels"]
    assert found["pod-security.kubernetes.io/enforce"] == "privileged"
    assert found["pod-security.kubernetes.io/warn"] == found["pod-security.kubernetes.io/audit"] == "restricted"


def test_a_pod_says_everything_that_its_pool_asks_for() -> None:
    job = indexed_job(WHOLE_NODE)
    known_to_kubernetes("batch/v1", "Job", job)
    pod, meta = pod_of(job), job["spec"]["template"]["metadata"]
    asked = container_of(job)["resources"]
    assert asked["limits"]["vpc.amazonaws.com/efa"] == asked["requests"]["vpc.amazonaws.com/efa"] == "32"
    assert asked["limits"]["hugepages-2Mi"] == asked["requests"]["hugepages-2Mi"] == "5120Mi"
    assert meta["annotations"]["networking.gke.io/interfaces"] == "[]"
    assert meta["labels"]["rung"] == "reserved"
    assert {"key": "rung", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]


def test_the_word_of_the_contract_stands_above_that_of_a_fabric() -> None:
    variables = {item["name"]: item.get("value") for item in container_of(indexed_job(WHOLE_NODE))["env"]}
    assert variables["NCCL_NET"] == "fabric"
    assert variables["PET_MASTER_PORT"] == "29500"


def test_a_workload_reads_the_node_s_directories_and_writes_none() -> None:
    job = indexed_job(WHOLE_NODE)
    volumes = {volume["name"]: volume.get("hostPath", {}).get("path") for volume in pod_of(job)["volumes"]}
    mounted = {item["mountPath"]: item for item in container_of(job)["volumeMounts"]}
    place = mounted["/usr/local/fabric"]
    assert (volumes[place["name"]], place["readOnly"]) == ("/home/kubernetes/bin/fabric", True)
    assert "/dev/fabric" not in mounted
    assert sorted(path for path in volumes.values() if path) == ["/dev/fabric", "/home/kubernetes/bin/fabric"]


def test_a_sidecar_starts_before_the_workload_and_keeps_no_job_from_ending() -> None:
    [sidecar] = pod_of(indexed_job(WHOLE_NODE))["initContainers"]
    assert (sidecar["name"], sidecar["restartPolicy"], sidecar["command"]) == ("receiver", "Always", ["/receive"])
    assert sidecar["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert {item["mountPath"] for item in sidecar["volumeMounts"]} == {"/dev/fabric", "/usr/local/fabric"}


def test_a_sidecar_without_capabilities_has_no_more_rights_than_a_workload() -> None:
    plain = PodPart(sidecars=[{"name": "watch", "image": IMAGE, "command": ["/watch"]}])
    [sidecar] = pod_of(indexed_job(replace(RUN, place=replace(RUN.place, part=plain))))["initContainers"]
    assert sidecar["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize("held", [[], ["IPC_LOCK"]])
def test_a_workload_is_root_only_for_a_capability_and_then_has_no_other_right_of_root(held: list[str]) -> None:
    job = indexed_job(replace(RUN, place=replace(RUN.place, part=PodPart(capabilities=held))))
    known_to_kubernetes("batch/v1", "Job", job)
    rights = container_of(job)["securityContext"]
    assert rights["capabilities"] == ({"drop": ["ALL"], "add": held} if held else {"drop": ["ALL"]})
    assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)
    assert rights.get("runAsUser", pod_of(job)["securityContext"]["runAsUser"]) == (0 if held else 10001)
    assert rights.get("runAsNonRoot", True) is not bool(held)


def test_who_shares_a_node_lands_there_and_takes_no_part_of_its_fabric() -> None:
    found = alone(FABRIC)
    assert found == {"labels": FABRIC["labels"], "tolerations": FABRIC["tolerations"]}
    server = deployment(replace(SERVER, place=replace(SERVER.place, part=found)))
    known_to_kubernetes("apps/v1", "Deployment", server)
    assert "initContainers" not in pod_of(server)
    assert "vpc.amazonaws.com/efa" not in container_of(server)["resources"]["limits"]


def test_a_file_system_is_mounted_by_its_claim_and_data_cannot_be_written() -> None:
    mounts = (
        Mount(claim="results", path="/mnt/results", read_only=False),
        Mount(claim="corpus", path="/mnt/corpus", read_only=True),
    )
    job = indexed_job(replace(RUN, place=replace(RUN.place, mounts=mounts)))
    known_to_kubernetes("batch/v1", "Job", job)
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod_of(job)["volumes"]
        if "persistentVolumeClaim" in volume
    }
    seen = {
        claims[item["name"]]: (item["mountPath"], item["readOnly"])
        for item in container_of(job)["volumeMounts"]
        if item["name"] in claims
    }
    assert seen == {"results": ("/mnt/results", False), "corpus": ("/mnt/corpus", True)}


@pytest.mark.parametrize(("notes", "expected"), [({}, {}), ({"a/b": "c"}, {"annotations": {"a/b": "c"}})])
def test_an_account_has_annotations_only_where_its_cloud_wants_some(
    notes: dict[str, str], expected: dict[str, str]
) -> None:
    found = service_account("gpt", "springtide", notes)
    known_to_kubernetes("v1", "ServiceAccount", found)
    assert found == {"metadata": {"name": "gpt", "namespace": "springtide", **expected}}
