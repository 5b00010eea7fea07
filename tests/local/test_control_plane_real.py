"""The control plane itself: what lives on it, what it listens on, and that it comes back whole from every loss."""

import json
import os
import shutil
import signal
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml
from tests.local.patience import Silent, until
from tests.local.simulated_objects import PLACE, job, machine, node

from springtide.local.builds.binaries import binaries
from springtide.local.cluster.api import Api
from springtide.local.cluster.apply import apply
from springtide.local.cluster.errors import ApiError
from springtide.local.cluster.refs import Object, Ref
from springtide.local.home import Home, home
from springtide.local.plane import control_plane as plane
from springtide.local.plane import event_scaler
from springtide.local.plane.control_plane import ControlPlane
from springtide.local.plane.kwok import RUNS

pytestmark = [pytest.mark.local, pytest.mark.enable_socket, pytest.mark.timeout(600)]

CORE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
ALL = (*CORE, "karpenter", "keda-operator", "keda-adapter")
CLIENTS = set(ALL) - {"etcd", "kube-apiserver"}
SOON = 60.0
"""Seconds that anything here may take on a busy machine."""


def nothing() -> None:
    """No real node was started."""


def begin(of: Home, built: Mapping[str, Path]) -> ControlPlane:
    """Everything, as `up` does it: from nothing, or what is missing."""
    made = plane.prepare(of, built)
    made.start_core(Silent())
    with Api.connect(of.kubeconfig) as api:
        if not api.knows("keda.sh/v1alpha1", "ScaledObject"):
            definitions = binaries(of, tuple(ALL), Silent()).resource_definitions
            files = sorted(definitions.rglob("*.yaml"))
            needed = [item for file in files for item in yaml.safe_load_all(file.read_text(encoding="utf-8")) if item]
            assert not apply(needed, api, "definitions", Silent()).refused
        assert not apply(event_scaler.objects(made.site), api, "controllers", Silent()).refused
    if not of.instance_types.exists():
        of.instance_types.write_text(json.dumps([machine("m-2")]))
    made.start_autoscaler(Silent())
    made.start_event_scaler(Silent())
    return made


@pytest.fixture(scope="module")
def whole(springtide_home: Path) -> Iterator[Home]:
    found = home("whole", springtide_home)
    yield found
    plane.stop(found, Silent(), nothing)


@pytest.fixture
def up(whole: Home, built: Mapping[str, Path]) -> ControlPlane:
    return begin(whole, built)


@pytest.fixture
def api(up: ControlPlane) -> Iterator[Api]:
    with Api.connect(up.home.kubeconfig) as connected:
        yield connected


def numbers(of: Home) -> dict[str, int]:
    return {name: item.pid for name, item in plane.running(of).items()}


def pods(api: Api, of: str) -> list[Object]:
    return api.objects("v1", "Pod", namespace=PLACE, labels=f"job-name={of}")


def phases(api: Api, of: str) -> list[str]:
    return [item["status"]["phase"] for item in pods(api, of)]


def complete(api: Api, name: str) -> bool:
    found = api.get(Ref(api_version="batch/v1", kind="Job", name=name, namespace=PLACE))
    assert found is not None
    return any(
        item["type"] == "Complete" and item["status"] == "True" for item in found["status"].get("conditions", [])
    )


def ready(api: Api, name: str) -> bool:
    found = api.get(Ref(api_version="v1", kind="Node", name=name))
    conditions = [] if found is None else found.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


@contextmanager
def standing(api: Api, name: str) -> Iterator[None]:
    """A simulated node, ready, for as long as a test needs it."""
    api.apply(node(name))
    until(lambda: ready(api, name), SOON)
    yield
    for item in api.objects("batch/v1", "Job", namespace=PLACE):
        api.delete(Ref.of(item))
    until(lambda: not api.objects("v1", "Pod", namespace=PLACE), SOON)
    api.delete(Ref(api_version="v1", kind="Node", name=name))


def works(api: Api, name: str) -> None:
    """A simulated node gets ready, and a job runs on it to its end: every process of the core has its part in that."""
    with standing(api, f"node-{name}"):
        api.apply(job(name, 1, simulated_seconds="100ms"))
        until(lambda: complete(api, name), SOON)


def figures(api: Api) -> bool:
    """Whether the API server reaches KEDA's adapter, which in turn knows the operator."""
    api.refresh()
    found = api.get(Ref(api_version="apiregistration.k8s.io/v1", kind="APIService", name=f"v1beta1.{FIGURES}"))
    conditions = [] if found is None else found.get("status", {}).get("conditions", [])
    return any(item["type"] == "Available" and item["status"] == "True" for item in conditions)


FIGURES = "external.metrics.k8s.io"


