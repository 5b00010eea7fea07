"""A plan for people at a terminal: what would be made, what it costs, what waits, what is wrong; findings come last."""

import io
from collections.abc import Container, Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from springtide.offline import quota
from springtide.offline.cost import PoolCost
from springtide.offline.diff import Comparison, ResourceChange
from springtide.offline.idle import HOURS_PER_MONTH, IdleItem
from springtide.offline.plan import Plan
from springtide.offline.replacement import Action
from springtide.offline.report import (
    FindingGroup,
    Report,
    bounds,
    budget,
    change_summary,
    components,
    count_of,
    coverage,
    disturbed_runs,
    finding_groups,
    headline,
    legend,
    made,
    message_of,
    place_of,
    printable,
    quota_rows,
    resource_label,
    shown,
    type_counts,
    usd,
    verdict,
)
from springtide.offline.scene import workloads
from springtide.spec import Finding

MOST_CHANGED_PROPERTIES = 8
"""Changed properties listed for one resource; the rest are counted."""
_BOUNDLESS = 10_000
"""More columns than anything needs; each section says how many it takes."""
_NARROWEST = 9
"""Columns of a window's width that words of a table keep."""
_SIGNS = {
    Action.REPLACE: ("±", "bold red"), Action.UPDATE_OR_REPLACE: ("?", "red"), Action.DELETE: ("-", "red"),
    Action.UPDATE: ("~", "yellow"), Action.CREATE: ("+", "green"), Action.KEEP: ("=", "dim"),
}  # fmt: skip


def render(report: Report, *, width: int = 100, color: bool = False) -> str:
    """The plan as text, ending with its verdict.

    Args:
        report: The plan with its cost and, where one was asked for, its comparison.
        width: Columns to use. Tables fold their cells to it, as far as that loses no figure.
        color: Whether the reader's terminal understands colour.
    """
    console = Console(
        file=io.StringIO(), width=_BOUNDLESS, force_terminal=color, no_color=not color, legacy_windows=False,
        color_system="standard" if color else None, highlight=False, markup=False, emoji=False,
    )  # fmt: skip
    for section in _sections(report):
        console.print(section, width=max(width, _least(section, console)))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO given above
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _least(section: RenderableType, console: Console) -> int:
    """Columns that a table needs lest words and figures be cut."""
    table = isinstance(section, Padding) and isinstance(section.renderable, Table)
    return console.measure(section).minimum if table else 0


def _sections(report: Report) -> Iterator[RenderableType]:
    yield _head(report)
    if report.plan.resources:
        yield from _titled("Components", _tree(report.plan))
        yield from _titled("Pools: floor / now / ceiling, in nodes and USD an hour", _pools(report))
        yield from _titled("Jobs and services", _workloads(report.plan))
        yield from _titled("Idle floor: what is paid for while no GPU node runs", _idle(report))
        yield from _titled("Quota: what to have granted before the first node can come", _quota(report.plan))
        yield from _titled("About the figures", _legend(report))
    if report.base is not None:
        yield from _titled(f"Against {printable(report.base.ref)}", _changes(report))
    for group in finding_groups(report.plan):
        yield from _titled(f"{group.title} ({len(group.findings)})", _findings(group))
    yield Text()
    yield Text(verdict(report.plan), style="bold")


def _titled(title: str, body: RenderableType | None) -> Iterator[RenderableType]:
    if body is not None:
        yield Text()
        yield Text(title, style="bold")
        yield Padding(body, (0, 0, 0, 2))


def _head(report: Report) -> Text:
    plan = report.plan
    head = Text(printable(plan.environment.get("name", "?")), style="bold")
    head.append(f"  {printable(' · '.join(headline(plan)))}", style="dim")
    if not plan.resources:
        return head.append("\nnothing is registered", style="default")
    sizes = f"{count_of(len(made(plan)), 'resource')} in {count_of(len(components(plan)), 'component')}"
    head.append("\n").append(sizes, style="default")
    head.append("; planned offline: no cloud, account or engine was asked", style="dim")
    if checked := coverage(plan):
        head.append("\n").append(checked, style="dim")
    return head


def _tree(plan: Plan) -> Tree:
    """The components, each with what it makes by type; components inside components are branches."""
    environment = plan.environment
    tree = Tree(Text(printable(f"{environment.get('project', '')}-{environment.get('name', '')}")), guide_style="dim")
    branches: dict[str | None, Tree] = {}
    for item in components(plan):
        inside = [child for child in made(plan) if child.parent == item.urn]
        label = Text(printable(item.type.rpartition(":")[2]), style="cyan")
        label.append(f" {printable(item.name)}", style="bold")
        if inside:
            label.append(f"  {len(inside)}: ", style="default").append(type_counts(inside), style="dim")
        branches[item.urn] = branches.get(item.parent, tree).add(label)
    return tree


