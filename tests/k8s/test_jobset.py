"""A training run as a JobSet: its shape, and which endings cost it a restart."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.k8s.jobset import job_set, job_set_host, longest_name
from springtide.k8s.training import TRIES, indexed_job
from springtide_workloads.contract import ExitCode

from .jobset_model import COUNTED, FAILED, FREE, Ended, action, decide, starts
from .manifests import FABRIC, RUN, container_of, job_of, known_to_kubernetes, pod_of

SET = job_set(replace(RUN, contract=replace(RUN.contract, master_addr=job_set_host(RUN.name))))
JOB = job_of(SET)
NAMED = (ExitCode.CONFIG, ExitCode.NO_PROGRESS, ExitCode.INTERRUPTED)
failures = st.builds(Ended, exit_code=st.integers(1, 255), disrupted=st.booleans())


def test_kubernetes_knows_every_field_of_the_job_inside() -> None:
    known_to_kubernetes("batch/v1", "Job", JOB)
    known_to_kubernetes("batch/v1", "Job", job_of(job_set(replace(RUN, place=replace(RUN.place, part=FABRIC)))))


def test_its_pods_are_those_of_the_indexed_job_but_for_the_name_they_get() -> None:
    alone = pod_of(indexed_job(replace(RUN, contract=replace(RUN.contract, master_addr=job_set_host(RUN.name)))))
    assert pod_of(JOB) == {key: value for key, value in alone.items() if key != "subdomain"}


def test_one_pod_a_node_runs_at_the_same_time_and_its_index_is_its_rank() -> None:
    spec = JOB["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    assert SET["spec"]["replicatedJobs"][0]["replicas"] == 1
    rank = container_of(JOB)["env"][-1]
    assert rank["valueFrom"]["fieldRef"]["fieldPath"].endswith("['batch.kubernetes.io/job-completion-index']")


def test_ranks_find_the_first_by_the_name_that_jobset_gives_it() -> None:
    """`<js>-<rjob>-<jobidx>-<podidx>.<subdomain>` (JobSet, network)."""
    [replicated] = SET["spec"]["replicatedJobs"]
    network = SET["spec"]["network"]
    expected = f"{SET['metadata']['name']}-{replicated['name']}-0-0.{network['subdomain']}"
    variables = {item["name"]: item.get("value") for item in container_of(JOB)["env"]}
    assert variables["PET_MASTER_ADDR"] == expected == "gpt-first-node-0-0.gpt-first"
    assert network["enableDNSHostnames"] is network["publishNotReadyAddresses"] is True


def test_pulumi_owns_the_run_it_neither_expires_nor_is_waited_for() -> None:
    assert "ttlSecondsAfterFinished" not in SET["spec"]
    assert SET["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_old_and_new_pods_are_never_there_at_once() -> None:
    assert SET["spec"]["failurePolicy"]["restartStrategy"] == "BlockingRecreate"
    assert pod_of(JOB)["restartPolicy"] == "Never"


def test_a_run_of_a_queue_waits_until_the_queue_starts_it() -> None:
    queued = job_set(replace(RUN, queue="research"))
    assert queued["spec"]["suspend"] is True
    assert queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    assert "suspend" not in SET["spec"]


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (Ended(137, disrupted=True), FREE),
        (Ended(ExitCode.BUG, disrupted=True), FREE),
        (Ended(ExitCode.INTERRUPTED), FREE),
        (Ended(ExitCode.CONFIG), FAILED),
        (Ended(ExitCode.NO_PROGRESS), FAILED),
        (Ended(ExitCode.BUG), COUNTED),
        (Ended(ExitCode.STORAGE), COUNTED),
        (Ended(137), COUNTED),
        (Ended(176), COUNTED),
        (Ended(175), COUNTED),
        (Ended(22), COUNTED),
    ],
)
def test_only_what_is_nobody_s_fault_is_free_and_what_is_hopeless_ends_the_run(pod: Ended, expected: str) -> None:
    assert action(SET, [pod]) == expected


@given(pods=st.lists(failures, min_size=1, max_size=4))
def test_no_run_restarts_free_of_charge_without_a_pod_that_was_taken_away_or_told_to_stop(pods: list[Ended]) -> None:
    innocent = any(pod.disrupted or pod.exit_code == ExitCode.INTERRUPTED for pod in pods)
    assert innocent or action(SET, pods) != FREE


@given(pods=st.lists(failures, min_size=1, max_size=4))
def test_a_run_without_an_innocent_end_starts_at_most_once_more_than_it_has_tries(pods: list[Ended]) -> None:
    guilty = [Ended(1 if pod.exit_code == ExitCode.INTERRUPTED else pod.exit_code) for pod in pods]
    assert starts(SET, [guilty] * 100) <= TRIES + 1


def test_interruptions_cost_nothing_however_many() -> None:
    spot = [Ended(ExitCode.INTERRUPTED), Ended(137, disrupted=True), Ended(ExitCode.INTERRUPTED)]
    assert starts(SET, [spot] * 100 + [[Ended(1)]] * TRIES) == 101 + TRIES


@given(message=st.text(alphabet=st.characters(codec="ascii", exclude_characters="0123456789"), max_size=80))
def test_other_words_in_another_kubernetes_make_no_run_restart_for_ever(message: str) -> None:
    policy = SET["spec"]["failurePolicy"]
    assert "DisruptionTarget" in message or decide(policy, "PodFailurePolicy", message) == COUNTED


def test_the_webhook_of_jobset_takes_the_rules() -> None:
    rules = SET["spec"]["failurePolicy"]["rules"]
    assert len({rule["name"] for rule in rules}) == len(rules)
    assert all(rule["name"].isalpha() and rule["action"] in {FREE, FAILED} for rule in rules)
    assert {reason for rule in rules for reason in rule["onJobFailureReasons"]} == {"PodFailurePolicy"}


@given(nodes=st.integers(1, 100_000))
def test_the_longest_name_makes_the_longest_pod_name_that_jobset_takes(nodes: int) -> None:
    """Its webhook adds five letters of a suffix, and refuses 64 characters."""
    name = "a" * longest_name(nodes)
    assert len(f"{name}-node-0-{nodes - 1}-abcde") == 63
