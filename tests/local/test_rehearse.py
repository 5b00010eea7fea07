"""`springtide rehearse` as somebody types it, on a control plane of this machine: of clouds as shipped, and of what cannot be."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.local.patience import Silent

from springtide.local.home import home
from springtide.local.plane import control_plane as plane

pytestmark = [pytest.mark.local, pytest.mark.enable_socket, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
SHIPPED = ("prod-aws", "prod-gcp")
IMPOSSIBLE = """\
config:
  cloud: local
  machines: aws
  pools:
    small: {gpu: L4, gpus_per_node: 1, capacity: [spot, on-demand], max_nodes: 1, purpose: serving}
    other: {gpu: A10G, gpus_per_node: 1, capacity: [on-demand], max_nodes: 2, purpose: serving}
  storage: {artifacts: {kind: bucket}}
  jobs:
    gpt: {recipe: gpt_tiny, pool: other, checkpoints: artifacts, run: only}
  services:
    first: {model: {job: gpt}, pool: small}
    second: {model: {job: gpt}, pool: small}
  policies: {exempt: ["gpu-idle-floor-zero:first", "gpu-idle-floor-zero:second"]}
"""
"""Two servers, each on a machine of its own, and one machine."""
PROGRAM = f"""\
import runpy
import pulumi_kubernetes as kubernetes

runpy.run_path({str(ROOT / "stacks" / "__main__.py")!r})


