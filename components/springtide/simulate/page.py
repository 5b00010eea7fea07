"""A simulation as one self-contained HTML page, in the style of a plan's page: it loads nothing and runs nothing."""

from collections.abc import Iterator
from pathlib import Path

import springtide.offline.page
from springtide.offline.markup import Markup, element
from springtide.simulate.chart import Chart, Series, draw
from springtide.simulate.figures import Bin
from springtide.simulate.report import Report, Side, difference, facts, headline, rows, shown

_STYLES = (Path(springtide.offline.page.__file__).with_name("page.css"), Path(__file__).with_name("page.css"))
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_TILES = ("GPU hours", "wait, p50", "wait, p99", "answered in time", "flaps")


def render(report: Report) -> str:
    """The page."""
    names = " and ".join(side.title for side in report.sides)
    style = Markup("".join(file.read_text(encoding="utf-8") for file in _STYLES))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"Simulation of {names}"),
        element("style", style),
    )
    body = element("body", element("main", *_content(report)))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _content(report: Report) -> Iterator[Markup]:
    names = " and ".join(side.title for side in report.sides)
    yield element("header", element("h1", names), element("span", headline(report), class_="dim"))
    compared = len(report.sides) > 1
    pictures = [
        element(
            "section",
            element("h2", side.title if compared else "Over time"),
            _pictures(side, report),
            _facts(side, report),
        )
        for side in report.sides
    ]
    table = element("section", element("h2", "Figures"), _table(report))
    yield from [table, *pictures] if compared else [_tiles(report), *pictures, table]
    yield element("footer", element("p", "Simulated from the plan and a trace: no cluster, cloud or GPU was asked."))


def _tiles(report: Report) -> Markup:
    figures = report.sides[0].figures
    chosen = [row for row in rows(report) if row.label in _TILES or row.unit == "USD"]
    return element(
        "div",
        *(
            element(
                "div",
                element("b", shown(row, row.value(figures))),
                element("span", f"{row.label}, {row.unit}" if row.unit else row.label),
                class_="tile",
            )
            for row in chosen
        ),
        class_="tiles",
    )


def _pictures(side: Side, report: Report) -> Markup:
    return element("figure", *(draw(chart) for chart in charts(side, report)))


def charts(side: Side, report: Report) -> list[Chart]:
    """Requests, replicas and waits over time; both sides of a comparison on the same axes."""
    every = [item for other in report.sides for item in other.figures.bins]
    seconds = max(other.figures.seconds for other in report.sides)
    own = side.figures.bins
    arrivals = _series(own, "requests a second", "arrivals", [item.arrivals_per_second for item in own])
    wanted = _series(own, "wanted", "wanted", [item.wanted for item in own], steps=True)
    ready = _series(own, "ready", "ready", [item.ready for item in own], steps=True)
    wait = _series(own, "p99 of those that came then", "wait", [item.wait_p99 for item in own])
    return [
        Chart(
            title="Requests", series=(arrivals,), seconds=seconds, most=max(item.arrivals_per_second for item in every)
        ),
        Chart(
            title="Replicas",
            series=(wanted, ready),
            seconds=seconds,
            most=max(max(item.wanted, item.ready) for item in every),
        ),
        Chart(title="Wait, seconds", series=(wait,), seconds=seconds, most=max(item.wait_p99 or 0.0 for item in every)),
    ]


def _series(
    bins: tuple[Bin, ...],
    label: str,
    style: str,
    values: list[float | None] | list[float] | list[int],
    *,
    steps: bool = False,
) -> Series:
    return Series(label=label, style=style, points=[*zip((item.at for item in bins), values, strict=True)], steps=steps)


def _facts(side: Side, report: Report) -> Markup:
    return element("ul", *(element("li", line) for line in facts(side, report.options)), class_="facts")


def _table(report: Report) -> Markup:
    compared = len(report.sides) > 1
    head = [
        element("th", ""),
        *(element("th", side.title, class_="number") for side in report.sides),
        element("th", ""),
    ]
    head += [element("th", "difference", class_="number")] if compared else []
    lines = []
    for row in rows(report):
        cells = [element("td", shown(row, row.value(side.figures)), class_="number") for side in report.sides]
        last = [element("td", difference(row, report), class_="number")] if compared else []
        lines.append(element("tr", element("td", row.label), *cells, element("td", row.unit, class_="dim"), *last))
    return element("table", element("thead", element("tr", *head)), element("tbody", *lines))
