"""A model service: what makes it grow, what its pool needs of it, and how much time it has to go."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import clouds, grace
from springtide.component import ArgumentsError
from springtide.k8s.serving import EXIT_MARGIN_SECONDS
from springtide.offline.plan import Resource
from springtide.service import ModelService, findings
from springtide.spec import ModelSpec, ServiceSpec

from .environment_files import edited, mistakes
from .recordings import Recorded, of_file, of_text, pod_of
from .workload_programs import recorded

JOB = """\
job = {"name": "gpt", "started": True, "artifacts_url": "s3://b/jobs/gpt/first", "storage": BUCKET}
SERVE = {"cluster": with_controllers("keda"), "pool": POOL, "model": {"job": job}, "image": IMAGE}
"""


@pytest.fixture(scope="module")
def full() -> Recorded:
    return of_file("full")


def test_demand_is_read_by_keda_once_keda_and_the_servers_are_there(full: Recorded) -> None:
    scaler = full.one("ScaledObject", "chat")
    assert full.needs(scaler, full.one("Release", "keda"))
    assert full.needs(scaler, full.one("Deployment", "chat"))
    assert {trigger["metadata"]["url"] for trigger in scaler.inputs["spec"]["triggers"]} == {
        "http://chat.springtide.svc:9464/metrics"
    }


def test_a_service_has_one_autoscaler_and_it_owns_the_replicas(full: Recorded) -> None:
    assert [item.name for item in full.all("ScaledObject")] == ["chat"]
    assert [item.name for item in full.all("HorizontalPodAutoscaler")] == ["draft"]
    for name in ("chat", "draft"):
        assert full.one("Deployment", name).options["ignore_changes"] == ["spec.replicas"]


def test_a_service_without_a_signal_keeps_its_replicas_to_itself() -> None:
    found = recorded(JOB + 'ModelService("chat", SERVE)')
    assert found.one("Deployment", "chat").options["ignore_changes"] == []
    assert found.all("ScaledObject") == found.all("HorizontalPodAutoscaler") == []


WORK = """
  jobs:
    gpt: {recipe: gpt_tiny, pool: gpu, checkpoints: artifacts, run: first}
  services:
    draft: {model: {job: gpt}}
  images: {digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
"""
PLACES = {
    "aws": 'cloud: aws, account: "123456789012", region: us-east-1, zones: [use1-az1, use1-az2]',
    "gcp": "cloud: gcp, account: ml-platform-dev, region: us-central1, zones: 2",
}
CLUSTERS = {
    "ours": 'version: "1.35", access: [203.0.113.0/24]',
    "made by the cloud": 'version: "1.35", access: [203.0.113.0/24], mode: auto',
    "somebody's": 'version: "1.35", access: private, runner: inside, existing: shared',
}


@pytest.mark.parametrize(
    ("cloud", "nodes", "selected"),
    [
        ("aws", "ours", {"springtide.dev/pool": "system"}),
        ("aws", "somebody's", {}),
        ("gcp", "ours", {"springtide.dev/pool": "system"}),
        ("gcp", "made by the cloud", {}),
        ("gcp", "somebody's", {}),
    ],
)
def test_a_service_without_a_pool_selects_no_label_that_no_node_has(
    cloud: str, nodes: str, selected: dict[str, str]
) -> None:
    where = PLACES[cloud].replace(", ", "\n  ", 3)
    pools = "pools: {gpu: {gpu: L4, max_nodes: 1}}\n  storage: {artifacts: {kind: bucket}}"
    found = of_text(f"config:\n  {where}\n  cluster: {{{CLUSTERS[nodes]}}}\n  {pools}{WORK}")
    assert pod_of(found.one("Deployment", "draft"))["nodeSelector"] == selected
    labels = [item.inputs.get("labels") or item.inputs["nodeConfig"]["labels"] for item in _system(found)]
    assert labels == ([selected] if selected else [])


def test_in_auto_mode_a_service_without_a_pool_takes_any_node_that_its_taints_let_it() -> None:
    """A file cannot say so on AWS yet, where no pool goes with Auto Mode and no job without one; a program can."""
    auto = recorded(JOB + 'ModelService("chat", {**SERVE, "pool": None, "cluster": {**CLUSTER, "mode": "auto"}})')
    pod = pod_of(auto.one("Deployment", "chat"))
    assert (pod["nodeSelector"], "tolerations" in pod) == ({}, False)


def _system(found: Recorded) -> list[Resource]:
    """System nodes of ours."""
    kinds = ("NodeGroup", "NodePool")
    return [item for kind in kinds for item in found.all(kind) if item.name == "cluster-system"]


def test_two_autoscalers_of_one_service_are_refused(tmp_path: Path) -> None:
    both = ("max: 2}\n", "max: 2}\n      scale_on: {cpu_percent: 50, in_flight_per_replica: 4}\n")
    cpu = ("      pool: serve\n", "")
    [found] = mistakes(tmp_path, edited(both, cpu))
    assert (found.path, found.rule) == ("/services/chat/scale_on/cpu_percent", "spec/scale-on")


@pytest.mark.parametrize("signal", ["cpu_percent", "in_flight_per_replica"])
def test_a_target_of_nothing_is_refused(signal: str) -> None:
    read: Any = {signal: 0}
    with pytest.raises(ArgumentsError) as error:
        ModelService("chat", serving(scale_on=read))
    assert f"/scale_on/{signal}" in [found.path for found in error.value.findings]


def serving(**more: Any) -> Any:
    place = {"name": "dev", "cloud": "aws"}
    cluster = {"environment": place, "version": "1.35", "namespace": "s", "controllers": {}}
    job = {"name": "gpt", "started": True, "artifacts_url": "s3://b/x", "storage": {"url": "s3://b"}}
    return {"cluster": cluster, "model": {"job": job}, **more}


def test_a_signal_that_nobody_reads_is_refused() -> None:
    with pytest.raises(ArgumentsError) as error:
        ModelService("chat", serving(scale_on={"in_flight_per_replica": 4}))
    [found] = error.value.findings
    assert (found.rule, found.path) == ("controllers/absent", "/scale_on/in_flight_per_replica")


FABRIC = '{**POOL, "pod": {"resources": {"vpc.amazonaws.com/efa": "32"}, "labels": {"rung": "a"}}}'


@pytest.mark.parametrize(("gpus", "interfaces"), [(8, "32"), (4, None)])
def test_the_fabric_of_a_node_goes_to_a_replica_that_has_it_to_itself(gpus: int, interfaces: str | None) -> None:
    found = recorded(JOB + f'ModelService("chat", {{**SERVE, "gpus": {gpus}, "pool": {FABRIC}}})')
    template = found.one("Deployment", "chat").inputs["spec"]["template"]
    limits = template["spec"]["containers"][0]["resources"]["limits"]
    assert limits.get("vpc.amazonaws.com/efa") == interfaces
    assert template["metadata"]["labels"]["rung"] == "a"


def test_a_model_on_a_file_system_is_mounted_and_cannot_be_written() -> None:
    found = recorded(
        JOB.replace("BUCKET", "DISK").replace("s3://b", "file:///mnt/corpus") + 'ModelService("chat", SERVE)'
    )
    pod = found.one("Deployment", "chat").inputs["spec"]["template"]["spec"]
    [volume] = [item for item in pod["volumes"] if "persistentVolumeClaim" in item]
    [place] = [item for item in pod["containers"][0]["volumeMounts"] if item["name"] == volume["name"]]
    assert (volume["persistentVolumeClaim"]["claimName"], place["mountPath"], place["readOnly"]) == (
        "corpus",
        "/mnt/corpus",
        True,
    )
    assert pod["serviceAccountName"] == "default"
    assert found.all("WorkloadIdentity") == []


@pytest.fixture(scope="module")
def google() -> str:
    """An SDK takes seconds to import, which is no law's fault."""
    clouds.load("gcp")
    return "gcp"


def service(propagation: int, drain: int) -> ServiceSpec:
    return ServiceSpec(model=ModelSpec(job="gpt"), propagation_seconds=propagation, drain_seconds=drain)


def spot() -> Any:
    return {
        "name": "serve",
        "gpus_per_node": 1,
        "capacity": ["spot"],
        "max_nodes": 4,
        "memory_gib": 1,
        "scratch_gib": 1,
    }


def test_a_drain_that_a_spot_pod_has_no_time_for_is_refused_with_one_that_fits(google: str) -> None:
    [found] = findings(service(10, 60), google, "1.34", spot())
    assert (found.rule, found.path) == ("spec/drain", "/drain_seconds")
    assert "take 75 s; a pod of this pool has 12 s" in found.message
    assert "propagation_seconds: 3 and drain_seconds: 4" in found.fix
    assert findings(service(3, 4), google, "1.34", spot()) == []


def test_what_was_refused_before_it_may_be_stretched_is_allowed_after(google: str) -> None:
    assert findings(service(10, 60), google, "1.35", spot()) == []


@given(propagation=st.integers(0, 900), drain=st.integers(1, 900), version=st.sampled_from(["1.34", "1.35"]))
def test_a_drain_is_refused_just_where_it_does_not_fit_and_the_remedy_does(
    google: str, propagation: int, drain: int, version: str
) -> None:
    allowed = grace.budget(google, version, ["spot"]).grace_seconds
    found = findings(service(propagation, drain), google, version, spot())
    assert bool(found) == (propagation + drain + EXIT_MARGIN_SECONDS > allowed)
    if found:
        words = found[0].fix.replace(",", "").split()
        first, second = (int(words[words.index(f"{key}:") + 1]) for key in ("propagation_seconds", "drain_seconds"))
        assert findings(service(first, second), google, version, spot()) == []
        assert second >= 1


FURTHER = JOB + 'more = {**job, "name": "tuned", "artifacts_url": "s3://b/jobs/tuned/first"}\n'


def variables(found: Recorded) -> dict[str, str]:
    container = pod_of(found.one("Deployment", "chat"))["containers"][0]
    return {item["name"]: item.get("value", "") for item in container["env"]}


def test_a_class_of_ones_own_serves_where_it_is_named() -> None:
    said = variables(recorded(JOB + 'ModelService("chat", {**SERVE, "predictor": "team.chat.Chat:max_batch=32"})'))
    assert said["SPRINGTIDE_PREDICTOR"] == "team.chat.Chat:max_batch=32"
    assert variables(recorded(JOB + 'ModelService("chat", SERVE)'))["SPRINGTIDE_PREDICTOR"] == "gpt"


def test_further_models_are_named_by_their_jobs_and_may_be_read() -> None:
    found = recorded(FURTHER + 'ModelService("chat", {**SERVE, "model": {"job": job, "further": [more]}})')
    assert variables(found)["SPRINGTIDE_FURTHER_MODEL_URLS"] == "tuned=s3://b/jobs/tuned/first"
    said = str([item.inputs for item in found.resources if "Polic" in item.type])
    assert "jobs/gpt/first" in said
    assert "jobs/tuned/first" in said


def test_a_service_waits_for_every_model_that_it_is_to_load() -> None:
    waiting = FURTHER + 'more["started"] = False\n'
    found = recorded(waiting + 'ModelService("chat", {**SERVE, "model": {"job": job, "further": [more]}})')
    assert found.all("Deployment") == []


@pytest.mark.parametrize("predictor", ["", "Chat", "team.chat.Chat:max_batch", "team.chat.Chat:max_batch=3 2"])
def test_what_names_no_predictor_is_refused(predictor: str) -> None:
    with pytest.raises(ArgumentsError) as error:
        ModelService("chat", serving(predictor=predictor))
    assert ("services/predictor", "/predictor") in [(found.rule, found.path) for found in error.value.findings]
