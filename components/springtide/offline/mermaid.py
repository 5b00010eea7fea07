"""The architecture of a plan as a Mermaid flowchart: the picture for places that draw text and load no files."""

import re
from collections.abc import Iterable, Iterator, Mapping

from springtide.offline.cost import PoolCost
from springtide.offline.report import Report, bounds
from springtide.offline.scene import flows, lent_pools, stores
from springtide.offline.views import ClusterView, NetworkView, QueueView

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
    yield from _lent(report, ids, works)
    yield from _queues(report, ids)
    yield from ("  end" for _ in (*networks[:1], *clusters[:1]))
    yield from _storage(report, ids)


def _pool(place: str, cost: PoolCost) -> str:
    pool, nodes = cost.pool, cost.nodes
    size = f"{bounds(nodes.floor, nodes.now, nodes.ceiling)} nodes"
    return f"  {place}[{label(pool.name, f'{pool.gpus_per_node} × {pool.gpu}', size)}]"


def _lent(report: Report, ids: Mapping[tuple[str, str], str], works: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Pools of another plan, of which nothing is known here but their names."""
    given = tuple(works)
    for index, lent in enumerate(lent_pools(report.plan)):
        yield f"  l{index}[{label(lent, f'of platform {report.plan.platform}')}]"
        yield from (f"  l{index} --- {ids[kind, name]}" for kind, name, pool in given if pool == lent)


def _queues(report: Report, ids: Mapping[tuple[str, str], str]) -> Iterator[str]:
    pools = {cost.pool.name: f"p{index}" for index, cost in enumerate(report.cost.pools)}
    for index, queue in enumerate(QueueView.among(report.plan.resources)):
        yield f"  q{index}>{label(f'queue {queue.name}', f'{queue.max_gpus} GPUs')}]"
        yield from (f"  q{index} --- {pools[name]}" for name in queue.pools if name in pools)
        waiting = (job.name for job in report.plan.jobs() if job.queue == queue.name)
        yield from (f"  {ids['job', name]} -.-> q{index}" for name in waiting)


def _storage(report: Report, ids: Mapping[tuple[str, str], str]) -> Iterator[str]:
    found = stores(report.plan)
    places = {item.name: f"s{index}" for index, item in enumerate(found)}
    yield from (f"  {places[item.name]}[({label(item.name, item.kind)})]" for item in found)
    for flow in flows(report.plan):
        if flow.storage in places:
            ends = (ids[flow.workload], places[flow.storage])
            source, target = reversed(ends) if flow.inward else ends
            yield f"  {source} -- {flow.kind} --> {target}"
