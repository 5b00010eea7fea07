from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import catalog
from springtide.catalog import Capacity, Price, ServicePrice
from springtide.offline import cost
from springtide.offline.cost import Nodes, estimate, nodes_for, nodes_of
from springtide.offline.idle import Amount, total
from springtide.offline.plan import Plan

from .sample_plan import DIGEST, Sample, sample, work

PRICES = {
    ("p5.48xlarge", "on-demand"): 55.04,
    ("cheap", "on-demand"): 1.0,
    ("cheap", "spot"): 0.25,
    ("dear", "on-demand"): 3.0,
}
SERVICES = {"control-plane": (0.1, "hour"), "nat-gateway": (0.045, "hour"), "disk-gp3": (0.08, "GiB-month")}


@pytest.fixture(autouse=True)
def price_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def price(_cloud: str, _region: str, machine_type: str, capacity: str) -> Price | None:
        usd = PRICES.get((machine_type, capacity))
        return (
            None
            if usd is None
            else Price(usd_per_hour=usd, capacity=Capacity(capacity), date="2026-07-20", source="a list")
        )

    def service_price(_cloud: str, _region: str, item: str) -> ServicePrice | None:
        found = SERVICES.get(item)
        return (
            None
            if found is None
            else ServicePrice(item=item, usd=found[0], per=found[1], date="2026-05-01", source="a page")
        )

    monkeypatch.setattr(catalog, "price", price)
    monkeypatch.setattr(catalog, "service_price", service_price)


def changed_intent(plan: Plan, kind: str, inputs: dict[str, str]) -> Plan:
    edited = (replace(r, inputs=r.inputs | inputs) if r.type == kind else r for r in plan.resources)
    return replace(plan, resources=tuple(edited))


def train_of(plan: Plan) -> cost.PoolCost:
    return next(item for item in estimate(plan).pools if item.pool.name == "train")


def test_an_elastic_pool_costs_nothing_at_its_floor_and_its_maximum_at_its_ceiling() -> None:
    band = train_of(sample(machine_types=("p5.48xlarge",), nodes=(0, 16)).plan()).bands[Capacity.ON_DEMAND]
    assert (band.floor.usd, band.now.usd) == (0, 0)
    assert band.ceiling.usd == pytest.approx(880.64)


def test_now_is_what_started_jobs_need() -> None:
    train = train_of(sample(run="first", image=DIGEST, machine_types=("cheap",)).plan())
    assert train.nodes == Nodes(floor=0, now=2, ceiling=4)
    assert train.bands[Capacity.ON_DEMAND].now == Amount(usd=2.0)


def test_a_job_without_a_run_needs_no_node() -> None:
    assert train_of(sample(run=None, image=DIGEST).plan()).nodes.now == 0


def test_a_run_that_waits_for_its_image_is_paid_for_once_it_has_one() -> None:
    assert train_of(sample(run="first").plan()).nodes.now == 2


def test_now_never_leaves_the_pools_bounds() -> None:
    assert train_of(sample(run="a", nodes=(0, 1)).plan()).nodes.now == 1
    assert train_of(sample(run=None, nodes=(3, 4)).plan()).nodes.now == 3


def test_minimum_replicas_need_nodes_even_when_nobody_calls() -> None:
    made = sample()
    made.service("second", "serve", replicas=(2, 5))
    plan = made.plan()
    serve = next(pool for pool in plan.pools() if pool.name == "serve")
    assert nodes_of(serve, plan.jobs(), plan.services()).now == 3


def test_floor_and_now_are_at_the_first_machine_type_and_the_ceiling_at_the_dearest() -> None:
    band = train_of(sample(run="a", machine_types=("cheap", "dear"), nodes=(1, 4)).plan()).bands[Capacity.ON_DEMAND]
    assert (band.floor.usd, band.now.usd, band.ceiling.usd) == (1, 2, 12)


