"""Karpenter over simulated machines: from zero to as many as the work takes, never more than a pool may have, and back."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.local.local_plans import one, plan
from tests.local.patience import Silent, until
from tests.recordings import of_text

from springtide.local.cluster.api import Api
from springtide.local.cluster.apply import apply
from springtide.local.cluster.refs import POOL, Object, Ref
from springtide.local.home import Home, home
from springtide.local.plane import control_plane as plane
from springtide.local.plane.kwok import DURATION
from springtide.local.render import machines
from springtide.local.render.karpenter import CAPACITY, MACHINE_TYPE
from springtide.local.render.machines import Sold
from springtide.local.render.substitute import Rendition, substitute
from springtide.local.render.substitution import Here
from springtide.local.site import Site
from springtide.local.start import start
from springtide.offline.plan import Plan

pytestmark = [pytest.mark.local, pytest.mark.enable_socket, pytest.mark.timeout(600)]

TEXT = """\
config:
  cloud: local
  machines: aws
  pools:
    train: {gpu: H100, gpus_per_node: 8, capacity: [spot, on-demand], max_nodes: 2, purpose: training}
    surest: {gpu: H100, gpus_per_node: 8, capacity: [on-demand, spot], max_nodes: 2, purpose: training}
    serve: {gpu: L4, gpus_per_node: 1, capacity: [spot, on-demand], max_nodes: 2, purpose: serving}
  storage: {artifacts: {kind: bucket}}
  jobs:
    gpt: {recipe: gpt_tiny, pool: train, nodes: 2, checkpoints: artifacts, run: first}
    costly: {recipe: gpt_tiny, pool: surest, nodes: 1, checkpoints: artifacts, run: only}
  services:
    chat: {model: {job: gpt}, pool: serve, replicas: {min: 1, max: 2}}
"""
CLOUD, REGION = "aws", "us-east-1"
HERE = Here(boot_seconds=1, start_seconds=1, idle_seconds=10)
WORK = frozenset({"Job", "Deployment"})
NAMESPACE = "springtide"


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan(of_text(TEXT, "elastic").resources, name="elastic", cloud="local")


@pytest.fixture(scope="module")
def rendition(planned: Plan) -> Rendition:
    return substitute(planned, HERE)


@pytest.fixture(scope="module")
def place(springtide_home: Path) -> Iterator[Home]:
    """Folders of a control plane with Karpenter, which no other tests share."""
    found = home("elastic", springtide_home)
    yield found
    plane.stop(found, Silent(), lambda: None)


@pytest.fixture(scope="module")
def api(planned: Plan, rendition: Rendition, place: Home) -> Iterator[Api]:
    """A server with the pools and nothing that asks for them."""
    start(Site(plan=planned, home=place, root=Path("/")), HERE, Silent())
    with Api.connect(place.kubeconfig) as connected:
        pools = [item for item in rendition.objects if item["kind"] not in WORK]
        assert not apply(pools, connected, "elastic", Silent()).refused
        yield connected


@pytest.fixture(autouse=True)
def _everything_goes(api: Api) -> Iterator[None]:
    """Nodes are told to go: nobody waits until they are found to be idle."""
    yield
    for version, kind in (("batch/v1", "Job"), ("apps/v1", "Deployment"), ("karpenter.sh/v1", "NodeClaim")):
        for item in api.objects(version, kind):
            api.delete(Ref.of(item))
    until(lambda: not nodes(api), 120, lambda: standing(api))


@pytest.fixture
def sold(place: Home, built: Mapping[str, Path]) -> Iterator["Market"]:
    market = Market(place, built)
    yield market
    market.lacks()


class Market:
    """What can be had of the cloud's machines just now."""

    def __init__(self, place: Home, built: Mapping[str, Path]) -> None:
        self._place, self._built = place, built

    def lacks(self, *unavailable: Sold) -> None:
        """Sell everything but this. Karpenter reads it when it starts."""
        types = machines.instance_types(CLOUD, REGION, unavailable=unavailable)
        self._place.instance_types.write_text(json.dumps(types))
        plane.prepare(self._place, self._built).start_autoscaler(Silent())


def nodes(api: Api, pool: str = "") -> list[Object]:
    return api.objects("v1", "Node", labels=f"{POOL}={pool}" if pool else POOL)


def label(items: Collection[Object], name: str) -> Counter[str]:
    return Counter(item["metadata"]["labels"].get(name, "") for item in items)


def pods(api: Api, run: str) -> list[Object]:
    return api.objects("v1", "Pod", namespace=NAMESPACE, labels=f"springtide.dev/run={run}")


def phases(api: Api, run: str) -> set[str]:
    return {item["status"]["phase"] for item in pods(api, run)}


def identities(api: Api, run: str) -> set[tuple[str, str]]:
    return {(item["metadata"]["uid"], item["spec"].get("nodeName", "")) for item in pods(api, run)}


def status_of(api: Api, job: str) -> Mapping[str, Any]:
    found = api.get(Ref(api_version="batch/v1", kind="Job", name=job, namespace=NAMESPACE))
    assert found is not None
    status: Mapping[str, Any] = found.get("status", {})
    return status


