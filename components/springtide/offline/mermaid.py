"""The architecture of a plan as a Mermaid flowchart: the picture for places that draw text and load no files."""

import re
from collections.abc import Iterator, Mapping

from springtide.offline.cost import PoolCost
from springtide.offline.report import Report, bounds, flows
from springtide.offline.views import ClusterView, NetworkView, StorageView

_PLAIN = re.compile(r"[^\w .,:/×-]")


def chart(report: Report) -> str:
    """A flowchart of network, cluster, pools, workloads and storage, the same for the same plan."""
    return "\n".join(["flowchart LR", *_lines(report), ""])


def label(*lines: object) -> str:
    """A quoted label; characters that could end it, or mean something to Mermaid or Markdown, become `_`."""
    return f'"{"<br/>".join(_PLAIN.sub("_", str(line)) for line in lines)}"'


def _lines(report: Report) -> Iterator[str]:
    plan = report.plan
    networks, clusters = NetworkView.among(plan.resources), ClusterView.among(plan.resources)
    works = [*(("job", job.name, job.pool) for job in plan.jobs())]
    works += [("service", item.name, item.pool or "") for item in plan.services()]
    ids = {(kind, name): f"w{index}" for index, (kind, name, _) in enumerate(works)}
    yield from (f"  subgraph network[{label('Network', item.cidr, ' '.join(item.zones))}]" for item in networks[:1])
    yield from (f"  subgraph cluster[{label(f'Cluster, Kubernetes {item.version}')}]" for item in clusters[:1])
    yield from (f"  {place}([{label(f'{kind} {name}')}])" for (kind, name), place in ids.items())
    for index, cost in enumerate(report.cost.pools):
        yield _pool(f"p{index}", cost)
        yield from (f"  p{index} --- {ids[kind, name]}" for kind, name, pool in works if pool == cost.pool.name)
    yield from ("  end" for _ in (*networks[:1], *clusters[:1]))
    yield from _storage(report, ids)


def _pool(place: str, cost: PoolCost) -> str:
    pool, nodes = cost.pool, cost.nodes
    size = f"{bounds(nodes.floor, nodes.now, nodes.ceiling)} nodes"
    return f"  {place}[{label(pool.name, f'{pool.gpus_per_node} × {pool.gpu}', size)}]"


def _storage(report: Report, ids: Mapping[tuple[str, str], str]) -> Iterator[str]:
    places = {item.name: f"s{index}" for index, item in enumerate(StorageView.among(report.plan.resources))}
    yield from (f"  {place}[({label(name)})]" for name, place in places.items())
    for flow in flows(report.plan):
        if flow.storage in places:
            ends = (ids[flow.workload], places[flow.storage])
            source, target = reversed(ends) if flow.inward else ends
            yield f"  {source} -- {flow.kind} --> {target}"