def test_spot_and_list_prices_are_columns_of_their_own() -> None:
    bands = train_of(sample(run="a", machine_types=("cheap",), capacity=("spot",)).plan()).bands
    assert (bands[Capacity.ON_DEMAND].now.usd, bands[Capacity.SPOT].now.usd) == (2.0, 0.5)


def test_a_pool_that_buys_no_spot_has_no_spot_price() -> None:
    assert Capacity.SPOT not in train_of(sample(capacity=("on-demand",)).plan()).bands


def test_a_missing_price_is_named_and_never_guessed() -> None:
    train = train_of(sample(machine_types=("cheap", "odd"), capacity=("spot",), nodes=(0, 2)).plan())
    assert train.bands[Capacity.ON_DEMAND].ceiling == Amount(usd=2.0, complete=False)
    assert train.unpriced == ("on-demand price of odd", "spot price of odd")


def test_the_ceiling_is_what_the_autoscaler_can_come_to() -> None:
    train = train_of(sample(machine_types=("cheap",), ceiling=12).plan())
    assert (train.nodes.ceiling, train.bands["on-demand"].ceiling.usd) == (12, 12.0)
    (note,) = estimate(sample(machine_types=("cheap",), ceiling=12).plan()).notes
    assert note == "Pool train can come to 12 nodes, above its max_nodes 4: each part of it is counted by itself."


def test_queued_machines_cost_at_most_their_on_demand_price_and_flex_start_is_not_guessed() -> None:
    train = train_of(sample(machine_types=("cheap",), capacity=("flex-start", "queued"), nodes=(0, 2)).plan())
    assert train.bands["queued"].ceiling == Amount(usd=2.0)
    assert train.bands["flex-start"].ceiling == Amount(usd=0.0, complete=False)
    assert train.unpriced == ("every flex-start price",)


def test_columns_come_in_one_order_whatever_the_pools_say() -> None:
    capacity = ("queued", "reserved", "flex-start", "spot")
    assert estimate(sample(capacity=capacity).plan()).capacities == cost.CAPACITIES


def test_a_pool_of_autopilot_has_no_known_ceiling() -> None:
    made = sample(machine_types=("cheap",))
    plan = changed_intent(made.plan(), "springtide:index:Cluster", {"cloud": "gcp", "mode": "auto"})
    band = train_of(plan).bands["on-demand"]
    assert (band.ceiling, band.floor) == (Amount(usd=4.0, complete=False), Amount(usd=0.0))
    assert "the cluster's own pods on Autopilot (charged by what they ask for)" in estimate(plan).unpriced


def test_work_on_a_platform_has_no_pools_to_price_and_says_whose_they_are() -> None:
    found = estimate(work().plan())
    assert (found.pools, found.idle) == ((), ())
    assert found.notes == ("Jobs and services run on platform prod-aws, whose plan shows what its pools cost.",)


def test_no_node_costs_nothing_whatever_its_price() -> None:
    train = train_of(sample(machine_types=("odd",), nodes=(0, 2)).plan())
    assert train.bands[Capacity.ON_DEMAND].floor == Amount(usd=0.0)


def test_a_total_with_an_unknown_part_is_a_minimum() -> None:
    assert total([Amount(usd=1.0), Amount(usd=0.0, complete=False)]) == Amount(usd=1.0, complete=False)


def test_every_figure_has_a_date_and_a_source() -> None:
    provenance = estimate(sample(machine_types=("cheap",)).plan()).provenance
    assert provenance == ("2026-07-20: a list", "2026-05-01: a page")


def idle_of(plan: Plan) -> dict[str, tuple[float, Amount]]:
    return {item.what: (item.count, item.amount) for item in estimate(plan).idle}


def test_the_idle_floor_is_counted_from_the_plans_resources() -> None:
    idle = idle_of(sample().plan())
    assert idle["Kubernetes control plane"] == (1, Amount(usd=0.1))
    assert idle["NAT gateway"] == (1, Amount(usd=0.045))
    assert idle["system node m7i.large"][0] == 2


