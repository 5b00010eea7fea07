"""Readings, alerts and a dashboard for each service: where the cluster has the Prometheus operator, and nowhere else."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from springtide.k8s.dashboard import SIDECAR_LABEL
from springtide.k8s.monitor import MONITORING_VERSION
from springtide.offline.planner import plan_environment
from springtide.offline.validate import validate

from .environment_files import ENVIRONMENTS, ROOT, edited, mistakes, project
from .recordings import Recorded, of_file, of_text
from .workload_programs import recorded

KINDS = ("PodMonitor", "PrometheusRule")
FILE = (ENVIRONMENTS / "Pulumi.foreign.yaml").read_text(encoding="utf-8")
LINE = "controllers: { existing: [prometheus-operator], monitor_labels: { release: monitoring } }"
STACKS = ROOT / "stacks"
IMAGES = f'images: {{ digest: "sha256:{"0123456789abcdef" * 4}", fabrics: [efa] }}'


@pytest.fixture(scope="module")
def watched() -> Recorded:
    return of_file("foreign")


def test_every_service_is_read_warned_of_and_shown(watched: Recorded) -> None:
    services = {"ours", "chat", "hub", "rank"}
    for kind in KINDS:
        found = watched.all(kind)
        assert {item.name for item in found} == services
        assert {item.inputs["apiVersion"] for item in found} == {MONITORING_VERSION}
    assert {f"{name}-dashboard" for name in services} <= {item.name for item in watched.all("ConfigMap")}


def test_monitors_and_rules_carry_the_labels_by_which_they_are_chosen(watched: Recorded) -> None:
    labels = [item.inputs["metadata"]["labels"] for kind in KINDS for item in watched.all(kind)]
    assert {each["release"] for each in labels} == {"monitoring"}


def test_without_the_operator_nothing_is_registered_that_nobody_reads() -> None:
    found = of_text(FILE.replace(LINE, "controllers: {}"))
    assert [kind for kind in (*KINDS, "ConfigMap") if found.all(kind)] == []


def test_alerts_are_those_of_the_server_that_runs_and_of_gateways_where_they_stand(watched: Recorded) -> None:
    told = {item.name: json.dumps(item.inputs["spec"]) for item in watched.all("PrometheusRule")}
    assert "springtide_request_seconds_bucket" in told["ours"]
    assert "springtide_first_token_seconds_bucket" in told["ours"]
    assert "vllm:time_to_first_token_seconds_bucket" in told["chat"]
    assert "sglang:num_queue_reqs" in told["hub"]
    assert {name for name, text in told.items() if "SpringtideGatewaysAbsent" in text} == {"ours", "chat", "hub"}


def test_a_dashboard_is_one_that_grafana_finds_and_reads(watched: Recorded) -> None:
    found = watched.one("ConfigMap", "chat-dashboard").inputs
    [text] = found["data"].values()
    titles = {panel["title"] for panel in json.loads(text)["panels"]}
    assert found["metadata"]["labels"][SIDECAR_LABEL] == "1"
    assert {"Time to first token", "Held by gateways"} <= titles


def test_a_predictor_that_makes_no_text_is_not_held_to_a_first_token() -> None:
    program = """
        cluster = with_controllers("prometheus-operator")
        job = {"name": "gpt", "started": True, "artifacts_url": "s3://b/jobs/gpt/first", "storage": BUCKET}
        serve = {"cluster": cluster, "pool": POOL, "model": {"job": job}, "image": IMAGE}
        ModelService("chat", {**serve, "predictor": "team.labels.Labels"})
    """
    [rule] = recorded(program).all("PrometheusRule")
    assert "SlowFirstToken" not in json.dumps(rule.inputs["spec"])


def test_the_operator_is_never_installed_here_and_what_to_do_is_told(tmp_path: Path) -> None:
    [found] = mistakes(tmp_path, FILE.replace(LINE, "controllers: { install: [prometheus-operator] }"))
    assert (found.rule, found.path) == ("controllers/not-ours", "/controllers/install/0")
    assert "existing" in found.fix


@pytest.mark.parametrize("name", ["ours", "chat", "hub", "rank"])
def test_every_expression_is_about_its_service_alone(watched: Recorded, name: str) -> None:
    groups = watched.one("PrometheusRule", name).inputs["spec"]["groups"]
    expressions = [rule["expr"] for group in groups for rule in group["rules"]]
    [board] = watched.one("ConfigMap", f"{name}-dashboard").inputs["data"].values()
    expressions += [target["expr"] for panel in json.loads(board)["panels"] for target in panel["targets"]]
    assert {tuple(set(re.findall(r'service="([^"]*)"', text))) for text in expressions} == {(name,)}


def test_the_operators_own_definitions_find_nothing_wrong_and_would(watched: Recorded) -> None:
    found = [item for kind in KINDS for item in watched.all(kind)]
    assert validate(found).findings == ()
    spec = watched.one("PodMonitor", "chat").inputs["spec"]
    [first, *_] = spec["podMetricsEndpoints"]
    slow = {**spec, "podMetricsEndpoints": [{**first, "interval": "half a minute"}]}
    monitor = watched.one("PodMonitor", "chat")
    [wrong] = validate([replace(monitor, inputs={**monitor.inputs, "spec": slow})]).findings
    assert wrong.path.endswith("interval")


@pytest.mark.parametrize("platform", ["prod-aws", "prod-gcp"])
def test_work_on_a_platform_is_watched_by_what_the_platform_has(tmp_path: Path, platform: str) -> None:
    work = (STACKS / "Pulumi.research.yaml").read_text(encoding="utf-8")
    root = project(tmp_path, edited(("on: prod-aws\n", f"on: {platform}\n  {IMAGES}\n"), text=work), name="research")
    there = (STACKS / f"Pulumi.{platform}.yaml").read_text(encoding="utf-8")
    there = edited(("install: [keda]", "install: [keda], existing: [prometheus-operator]"), text=there)
    (root / "stacks" / f"Pulumi.{platform}.yaml").write_text(there, encoding="utf-8")
    plan = plan_environment(root, "research")
    assert [item for item in plan.findings if item.stops] == []
    kinds = [item.type.rpartition(":")[2] for item in plan.resources if item.name in {"chat", "chat-dashboard"}]
    assert [kinds.count(kind) for kind in (*KINDS, "ConfigMap")] == [1, 1, 1]


def test_a_misspelt_operator_is_corrected_where_it_may_stand(tmp_path: Path) -> None:
    [found] = mistakes(tmp_path, FILE.replace(LINE, "controllers: { existing: [prometheus-operater] }"))
    assert (found.rule, found.path) == ("controllers/unknown", "/controllers/existing/0")
    assert "prometheus-operator" in found.fix
    [found] = mistakes(tmp_path, FILE.replace(LINE, "controllers: { install: [prometheus-operater] }"))
    assert "prometheus-operator" not in str(found.allowed)


def test_a_cluster_of_this_machine_has_no_operator_to_name(tmp_path: Path) -> None:
    text = (STACKS / "Pulumi.local.yaml").read_text(encoding="utf-8")
    [found] = mistakes(tmp_path, f"{text.rstrip()}\n  controllers: {{ existing: [prometheus-operator] }}\n", "local")
    assert (found.rule, found.path) == ("settings/meaningless", "/controllers")