def test_all_of_it_runs_and_works(up: ControlPlane, api: Api) -> None:
    assert tuple(numbers(up.home)) == ALL
    works(api, "first")
    until(lambda: figures(api), SOON)


def listening(of: Home, loopback: bool) -> set[int]:
    """Ports that an environment listens on, on loopback or on every address of this machine."""
    return {
        int(item.laddr[1])
        for number in numbers(of).values()
        for item in psutil.Process(number).net_connections()
        if item.status == psutil.CONN_LISTEN and item.laddr and (item.laddr[0] in {"127.0.0.1", "::1"}) is loopback
    }


def test_it_listens_on_the_ports_that_were_given_and_on_no_other(up: ControlPlane) -> None:
    given = {port for name, port in up.site.ports.items() if not name.startswith("kubelet")}
    assert listening(up.home, loopback=True) | listening(up.home, loopback=False) == given


def test_beyond_this_machine_only_figures_are_offered(up: ControlPlane) -> None:
    """Karpenter and KEDA's adapter have no way to name an address for them."""
    figures = {up.site.ports[name] for name in ("karpenter-metrics", "karpenter-health", "keda-adapter-metrics")}
    assert listening(up.home, loopback=False) == figures


def test_a_pod_of_a_job_takes_as_long_as_it_says(api: Api) -> None:
    with standing(api, "busy"):
        api.apply(job("slow", 2, simulated_start="2s", simulated_seconds="60s"))
        api.apply(job("quick", 4, simulated_seconds="1s"))
        until(lambda: complete(api, "quick"), SOON)
        until(lambda: phases(api, "slow") == ["Running"] * 2, SOON)
        assert phases(api, "quick") == ["Succeeded"] * 4
        for item in pods(api, "slow"):
            conditions = {it["type"]: it["lastTransitionTime"] for it in item["status"]["conditions"]}
            assert conditions["Ready"] > conditions["PodScheduled"]


def test_what_really_runs_is_left_to_who_runs_it(api: Api) -> None:
    with standing(api, "shared"):
        api.apply(job("really", 1, **{RUNS.removeprefix("springtide.dev/"): "true"}))
        api.apply(job("simulated", 1, simulated_seconds="100ms"))
        until(lambda: complete(api, "simulated"), SOON)
        [pod] = pods(api, "really")
        assert pod["spec"]["nodeName"] == "shared"
        assert phases(api, "really") == ["Pending"]
        api.delete(Ref(api_version="batch/v1", kind="Job", name="really", namespace=PLACE))
        until(lambda: "deletionTimestamp" in pods(api, "really")[0]["metadata"], SOON)
        # Whoever runs it says when it has ended.
        api.delete(Ref(api_version="v1", kind="Pod", name=pod["metadata"]["name"], namespace=PLACE), grace_seconds=0)


def test_a_pod_that_is_deleted_goes(api: Api) -> None:
    with standing(api, "leaving"):
        api.apply(job("cut-short", 3, simulated_seconds="60s"))
        until(lambda: phases(api, "cut-short") == ["Running"] * 3, SOON)
        api.delete(Ref(api_version="batch/v1", kind="Job", name="cut-short", namespace=PLACE))
        until(lambda: not pods(api, "cut-short"), 20)


def test_started_twice_changes_no_process(up: ControlPlane, built: Mapping[str, Path]) -> None:
    before = numbers(up.home)
    begin(up.home, built)
    assert numbers(up.home) == before


@pytest.mark.parametrize("name", ALL)
def test_any_one_that_was_killed_comes_back_and_nothing_is_lost(
    up: ControlPlane, built: Mapping[str, Path], name: str
) -> None:
    before = numbers(up.home)
    note = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"of-{name}", "namespace": PLACE}}
    with Api.connect(up.home.kubeconfig) as api:
        api.apply(note)
    os.kill(before[name], signal.SIGKILL)
    until(lambda: name in plane.fallen(up.home), SOON)
    begin(up.home, built)
    after = numbers(up.home)
    assert {key for key in ALL if after[key] != before[key]} == {name}
    with Api.connect(up.home.kubeconfig) as api:
        assert api.get(Ref.of(note)) is not None
        works(api, f"after-{name}")
        until(lambda: figures(api), SOON)


def test_all_that_were_killed_at_once_come_back(up: ControlPlane, built: Mapping[str, Path]) -> None:
    for number in numbers(up.home).values():
        os.kill(number, signal.SIGKILL)
    until(lambda: not plane.running(up.home), SOON)
    begin(up.home, built)
    with Api.connect(up.home.kubeconfig) as api:
        works(api, "after-all")


