"""Whether controllers and services without a pool have room on system nodes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import catalog, clouds
from springtide.advice import advice
from springtide.catalog import Pods, Room
from springtide.charts import CHARTS
from springtide.room import findings, system_nodes, without_place
from springtide.sections import EnvironmentFile
from springtide.spec import Finding

from .environment_files import ENVIRONMENTS, ROOT, edited, load, mistakes
from .recordings import of_text, pod_of

FILES = sorted([*ENVIRONMENTS.glob("Pulumi.*.yaml"), *(ROOT / "stacks").glob("Pulumi.prod-*.yaml")])
PROD_AWS = (ROOT / "stacks" / "Pulumi.prod-aws.yaml").read_text(encoding="utf-8")
EXPOSED = (ENVIRONMENTS / "Pulumi.exposed.yaml").read_text(encoding="utf-8")
"""On AWS, with a service `demo` that has no pool."""
DEMO = "auth: open, zone: Z0123456789ABCDEFGHIJ }\n"

sizes = st.integers(min_value=0, max_value=1200)
some_pods = st.lists(
    st.builds(
        Pods,
        name=st.sampled_from("abcdef"),
        replicas=st.integers(min_value=1, max_value=3),
        cpu_millis=sizes,
        memory_mib=sizes,
        apart=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda item: item.name,
)
rooms = st.builds(Room, cpu_millis=sizes, memory_mib=sizes)


def file_of(folder: Path, text: str) -> EnvironmentFile:
    return load(folder, text).file


def told(folder: Path, text: str) -> list[Finding]:
    return [item for item in advice(file_of(folder, text)) if item.rule == "services/system-growth"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_system_nodes_of_every_environment_hold_their_controllers(file: Path, tmp_path: Path) -> None:
    assert findings(file_of(tmp_path, file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_one_of_each_controller_has_room_while_a_node_is_away(file: Path, tmp_path: Path) -> None:
    nodes = system_nodes(file_of(tmp_path, file.read_text(encoding="utf-8")))
    if nodes is not None:
        one_each = [replace(item, replicas=1) for item in nodes.pods]
        assert without_place(one_each, nodes.room, nodes.count - 1) == []


def test_controllers_of_production_on_aws_fit_on_two_small_nodes_by_the_sum_too(tmp_path: Path) -> None:
    """The smallest claim that the packing must keep to: what is asked for is less than what is there."""
    nodes = system_nodes(file_of(tmp_path, PROD_AWS))
    assert nodes is not None
    assert (nodes.machine_type, nodes.count, nodes.most) == ("m7i.large", 2, 2)
    names = {item.name for item in nodes.pods}
    assert {"karpenter", "jobset", "kueue", "keda: operator", "coredns", "aws-fsx-csi-driver: controller"} <= names
    assert sum(item.replicas * item.cpu_millis for item in nodes.pods) <= 2 * nodes.room.cpu_millis
    assert sum(item.replicas * item.memory_mib for item in nodes.pods) <= 2 * nodes.room.memory_mib


def test_the_charts_own_requests_would_not_fit_there(tmp_path: Path) -> None:
    """500m a pod of JobSet, Kueue and Karpenter: the release would wait for room that never comes."""
    nodes = system_nodes(file_of(tmp_path, PROD_AWS))
    assert nodes is not None
    large = {"karpenter", "jobset", "kueue"}
    pods = [replace(item, cpu_millis=500) if item.name in large else item for item in nodes.pods]
    assert without_place(pods, nodes.room, nodes.count) != []


@pytest.mark.parametrize("name", [name for name, chart in CHARTS.items() if chart.pods])
def test_a_release_asks_for_what_its_chart_is_counted_with(name: str) -> None:
    chart = CHARTS[name]
    said = sorted((item["cpu"], item["memory"]) for item in requests(chart.values))
    assert said == sorted((item.requests["cpu"], item.requests["memory"]) for item in chart.pods)


def requests(values: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """All requests in Helm values."""
    own = [values["requests"]] if "requests" in values else []
    return [*own, *(found for item in values.values() if isinstance(item, Mapping) for found in requests(item))]


def test_a_chart_that_runs_on_system_nodes_is_counted() -> None:
    uncounted = {name for name, chart in CHARTS.items() if not chart.pods}
    assert uncounted == {"karpenter-crd", "aws-efa-k8s-device-plugin"}


@pytest.mark.parametrize("cloud", catalog.clouds())
def test_every_add_on_of_a_cloud_is_counted(cloud: str) -> None:
    assert {item.add_on for item in catalog.system_pods(cloud)} == {"", *clouds.load(cloud).addons}


@pytest.mark.parametrize("cloud", catalog.clouds())
def test_figures_of_a_clouds_own_pods_name_their_source(cloud: str) -> None:
    assert all(item.source for item in catalog.system_pods(cloud))


@pytest.mark.parametrize(("cloud", "name", "cpu"), [("aws", "m7i.large", 1930), ("gcp", "e2-standard-4", 3920)])
def test_a_node_keeps_its_part_of_each_core_for_itself(cloud: str, name: str, cpu: int) -> None:
    machine = catalog.machine_type(cloud, name)
    assert machine is not None
    room = catalog.allocatable(machine)
    assert room.cpu_millis == cpu
    assert machine.memory_mib / 2 < room.memory_mib < machine.memory_mib


@given(pods=some_pods, room=rooms, nodes=st.integers(min_value=1, max_value=5))
def test_one_node_more_never_takes_room_from_a_pod_that_may_be_beside_itself(
    pods: list[Pods], room: Room, nodes: int
) -> None:
    free = [item for item in pods if not item.apart]
    assert set(without_place(free, room, nodes + 1)) <= set(without_place(free, room, nodes))


@given(pods=some_pods, room=rooms, nodes=st.integers(min_value=1, max_value=5))
def test_what_has_a_place_is_no_more_than_all_nodes_hold(pods: list[Pods], room: Room, nodes: int) -> None:
    lost = without_place(pods, room, nodes)
    placed = [item for item in pods if item.name not in lost]
    counts = [min(item.replicas, nodes) if item.apart else item.replicas for item in placed]
    assert sum(n * item.cpu_millis for n, item in zip(counts, placed, strict=True)) <= nodes * room.cpu_millis
    assert sum(n * item.memory_mib for n, item in zip(counts, placed, strict=True)) <= nodes * room.memory_mib
    assert all(item.cpu_millis <= room.cpu_millis and item.memory_mib <= room.memory_mib for item in placed)


def test_pods_that_must_be_apart_are_on_as_many_nodes() -> None:
    pods = [Pods(name="karpenter", replicas=2, cpu_millis=400, memory_mib=0, apart=True)]
    small = Pods(name="other", replicas=1, cpu_millis=700, memory_mib=0)
    assert without_place([*pods, small], Room(cpu_millis=1000, memory_mib=0), 2) == ["other"]
    assert without_place(pods, Room(cpu_millis=1000, memory_mib=0), 1) == []


def test_a_server_on_a_system_node_asks_for_a_quarter_of_a_core() -> None:
    [server] = pod_of(of_text(EXPOSED).one("Deployment", "demo"))["containers"]
    assert server["resources"]["requests"]["cpu"] == "250m"
    [beside_gpus] = pod_of(of_text(EXPOSED).one("Deployment", "batch"))["containers"]
    assert beside_gpus["resources"]["requests"]["cpu"] == "1"


def test_a_service_without_a_pool_fits_on_the_system_nodes_that_aws_has_by_default(tmp_path: Path) -> None:
    assert told(tmp_path, EXPOSED) == []


def test_fewest_servers_without_a_pool_must_have_room_beside_the_controllers(tmp_path: Path) -> None:
    many = edited((DEMO, f"{DEMO}      replicas: {{ min: 3, max: 3 }}\n"), text=EXPOSED)
    [found] = mistakes(tmp_path, many)
    assert (found.rule, found.path, found.value) == ("services/system-room", "/services/demo/replicas/min", 3)
    assert "2 system nodes of m7i.large" in found.message
    assert "cluster.system_nodes: 3" in found.fix
    assert "cluster.system_machine_types one of m6i.xlarge" in found.fix


def test_gateways_of_services_that_sleep_need_room_on_system_nodes_too(tmp_path: Path) -> None:
    """They stay when the GPUs are gone: two for each service."""
    sleeping = "".join(
        f"    more-{n}: {{ model: {{ job: gpt }}, pool: serve, replicas: {{ min: 0, max: 1 }}, "
        "scale_on: { in_flight_per_replica: 8 } }\n"
        for n in range(3)
    )
    [found] = mistakes(tmp_path, edited(("  images:\n", f"{sleeping}  images:\n"), text=EXPOSED))
    assert (found.rule, found.path) == ("services/system-room", "/services/more-2/replicas/min")
    assert "2 pods more-2: gateway (250m of CPU and 1 GiB each)" in found.message
    assert found.fix.startswith("keep a replica: replicas: {min: 1}, or write cluster.system_nodes: 3")


def test_the_fix_that_is_named_is_one(tmp_path: Path) -> None:
    many = edited((DEMO, f"{DEMO}      replicas: {{ min: 3, max: 3 }}\n"), text=EXPOSED)
    for said in ("system_nodes: 3", "system_machine_types: [m6i.xlarge]"):
        larger = edited(("cluster: { ", f"cluster: {{ {said}, "), text=many)
        assert findings(file_of(tmp_path, larger)) == []


def test_servers_that_may_come_and_find_no_room_are_told(tmp_path: Path) -> None:
    some = edited(
        (DEMO, f"{DEMO}      replicas: {{ min: 1, max: 6 }}\n      scale_on: {{ cpu_percent: 60 }}\n"), text=EXPOSED
    )
    [found] = told(tmp_path, some)
    assert (found.rule, found.path, found.stops) == ("services/system-growth", "/services/demo/replicas/max", False)
    assert "hold 2 servers of demo" in found.message
    assert "cluster.system_nodes" in found.fix


def test_a_service_that_could_never_be_updated_is_told(tmp_path: Path) -> None:
    """An update starts one server more before it takes an old one away."""
    full = edited((DEMO, f"{DEMO}      replicas: {{ min: 2, max: 2 }}\n"), text=EXPOSED)
    [found] = told(tmp_path, full)
    assert (found.rule, found.value) == ("services/system-growth", 2)
    assert "one more while it is updated" in found.message


def test_nodes_that_come_by_themselves_count_where_something_makes_them(tmp_path: Path) -> None:
    gcp = (ENVIRONMENTS / "Pulumi.gcp-exposed.yaml").read_text(encoding="utf-8")
    aws, google = system_nodes(file_of(tmp_path, EXPOSED)), system_nodes(file_of(tmp_path, gcp))
    assert aws is not None
    assert google is not None
    assert (aws.most - aws.count, google.most - google.count) == (0, 1)


@pytest.mark.parametrize("name", ["adopted", "auto", "gcp-adopted"])
def test_nothing_is_said_of_nodes_that_somebody_else_sizes(name: str, tmp_path: Path) -> None:
    text = (ENVIRONMENTS / f"Pulumi.{name}.yaml").read_text(encoding="utf-8")
    assert system_nodes(file_of(tmp_path, text)) is None
