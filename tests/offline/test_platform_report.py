"""Work on somebody else's platform, file systems and queues, as people see them."""

import pytest

from springtide.offline import markdown, page, text
from springtide.offline.mermaid import chart
from springtide.offline.picture import draw
from springtide.offline.plan import Plan
from springtide.offline.report import Report, headline
from springtide.offline.scene import lent_pools, queues, stores, workloads
from springtide.offline.views import FileSystemView, QueueView
from springtide.offline.zones import zone_parts

from .sample_plan import PLACE, Sample, sample, work


def furnished(size_gib: int | None = 4800) -> Plan:
    made = sample()
    made.file_system(size_gib=size_gib)
    made.queue()
    return made.plan()


def test_work_says_which_platform_it_is_on() -> None:
    plan = work().plan()
    assert plan.platform == "prod-aws"
    assert headline(plan)[0] == "on platform prod-aws"
    assert sample().plan().platform == ""


def test_a_platform_that_reads_another_stack_is_still_its_own() -> None:
    made = sample()
    made.platform("shared")
    assert made.plan().platform == ""


@pytest.mark.parametrize("render", [text.render, markdown.render, lambda report: page.render([report])])
def test_every_rendering_of_work_names_its_platform(render: object) -> None:
    assert "prod-aws" in render(Report.of(work().plan()))  # type: ignore[operator]


def test_work_runs_on_pools_of_the_platform() -> None:
    assert [item.runs_on for item in workloads(work().plan())] == [
        "train of prod-aws: 2 nodes × 1 GPU", "serve of prod-aws: 1 GPU each", "system nodes of prod-aws, CPU",
    ]  # fmt: skip
    assert lent_pools(work().plan()) == ("train", "serve")
    assert lent_pools(sample().plan()) == ()


def test_the_picture_of_work_holds_its_pools_and_everything_that_runs() -> None:
    drawn = draw(Report.of(work().plan()))
    assert all(name in drawn for name in ("Platform prod-aws", "train", "serve", "service draft", "artifacts"))


def test_the_chart_of_work_ties_it_to_pools_of_the_platform() -> None:
    drawn = chart(Report.of(work().plan()))
    assert 'l0["train<br/>of platform prod-aws"]' in drawn
    assert "l0 --- w0" in drawn


def test_file_systems_and_queues_are_seen() -> None:
    resources = furnished().resources
    (files,), (queue,) = FileSystemView.among(resources), QueueView.among(resources)
    assert (files.kind, files.size_gib, queue.max_gpus, queue.pools) == ("lustre", 4800, 32, ("train",))


@pytest.mark.parametrize(("size", "note"), [(4800, "4800 GiB"), (None, "grows")])
def test_a_file_system_stands_beside_the_buckets(size: int | None, note: str) -> None:
    assert [(item.name, item.note) for item in stores(furnished(size))] == [("artifacts", ""), ("corpus", note)]
    assert note in draw(Report.of(furnished(size)))


def test_a_queue_is_told_with_what_it_may_use() -> None:
    assert queues(furnished()) == ("queue research: 32 GPUs of train",)
    assert "queue research: 32 GPUs of train" in draw(Report.of(furnished()))
    assert 'q0>"queue research<br/>32 GPUs"]' in chart(Report.of(furnished()))


def test_a_network_of_google_spans_its_zones() -> None:
    made = Sample()
    intent = PLACE | {"cidr": "10.0.0.0/16", "zones": ["us-central1-a"], "nat": "one"}
    network = made.add("springtide:index:Network", "network", made.stack, intent, custom=False)
    made.add("gcp:compute/subnetwork:Subnetwork", "network", network, {"ipCidrRange": "10.0.0.0/17"})
    proxies = {"ipCidrRange": "10.0.128.0/23", "purpose": "REGIONAL_MANAGED_PROXY"}
    made.add("gcp:compute/subnetwork:Subnetwork", "proxies", network, proxies)
    made.add("gcp:compute/subnetwork:Subnetwork", "fabric", made.stack, {"ipCidrRange": "192.168.0.0/24"})
    made.add("gcp:compute/routerNat:RouterNat", "network", network)
    (zone,) = zone_parts(made.plan(environment={"name": "dev", "region": "us-central1"}))
    assert zone.id == "us-central1, all zones"
    assert [(subnet.cidr, subnet.private, subnet.nat) for subnet in zone.subnets] == [("10.0.0.0/17", True, True)]
