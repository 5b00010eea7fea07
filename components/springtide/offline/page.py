"""A plan as one self-contained HTML page: the architecture drawn, the figures, what changes, what is wrong.

The page loads nothing and runs nothing; its content policy forbids both, and every name in it is escaped.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from springtide.offline import quota
from springtide.offline.diff import ResourceChange
from springtide.offline.idle import HOURS_PER_MONTH
from springtide.offline.markup import Markup, element, together
from springtide.offline.picture import draw
from springtide.offline.plan import Plan
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
    headline_figures,
    legend,
    made,
    message_of,
    place_of,
    quota_rows,
    resource_label,
    shown,
    type_counts,
    usd,
    verdict,
)
from springtide.offline.scene import workloads
from springtide.spec import Finding

_STYLE = Path(__file__).with_name("page.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_KEYS = (
    ("always", "node always kept"), ("started", "started by this plan"), ("possible", "possible"),
    ("checkpoints flow", "checkpoints"), ("data flow", "training data"), ("model flow", "model to serve"),
)  # fmt: skip


def render(reports: Iterable[Report]) -> str:
    """One page for one or more environments, one after the other."""
    given = tuple(reports)
    names = ", ".join(str(report.plan.environment.get("name", "?")) for report in given)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"Plan of {names}"),
        element("style", Markup(_STYLE.read_text(encoding="utf-8"))),
    )
    body = element("body", *(_environment(report) for report in given))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _environment(report: Report) -> Markup:
    return element(
        "main",
        _header(report.plan),
        _verdict(report),
        _tiles(report),
        _figure(report),
        _changes(report),
        *(_findings(group) for group in finding_groups(report.plan)),
        _pools(report),
        _workloads(report.plan),
        _idle(report),
        _quota(report.plan),
        _components(report.plan),
        _footer(report),
    )


def _header(plan: Plan) -> Markup:
    return element(
        "header",
        element("h1", str(plan.environment.get("name", "?"))),
        element("span", " · ".join(headline(plan)), class_="dim"),
    )


def _verdict(report: Report) -> Markup:
    stops = any(finding.stops for finding in report.plan.findings)
    return element("p", verdict(report.plan), class_="verdict stops" if stops else "verdict")


def _tiles(report: Report) -> Markup | None:
    if not report.plan.resources:
        return None
    return element(
        "div",
        _tile(str(len(made(report.plan))), "resources"),
        *(
            _tile(
                usd(floor) if label == "Idle floor" else bounds(usd(floor), usd(now), usd(ceiling)), f"{label}, USD/h"
            )
            for label, floor, now, ceiling in headline_figures(report.cost)
            if ceiling.usd or ceiling.complete
        ),
        _tile(limit.removesuffix(" USD/h"), "budget, USD/h") if (limit := budget(report)) else None,
        class_="tiles",
    )


def _tile(figure: str, label: str) -> Markup:
    return element("div", element("b", figure), element("span", label), class_="tile")


def _figure(report: Report) -> Markup | None:
    picture = draw(report)
    if not picture:
        return None
    keys = (element("span", element("i", "", class_=f"key-{key}"), label) for key, label in _KEYS)
    return element("figure", picture, element("figcaption", *keys))


def _section(title: str, *content: str | None) -> Markup:
    return element("section", element("h2", title), *content)


def _table(headers: Iterable[tuple[str, bool]], rows: Iterable[Markup]) -> Markup:
    """A table; a header says whether its column holds numbers."""
    cells = (element("th", label, class_="number" if number else None) for label, number in headers)
    return element("table", element("thead", element("tr", *cells)), element("tbody", *rows))


def _cell(text: str, note: str = "", class_: str | None = None) -> Markup:
    return element("td", text, element("small", note) if note else None, class_=class_)


def _pools(report: Report) -> Markup | None:
    cost = report.cost
    if not cost.pools:
        return None
    rows = []
    for item in cost.pools:
        pool, nodes = item.pool, item.nodes
        bands = (item.bands.get(capacity) for capacity in cost.capacities)
        figures = (
            "not bought" if band is None else bounds(usd(band.floor), usd(band.now), usd(band.ceiling))
            for band in bands
        )
        rows.append(element(
            "tr", _cell(pool.name, pool.purpose), _cell(f"{pool.gpus_per_node} × {pool.gpu}", ", ".join(pool.machine_types)),
            _cell(", ".join(pool.capacity)), _cell(bounds(nodes.floor, nodes.now, nodes.ceiling), class_="number"),
            *(_cell(figure, class_="number") for figure in figures),
        ))  # fmt: skip
    sums = (
        bounds(*(usd(cost.pools_total(capacity, point)) for point in ("floor", "now", "ceiling")))
        for capacity in cost.capacities
    )
    rows.append(
        element(
            "tr",
            _cell("all pools"),
            *(_cell("") for _ in range(3)),
            *(_cell(text, class_="number") for text in sums),
            class_="sum",
        )
    )
    headers = [("pool", False), ("node", False), ("bought as", False), ("nodes", True)]
    headers += [(f"{capacity}, USD/h", True) for capacity in cost.capacities]
    return _section("Pools: floor / now / ceiling", _table(headers, rows))


def _workloads(plan: Plan) -> Markup | None:
    rows = [
        element(
            "tr", _cell(f"{item.kind} {item.name}"), _cell(item.runs_on), _cell(item.what),
            _cell("; ".join(item.waits_for) or "nothing", class_="waiting-text" if item.waits_for else "ready-text"),
        )
        for item in workloads(plan)
    ]  # fmt: skip
    headers = [("", False), ("runs on", False), ("what", False), ("waits for", False)]
    return _section("Jobs and services", _table(headers, rows)) if rows else None


def _idle(report: Report) -> Markup | None:
    cost = report.cost
    if not cost.idle:
        return None
    rows = [
        element(
            "tr", _cell(item.what), _cell(f"{item.count:g} {item.unit}".strip(), class_="number"),
            _cell(usd(item.amount, 4), class_="number"),
        )
        for item in cost.idle
    ]  # fmt: skip
    month = f"{usd(cost.idle_total.times(HOURS_PER_MONTH), 0)} USD in a month of {HOURS_PER_MONTH} h"
    rows.append(element(
        "tr", _cell(f"all of it: {month}"), _cell(""), _cell(usd(cost.idle_total, 4), class_="number"), class_="sum"
    ))  # fmt: skip
    table = _table([("", False), ("count", True), ("USD/h", True)], rows)
    return _section("Idle floor: what is paid for while no GPU node runs", table)


def _quota(plan: Plan) -> Markup | None:
    rows = [
        element("tr", _cell(name), _cell(place), _cell(who), _cell(amount, class_="number"))
        for name, place, who, amount in quota_rows(plan)
    ]
    if not rows:
        return None
    table = _table([("quota", False), ("where", False), ("for", False), ("ask for", True)], rows)
    notes = (element("p", line, class_="dim") for line in quota.notes(plan))
    return _section("Quota: what to have granted before the first node can come", table, *notes)


def _changes(report: Report) -> Markup | None:
    base, comparison = report.base, report.comparison
    if base is None:
        return None
    title = f"Against {base.ref}"
    if comparison is None:
        return _section(title, element("p", f"Cannot be compared: {base.note}", class_="waiting-text"))
    hits = (element("p", line, class_="hit") for line in disturbed_runs(comparison))
    told = () if comparison.new_environment else comparison.ranked
    listed = element("ul", *(_change(change) for change in told), class_="changes") if told else None
    rolls = element("ul", *(element("li", line) for line in base.rolls)) if base.rolls else None
    return _section(title, element("p", change_summary(comparison)), *hits, rolls, listed)


def _change(change: ResourceChange) -> Markup:
    because = element("span", f" ({change.because})", class_="dim") if change.because else None
    properties = [
        element("li", element("code", f"{item.path}: {shown(item.old)} → {shown(item.new)}")) for item in change.changes
    ]
    return element(
        "li",
        element("b", change.action.value, class_=f"act-{change.action.name.lower()}"),
        resource_label(change),
        because,
        element("ul", *properties) if properties else None,
    )


def _findings(group: FindingGroup) -> Markup:
    drawn = (_finding(finding, stops=group.stops) for finding in group.findings)
    return _section(f"{group.title} ({len(group.findings)})", *drawn)


def _finding(finding: Finding, *, stops: bool) -> Markup:
    facts = (
        ("value", shown(finding.value) if finding.value is not None else ""),
        ("allowed", ", ".join(map(shown, finding.allowed))),
        ("fix", finding.fix),
    )
    pairs = (
        together(element("dt", label), element("dd", element("code", text) if label != "fix" else text))
        for label, text in facts
        if text
    )
    return element(
        "div",
        element("p", element("code", place_of(finding) or "the whole environment")),
        element("p", f"{message_of(finding)} ", element("span", finding.rule, class_="dim")),
        element("dl", *pairs),
        class_="finding stops" if stops else "finding",
    )


def _components(plan: Plan) -> Markup | None:
    rows = [*_component_rows(plan)]
    if not rows:
        return None
    table = _table([("component", False), ("resources", True), ("of which", False)], rows)
    outer = element("summary", f"{count_of(len(rows), 'component')}, {count_of(len(made(plan)), 'resource')}")
    return _section("Components", element("details", outer, table))


def _component_rows(plan: Plan) -> Iterator[Markup]:
    for item in components(plan):
        inside = [child for child in made(plan) if child.parent == item.urn]
        kind = item.type.rpartition(":")[2]
        yield element(
            "tr", _cell(f"{kind} {item.name}"), _cell(str(len(inside)), class_="number"), _cell(type_counts(inside))
        )


def _footer(report: Report) -> Markup:
    tools = ", ".join(f"{name} {version}" for name, version in sorted(report.plan.made_with.items()))
    lines = (
        *legend(report.cost),
        coverage(report.plan),
        f"Planned offline with {tools}: no cloud, account or engine was asked. Values in « » are known only to the cloud.",
    )
    return element("footer", *(element("p", line) for line in lines if line))