def test_one_that_is_frozen_is_started_again(
    up: ControlPlane, built: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plane, "_RECOVERS_SECONDS", 3)
    before = numbers(up.home)
    os.kill(before["kwok"], signal.SIGSTOP)
    begin(up.home, built)
    assert numbers(up.home)["kwok"] != before["kwok"]
    assert not psutil.pid_exists(before["kwok"]) or psutil.Process(before["kwok"]).status() == psutil.STATUS_ZOMBIE


def test_other_machine_types_start_karpenter_anew_and_nothing_else(up: ControlPlane, built: Mapping[str, Path]) -> None:
    before = numbers(up.home)
    up.home.instance_types.write_text(json.dumps([machine("m-2"), machine("m-3")]))
    begin(up.home, built)
    after = numbers(up.home)
    assert {key for key in ALL if after[key] != before[key]} == {"karpenter"}


def test_a_lost_state_file_is_made_again_without_two_of_one(up: ControlPlane, built: Mapping[str, Path]) -> None:
    before = numbers(up.home)
    up.home.state.write_text("{ half")
    begin(up.home, built)
    after = numbers(up.home)
    assert tuple(after) == ALL
    assert not set(after.values()) & set(before.values())
    assert {item.pid for item in plane.strays(up.home)} == set(after.values())
    with Api.connect(up.home.kubeconfig) as api:
        works(api, "after-the-state")


def test_a_server_whose_port_was_taken_moves_and_all_follow(up: ControlPlane, built: Mapping[str, Path]) -> None:
    before, port = numbers(up.home), up.site.ports["kube-apiserver"]
    os.kill(before["kube-apiserver"], signal.SIGKILL)
    until(lambda: "kube-apiserver" in plane.fallen(up.home), SOON)
    with socket.create_server(("127.0.0.1", port)):
        moved = begin(up.home, built)
        after = numbers(up.home)
        assert moved.site.ports["kube-apiserver"] != port
        assert {key for key in ALL if after[key] != before[key]} == {"kube-apiserver", *CLIENTS}
        with Api.connect(up.home.kubeconfig) as api:
            works(api, "after-the-move")


def test_keys_that_were_lost_are_made_again_and_all_believe_them(up: ControlPlane, built: Mapping[str, Path]) -> None:
    old = up.home.root.parent / "old-kubeconfig"
    shutil.copy(up.home.kubeconfig, old)
    before = numbers(up.home)
    up.site.keys.key("ca").unlink()
    begin(up.home, built)
    after = numbers(up.home)
    assert all(after[name] != before[name] for name in ALL)
    with Api.connect(up.home.kubeconfig) as api:
        works(api, "after-the-keys")
        until(lambda: figures(api), SOON)
    with pytest.raises((ApiError, OSError)), Api.connect(old) as outdated:
        outdated.objects("v1", "Namespace")


def test_who_has_no_certificate_may_see_nothing(up: ControlPlane, tmp_path: Path) -> None:
    config = json.loads(up.home.kubeconfig.read_text())
    config["users"][0]["user"] = {}
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    with pytest.raises(ApiError), Api.connect(tmp_path / "kubeconfig") as nobody:
        nobody.objects("v1", "Secret")


def test_keys_are_for_their_owner_alone(up: ControlPlane) -> None:
    secrets = [*up.home.keys.iterdir(), up.home.kubeconfig]
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets} == {0o600}
    assert stat.S_IMODE(up.home.keys.stat().st_mode) == 0o700


def test_another_environment_stands_beside_it_and_goes_without_a_trace(
    up: ControlPlane, springtide_home: Path, built: Mapping[str, Path]
) -> None:
    """Its state file is damaged when it goes, and what its runs stored stays."""
    mine, found = numbers(up.home), home("short", springtide_home)
    made = begin(found, built)
    begun = list(plane.running(found).values())
    assert not {item.pid for item in begun} & set(mine.values())
    assert not set(made.site.ports.values()) & set(up.site.ports.values())
    found.storage.mkdir()
    (found.storage / "model").write_text("kept")
    found.state.write_text("{ damaged")
    plane.stop(found, Silent(), nothing)
    assert len(begun) == len(ALL)
    assert not any(item.alive for item in begun)
    assert plane.strays(found) == []
    listening = {
        item.laddr[1] for item in psutil.net_connections("tcp") if item.status == psutil.CONN_LISTEN and item.laddr
    }
    assert not set(made.site.ports.values()) & listening
    assert [file.name for file in found.root.iterdir()] == ["storage"]
    assert (found.storage / "model").read_text() == "kept"
    assert numbers(up.home) == mine


def test_stopping_what_never_was_is_no_error(springtide_home: Path) -> None:
    plane.stop(home("never", springtide_home), Silent(), nothing)
