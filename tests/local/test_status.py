"""How an environment stands, put together from what an API server says, and how it reads."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.local.applied_objects import deployment, job, named

from springtide import catalog
from springtide.local.cluster.refs import POOL, Object
from springtide.local.observe import status_view
from springtide.local.observe.diary import Diary
from springtide.local.observe.meter import Reading
from springtide.local.observe.pool_status import Rate, list_price, pool_now
from springtide.local.observe.status import Observer, Status, addresses, folder_of, job_now, service_now, status
from springtide.local.plane.kwok import SIMULATED
from springtide.local.real.twin import RUNS
from springtide.local.render.karpenter import CAPACITY, MACHINE_TYPE
from springtide.local.render.substitution import Substitution
from springtide.offline.idle import Amount
from springtide.offline.plan import Plan, Resource
from springtide.offline.views import JobView, PoolView, ServiceView
from springtide_workloads.contract import Env, Layout

P5 = "p5.48xlarge"
TRAIN = PoolView(
    urn="", name="train", cloud="aws", region="us-east-1", gpu="H100", gpus_per_node=8, machine_types=(P5,),
    capacity=("spot", "on-demand"), min_nodes=0, max_nodes=4, ceiling_nodes=8, purpose="training", disk_gib=200,
    zones=("use1-az2",),
)  # fmt: skip
GPT = JobView(
    urn="", name="gpt", pool="train", nodes=2, gpus_per_node=8, recipe="gpt_tiny:steps=200", notice_seconds=120,
    grace_seconds=120, save_deadline_seconds=60, run="first",
)  # fmt: skip
CHAT = ServiceView(
    urn="", name="web", gpus=1, model={"job": "gpt"}, min_replicas=0, max_replicas=3, expose="none",
    propagation_seconds=5, drain_seconds=30, grace_seconds=60,
)  # fmt: skip


def node(name: str, capacity: str = "spot", *, ready: bool = True, pool: str = "train", **meta: Any) -> Object:
    labels = {POOL: pool, CAPACITY: capacity, MACHINE_TYPE: P5}
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"metadata": {**named(name), "labels": labels, **meta}, "status": {"conditions": [condition]}}


def claim(name: str, node_name: str = "", **meta: Any) -> Object:
    found = node(name, **meta)
    return {**found, "status": {"nodeName": node_name} if node_name else {}}


def prices(_pool: PoolView, _machine_type: str, capacity: str) -> Rate | None:
    known = {"spot": 10.0, "on-demand": 40.0}
    return Rate(usd_per_hour=known[capacity]) if capacity in known else None


def with_status(item: Object, **said: Any) -> Object:
    return {**item, "status": said}


def complete(kind: str) -> list[dict[str, str]]:
    return [{"type": kind, "status": "True"}]


def test_a_pool_costs_what_its_nodes_cost_by_how_each_is_bought() -> None:
    found = pool_now(TRAIN, [node("a"), node("b", "on-demand"), node("c", pool="serve")], [], prices)
    assert [(item.name, item.capacity, item.rate) for item in found.nodes] == [
        ("a", "spot", Rate(usd_per_hour=10.0)),
        ("b", "on-demand", Rate(usd_per_hour=40.0)),
    ]
    assert found.cost == Amount(usd=50.0)
    assert found.ceiling == 8


def test_a_pool_asleep_costs_nothing_for_sure() -> None:
    assert pool_now(TRAIN, [], [], prices).cost == Amount(usd=0.0, complete=True)


def test_a_node_without_a_price_makes_the_sum_a_lower_bound() -> None:
    assert pool_now(TRAIN, [node("a"), node("b", "reserved")], [], prices).cost == Amount(usd=10.0, complete=False)


def test_a_node_counts_from_when_it_is_asked_for_until_it_is_gone() -> None:
    disrupted = {**node("d"), "spec": {"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}}
    nodes = [node("a"), node("b", ready=False), node("c", deletionTimestamp="now"), disrupted]
    claims = [claim("a-1", "a"), claim("e-1"), claim("f-1", deletionTimestamp="now")]
    found = {item.name: item.phase for item in pool_now(TRAIN, nodes, claims, prices).nodes}
    assert found == {"a": "ready", "b": "joining", "c": "leaving", "d": "leaving", "e-1": "coming"}


def test_list_prices_are_the_catalogs() -> None:
    listed = catalog.price("aws", "us-east-1", P5, "on-demand")
    assert listed is not None
    assert list_price(TRAIN, P5, "on-demand") == Rate(usd_per_hour=listed.usd_per_hour)
    assert list_price(TRAIN, f"{P5}.shared2", "on-demand") == Rate(usd_per_hour=listed.usd_per_hour)
    assert list_price(TRAIN, "no.such", "on-demand") is None


def test_spot_capacity_without_a_price_costs_at_most_what_it_costs_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = catalog.price("aws", "us-east-1", P5, "on-demand")
    assert listed is not None
    monkeypatch.setattr(catalog, "price", lambda *asked: listed if asked[-1] == "on-demand" else None)
    found = pool_now(TRAIN, [node("a")], [], list_price)
    assert found.cost == Amount(usd=listed.usd_per_hour)
    assert found.cost_at_most
    assert f"≤ {listed.usd_per_hour:,.2f}" in status_view.render(Status(environment="e", server="s", pools=(found,)))
    assert list_price(TRAIN, P5, "reserved") is None


RUN = {**job("work"), "spec": {"suspend": False}}
PHASES: dict[str, tuple[Object | None, JobView]] = {
    "not applied": (None, GPT),
    "waiting": (RUN, GPT),
    "starting": (with_status(RUN, ready=1), GPT),
    "running": (with_status(RUN, ready=2), GPT),
    "queued": (job("work"), GPT),
    "complete": (with_status(RUN, conditions=complete("Complete")), GPT),
    "failed": (with_status(RUN, ready=2, conditions=complete("Failed")), GPT),
}


@pytest.mark.parametrize(("phase", "item", "view"), [(phase, *pair) for phase, pair in PHASES.items()], ids=PHASES)
def test_a_run_is_in_this_phase(phase: str, item: Object | None, view: JobView) -> None:
    assert job_now(view, item, Diary()).phase == phase


def pod(uid: str, node_name: str = "n1", *, ready: bool = True, address: str = "10.0.0.9", **meta: Any) -> Object:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"uid": uid, **meta}, "spec": {"nodeName": node_name},
        "status": {"conditions": conditions, **({"podIP": address} if address else {})},
    }  # fmt: skip


def test_only_pods_that_can_answer_are_asked() -> None:
    pods = [
        pod("real"), pod("starting", ready=False), pod("nowhere", address=""), pod("simulated", "fake"),
        pod("twinned", "fake", annotations={RUNS: "true"}),
    ]  # fmt: skip
    assert addresses(pods, "9464", {"fake"}) == {"real": "10.0.0.9:9464", "twinned": "10.0.0.9:9464"}


def test_a_url_of_a_container_leads_to_a_folder_of_this_machine() -> None:
    known = {"file:///storage": Path("/home/me/storage")}
    assert folder_of("file:///storage/runs/gpt", known) == Path("/home/me/storage/runs/gpt")
    assert folder_of("file:///storage2/runs", known) == Path("/storage2/runs")
    assert not folder_of("s3://bucket/runs", known).exists()


def a_plan() -> Plan:
    def component(view: type, inputs: dict[str, Any], name: str) -> Resource:
        return Resource(urn=f"urn:{name}", type=view.TYPE, name=name, parent=None, custom=False, inputs=inputs)  # type: ignore[attr-defined]  # a View

    pool = {
        "cloud": "aws", "region": "us-east-1", "gpu": "H100", "gpusPerNode": 8, "machineTypes": [P5],
        "capacity": ["spot"], "minNodes": 0, "maxNodes": 4, "purpose": "training", "diskGib": 200, "zones": [],
    }  # fmt: skip
    work = {
        "pool": "train", "nodes": 2, "gpusPerNode": 8, "recipe": "gpt_tiny:steps=200", "noticeSeconds": 1,
        "graceSeconds": 1, "saveDeadlineSeconds": 1, "run": "first",
    }  # fmt: skip
    server = {
        "gpus": 1, "model": {"job": "gpt"}, "minReplicas": 0, "maxReplicas": 3, "expose": "none",
        "propagationSeconds": 1, "drainSeconds": 1, "graceSeconds": 1,
    }  # fmt: skip
    resources = (
        component(PoolView, pool, "train"),
        component(JobView, work, "gpt"),
        component(ServiceView, server, "web"),
    )
    return Plan(environment={"name": "local"}, made_with={}, resources=resources, outputs={})


class Cluster:
    """What a status asks of an API, answered from a table."""

    server = "https://127.0.0.1:6443"

    def __init__(self, **objects: list[Object]) -> None:
        self._objects = objects

    def objects(self, _api_version: str, kind: str, **_selectors: str) -> list[Object]:
        return self._objects.get(kind, [])


def cluster(artifacts: str) -> Any:
    run = {**with_status(job("work"), ready=2), "spec": {**job("work")["spec"], "suspend": False}}
    env = [{"name": Env.ARTIFACTS_URL.value, "value": artifacts}]
    run["spec"]["template"]["spec"]["containers"][0]["env"] = env
    server = with_status(deployment("work", 2), readyReplicas=1)
    nodes = [node("n1", annotations=SIMULATED), node("n2", annotations=SIMULATED)]
    return Cluster(Node=nodes, Job=[run], Deployment=[server], Pod=[pod("p", "n1")])


@pytest.fixture
def now(tmp_path: Path) -> Status:
    folder = tmp_path / "runs" / "gpt"
    folder.mkdir(parents=True)
    event = {"event": "evaluated", "step": 100, "held_out_loss": 1.25}
    (folder / Layout.EVENTS).write_text(json.dumps(event) + "\n")
    swapped = Substitution(what="GPU nodes", instead="simulated ones", why="there is no GPU here")
    known = {"file:///storage": tmp_path}
    return status(cluster("file:///storage/runs/gpt"), a_plan(), artifacts=known, substituted=[swapped])


def test_a_look_joins_the_plan_with_what_the_server_says(now: Status) -> None:
    [pool], [run], [server] = now.pools, now.jobs, now.services
    assert [item.phase for item in pool.nodes] == ["ready", "ready"]
    assert (run.phase, run.diary.step, run.steps, run.diary.loss) == ("running", 100, 200, 1.25)
    assert (server.ready, server.wanted, server.ceiling, server.reading) == (1, 2, 3, Reading())


def test_the_report_begins_with_what_is_substituted(now: Status) -> None:
    lines = status_view.render(now).splitlines()
    assert lines[0] == "Not as in the cloud"
    assert lines[1] == "  GPU nodes → simulated ones  (there is no GPU here)"


def test_the_report_holds_every_figure(now: Status) -> None:
    told = status_view.render(now, width=160)
    rows = {line.split()[0]: line.split() for line in told.splitlines() if line.startswith("  ")}
    assert rows["train"][:8] == ["train", "8", "×", "H100", "2", "/", "4", "2"]
    assert rows["gpt"] == ["gpt", "first", "running", "2", "/", "2", "100", "/", "200", "1.250", "0"]
    assert rows["web"] == ["web", "1", "/", "2", "of", "3", "1", "replica", "to", "come", "–", "–"]


def test_the_json_says_the_same(now: Status) -> None:
    told = json.loads(json.dumps(now.to_json()))
    assert told["pools"][0]["ceiling"] == 4
    assert told["jobs"][0]["diary"]["loss"] == 1.25
    assert told["services"][0]["reading"] == {"per_second": None, "p99_seconds": None}
    assert told["substituted"] == [{"what": "GPU nodes", "instead": "simulated ones", "why": "there is no GPU here"}]


def test_a_sleeping_service_is_asleep_and_zero_is_shown() -> None:
    found = service_now(CHAT, with_status(deployment("work", 0)), Reading(per_second=0.0))
    told = status_view.render(Status(environment="local", server="s", services=(found,)), width=120)
    assert "0 / 0 of 3" in told
    assert "asleep" in told
    assert "0.0" in told


def test_a_view_renews_itself(now: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_view, "EVERY_SECONDS", 0.0)
    looks: list[int] = []
    out = io.StringIO()

    def look() -> Status:
        looks.append(1)
        return now

    status_view.watch(look, Console(file=out, width=120, force_terminal=True), rounds=3)
    assert len(looks) == 3
    assert "train" in out.getvalue()
    assert out.getvalue().count("Not as in the cloud") == 1


def test_ctrl_c_ends_a_view_without_an_error(now: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    status_view.watch(lambda: now, Console(file=io.StringIO()))


def test_a_meter_lives_as_long_as_its_observer() -> None:
    observer = Observer(api=cluster("file:///nowhere"), plan=a_plan())
    observer.look()
    observer.look()
    assert list(observer._meters) == ["web"]
    assert not observer.measures