def complete(api: Api, job: str) -> bool:
    return any(it["type"] == "Complete" and it["status"] == "True" for it in status_of(api, job).get("conditions", []))


def standing(api: Api) -> object:
    """How things stand, for whoever reads why a test failed."""
    every = api.objects("v1", "Pod", namespace=NAMESPACE)
    found = {item["metadata"]["name"]: (item["status"]["phase"], item["spec"].get("nodeName")) for item in every}
    return {item["metadata"]["name"]: item["metadata"]["labels"].get(CAPACITY) for item in nodes(api)}, found


def training(rendition: Rendition, name: str, seconds: int, of: str = "gpt-first") -> Object:
    """The plan's training job, as one more run of that name."""
    item = deepcopy(one(rendition, "Job", of))
    found: Object = json.loads(json.dumps(item).replace(of, name))
    pod = found["spec"]["template"]
    pod["metadata"]["annotations"][DURATION] = f"{seconds}s"
    pod["spec"]["serviceAccountName"] = of
    return found


def test_a_job_wakes_its_pool_from_zero_and_lets_it_sleep_again(api: Api, rendition: Rendition) -> None:
    assert nodes(api) == []
    api.apply(training(rendition, "alone", 5))
    until(lambda: phases(api, "alone") == {"Running"}, 120, lambda: standing(api))
    assert label(nodes(api), POOL) == {"train": 2}
    assert label(nodes(api), MACHINE_TYPE) == {"p5.48xlarge": 2}
    until(lambda: complete(api, "alone"), 120, lambda: standing(api))
    until(lambda: not nodes(api), 120, lambda: standing(api))


def test_capacity_is_tried_in_the_order_that_each_pool_says(api: Api, rendition: Rendition) -> None:
    """Whatever it costs: on-demand machines come first where the pool says so."""
    runs = ("gpt-first", "costly-only")
    for run in runs:
        api.apply(one(rendition, "Job", run))
    until(lambda: [phases(api, run) for run in runs] == [{"Running"}] * 2, 120, lambda: standing(api))
    assert label(nodes(api, "train"), CAPACITY).keys() == {"spot"}
    assert label(nodes(api, "surest"), CAPACITY).keys() == {"on-demand"}


def test_work_beyond_a_limit_takes_the_next_rung_then_waits_and_is_served(api: Api, rendition: Rendition) -> None:
    """Three runs of two nodes, on a pool with two nodes of each kind of capacity."""
    runs = ("one", "two", "three")
    for run in runs:
        api.apply(training(rendition, run, 10))
    seen: list[tuple[Counter[str], int]] = []

    def served() -> bool:
        waiting = sum(item["status"]["phase"] == "Pending" for run in runs for item in pods(api, run))
        seen.append((label(nodes(api), CAPACITY), waiting))
        return all(complete(api, run) for run in runs)

    until(served, 240, lambda: standing(api))
    assert max(there["spot"] for there, _ in seen) == 2
    assert max(there["on-demand"] for there, _ in seen) == 2
    assert any(there.total() == 4 and waiting == 2 for there, waiting in seen)


def test_work_falls_to_the_next_offering_where_one_cannot_be_had(api: Api, rendition: Rendition, sold: Market) -> None:
    sold.lacks(Sold(capacity="spot"), Sold(machine_type="g6.xlarge"))
    api.apply(training(rendition, "fallen", 30))
    api.apply(one(rendition, "Deployment", "chat"))
    until(lambda: phases(api, "fallen") == {"Running"}, 120, lambda: standing(api))
    until(lambda: nodes(api, "serve"), 120, lambda: standing(api))
    assert label(nodes(api, "train"), CAPACITY) == {"on-demand": 2}
    [server] = nodes(api, "serve")
    assert server["metadata"]["labels"][MACHINE_TYPE] == "g6.2xlarge"
    assert server["metadata"]["labels"][CAPACITY] == "on-demand"


def test_a_running_job_stays_while_idle_nodes_go_and_servers_move_to_cheaper_ones(
    api: Api, rendition: Rendition, sold: Market
) -> None:
    """Spot machines come back: Karpenter has every reason to move what runs on dearer ones, and moves the server only."""
    sold.lacks(Sold(capacity="spot"))
    api.apply(training(rendition, "long", 3600))
    api.apply(one(rendition, "Deployment", "chat"))
    until(lambda: phases(api, "long") == {"Running"}, 120, lambda: standing(api))
    until(lambda: label(nodes(api, "serve"), CAPACITY) == {"on-demand": 1}, 120, lambda: standing(api))
    before = identities(api, "long")
    sold.lacks()
    api.apply(training(rendition, "short", 1))
    until(lambda: label(nodes(api, "train"), CAPACITY) == {"on-demand": 2, "spot": 2}, 120, lambda: standing(api))
    until(lambda: label(nodes(api, "train"), CAPACITY) == {"on-demand": 2}, 120, lambda: standing(api))
    until(lambda: label(nodes(api, "serve"), CAPACITY) == {"spot": 1}, 120, lambda: standing(api))
    assert phases(api, "long") == {"Running"}
    assert identities(api, "long") == before
    assert status_of(api, "long").get("failed", 0) == 0
