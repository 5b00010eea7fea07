from typing import Any

import pytest

from springtide import catalog
from springtide.offline import markdown, page, text
from springtide.offline.plan import Plan
from springtide.offline.quota import Ask, asks, notes, stuck
from springtide.offline.report import Report, quota_rows

from .sample_plan import Sample, sample, work


def of_pools(cloud: str, region: str, *pools: dict[str, Any]) -> Plan:
    made = Sample()
    for pool in pools:
        intent = {
            "cloud": cloud, "region": region, "gpu": "H100", "gpusPerNode": 8, "capacity": ["on-demand"], "minNodes": 0,
            "purpose": "training", "diskGib": 200, "zones": [], **pool,
        }  # fmt: skip
        made.add("springtide:index:GpuPool", pool["name"], made.stack, intent, custom=False)
    return made.plan(environment={"name": "dev", "cloud": cloud, "region": region})


def aws(*pools: dict[str, Any]) -> Plan:
    return of_pools("aws", "us-east-1", *pools)


def gcp(*pools: dict[str, Any]) -> Plan:
    return of_pools("gcp", "us-central1", *pools)


P5 = {"name": "train", "machineTypes": ["p5.48xlarge"], "maxNodes": 2}
MEGA = {"name": "train", "machineTypes": ["a3-megagpu-8g"], "maxNodes": 4}


def codes(plan: Plan) -> dict[str, str]:
    return {ask.quota.code: ask.amount for ask in asks(plan)}


def test_two_machines_of_192_vcpu_ask_for_384() -> None:
    (ask,) = asks(aws(P5))
    assert (ask.name, ask.place, ask.who, ask.amount) == (
        "ec2 L-417A185B", "us-east-1", "train (on-demand)", "384 vCPU",
    )  # fmt: skip


def test_spot_and_on_demand_are_two_quotas() -> None:
    assert codes(aws({**P5, "capacity": ["spot", "on-demand"]})) == {"L-417A185B": "384 vCPU", "L-C4BD4855": "384 vCPU"}


def test_reserved_machines_need_none() -> None:
    plan = aws({**P5, "capacity": ["reserved"]})
    assert asks(plan) == ()
    assert notes(plan) == ("Reserved machines need no quota.",)


def test_pools_add_up_on_a_quota_that_they_share() -> None:
    (ask,) = asks(aws(P5, {**P5, "name": "more", "maxNodes": 3}))
    assert (ask.amount, ask.who) == ("960 vCPU", "train (on-demand), more (on-demand)")


def test_the_first_machine_type_asks_for_the_least_and_the_largest_for_the_most() -> None:
    (ask,) = asks(aws({"name": "serve", "machineTypes": ["g6.xlarge", "g6.16xlarge"], "maxNodes": 2}))
    assert (ask.least, ask.most, ask.amount) == (8, 128, "8 to 128 vCPU")


def test_a_ladder_asks_for_its_maximum_and_not_for_what_its_parts_could_come_to() -> None:
    assert codes(aws({**P5, "ceilingNodes": 12})) == {"L-417A185B": "384 vCPU"}


def test_gpus_of_all_regions_are_counted_once_however_they_are_bought() -> None:
    assert codes(gcp({**MEGA, "capacity": ["spot", "on-demand"]})) == {
        "GPUS-PER-GPU-FAMILY-per-project-region": "32 GPU",
        "PREEMPTIBLE_NVIDIA_H100_MEGA_GPUS": "32 GPU",
        "GPUS_ALL_REGIONS": "32 GPU",
    }


def test_quotas_of_all_regions_say_so_and_families_are_told_apart() -> None:
    found = asks(gcp(MEGA, {"name": "other", "machineTypes": ["a3-highgpu-8g"], "maxNodes": 1}))
    assert [(ask.name.partition(" ")[2], ask.place, ask.amount) for ask in found] == [
        ("GPUS-PER-GPU-FAMILY-per-project-region gpu_family=NVIDIA_H100", "us-central1", "8 GPU"),
        ("GPUS-PER-GPU-FAMILY-per-project-region gpu_family=NVIDIA_H100_MEGA", "us-central1", "32 GPU"),
        ("GPUS_ALL_REGIONS", "all regions", "40 GPU"),
    ]


def test_a_quota_whose_code_nobody_agrees_on_is_asked_for_all_the_same() -> None:
    (ask,) = asks(aws({**P5, "machineTypes": ["p6-b200.48xlarge"], "capacity": ["spot"]}))
    assert ask.name == "ec2 (code not known)"


def test_the_clusters_own_nodes_come_last() -> None:
    found = asks(sample().plan())
    assert (found[-1].who, found[-1].amount) == ("system nodes (on-demand)", "6 vCPU")


def networks(count: int, **adopted: str) -> Plan:
    made = Sample()
    for index in range(count):
        made.add("gcp:compute/network:Network", f"own-{index}", made.stack)
    for title, id_ in adopted.items():
        made.add("gcp:compute/network:Network", title, made.stack, read_id=id_)
    return made.plan(environment={"name": "dev", "cloud": "gcp", "region": "us-central1"})


def test_networks_that_are_made_are_asked_for_and_those_that_are_there_are_not() -> None:
    (ask,) = (
        ask for ask in asks(networks(9, corp="projects/net/global/networks/corp")) if ask.quota.code == "NETWORKS"
    )
    assert (ask.name, ask.place, ask.who, ask.amount) == (
        "compute.googleapis.com NETWORKS", "all regions", "VPC networks", "9 VPC",
    )  # fmt: skip


@pytest.mark.parametrize(("limit", "without"), [(5, ("VPC networks",)), (8, ("VPC networks",)), (9, ())])
def test_networks_are_made_all_or_the_environment_is_not(limit: float, without: tuple[str, ...]) -> None:
    plan = networks(9)
    limits = {ask: limit for ask in asks(plan) if ask.quota.code == "NETWORKS"}
    assert stuck(plan, limits) == without


def test_no_network_of_the_cloud_asks_for_nothing() -> None:
    assert "NETWORKS" not in codes(networks(0, corp="projects/net/global/networks/corp"))


def test_a_machine_that_the_catalog_does_not_know_is_named() -> None:
    assert "No quota is known of odd." in notes(aws({**P5, "machineTypes": ["odd"]}))


def test_a_pool_of_no_nodes_asks_for_nothing() -> None:
    assert [ask for ask in asks(aws({**P5, "maxNodes": 0})) if ask.most] == []


def test_work_on_a_platform_asks_for_nothing() -> None:
    assert (asks(work().plan()), notes(work().plan())) == ((), ())


@pytest.mark.parametrize("code", ["L-3819A6DF", "L-1216C47A"])
def test_every_rendering_says_what_to_ask_for(code: str) -> None:
    report = Report.of(sample().plan())
    assert all(code in rendering for rendering in (text.render(report), markdown.render(report), page.render([report])))


def test_every_quota_has_a_source() -> None:
    for cloud in catalog.clouds():
        for machine in catalog.machine_types(cloud):
            assert all(quota.source for quota in catalog.quotas(machine, "on-demand"))
    assert all(isinstance(ask, Ask) and ask.quota.source for ask in asks(gcp(MEGA)))
    assert len(quota_rows(gcp(MEGA))) == len(asks(gcp(MEGA)))
