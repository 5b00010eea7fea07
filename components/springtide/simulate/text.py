"""A simulation for people at a terminal: figures side by side, and small charts over time."""

import io
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from springtide.offline.report import printable
from springtide.simulate.figures import Bin
from springtide.simulate.report import Report, Side, difference, facts, headline, rows, shown

_COLUMNS = 100
"""Width where it goes to no terminal."""
_LABEL = 22
_LEVELS = " ▁▂▃▄▅▆▇█"
_CHARTS: tuple[tuple[str, str, Callable[[Bin], float | None]], ...] = (
    ("requests/s", "cyan", lambda item: item.arrivals_per_second),
    ("replicas wanted", "blue", lambda item: float(item.wanted)),
    ("replicas ready", "green", lambda item: float(item.ready)),
    ("wait p99, s", "yellow", lambda item: item.wait_p99),
)


def render(report: Report) -> str:
    """The simulation as text."""
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size((_COLUMNS, 24)).columns if terminal else _COLUMNS
    color = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    written = io.StringIO()
    console = Console(
        file=written, width=width, force_terminal=color, no_color=not color, highlight=False, legacy_windows=False
    )
    console.print(Group(*_sections(report, width)))
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def _sections(report: Report, width: int) -> Iterator[RenderableType]:
    yield Text(printable(headline(report)), style="bold")
    yield Text()
    yield _figures(report)
    for side in report.sides:
        yield Text()
        yield Text(printable(side.title), style="bold")
        yield from _charts(side, report, max(width - _LABEL - 12, 20))
        yield from (Text(printable(line), style="dim") for line in facts(side, report.options))


def _figures(report: Report) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for side in report.sides:
        table.add_column(printable(side.title), justify="right")
    table.add_column("")
    compared = len(report.sides) > 1
    if compared:
        table.add_column("difference", justify="right")
    for row in rows(report):
        values = [shown(row, row.value(side.figures)) for side in report.sides]
        table.add_row(row.label, *values, row.unit, *([difference(row, report)] if compared else []))
    return table


def _charts(side: Side, report: Report, columns: int) -> Iterator[RenderableType]:
    for label, style, value in _CHARTS:
        most = max(((value(item) or 0.0) for other in report.sides for item in other.figures.bins), default=0.0)
        line = Text(f"{label:<{_LABEL}}")
        line.append(sparkline([value(item) for item in side.figures.bins], columns, most), style=style)
        line.append(f" ≤ {most:,.4g}", style="dim")
        yield line


def sparkline(values: Sequence[float | None], columns: int, most: float) -> str:
    """Values as one line of blocks, the largest of those that share a column; blank where there are none."""
    columns = min(columns, len(values))
    cuts = [len(values) * number // columns for number in range(columns + 1)]
    return "".join(_block(values[start:end], most) for start, end in itertools.pairwise(cuts))


def _block(values: Sequence[float | None], most: float) -> str:
    known = [value for value in values if value is not None]
    if not known or most <= 0:
        return _LEVELS[0]
    share = max(known) / most
    return _LEVELS[min(round(share * (len(_LEVELS) - 1)), len(_LEVELS) - 1) if share * 16 >= 1 or share == 0 else 1]
