"""A training run as Kubernetes objects."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from springtide.k8s import Manifest
from springtide.k8s.jobset import job_set
from springtide.k8s.pod import PodPart
from springtide.k8s.training import Run, headless_service, indexed_job
from springtide_workloads import contract
from springtide_workloads.contract import ExitCode, TrainingContract

from .manifests import FABRIC, RUN, container_of, known_to_kubernetes, pod_of, variables_of

JOB = indexed_job(RUN)
SERVICE = headless_service("gpt-first", "springtide")


def test_kubernetes_knows_every_field() -> None:
    known_to_kubernetes("batch/v1", "Job", JOB)
    known_to_kubernetes("v1", "Service", SERVICE)


def test_the_first_process_is_the_trainer_of_the_contract() -> None:
    container = container_of(JOB)
    assert container["command"] == ["python", "-m", "springtide_workloads.train"] == list(contract.TRAIN_COMMAND)
    assert "args" not in container


def test_one_pod_a_node_runs_at_the_same_time_and_its_index_is_its_rank() -> None:
    spec = JOB["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    assert variables_of(JOB)["PET_NODE_RANK"] == {
        "fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}
    }


def test_the_container_reads_back_the_contract_that_the_component_wrote() -> None:
    variables = variables_of(JOB) | {"PET_NODE_RANK": "2"}
    assert TrainingContract.from_env(variables) == replace(RUN.contract, node_rank=2)


def test_ranks_find_the_first_by_a_name_that_resolves_before_anyone_is_ready() -> None:
    assert variables_of(JOB)["PET_MASTER_ADDR"] == "gpt-first-0.gpt-first"
    assert pod_of(JOB)["subdomain"] == SERVICE["metadata"]["name"] == "gpt-first"
    assert SERVICE["spec"]["clusterIP"] == "None"
    assert SERVICE["spec"]["publishNotReadyAddresses"] is True
    assert SERVICE["spec"]["selector"] == {"batch.kubernetes.io/job-name": JOB["metadata"]["name"]}
    assert [port["port"] for port in SERVICE["spec"]["ports"]] == [contract.RENDEZVOUS_PORT]


def test_gpus_are_whole_and_equal_in_requests_and_limits() -> None:
    resources = container_of(JOB)["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "4"


def test_memory_and_disk_are_limited_to_what_was_requested() -> None:
    resources = container_of(JOB)["resources"]
    assert resources["limits"]["memory"] == resources["requests"]["memory"] == "160Gi"
    assert resources["limits"]["ephemeral-storage"] == resources["requests"]["ephemeral-storage"] == "100Gi"
    assert "cpu" not in resources["limits"]


def test_a_lost_node_costs_no_try_and_a_hopeless_ending_takes_no_other() -> None:
    assert JOB["spec"]["podFailurePolicy"]["rules"] == [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {
            "action": "Ignore",
            "onExitCodes": {"containerName": "trainer", "operator": "In", "values": [ExitCode.INTERRUPTED.value]},
        },
        {
            "action": "FailJob",
            "onExitCodes": {
                "containerName": "trainer",
                "operator": "In",
                "values": [ExitCode.CONFIG.value, ExitCode.NO_PROGRESS.value],
            },
        },
    ]
    assert container_of(JOB)["name"] == "trainer"


def test_what_may_help_is_tried_again_but_not_for_ever() -> None:
    hopeless = JOB["spec"]["podFailurePolicy"]["rules"][2]["onExitCodes"]["values"]
    assert not {ExitCode.BUG, ExitCode.STORAGE, ExitCode.INTERRUPTED} & set(hopeless)
    assert 0 < JOB["spec"]["backoffLimit"] < 10


def test_the_kubelet_restarts_nothing_and_a_pod_is_replaced_once_it_is_gone() -> None:
    assert pod_of(JOB)["restartPolicy"] == "Never"
    assert JOB["spec"]["podReplacementPolicy"] == "Failed"


def test_pulumi_owns_the_run_it_neither_expires_nor_is_waited_for() -> None:
    assert "ttlSecondsAfterFinished" not in JOB["spec"]
    assert "activeDeadlineSeconds" not in JOB["spec"]
    assert JOB["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_the_pod_outlives_the_agent_and_the_agent_the_save() -> None:
    variables = variables_of(JOB)
    grace = pod_of(JOB)["terminationGracePeriodSeconds"]
    assert grace == int(variables["SPRINGTIDE_GRACE_SECONDS"])
    assert grace > int(variables["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"]) > int(variables["SPRINGTIDE_SAVE_DEADLINE_SECONDS"])


@pytest.mark.parametrize(("memory", "shared"), [(160, "80Gi"), (3, "1Gi"), (1, "1Gi")])
def test_shared_memory_is_memory_and_at_most_half_of_it(memory: int, shared: str) -> None:
    job = indexed_job(replace(RUN, place=replace(RUN.place, memory_gib=memory)))
    volumes = {item["name"]: item["emptyDir"] for item in pod_of(job)["volumes"]}
    assert volumes["shm"] == {"medium": "Memory", "sizeLimit": shared}


def test_the_pod_goes_to_its_pool_and_tolerates_its_taint() -> None:
    assert pod_of(JOB)["nodeSelector"] == {"springtide.dev/pool": "train"}
    assert pod_of(JOB)["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_variables_are_sorted_so_that_no_order_restarts_a_pod() -> None:
    names = [item["name"] for item in container_of(JOB)["env"] if "value" in item]
    assert names == sorted(names)


def test_no_autoscaler_takes_a_busy_node_away() -> None:
    assert JOB["spec"]["template"]["metadata"]["annotations"] == {
        "karpenter.sh/do-not-disrupt": "true",
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    }


def test_all_pods_of_a_run_land_where_the_first_one_did_and_no_other_run_s_matter() -> None:
    assert "affinity" not in pod_of(JOB)
    job = indexed_job(replace(RUN, place=replace(RUN.place, part=FABRIC)))
    known_to_kubernetes("batch/v1", "Job", job)
    terms = pod_of(job)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert [term["topologyKey"] for term in terms] == ["springtide.dev/rung", "topology.kubernetes.io/zone"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    for term in terms:
        assert term["labelSelector"]["matchLabels"].items() <= labels.items()
        assert term["labelSelector"]["matchLabels"] == {"springtide.dev/run": "gpt-first"}


def test_a_run_of_one_node_asks_for_no_other_pod_beside_it() -> None:
    alone = replace(RUN, contract=replace(RUN.contract, nodes=1), place=replace(RUN.place, part=FABRIC))
    assert "affinity" not in pod_of(indexed_job(alone))
    assert "affinity" not in job_set(alone)["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]


def test_where_the_zone_is_all_that_pods_share_it_is_asked_for_once() -> None:
    part = PodPart(together="topology.kubernetes.io/zone")
    job = indexed_job(replace(RUN, place=replace(RUN.place, part=part)))
    [term] = pod_of(job)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "topology.kubernetes.io/zone"


@pytest.mark.parametrize("manifest", [indexed_job, job_set])
def test_who_waits_in_a_queue_says_what_its_machines_are_asked_for_with(manifest: Callable[[Run], Manifest]) -> None:
    asks = {"provreq.kueue.x-k8s.io/maxRunDurationSeconds": "86400"}
    run = replace(RUN, place=replace(RUN.place, part=PodPart(request=asks)))
    # Kueue reads those of the run and not of its pods (cluster-toolkit: dws-flex-start-queued-provisioning).
    assert asks.items() <= manifest(replace(run, queue="dws"))["metadata"]["annotations"].items()
    assert not asks.keys() & manifest(run)["metadata"]["annotations"].keys()


def test_a_run_of_a_queue_waits_until_the_queue_starts_it() -> None:
    queued = indexed_job(replace(RUN, queue="research"))
    known_to_kubernetes("batch/v1", "Job", queued)
    assert queued["spec"]["suspend"] is True
    assert queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    assert "suspend" not in JOB["spec"]
    assert "kueue.x-k8s.io/queue-name" not in JOB["metadata"]["labels"]
