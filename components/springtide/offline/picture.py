"""The architecture of a plan as one SVG, laid out by code: network, cluster, pools as rows of nodes, storage, arrows.

Everything flows from top to bottom in lanes, so that any number of pools, jobs and buckets fits. Colours are classes
of the page that holds the picture.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from springtide.offline.cost import Nodes, PoolCost
from springtide.offline.markup import Markup, element, together
from springtide.offline.replacement import Action
from springtide.offline.report import Report, bounds, count_of, usd
from springtide.offline.scene import Store, Workload, flows, lent_pools, queues, stores, workloads
from springtide.offline.shapes import arrow, arrow_heads, box, caption, cylinder, heading, moved, stacked
from springtide.offline.views import ClusterView, ControllersView, NetworkView
from springtide.offline.zones import ZoneParts, zone_parts

WIDTH = 1160
_NETWORK_RIGHT = 900
_STORAGE = (982, 174, 78)
"""Left edge, width and height of a bucket."""
_CLUSTER = (40, 880)
_COLUMNS = {"name": 58, "nodes": 234, "cost": 480, "work": 652}
_WORK_WIDTH = 212
_NAT = {"one": "one NAT gateway", "per-zone": "a NAT gateway in each zone"}
_NODE, _NODES_IN_ROW, _MOST_NODES = 26, 9, 18


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """One row of the cluster: the system nodes or a pool, with the workloads on it."""

    name: str
    height: int
    drawn: Markup
    cards: tuple[tuple[Workload, Markup], ...]


def draw(report: Report) -> Markup:
    """The picture, scaling to the width it is given; empty where the plan has no cluster and is on none."""
    cluster = next(iter(ClusterView.among(report.plan.resources)), None)
    lanes = [*_lanes(report, cluster)]
    if not lanes:
        return Markup()
    zones = zone_parts(report.plan)
    zones_bottom = 104 + (_zones_height(zones) if zones else 0)
    tops = stacked(zones_bottom + 48, [lane.height for lane in lanes], gap=10)
    cluster_bottom = tops[-1] + lanes[-1].height + 14
    storages = stores(report.plan)
    height = max(cluster_bottom + 16, zones_bottom + 48 + 100 * len(storages))
    drawn = together(
        box(0, 56, _NETWORK_RIGHT, height - 56, "network", radius=10),
        *_zone_columns(zones),
        _network_heading(report),
        _cluster_frame(report, cluster, zones_bottom, cluster_bottom),
        *(moved(lane.drawn, 0, top) for lane, top in zip(lanes, tops, strict=True)),
        *(() if cluster is None else _reach(cluster, tops[0], zones)),
        *_storage_side(report, storages, lanes, tops),
    )
    title = f"Architecture of {report.plan.environment.get('name', '')}"
    return element(
        "svg", element("title", title), arrow_heads(), drawn,
        viewBox=f"0 0 {WIDTH} {height + 2}", role="img", class_="picture", xmlns="http://www.w3.org/2000/svg",
    )  # fmt: skip


def _network_heading(report: Report) -> Markup:
    networks = NetworkView.among(report.plan.resources)
    place = report.plan.environment
    where = f"{place.get('cloud', '')} · {place.get('region', '')}"
    label = where
    if networks:
        network = networks[0]
        own = f"{network.cidr} · {_NAT.get(network.nat, network.nat)}"
        label = f"{where} · {own if network.existing is None else f'{network.existing}, adopted'}"
    return heading(44, 80, "Work" if report.plan.platform else "Network", label)


def _zones_height(zones: Sequence[ZoneParts]) -> int:
    return 26 + 34 * max(len(zone.subnets) for zone in zones)


def _zone_columns(zones: Sequence[ZoneParts]) -> Iterator[Markup]:
    left, right = _CLUSTER
    step = (right - left + 8) / max(len(zones), 1)
    for index, zone in enumerate(zones):
        x, width = left + index * step, step - 8
        yield box(x, 96, width, _zones_height(zones), "zone")
        yield caption(x + 10, 114, zone.id, width=width - 60, class_="bold")
        for row, subnet in enumerate(zone.subnets):
            y = 122 + 34 * row
            yield box(x + 8, y, width - 16, 28, "private" if subnet.private else "public", radius=4)
            kind = "private" if subnet.private else "public"
            yield caption(x + 16, y + 18, f"{kind} {subnet.cidr}", width=width - (84 if subnet.nat else 32))
            if subnet.nat:
                yield box(x + width - 54, y + 4, 40, 20, "nat", radius=10)
                yield caption(x + width - 34, y + 18, "NAT", class_="on-nat", anchor="middle")
                yield arrow([(x + width - 34, y + 4), (x + width - 34, 32)], "out")


def _cluster_frame(report: Report, cluster: ClusterView | None, top: int, bottom: int) -> Markup:
    left, right = _CLUSTER
    frame = box(left, top + 10, right - left, bottom - top - 10, "cluster", radius=8)
    if cluster is None:
        title = f"Platform {report.plan.platform}"
        return together(frame, heading(left + 14, top + 33, title, "its own plan shows its pools and what they cost"))
    access = cluster.access if isinstance(cluster.access, str) else ", ".join(cluster.access)
    nodes = "the cloud makes the nodes" if cluster.mode == "auto" else "nodes in private subnets"
    if imitated := sorted({pool.catalog for pool in report.plan.pools() if pool.machines is not None}):
        nodes = f"simulated nodes of {', '.join(imitated)}"
    notes = (f"Kubernetes {cluster.version}", nodes, *queues(report.plan))
    return together(
        frame,
        heading(left + 14, top + 33, "Cluster", " · ".join(notes)),
        caption(right - 14, top + 33, f"API: {access}", class_="dim", anchor="end", width=220),
    )


def _lanes(report: Report, cluster: ClusterView | None) -> Iterator[_Lane]:
    jobs = {job.name: job.pool for job in report.plan.jobs()}
    services: dict[str, str | None] = {item.name: item.pool for item in report.plan.services()}
    placed: dict[str | None, list[Workload]] = {}
    for item in workloads(report.plan):
        placed.setdefault((jobs if item.kind == "job" else services)[item.name], []).append(item)
    if cluster is None:
        yield from (_lent_lane(name, placed[name]) for name in lent_pools(report.plan))
        yield from (_lent_lane("system nodes", placed[None]) for _ in placed.keys() & {None})
        return
    yield _system_lane(report, cluster, placed.get(None, []))
    for cost in report.cost.pools:
        yield _pool_lane(report, cost, placed.get(cost.pool.name, []))


def _lane(name: str, content: Markup, work: Sequence[Workload], *, height: int, class_: str) -> _Lane:
    cards = tuple((item, _card(item)) for item in work)
    tall = max(height, 12 + 50 * len(cards))
    left, right = _CLUSTER
    drawn = together(
        box(left + 8, 0, right - left - 16, tall, class_),
        content,
        *(moved(card, _COLUMNS["work"], 7 + 50 * index) for index, (_, card) in enumerate(cards)),
    )
    return _Lane(name=name, height=tall, drawn=drawn, cards=cards)


def _lent_lane(pool: str, work: Sequence[Workload]) -> _Lane:
    """A pool of another plan, of which nothing is known here but its name."""
    content = together(
        caption(_COLUMNS["name"], 24, pool, class_="bold", width=165),
        caption(_COLUMNS["nodes"], 24, "a pool of the platform", class_="dim", width=240),
    )
    return _lane(pool, content, work, height=58, class_="lane")


def _system_lane(report: Report, cluster: ClusterView, work: Sequence[Workload]) -> _Lane:
    charts = [chart for item in ControllersView.among(report.plan.resources) for chart in item.installed]
    types, adopted = ", ".join(cluster.system_machine_types), cluster.existing is not None
    nodes = 0 if adopted else cluster.system_nodes
    content = together(
        box(_COLUMNS["name"], 14, 158, 44, "plane"),
        caption(_COLUMNS["name"] + 79, 33, "control plane", class_="bold on-plane", anchor="middle"),
        caption(
            _COLUMNS["name"] + 79, 49, "adopted" if adopted else "run by the cloud", class_="on-plane", anchor="middle"
        ),
        *_nodes(nodes, nodes, nodes, 0, top=10),
        caption(
            _COLUMNS["nodes"],
            _under_nodes(nodes),
            "nodes of its own" if adopted else f"{count_of(nodes, 'system node')}, {types}",
            width=240,
        ),
        caption(_COLUMNS["cost"], 28, "installed", class_="dim", width=170),
        caption(_COLUMNS["cost"], 44, ", ".join(charts) or "nothing", width=170),
    )
    return _lane("", content, work, height=72, class_="lane system")


def _pool_lane(report: Report, cost: PoolCost, work: Sequence[Workload]) -> _Lane:
    pool, nodes = cost.pool, cost.nodes
    more = len(pool.machine_types) - 1
    machines = f"{pool.machine_types[0]} and {more} more" if more > 0 else ", ".join(pool.machine_types)
    action = _strongest_action(report, pool.urn)
    content = together(
        caption(_COLUMNS["name"], 24, pool.name, class_="bold", width=100),
        *_tag(action),
        caption(_COLUMNS["name"], 42, f"{pool.gpus_per_node} × {pool.gpu} · {', '.join(pool.capacity)}", width=165),
        caption(_COLUMNS["name"], 58, machines, class_="dim", width=165),
        caption(_COLUMNS["name"], 74, pool.purpose, class_="dim", width=165),
        *_nodes(nodes.floor, nodes.now, nodes.ceiling, pool.gpus_per_node, top=10),
        caption(_COLUMNS["nodes"], _under_nodes(nodes.ceiling), _node_count(nodes), width=240),
        *_prices(cost),
    )
    height = max(94, 16 + 32 * len(cost.bands))
    return _lane(
        pool.name, content, work, height=height, class_=f"lane{' op-' + action.name.lower() if action else ''}"
    )


def _prices(cost: PoolCost) -> Iterator[Markup]:
    for row, (capacity, band) in enumerate(cost.bands.items()):
        y = 24 + 32 * row
        yield caption(_COLUMNS["cost"], y, f"{capacity}, USD/h", class_="dim", width=170)
        figures = bounds(usd(band.floor), usd(band.now), usd(band.ceiling))
        yield caption(_COLUMNS["cost"], y + 15, figures, width=170, class_="figures")


def _nodes(floor: int, now: int, ceiling: int, gpus: int, *, top: int) -> Iterator[Markup]:
    """One square a node: always there, started by this plan, or possible; each with a pip per GPU."""
    shown = min(ceiling, _MOST_NODES)
    for index in range(shown):
        state = "always" if index < floor else "started" if index < now else "possible"
        x = _COLUMNS["nodes"] + (index % _NODES_IN_ROW) * _NODE
        y = top + index // _NODES_IN_ROW * _NODE
        yield box(x, y, _NODE - 4, _NODE - 4, f"node {state}", radius=4)
        yield from (_pip(x, y, gpu, gpus, state) for gpu in range(min(gpus, 8)))


def _under_nodes(ceiling: int) -> int:
    """Where a caption under the squares begins."""
    return 28 + _NODE * -(-min(ceiling, _MOST_NODES) // _NODES_IN_ROW)


def _node_count(nodes: Nodes) -> str:
    drawn = f", {_MOST_NODES} drawn" if nodes.ceiling > _MOST_NODES else ""
    return f"{bounds(nodes.floor, nodes.now, nodes.ceiling)} nodes{drawn}"


def _pip(x: float, y: float, index: int, gpus: int, state: str) -> Markup:
    """One GPU: a dot, four to a row, the whole in the middle of its node."""
    columns, rows = min(gpus, 4), (min(gpus, 8) + 3) // 4
    left = x + (_NODE - 4) / 2 - (columns - 1) * 2.5
    first = y + (_NODE - 4) / 2 - (rows - 1) * 3
    return element("circle", cx=left + index % 4 * 5.0, cy=first + index // 4 * 6.0, r=1.9, class_=f"gpu {state}")


def _card(item: Workload) -> Markup:
    state = "ready" if not item.waits_for else "waiting"
    reasons = ", ".join(reason.partition(":")[0].rpartition(" ")[2] for reason in item.waits_for)
    detail = f"waits: {reasons}" if reasons else item.what
    return together(
        box(0, 0, _WORK_WIDTH, 42, f"card {state}"),
        caption(10, 17, f"{item.kind} {item.name}", width=_WORK_WIDTH - 20, class_="bold"),
        caption(10, 33, detail, width=_WORK_WIDTH - 18, class_="dim"),
    )


def _strongest_action(report: Report, component: str) -> Action | None:
    """The worst that happens to what a component makes, against the base; None without a base or a change."""
    comparison = report.comparison
    if comparison is None or comparison.new_environment:
        return None
    children = {item.urn for item in report.plan.resources if item.parent == component}
    found = {change.action for change in comparison.changes if change.urn in children}
    return next((action for action in Action if action in found), None)


def _tag(action: Action | None) -> Iterator[Markup]:
    words = {Action.CREATE: "new", Action.UPDATE: "changed", Action.REPLACE: "replaced", Action.DELETE: "shrinks"}
    if action is not None and action is not Action.KEEP:
        text = words.get(action, "changed")
        yield box(_COLUMNS["name"] + 104, 11, 62, 18, f"tag op-{action.name.lower()}", radius=9)
        yield caption(_COLUMNS["name"] + 135, 24, text, class_="on-tag", anchor="middle")


def _reach(cluster: ClusterView, lane_top: int, zones: Sequence[ZoneParts]) -> Iterator[Markup]:
    """Who reaches the API, and the way out."""
    if not isinstance(cluster.access, str):
        label = f"operators: {', '.join(cluster.access)}"
        yield box(0, 4, 330, 28, "outside", radius=14)
        yield caption(16, 22, label, width=305)
        y = lane_top + 36
        yield arrow([(20, 32), (20, y), (_COLUMNS["name"], y)], "in")
    if any(subnet.nat for zone in zones for subnet in zone.subnets):
        yield box(350, 4, _NETWORK_RIGHT - 350, 28, "outside", radius=14)
        yield caption(366, 22, "internet: image pulls, package and model downloads", width=500)


def _storage_side(
    report: Report, storages: Sequence[Store], lanes: Sequence[_Lane], tops: Sequence[int]
) -> Iterator[Markup]:
    left, width, height = _STORAGE
    places = {item.name: tops[0] + 104 * index for index, item in enumerate(storages)}
    for item in storages:
        yield moved(cylinder(width, height, item.name, item.kind, item.note), left, places[item.name])
    cards = {
        (card[0].kind, card[0].name): top + 28 + 50 * index
        for lane, top in zip(lanes, tops, strict=True)
        for index, card in enumerate(lane.cards)
    }
    drawn = [flow for flow in flows(report.plan) if flow.storage in places and flow.workload in cards]
    for index, flow in enumerate(drawn):
        used = [other for other in drawn if other.storage == flow.storage]
        at_storage = places[flow.storage] + 20 + (height - 34) * (used.index(flow) + 1) / (len(used) + 1)
        at_card = cards[flow.workload] + (6 if flow.kind == "data" else -6 if flow.kind == "checkpoints" else 0)
        lane_x = _NETWORK_RIGHT + 14 + 9 * (index % 7)
        points = [
            (_COLUMNS["work"] + _WORK_WIDTH, at_card),
            (lane_x, at_card),
            (lane_x, at_storage),
            (left, at_storage),
        ]
        yield arrow(points[::-1] if flow.inward else points, flow.kind)
