"""A plan as one comment on a pull request: the summary first, details folded, short enough by rank and never by the knife.

A hidden marker names project and environment, so that each environment keeps one comment. What is in the plan is
untrusted: no name becomes markup, a mention or a link.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from springtide.offline import quota
from springtide.offline.cost import Cost
from springtide.offline.diff import Comparison, ResourceChange
from springtide.offline.idle import Amount
from springtide.offline.mermaid import chart
from springtide.offline.replacement import Action
from springtide.offline.report import (
    FindingGroup,
    Report,
    bounds,
    budget,
    change_summary,
    components,
    coverage,
    disturbed_runs,
    finding_groups,
    headline,
    headline_figures,
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

BUDGET = 60_000
"""Characters of a comment. GitHub takes 65,536; whoever posts it may add a line of its own."""
_CLOSING = 120
"""Characters kept for saying what was left out of a section."""
_LINK = re.compile(r"://|www\.|(?<=\w)@|@(?=\w)|#(?=\d)|\bGH-(?=\d)", re.IGNORECASE)
_MARKUP = re.compile(r"([\\`*_\[\]|~$])|^([-+#=]|\d+(?=[.)]))")
_SIGNS = {
    Action.REPLACE: "🔴 replace", Action.UPDATE_OR_REPLACE: "🟠 update or replace", Action.DELETE: "🔴 delete",
    Action.UPDATE: "🟡 update", Action.CREATE: "🟢 create", Action.KEEP: "⚪ keep",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A folded part of the comment; `items` come in order of importance, and the last ones give way first."""

    title: str
    items: tuple[str, ...]
    head: str = ""
    """What stands before the items, such as the header of their table."""


def render(report: Report, *, limit: int = BUDGET) -> str:
    """The comment.

    Verdict, totals, disturbed runs and every finding that stops the plan are always in it. What remains of the limit
    goes to the sections in order of rank, and each says how much of it was left out.

    Args:
        report: The plan, its cost and its comparison.
        limit: Characters to keep within, at least a few thousand.
    """
    head = "\n".join([marker(report), *_summary(report), ""])
    stopping = [group for group in finding_groups(report.plan) if group.stops]
    failures = next(
        (text for text in _by_detail(stopping) if len(head) + len(text) <= limit - _CLOSING), _counted(stopping)
    )
    text = head + failures
    for section in _sections(report):
        text += _folded(section, limit - len(text))
    return text


def marker(report: Report) -> str:
    """The hidden first line by which a comment is found again."""
    known = report.plan.environment
    name = re.sub(r"[^\w./-]+|-(?=-)", "_", f"{known.get('project', '')}/{known.get('name', '')}")
    return f"<!-- springtide plan {name} -->"


def plain(text: object) -> str:
    """Text that renders as itself: no markup, HTML, mention, reference or link."""
    unlinked = _LINK.sub(lambda found: f"{found[0]}\N{ZERO WIDTH SPACE}", printable(text))
    return _MARKUP.sub(_escaped, escape(unlinked, quote=False))


def _escaped(found: re.Match[str]) -> str:
    number = found[0].isdigit()
    return f"{found[0]}\N{ZERO WIDTH SPACE}" if number else f"\\{found[0]}"


def code(text: object) -> str:
    """Text as a code span, whatever backticks and pipes it holds; it cannot be taken for a marker either."""
    content = printable(text).replace("|", "\\|").replace("<!--", "<!\N{ZERO WIDTH SPACE}--")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", content)), default=0))
    space = " " if "`" in content else ""
    return f"{fence}{space}{content or ' '}{space}{fence}"


def _summary(report: Report) -> Iterator[str]:
    known = report.plan.environment
    place = " · ".join(part for part in headline(report.plan) if part != known.get("file"))
    yield f"### Plan of {plain(known.get('name', '?'))}{f' ({plain(place)})' if place else ''}"
    yield ""
    yield f"**{plain(verdict(report.plan))}**"
    yield from _against(report)
    if report.plan.resources:
        yield from _figures(report)


