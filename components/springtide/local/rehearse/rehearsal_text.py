"""A rehearsal for people at a terminal: first what was not as in the cloud, last what stayed pending."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from springtide.local.rehearse.rehearsal import PoolReport, Rehearsal, Step, Waiting
from springtide.local.render.substitution import Substitution

_MOMENTS = {
    "first_node": "first node",
    "all_running": "all pods running",
    "work_done": "all work done",
    "zero_nodes": "back to zero",
    "total": "in all",
}


def render(rehearsal: Rehearsal) -> RenderableType:
    """The whole report."""
    return Group(*_sections(rehearsal))


def substitutions(found: Iterable[Substitution]) -> RenderableType:
    """What is not as in the cloud: the head of every report."""
    table = Table("not as in the cloud", "instead", "why", title_justify="left", expand=False)
    for item in found:
        table.add_row(Text(item.what), Text(item.instead), Text(item.why, style="dim"))
    return table


def _sections(rehearsal: Rehearsal) -> Iterator[RenderableType]:
    yield Text(f"rehearsal of {rehearsal.environment}", style="bold")
    yield substitutions(rehearsal.substituted)
    yield _pools(rehearsal)
    yield _steps(rehearsal.steps)
    yield Text(" · ".join(_moments(rehearsal)))
    yield from (_waiting(item) for item in rehearsal.pending)
    yield _verdict(rehearsal)


def _pools(rehearsal: Rehearsal) -> RenderableType:
    table = Table("pool", "woke for", "nodes at most", "machine types", "bought as", "USD an hour at most")
    for name, pool in rehearsal.pools.items():
        cells = (name, _woke_for(pool), str(pool.peak_nodes), ", ".join(pool.machine_types), ", ".join(pool.capacities))
        table.add_row(*map(Text, (*cells, _usd(pool.peak_usd_per_hour))))
    return table


def _woke_for(pool: PoolReport) -> str:
    return (", ".join(pool.woke_for) or "no pod") if pool.woke else "slept"


def _usd(value: float | None) -> str:
    return "no price is known" if value is None else f"{value:,.2f}"


def _steps(steps: Iterable[Step]) -> RenderableType:
    table = Table("after", "nodes", "pods running", "pods pending")
    for step in steps:
        nodes = ", ".join(f"{name} {count}" for name, count in step.nodes.items()) or "none"
        table.add_row(*map(Text, (f"{step.seconds:.0f} s", nodes, str(step.running), str(step.pending))))
    return table


def _moments(rehearsal: Rehearsal) -> Iterator[str]:
    for key, words in _MOMENTS.items():
        value = rehearsal.seconds.get(key)
        yield f"{words}: {'never' if value is None else f'{value:.1f} s'}"


def _waiting(item: Waiting) -> RenderableType:
    where = f" on pool {item.pool}" if item.pool else ""
    head = Text(f"pending: {item.pod}{where}, for {item.seconds:.0f} s", style="red")
    said = item.why or ("nobody said why",)
    return Group(head, *(Text(f"  {line}") for line in said))


def _verdict(rehearsal: Rehearsal) -> RenderableType:
    if rehearsal.passed:
        return Text("every pod ran, and every node went", style="green")
    left = [f"{len(rehearsal.pending)} pods never ran"] if rehearsal.pending else []
    left += [f"{rehearsal.final_nodes} nodes stayed"] if rehearsal.final_nodes > 0 else []
    return Text(" · ".join(left), style="bold red")