def test_a_gateway_in_each_zone_is_paid_for_in_each_zone() -> None:
    made = Sample()
    made.network(nat="per-zone")
    assert idle_of(made.plan())["NAT gateway"] == (2, Amount(usd=0.09))


def test_disks_are_those_of_the_nodes_that_always_run() -> None:
    count, amount = idle_of(sample(nodes=(1, 4)).plan())["disks of nodes that always run, gp3"]
    assert count == 2 * 50 + 200
    assert amount.usd == pytest.approx(300 * 0.08 / 730)


def test_nodes_of_gpu_pools_are_in_their_band_and_not_in_the_idle_floor() -> None:
    assert [what for what in idle_of(sample(nodes=(2, 4)).plan()) if "g6" in what] == []


def test_an_unpriced_service_is_listed() -> None:
    found = estimate(sample().plan())
    assert "encryption key" in found.unpriced
    assert not found.idle_total.complete


def test_what_is_charged_by_use_is_named() -> None:
    assert "traffic through NAT (charged by use)" in estimate(sample().plan()).unpriced


def test_a_type_that_nothing_is_known_about_is_named() -> None:
    made = sample()
    made.add("aws:fsx/openZfsFileSystem:OpenZfsFileSystem", "scratch", made.stack)
    assert "aws:fsx/openZfsFileSystem:OpenZfsFileSystem (no price in the catalog)" in estimate(made.plan()).unpriced


def test_what_is_only_read_is_not_paid_for_here() -> None:
    made = Sample()
    made.add("aws:ec2/natGateway:NatGateway", "theirs", made.stack, read_id="nat-1")
    assert idle_of(made.plan()) == {}


def test_interface_endpoints_are_charged_and_gateway_endpoints_are_not() -> None:
    made = Sample()
    kind = "aws:ec2/vpcEndpoint:VpcEndpoint"
    made.add(kind, "s3", made.stack, {"vpcEndpointType": "Gateway"})
    assert estimate(made.plan()).unpriced == ()
    made.add(kind, "sts", made.stack, {"vpcEndpointType": "Interface", "subnetIds": ["a", "b"]})
    assert idle_of(made.plan()) == {"interface endpoint, in each zone": (2, Amount(usd=0.0, complete=False))}
    unpriced = ("interface endpoint, in each zone", "traffic through interface endpoints (charged by use)")
    assert estimate(made.plan()).unpriced == unpriced


def test_an_environment_without_resources_costs_nothing() -> None:
    empty = Plan(environment={"name": "x"}, made_with={}, resources=(), outputs={})
    assert estimate(empty).idle_total == Amount(usd=0)


def test_a_cloud_that_the_catalog_does_not_know_is_unpriced() -> None:
    pool = replace(sample().plan().pools()[0], cloud="elsewhere")
    assert cost.list_price("elsewhere", pool.region, "cheap", "on-demand") is None


def test_pods_share_nodes_where_they_fit() -> None:
    assert nodes_for([4, 4, 8, 2, 1, 1], gpus_per_node=8) == 3


@given(st.lists(st.integers(1, 8)))
def test_packing_is_between_the_sum_of_gpus_and_a_node_for_each_pod(pods: list[int]) -> None:
    nodes = nodes_for(pods, gpus_per_node=8)
    assert -(-sum(pods) // 8) <= nodes <= len(pods)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_a_band_never_falls_from_floor_to_ceiling(least: int, extra: int, wanted: int) -> None:
    made = Sample()
    plane = made.cluster(made.network())
    made.pool("train", plane, [], machine_types=("cheap",), nodes=(least, least + extra))
    made.job("gpt", "train", nodes=wanted, run="a")
    band = train_of(made.plan()).bands[Capacity.ON_DEMAND]
    assert band.floor.usd <= band.now.usd <= band.ceiling.usd