def _against(report: Report) -> Iterator[str]:
    base, comparison = report.base, report.comparison
    if base is None:
        return
    yield ""
    if comparison is None:
        yield f"Not compared with {plain(base.ref)}: {plain(base.note)}"
        return
    new = " There is no such environment there." if comparison.new_environment else ""
    yield f"Against {plain(base.ref)}: **{plain(change_summary(comparison))}**.{new}"
    for line in disturbed_runs(comparison):
        yield f"\n> [!CAUTION]\n> A running job is hit: {plain(line)}"
    if base.rolls:
        yield ""
        yield from (f"- {plain(line)}" for line in base.rolls)


def _figures(report: Report) -> Iterator[str]:
    before = {} if report.base is None or report.base.cost is None else _by_label(report.base.cost)
    limit = budget(report)
    yield ""
    yield "| USD per hour | floor | now | ceiling |\n|---|--:|--:|--:|"
    for label, *points in headline_figures(report.cost):
        old = before.get(label)
        cells = (_with_delta(point, None if old is None else old[index]) for index, point in enumerate(points))
        yield f"| {label} | {' | '.join(cells)} |"
    if limit:
        yield f"\nBudget {limit}, held against the on-demand ceiling."


def _by_label(cost: Cost) -> dict[str, tuple[Amount, ...]]:
    return {label: tuple(points) for label, *points in headline_figures(cost)}


def _with_delta(now: Amount, before: Amount | None) -> str:
    """A figure with what it adds to the base's, where both are known and differ."""
    delta = 0.0 if before is None or not (now.complete and before.complete) else now.usd - before.usd
    changed = f" ({delta:+,.2f})" if abs(delta) >= 0.005 else ""  # noqa: PLR2004  half of what is shown
    return f"{usd(now)}{changed}"


def _by_detail(groups: Sequence[FindingGroup]) -> Iterator[str]:
    """The failures with everything that is known about them, then on one line each, then with their place alone."""
    for write in (_whole_finding, _short_finding, _bare_finding):
        parts = (
            f"\n**{group.title} ({len(group.findings)})**\n\n" + "".join(map(write, group.findings)) for group in groups
        )
        yield "".join(parts)


def _whole_finding(finding: Finding) -> str:
    value = "" if finding.value is None else f" Value {code(shown(finding.value))}."
    allowed = f" Allowed: {', '.join(code(shown(item)) for item in finding.allowed)}." if finding.allowed else ""
    fix = f"\n  Fix: {plain(finding.fix)}" if finding.fix else ""
    return f"- {_place(finding)} {plain(message_of(finding))}{value}{allowed} ({code(finding.rule)}){fix}\n"


def _short_finding(finding: Finding) -> str:
    return f"- {_place(finding)} {plain(shown(finding.message))}\n"


def _bare_finding(finding: Finding) -> str:
    return f"- {_place(finding)} {code(finding.rule)}\n"


def _counted(groups: Iterable[FindingGroup]) -> str:
    """The failures by rule, when there are so many that not even a line for each fits."""
    lines = []
    for group in groups:
        rules = sorted({finding.rule for finding in group.findings})
        lines.append(f"\n**{group.title} ({len(group.findings)})**, too many to list here:\n")
        for rule in rules:
            found = [finding for finding in group.findings if finding.rule == rule]
            lines.append(f"- {len(found)} × {code(rule)}, the first at {_place(found[0])}")
    return "\n".join([*lines, ""])


def _place(finding: Finding) -> str:
    return code(place_of(finding) or "the whole environment")