def _table(*headers: str, right: Container[str] = (), whole: Container[str] = ()) -> Table:
    """A table without a frame; columns in `right` are flush right, those in `whole` are never folded."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for header in headers:
        side = "right" if header in right else "left"
        table.add_column(header, justify=side, overflow="fold", no_wrap=header in whole)  # type: ignore[arg-type]
    return table


def _pools(report: Report) -> Table | None:
    cost = report.cost
    if not cost.pools:
        return None
    figures = ("nodes", *cost.capacities)
    table = _table("pool", "node", *figures, whole=figures)
    for pool in cost.pools:
        table.add_row(*_pool_row(pool, report))
    sums = (
        bounds(*(usd(cost.pools_total(item, point)) for point in ("floor", "now", "ceiling")))
        for item in cost.capacities
    )
    nodes = (sum(getattr(pool.nodes, point) for pool in cost.pools) for point in ("floor", "now", "ceiling"))
    table.add_section()
    limit = budget(report)
    table.add_row("all pools", f"budget {limit}" if limit else "", bounds(*nodes), *sums, style="bold")
    _keep_whole(table)
    return table


def _keep_whole(table: Table) -> None:
    """Give columns that are never folded the width of their longest cell: a figure that is cut would be another one."""
    for column in table.columns:
        cells = [len(str(cell)) for cell in (column.header, *column.cells)]
        column.min_width = max(cells) if column.no_wrap else _NARROWEST


def _pool_row(cost: PoolCost, report: Report) -> Iterator[Text]:
    pool = cost.pool
    yield Text(printable(pool.name), style="bold")
    node = Text(printable(f"{pool.gpus_per_node} × {pool.gpu}"))
    node.append(printable(f", {pool.purpose}"), style="dim")
    node.append("\n").append(printable(", ".join(pool.machine_types)), style="dim")
    yield node
    yield Text(bounds(cost.nodes.floor, cost.nodes.now, cost.nodes.ceiling))
    for capacity in report.cost.capacities:
        band = cost.bands.get(capacity)
        yield Text("not bought" if band is None else bounds(usd(band.floor), usd(band.now), usd(band.ceiling)))


def _workloads(plan: Plan) -> Table | None:
    rows = workloads(plan)
    if not rows:
        return None
    table = _table("", "runs on", "what", "waits for")
    for item in rows:
        name = Text(f"{item.kind} ", style="dim").append(printable(item.name), style="bold not dim")
        waits = Text("\n".join(printable(reason) for reason in item.waits_for) or "nothing", style="yellow")
        waits.style = "yellow" if item.waits_for else "green"
        table.add_row(name, Text(printable(item.runs_on)), Text(printable(item.what)), waits)
    return table


def _idle(report: Report) -> Table | None:
    if not report.cost.idle:
        return None
    table = _table("", "count", "USD/h", right=("count", "USD/h"))
    for item in report.cost.idle:
        table.add_row(printable(item.what), _count(item), usd(item.amount, 4))
    sum_ = report.cost.idle_total
    table.add_section()
    monthly = f"all of it, {usd(sum_.times(HOURS_PER_MONTH), 0)} USD in a month of {HOURS_PER_MONTH} h"
    table.add_row(monthly, "", usd(sum_, 4), style="bold")
    return table


def _quota(plan: Plan) -> Group | None:
    rows = quota_rows(plan)
    if not rows:
        return None
    table = _table("quota", "where", "for", "ask for", right=("ask for",), whole=("ask for",))
    for row in rows:
        table.add_row(*map(printable, row))
    _keep_whole(table)
    return Group(table, *(Text(printable(line), style="dim") for line in quota.notes(plan)))


def _count(item: IdleItem) -> str:
    return f"{item.count:g} {item.unit}".strip()


def _legend(report: Report) -> Group | None:
    if not (report.cost.pools or report.cost.idle or report.cost.notes):
        return None
    return Group(*(Text(printable(line), style="dim") for line in legend(report.cost)))


def _changes(report: Report) -> Group:
    comparison = report.comparison
    if comparison is None:
        return Group(Text(f"cannot be compared: {printable(report.base.note if report.base else '')}", style="yellow"))
    lines = [Text(change_summary(comparison), style="default")]
    lines += [Text(f"! {printable(line)}", style="bold red") for line in disturbed_runs(comparison)]
    lines += [Text(printable(line), style="yellow") for line in (report.base.rolls if report.base else ())]
    lines += [line for change in _told(comparison) for line in _change(change)]
    return Group(*lines)


def _told(comparison: Comparison) -> tuple[ResourceChange, ...]:
    """Changes worth a line each: in a new environment the summary and the tree say it all."""
    return () if comparison.new_environment else comparison.ranked


def _change(change: ResourceChange) -> Iterator[Text]:
    sign, style = _SIGNS[change.action]
    line = Text(f"{sign} {resource_label(change)}", style=style)
    if change.because:
        line.append(f"  ({printable(change.because)})", style="dim")
    if change.renamed_from:
        line.append(f"  renamed from {printable(change.renamed_from.rpartition('::')[2])}", style="dim")
    yield line
    listed = [*change.changes[:MOST_CHANGED_PROPERTIES], *change.ignored]
    for item in listed:
        note = "  (ignored)" if item in change.ignored else ""
        yield Text(f"    {printable(item.path)}: {shown(item.old)} → {shown(item.new)}{note}", style="default")
    if len(change.changes) > MOST_CHANGED_PROPERTIES:
        yield Text(f"    and {len(change.changes) - MOST_CHANGED_PROPERTIES} more properties", style="dim")


def _findings(group: FindingGroup) -> Group:
    return Group(*(line for finding in group.findings for line in _finding(finding, stops=group.stops)))


def _finding(finding: Finding, *, stops: bool) -> Iterator[RenderableType]:
    yield Text(place_of(finding) or "the whole environment", style="bold red" if stops else "bold yellow")
    yield Padding(Text(f"{message_of(finding)}  [{printable(finding.rule)}]"), (0, 0, 0, 2))
    facts = (
        ("value", shown(finding.value) if finding.value is not None else ""),
        ("allowed", ", ".join(map(shown, finding.allowed))),
        ("fix", printable(finding.fix)),
    )
    for label, value in facts:
        if value:
            yield Padding(Text(f"{label}: ", style="dim").append(value, style="not dim"), (0, 0, 0, 2))
