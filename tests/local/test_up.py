"""`springtide up` of an environment, as somebody types it: nodes come, work is done, nodes go, nothing is left."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from springtide.local.cluster.api import Api
from springtide.local.home import Home, home
from springtide.local.plane import control_plane as plane
from springtide.local.real import node
from springtide.local.real.ability import Surroundings, lacking

pytestmark = [pytest.mark.local, pytest.mark.enable_socket, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
REAL = not lacking(Surroundings())
ENVIRONMENT = (ROOT / "stacks" / "Pulumi.local.yaml").read_text(encoding="utf-8")


class Silent:
    """Nobody is told."""

    def say(self, text: str) -> None:
        """Nothing."""

    def doing(self, text: str) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "Pulumi.yaml").write_text(
        f"name: springtide\nruntime: python\nmain: {ROOT / 'stacks'}\nstackConfigDir: stacks\n"
    )
    (folder / "stacks").mkdir()
    (folder / "stacks" / "Pulumi.local.yaml").write_text(ENVIRONMENT)
    shutil.copy(ROOT / "stacks" / "Pulumi.dev.yaml", folder / "stacks")
    return folder


@pytest.fixture(scope="module")
def there(springtide_home: Path, project: Path) -> Iterator[Home]:  # noqa: ARG001  the folder is named by a variable
    found = home("local", project)
    yield found
    plane.stop(found, Silent(), clean=lambda: node.clean(found, Silent()))


def springtide(project: Path, *words: str, seconds: float = 400) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "springtide.cli", *words],
        cwd=project, capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def until(what: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not so within {seconds:.0f} s"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def up(project: Path, there: Home) -> Iterator[Api]:
    done = springtide(project, "up", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Not as in the cloud" in done.stdout
    with Api.connect(there.kubeconfig) as api:
        yield api


def status(project: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(springtide(project, "status", "local", "--format", "json").stdout)
    return found


def nodes(api: Api, pool: str) -> list[Any]:
    return api.objects("v1", "Node", labels=f"springtide.dev/pool={pool}")


def job(api: Api) -> Mapping[str, Any]:
    [found] = api.objects("batch/v1", "Job", namespace="springtide")
    return found


def test_a_training_job_makes_nodes_appear_trains_and_lets_them_vanish(up: Api, project: Path, there: Home) -> None:
    until(lambda: len(nodes(up, "train")) >= 2, 60)
    [train] = [pool for pool in status(project)["pools"] if pool["name"] == "train"]
    assert {item["machine_type"] for item in train["nodes"]} == {"p5.48xlarge"}
    until(lambda: bool(job(up)["status"].get("succeeded") == 2), 300)
    until(lambda: not nodes(up, "train"), 180)
    if REAL:
        run = there.storage / "artifacts" / "jobs" / "gpt" / "first"
        events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
        losses = [event["held_out_loss"] for event in events if event["event"] == "evaluated"]
        assert losses[-1] < losses[0]
        assert (run / "export" / "model.safetensors").stat().st_size > 0


@pytest.mark.skipif(not REAL, reason=f"pods are simulated here: {'; '.join(lacking(Surroundings()))}")
def test_a_service_wakes_from_zero_without_losing_a_request_grows_and_sleeps_again(up: Api, there: Home) -> None:
    """The gateway holds what comes, KEDA reads it there and makes servers, Karpenter makes a node for each of them."""

    def servers() -> list[Any]:
        return up.objects("v1", "Pod", namespace="springtide", labels="app.kubernetes.io/component=serving")

    assert not servers()
    assert not nodes(up, "serve")
    address = f"http://127.0.0.1:{plane.known_ports(there)['gateway-chat']}/v1/completions"
    question = json.dumps({"prompt": "The ", "max_tokens": 16}).encode()

    def ask(_number: int) -> int:
        request = urllib.request.Request(address, question, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return int(answer.status)
        except OSError:
            return 0

    with ThreadPoolExecutor(24) as crowd:
        assert set(crowd.map(ask, range(20))) == {200}, "all wait for the first server, none is lost"
        assert nodes(up, "serve")
        most, end = len(servers()), time.monotonic() + 240
        while most < 2 and time.monotonic() < end:
            assert set(crowd.map(ask, range(96))) == {200}
            most = max(most, len(servers()))
    assert most >= 2
    until(lambda: not servers(), 300)
    until(lambda: not nodes(up, "serve"), 180)


def test_up_again_changes_nothing(up: Api, project: Path) -> None:
    def versions() -> dict[str, str]:
        kinds = [("karpenter.sh/v1", "NodePool"), ("batch/v1", "Job"), ("v1", "Service")]
        found = (
            item
            for version, kind in kinds
            for item in up.objects(version, kind, labels="springtide.dev/environment=local")
        )
        return {
            f"{item['kind']}/{item['metadata']['name']}": json.dumps(item["spec"], sort_keys=True) for item in found
        }

    before = versions()
    done = springtide(project, "up", "local")
    assert done.returncode == 0
    assert "0 created" in done.stdout or "nothing" in done.stdout.lower(), done.stdout
    assert versions() == before


def test_a_changed_file_is_shown_as_a_difference_and_what_left_it_goes(up: Api, project: Path, there: Home) -> None:
    file = project / "stacks" / "Pulumi.local.yaml"
    text = file.read_text()
    file.write_text(
        text.replace("max_nodes: 4", "max_nodes: 2")
        .replace("scale_on: { in_flight_per_replica: 4 }", "")
        .replace("min: 0, max: 3 }", "min: 1, max: 1 }")
        + '  policies: { exempt: ["gpu-idle-floor-zero:chat"] }\n'
    )
    try:
        unasked = springtide(project, "up", "local")
        assert unasked.returncode == 1, "without a terminal nobody can agree to what is removed"
        assert up.objects("keda.sh/v1alpha1", "ScaledObject", namespace="springtide")
        done = springtide(project, "up", "local", "--yes")
    finally:
        file.write_text(text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ScaledObject" in done.stdout
    assert not up.objects("keda.sh/v1alpha1", "ScaledObject", namespace="springtide")
    assert "gateway-chat" not in plane.running(there), "nobody needs to be woken any more"
    limits = {
        item["spec"]["limits"]["nvidia.com/gpu"]
        for item in up.objects("karpenter.sh/v1", "NodePool", labels="springtide.dev/environment=local")
        if item["metadata"]["name"].startswith("train")
    }
    assert limits == {"16"}


def test_a_cloud_is_refused_with_the_command_that_brings_it_up(project: Path) -> None:
    done = springtide(project, "up", "dev")
    assert done.returncode == 2
    assert "pulumi up -s dev" in done.stderr


def test_down_leaves_nothing_even_when_everything_was_killed(up: Api, project: Path, there: Home) -> None:
    assert up.objects("v1", "Namespace")
    ports = {
        connection.laddr.port
        for started in plane.running(there).values()
        for connection in psutil.Process(started.pid).net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr
    }
    for started in plane.running(there).values():
        os.kill(started.pid, signal.SIGKILL)
    done = springtide(project, "down", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert plane.strays(there) == []
    assert not [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(there.root) in line]
    assert not [folder for folder in node.hierarchies() if (folder / node.group(there)).exists()]
    everybody = psutil.net_connections(kind="tcp")
    listening = {item.laddr.port for item in everybody if item.status == psutil.CONN_LISTEN and item.laddr}
    assert not ports & listening
    assert [item.name for item in there.root.iterdir()] == (["storage"] if REAL else [])