SAFE = {{"allowPrivilegeEscalation": False, "capabilities": {{"drop": ["ALL"]}}}}
USER = {{"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {{"type": "RuntimeDefault"}}}}
TOLERATES = [{{"key": "nvidia.com/gpu", "operator": "Exists"}}]


def deployment(name, gpus="1", tolerations=TOLERATES, security=SAFE):
    labels, asked = {{"app": name}}, {{"limits": {{"nvidia.com/gpu": gpus}}}}
    image = "registry.example.com/team/own@sha256:{"0" * 64}"
    container = {{"name": "main", "image": image, "resources": asked, "securityContext": security}}
    pod = {{
        "nodeSelector": {{"springtide.dev/pool": "other"}},
        "tolerations": tolerations,
        "securityContext": USER,
        "containers": [container],
    }}
    kubernetes.apps.v1.Deployment(
        name,
        metadata={{"name": name, "namespace": "springtide"}},
        spec={{
            "replicas": 1,
            "selector": {{"matchLabels": labels}},
            "template": {{"metadata": {{"labels": labels}}, "spec": pod}},
        }},
    )


deployment("stray", tolerations=[])
deployment("giant", gpus="16")
deployment("unsafe", security={{}})
"""
"""The program of every environment, and Deployments of the user's own: one that does not tolerate the taint of its pool, one
that asks for more GPUs than any machine of the pool has, and one that the namespace does not let in."""
OWN = {"stray", "giant", "unsafe"}


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal said."""

    done: subprocess.CompletedProcess[str]

    @property
    def report(self) -> Mapping[str, Any]:
        assert self.done.stdout.startswith("{"), self.done.stdout + self.done.stderr
        found: Mapping[str, Any] = json.loads(self.done.stdout)
        return found

    def why(self, workload: str) -> str:
        """All that was said of the one pod of a workload that never ran."""
        [found] = [item for item in self.report["pending"] if item["workload"] == workload]
        return "\n".join(found["why"])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("impossible")
    (folder / "Pulumi.yaml").write_text("name: springtide\nruntime: python\nmain: program\nstackConfigDir: stacks\n")
    for name, file, content in (("program", "__main__.py", PROGRAM), ("stacks", "Pulumi.impossible.yaml", IMPOSSIBLE)):
        (folder / name).mkdir()
        (folder / name / file).write_text(content)
    return folder


@pytest.fixture(scope="module")
def rehearsals(springtide_home: Path, project: Path) -> Iterator[Mapping[str, Future[Rehearsed]]]:  # noqa: ARG001  the folder is named by a variable
    """All of them, two at a time: they are mostly waiting."""
    wanted = {"impossible": project, **dict.fromkeys(SHIPPED, ROOT)}
    with ThreadPoolExecutor(2) as both:
        yield {name: both.submit(rehearse, folder, name) for name, folder in wanted.items()}
    for name, folder in wanted.items():
        plane.stop(home(f"{name}-rehearsal", folder), Silent(), lambda: None)


def rehearse(project: Path, environment: str) -> Rehearsed:
    words = [sys.executable, "-m", "springtide.cli", "rehearse", environment, "--format", "json"]
    return Rehearsed(subprocess.run(words, cwd=project, capture_output=True, text=True, timeout=600, check=False))


def test_a_plan_that_cannot_be_is_told_aside_of_what_machines_read(
    rehearsals: Mapping[str, Future[Rehearsed]], project: Path
) -> None:
    rehearsals["impossible"].result()
    file = project / "stacks" / "Pulumi.mistaken.yaml"
    file.write_text(IMPOSSIBLE.replace("purpose: serving", "purpose: nothing"))
    done = rehearse(project, "mistaken").done
    assert (done.returncode, done.stdout) == (1, "")
    assert "'nothing' is not known here" in done.stderr


@pytest.fixture(params=SHIPPED)
def shipped(request: pytest.FixtureRequest, rehearsals: Mapping[str, Future[Rehearsed]]) -> Rehearsed:
    return rehearsals[request.param].result()


@pytest.fixture
def impossible(rehearsals: Mapping[str, Future[Rehearsed]]) -> Rehearsed:
    return rehearsals["impossible"].result()


def test_every_pool_wakes_and_everything_returns_to_zero(shipped: Rehearsed) -> None:
    report = shipped.report
    assert {"train", "serve"} <= {name for name, pool in report["pools"].items() if pool["woke"]}
    assert report["pending"] == []
    assert report["final_nodes"] == 0
    assert shipped.done.returncode == 0


def test_machines_read_the_keys_that_they_were_promised(shipped: Rehearsed) -> None:
    report = shipped.report
    assert list(report) == ["environment", "substituted", "pools", "pending", "final_nodes", "seconds"]
    assert {tuple(pool) for pool in report["pools"].values()} == {
        ("woke", "peak_nodes", "machine_types", "peak_usd_per_hour")
    }
    assert {tuple(item) for item in report["substituted"]} == {("what", "instead", "why")}


def test_moments_come_one_after_the_other(shipped: Rehearsed) -> None:
    moments = shipped.report["seconds"]
    in_order = [moments[name] for name in ("first_node", "all_running", "work_done", "zero_nodes")]
    assert in_order == sorted(in_order)
    assert in_order[0] > 0
    assert moments["total"] >= in_order[-1]


def test_a_clouds_own_machines_are_imitated(rehearsals: Mapping[str, Future[Rehearsed]]) -> None:
    types = {name: rehearsals[name].result().report["pools"]["train"]["machine_types"] for name in SHIPPED}
    assert types == {"prod-aws": ["p5.48xlarge"], "prod-gcp": ["a3-megagpu-8g"]}


def test_a_pod_that_tolerates_no_taint_of_its_pool_is_told_in_the_schedulers_words(impossible: Rehearsed) -> None:
    said = impossible.why("stray")
    assert "default-scheduler: FailedScheduling" in said
    assert "karpenter: FailedScheduling" in said
    assert "did not tolerate" in said
    assert "nvidia.com/gpu" in said


def test_a_pod_that_no_pool_can_serve_is_told_with_what_it_asks_for(impossible: Rehearsed) -> None:
    said = impossible.why("giant")
    assert "Insufficient nvidia.com/gpu" in said or "no instance type" in said
    assert "karpenter: FailedScheduling" in said


def test_a_pod_that_its_namespace_does_not_let_in_is_told_in_the_controllers_words(impossible: Rehearsed) -> None:
    said = impossible.why("unsafe")
    assert "replicaset-controller: FailedCreate" in said
    assert "violates PodSecurity" in said


def test_a_limit_that_is_too_low_is_told_in_karpenters_words(impossible: Rehearsed) -> None:
    """One of the two servers finds the only machine; who of them is chance."""
    served = [item["workload"] for item in impossible.report["pending"] if item["workload"] not in OWN]
    assert len(served) == 1
    assert served[0] in {"first", "second"}
    assert "limit" in impossible.why(served[0])
    assert impossible.report["pools"]["small"]["peak_nodes"] == 1


def test_what_cannot_be_is_no_success_and_leaves_nothing_either(impossible: Rehearsed) -> None:
    assert impossible.done.returncode == 1
    assert impossible.report["final_nodes"] == 0


def test_a_rehearsal_leaves_no_process_and_no_file(rehearsals: Mapping[str, Future[Rehearsed]], project: Path) -> None:
    for name, future in rehearsals.items():
        future.result()
        found = home(f"{name}-rehearsal", ROOT if name in SHIPPED else project)
        assert plane.strays(found) == []
        assert not found.root.exists()
