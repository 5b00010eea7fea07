"""What a real scheduler says of pods that find no node."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.local.applied_objects import Remembers, deployment, namespace

from springtide.local.cluster.api import Api
from springtide.local.cluster.apply import apply, remove
from springtide.local.cluster.refs import Ref
from springtide.local.cluster.wait import wait
from springtide.local.plane.control_plane import ControlPlane

pytestmark = [pytest.mark.local, pytest.mark.enable_socket]
PLACE = "waited-for"


@pytest.fixture(scope="module")
def kubeconfig(control_plane: ControlPlane) -> Path:
    return control_plane.home.kubeconfig


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[Api]:
    with Api.connect(kubeconfig) as connected:
        yield connected
        remove(connected, PLACE, Remembers())


def test_a_pod_without_a_node_is_told_in_the_schedulers_words(api: Api) -> None:
    item = deployment(PLACE, 1)
    item["spec"]["template"]["spec"]["nodeSelector"] = {"springtide.dev/pool": "nowhere"}
    apply([namespace(PLACE), item], api, PLACE, Remembers())
    [left] = wait([Ref.of(namespace(PLACE)), Ref.of(item)], api, Remembers(), seconds=15)
    assert left.ref == Ref.of(item)
    assert left.why == "0 of 1 replicas answer"
    assert any("default-scheduler: FailedScheduling" in said for said in left.said)
