import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree as ET

import pytest

from springtide.offline import page
from springtide.offline.markup import Markup, element, together
from springtide.offline.picture import WIDTH, draw
from springtide.offline.plan import Plan
from springtide.offline.report import Base, Report
from springtide.offline.shapes import fit
from springtide.offline.views import ClusterView
from springtide.offline.zones import zone_parts

from .sample_plan import Sample, sample
from .sample_reports import TROUBLE, compared, hostile, report

SVG = "{http://www.w3.org/2000/svg}"


def drawn(shown: Report) -> ET.Element:
    return ET.fromstring(draw(shown))


def texts(picture: ET.Element) -> list[str]:
    return ["".join(item.itertext()) for item in picture.iter(f"{SVG}text")]


def of_class(picture: ET.Element, name: str) -> list[ET.Element]:
    return [item for item in picture.iter() if name in item.get("class", "").split()]


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    html = page.render([compared()])
    assert "default-src 'none'; style-src 'unsafe-inline'" in unescape(html)
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\((?!#)|\son\w+=", html)
    assert "http" not in re.sub(r'xmlns="[^"]*"|http-equiv', "", html.replace("http://www.w3.org", ""))


def test_no_name_becomes_markup() -> None:
    html = page.render([hostile()])
    assert "<script" not in html
    assert "\x1b" not in html
    ET.fromstring(draw(hostile()))


def test_a_page_is_well_formed() -> None:
    body = page.render([compared(), report(findings=TROUBLE)]).partition("\n")[2]
    assert len([*ET.fromstring(body).iter("main")]) == 2


def test_the_same_plan_makes_the_same_page() -> None:
    assert page.render([compared()]) == page.render([compared()])


def test_every_possible_node_is_drawn_by_its_state() -> None:
    picture = drawn(report(sample(run="a", nodes=(1, 5)).plan()))
    counts = {
        state: len([item for item in of_class(picture, "node") if state in item.get("class", "")])
        for state in ("always", "started", "possible")
    }
    system, serve = 2, {"started": 1, "possible": 2}
    assert counts == {"always": system + 1, "started": 1 + serve["started"], "possible": 3 + serve["possible"]}


def test_each_node_shows_its_gpus() -> None:
    picture = drawn(report(sample(nodes=(0, 2), gpus_per_node=8).plan()))
    assert len(of_class(picture, "gpu")) == 2 * 8 + 3


def test_a_large_pool_is_drawn_in_part_and_says_so() -> None:
    picture = drawn(report(sample(nodes=(0, 64)).plan()))
    assert "0 / 0 / 64 nodes, 18 drawn" in texts(picture)


def test_zones_hold_their_subnets_and_the_gateway_its_way_out() -> None:
    first, second = zone_parts(sample().plan())
    assert [(item.cidr, item.private, item.nat) for item in first.subnets] == [
        ("10.0.128.0/24", False, True),
        ("10.0.0.0/20", True, False),
    ]
    assert not any(item.nat for item in second.subnets)
    assert len(of_class(drawn(report()), "out")) == 2  # the arrow and its head


def test_arrows_lead_from_the_job_to_its_storage_and_on_to_the_service() -> None:
    picture = drawn(report())
    assert len([item for item in of_class(picture, "checkpoints") if item.get("marker-end")]) == 1
    assert len([item for item in of_class(picture, "model") if item.get("marker-end")]) == 1


def test_what_is_replaced_stands_out() -> None:
    (lane,) = of_class(drawn(compared()), "op-replace")[:1]
    assert "lane" in lane.get("class", "")


def test_a_plan_that_registers_nothing_is_a_page_of_findings() -> None:
    plan = Plan(environment={"name": "dev"}, made_with={}, resources=(), outputs={}, findings=TROUBLE)
    html = page.render([report(plan)])
    assert "Stops the plan (1)" in html
    assert not re.search("<svg|<table|tiles", html.partition("</style>")[2])


def test_a_base_that_cannot_be_planned_is_said() -> None:
    assert "Cannot be compared: too old" in page.render([Report.of(sample().plan(), Base(ref="main", note="too old"))])


def test_a_private_cluster_has_no_operators_outside() -> None:
    plan = sample().plan()
    private = [
        replace(item, inputs=item.inputs | {"access": "private"}) if item.type == ClusterView.TYPE else item
        for item in plan.resources
    ]
    said = texts(drawn(report(replace(plan, resources=tuple(private)))))
    assert "API: private" in said
    assert not any(text.startswith("operators") for text in said)


def test_without_a_cluster_nothing_is_drawn() -> None:
    made = Sample()
    made.storage()
    assert draw(report(made.plan())) == ""


@pytest.mark.parametrize("pools", [1, 3, 9])
def test_everything_lies_within_the_picture(pools: int) -> None:
    made = sample()
    plane = next(item for item in made.resources if item.type == "aws:eks/cluster:Cluster")
    for index in range(pools):
        made.pool(f"pool-{index}", plane, [], nodes=(0, 30))
        made.service(f"service-{index}", "serve")
    picture = drawn(report(made.plan()))
    _, _, width, height = map(float, picture.get("viewBox", "").split())
    places = [(float(item.get("y", 0)) + float(item.get("height", 0))) for item in picture.iter(f"{SVG}rect")]
    assert (width, max(places) <= height) == (WIDTH, True)


def test_long_names_are_cut_and_kept_as_tooltips() -> None:
    name = "a-pool-with-a-name-that-nobody-would-choose"
    made = Sample()
    made.pool(name, made.cluster(made.network()), [])
    titles = ["".join(item.itertext()) for item in drawn(report(made.plan())).iter(f"{SVG}title")]
    assert name in titles
    assert len(fit(name, 100, "bold")) < len(name)


def test_markup_escapes_what_is_not_markup() -> None:
    assert element("td", "<b>", class_='"x"') == '<td class="&quot;x&quot;">&lt;b&gt;</td>'
    assert together(Markup("<b>"), "&", None) == "<b>&amp;"
    assert element("rect", x=1.25, width=2.0) == '<rect x="1.2" width="2"/>'