def _sections(report: Report) -> Iterator[_Section]:
    """Everything below the summary, the most important first."""
    yield from _change_sections(report.comparison)
    for group in finding_groups(report.plan):
        if not group.stops:
            items = tuple(map(_whole_finding, group.findings))
            yield _Section(title=f"{group.title} ({len(items)})", items=items)
    yield _Section(
        title="Pools",
        head="| pool | node | nodes | bought as, USD/h |\n|---|---|--:|---|\n",
        items=tuple(_pools(report.cost)),
    )
    yield _Section(
        title="Jobs and services", head="| | runs on | what | waits for |\n|---|---|---|---|\n",
        items=tuple(
            f"| {plain(f'{item.kind} {item.name}')} | {plain(item.runs_on)} | {plain(item.what)} "
            f"| {plain('; '.join(item.waits_for) or 'nothing')} |\n"
            for item in workloads(report.plan)
        ),
    )  # fmt: skip
    yield _Section(title="Idle floor", head="| | count | USD/h |\n|---|--:|--:|\n", items=tuple(_idle(report.cost)))
    yield _Section(
        title="Quota to have granted before the first node can come",
        head="| quota | where | for | ask for |\n|---|---|---|--:|\n",
        items=tuple(
            f"| {code(name)} | {plain(place)} | {plain(who)} | {plain(amount)} |\n"
            for name, place, who, amount in quota_rows(report.plan)
        ),
    )
    yield _Section(title="Picture", items=(f"```mermaid\n{chart(report)}```\n",) if report.plan.resources else ())
    yield _Section(title="Components", items=tuple(_components(report)))
    about = [*legend(report.cost), *quota.notes(report.plan), coverage(report.plan), _tools(report)]
    yield _Section(title="About this plan", items=tuple(f"- {plain(line)}\n" for line in about if line))


def _change_sections(comparison: Comparison | None) -> Iterator[_Section]:
    if comparison is None or comparison.new_environment:
        return
    items = tuple(map(_change, comparison.ranked))
    yield _Section(title=f"Changes ({len(items)})", items=items)


def _change(change: ResourceChange) -> str:
    because = f" ({plain(change.because)})" if change.because else ""
    renamed = f", renamed from {code(change.renamed_from.rpartition('::')[2])}" if change.renamed_from else ""
    listed = [*((item, "") for item in change.changes), *((item, " (ignored)") for item in change.ignored)]
    lines = (f"  - {code(f'{item.path}: {shown(item.old)} → {shown(item.new)}')}{note}\n" for item, note in listed)
    kind = _SIGNS[change.action] if change.custom else "asked for"
    return f"- {kind} {code(resource_label(change))}{because}{renamed}\n{''.join(lines)}"


def _pools(cost: Cost) -> Iterator[str]:
    for item in cost.pools:
        pool, nodes = item.pool, item.nodes
        bands = (
            f"{capacity} {bounds(usd(band.floor), usd(band.now), usd(band.ceiling))}"
            for capacity, band in item.bands.items()
        )
        node = f"{pool.gpus_per_node} × {pool.gpu}: {', '.join(pool.machine_types)}"
        counts = bounds(nodes.floor, nodes.now, nodes.ceiling)
        yield f"| {plain(pool.name)} | {plain(node)} | {counts} | {'<br>'.join(map(plain, bands))} |\n"


def _idle(cost: Cost) -> Iterator[str]:
    for item in cost.idle:
        yield f"| {plain(item.what)} | {item.count:g} {item.unit} | {usd(item.amount, 4)} |\n"


def _components(report: Report) -> Iterator[str]:
    for item in components(report.plan):
        inside = [child for child in made(report.plan) if child.parent == item.urn]
        kind = item.type.rpartition(":")[2]
        made_of = f" {len(inside)}: {plain(type_counts(inside))}" if inside else ""
        yield f"- {code(f'{kind} {item.name}')}{made_of}\n"


def _tools(report: Report) -> str:
    tools = ", ".join(f"{name} {version}" for name, version in sorted(report.plan.made_with.items()))
    return f"Planned offline with {tools}: no cloud, account or engine was asked."


def _folded(section: _Section, room: int) -> str:
    """The section with as many of its items as fit, or nothing where none does."""
    opening = f"\n<details><summary>{escape(section.title)}</summary>\n\n{section.head}"
    closing = "\n</details>\n"
    left = room - len(opening) - len(closing) - _CLOSING
    kept = _fitting(section.items, left)
    if not kept:
        return ""
    missing = len(section.items) - len(kept)
    note = f"\n… and {missing} more: see the plan itself.\n" if missing else ""
    return f"{opening}{''.join(kept)}{note}{closing}"


def _fitting(items: Sequence[str], room: int) -> Sequence[str]:
    used = 0
    for index, item in enumerate(items):
        used += len(item)
        if used > room:
            return items[:index]
    return items
