"""The containers that a plan describes are run here as processes, with their own command and environment."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.recordings import job_of, pod_of

from springtide.offline.plan import Resource
from springtide.offline.record import record

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "manifest-is-process.md"
TINY = "gpt_tiny:steps=6,batch=2,context=32,width=32,layers=1,save_every=3,eval_every=6"
DEADLINE_SECONDS = 240

pytestmark = pytest.mark.timeout(2 * DEADLINE_SECONDS)


def published_substitutions() -> set[str]:
    return set(re.findall(r"^\| `([A-Z_]+)` \|", TABLE.read_text(encoding="utf-8"), flags=re.MULTILINE))


@dataclass
class Container:
    """What a manifest says, and what runs."""

    command: list[str]
    manifest: dict[str, Any]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self, log: Path) -> "Container":
        basics = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(log.parent),
        }
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                self.command, env=basics | self.environment, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent
            )
        return self

    def running_values(self) -> tuple[list[str], dict[str, str]]:
        """Arguments and variables as the kernel has them."""
        assert self.process is not None
        place = Path(f"/proc/{self.process.pid}")
        # A process is there a moment before the kernel has written down its arguments.
        deadline = time.monotonic() + 10
        while not (said := place.joinpath("cmdline").read_bytes()) and time.monotonic() < deadline:
            time.sleep(0.01)
        words = said.split(b"\0")[:-1]
        pairs = place.joinpath("environ").read_bytes().split(b"\0")[:-1]
        return [w.decode() for w in words], dict(pair.decode().split("=", 1) for pair in pairs)

    def differences(self) -> set[str]:
        """Names of variables whose value in the process is not the manifest's."""
        _, running = self.running_values()
        return {name for name, value in self.manifest.items() if running.get(name) != value}


def container_of(resource: Resource) -> Container:
    spec = pod_of(resource)["containers"][0]
    values = {item["name"]: item.get("value", item.get("valueFrom")) for item in spec["env"]}
    assert "args" not in spec
    return Container(command=spec["command"], manifest=values, environment={})


def substituted(manifest: Mapping[str, Any], changes: Mapping[str, str]) -> dict[str, str]:
    return {name: changes.get(name, value) for name, value in manifest.items()}


@pytest.fixture(scope="module")
def planned() -> dict[str, Resource]:
    config = yaml.safe_load((ROOT / "stacks" / "Pulumi.dev.yaml").read_text(encoding="utf-8"))["config"]
    config["images"] = {"digest": f"sha256:{'a' * 64}"}
    config["jobs"]["gpt"]["recipe"] = TINY
    resources = record(ROOT, "dev", config=config).resources
    wanted = {"kubernetes:jobset.x-k8s.io/v1alpha2:JobSet": "trainer", "kubernetes:apps/v1:Deployment": "server"}
    return {wanted[item.type]: item for item in resources if item.type in wanted}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def trained(planned: dict[str, Resource], place: Path) -> list[Container]:
    nodes = job_of(planned["trainer"])["completions"]
    containers = []
    for rank in range(nodes):
        here = container_of(planned["trainer"])
        scratch = place / f"scratch-{rank}"
        scratch.mkdir()
        changes = {
            "PET_NODE_RANK": str(rank),
            "PET_MASTER_ADDR": "127.0.0.1",
            "PET_NPROC_PER_NODE": "1",
            "SPRINGTIDE_DEVICE": "cpu",
            "SPRINGTIDE_ARTIFACTS_URL": (place / "artifacts").as_uri(),
            "SPRINGTIDE_SCRATCH_DIR": str(scratch),
        }
        here.environment = substituted(here.manifest, changes)
        containers.append(here.start(place / f"trainer-{rank}.log"))
    return containers


def test_the_trainer_runs_the_manifests_own_command_and_environment(trained: list[Container]) -> None:
    for container in trained:
        words, _ = container.running_values()
        assert words[1:] == container.command[1:] == ["-m", "springtide_workloads.train"]
        assert container.differences() <= published_substitutions()
        assert container.manifest["PET_NNODES"] == str(len(trained))


def test_the_trainer_of_every_pod_ends_with_done_and_leaves_an_export(trained: list[Container], place: Path) -> None:
    for rank, container in enumerate(trained):
        assert container.process is not None
        code = container.process.wait(DEADLINE_SECONDS)
        assert code == 0, (place / f"trainer-{rank}.log").read_text(encoding="utf-8")
    assert (place / "artifacts" / "export" / "model.safetensors").is_file()


@pytest.fixture
def serving(planned: dict[str, Resource], trained: list[Container], place: Path) -> Iterator[Container]:
    for container in trained:
        assert container.process is not None
        container.process.wait(DEADLINE_SECONDS)
    here = container_of(planned["server"])
    scratch = place / "scratch-server"
    scratch.mkdir()
    changes = {
        "SPRINGTIDE_DEVICE": "cpu",
        "SPRINGTIDE_MODEL_URL": (place / "artifacts").as_uri(),
        "SPRINGTIDE_SCRATCH_DIR": str(scratch),
    }
    here.environment = substituted(here.manifest, changes)
    here.start(place / "server.log")
    yield here
    assert here.process is not None
    here.process.kill()
    here.process.wait()


@pytest.mark.enable_socket
def test_the_server_answers_where_the_manifests_probes_and_service_look(
    planned: dict[str, Resource], serving: Container, place: Path
) -> None:
    spec = pod_of(planned["server"])["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in spec["ports"]}
    ready = spec["readinessProbe"]["httpGet"]
    wait_until_ready(f"http://127.0.0.1:{ports[ready['port']]}{ready['path']}", serving, place / "server.log")
    words, _ = serving.running_values()
    assert words[1:] == serving.command[1:] == ["-m", "springtide_workloads.serve"]
    assert serving.differences() <= published_substitutions()
    body = json.dumps({"prompt": "Springs", "max_tokens": 4, "seed": 1}).encode()
    url = f"http://127.0.0.1:{ports['http']}/v1/completions"
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["choices"][0]["text"]
    with urllib.request.urlopen(f"http://127.0.0.1:{ports['metrics']}/metrics", timeout=10) as answer:
        assert b"springtide_requests_total" in answer.read()
    assert serving.process is not None
    serving.process.send_signal(signal.SIGTERM)
    grace = pod_of(planned["server"])["terminationGracePeriodSeconds"]
    assert serving.process.wait(grace) == 0


def wait_until_ready(url: str, container: Container, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        assert container.process is not None
        assert container.process.poll() is None, log.read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"not ready: {log.read_text(encoding='utf-8')}")
