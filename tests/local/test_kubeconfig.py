"""`--kubeconfig`: a cluster that somebody else runs. Here it is a control plane of ours, known by its kubeconfig alone."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from springtide.local.cluster.api import Api
from springtide.local.home import Home, home
from springtide.local.plane import control_plane as plane

pytestmark = [pytest.mark.local, pytest.mark.enable_socket, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
Springtide = Callable[..., "subprocess.CompletedProcess[str]"]


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
    for name in ("host", "mine"):
        shutil.copy(ROOT / "stacks" / "Pulumi.local.yaml", folder / "stacks" / f"Pulumi.{name}.yaml")
    return folder


@pytest.fixture(scope="module")
def springtide(springtide_home: Path, project: Path) -> Springtide:  # noqa: ARG001  the folder is named by a variable
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "springtide.cli", *words],
            cwd=project, capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def cluster(springtide: Springtide, springtide_home: Path, project: Path) -> Iterator[Home]:  # noqa: ARG001
    """A cluster that is up, with Karpenter and KEDA's definitions in it, and nothing of ours on it."""
    found = home("host", project)
    try:
        done = springtide("up", "host", "--simulate")
        assert done.returncode == 0, done.stdout + done.stderr
        yield found
    finally:
        plane.stop(found, Silent(), lambda: None)


def test_an_environment_on_a_cluster_of_the_users_own_comes_is_shown_and_goes(
    springtide: Springtide, cluster: Home, project: Path
) -> None:
    there = str(cluster.kubeconfig)

    refused = springtide("up", "mine", "--kubeconfig", there)
    assert refused.returncode == 1
    assert "it belongs to environment host" in refused.stdout, "what another environment applied is not taken over"

    gone = springtide("down", "host", "--kubeconfig", there)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert plane.running(cluster), "only objects go: whoever runs the cluster stops it"

    done = springtide("up", "mine", "--kubeconfig", there)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not plane.running(home("mine", project)), "nothing is started on this machine"
    found = json.loads(springtide("status", "mine", "--kubeconfig", there, "--format", "json").stdout)
    assert {pool["name"] for pool in found["pools"]} == {"train", "serve"}
    with Api.connect(cluster.kubeconfig) as api:
        gateways = api.objects(
            "apps/v1", "Deployment", namespace="springtide", labels="springtide.dev/environment=mine"
        )
    assert "chat-gateway" in {item["metadata"]["name"] for item in gateways}, "gateways are pods there"

    file = project / "stacks" / "Pulumi.mine.yaml"
    text = file.read_text()
    file.write_text(text.replace("    train:", "    trainer:").replace("pool: train", "pool: trainer"))
    asked = springtide("up", "mine", "--kubeconfig", there)
    assert asked.returncode == 1
    assert "Say --yes" in asked.stdout, "nobody can be asked without a terminal"
    with Api.connect(cluster.kubeconfig) as api:
        pools = {item["metadata"]["name"] for item in api.objects("karpenter.sh/v1", "NodePool")}
        assert not any(name.startswith("trainer") for name in pools), "nothing was changed"
        agreed = springtide("up", "mine", "--kubeconfig", there, "--yes")
        assert agreed.returncode == 0, agreed.stdout + agreed.stderr
        pools = {item["metadata"]["name"] for item in api.objects("karpenter.sh/v1", "NodePool")}
        assert any(name.startswith("trainer") for name in pools)
        assert not any(name.startswith("train.") for name in pools)

        over = springtide("down", "mine", "--kubeconfig", there)
        assert over.returncode == 0, over.stdout + over.stderr
        assert not api.objects("karpenter.sh/v1", "NodePool", labels="springtide.dev/environment=mine")


def test_a_kubeconfig_that_cannot_be_used_is_an_error_and_no_traceback(springtide: Springtide, tmp_path: Path) -> None:
    nowhere = tmp_path / "kubeconfig"
    for command in ("up", "status", "down"):
        done = springtide(command, "mine", "--kubeconfig", str(nowhere))
        assert done.returncode in {1, 2}
        assert str(nowhere) in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
