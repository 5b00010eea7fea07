"""A run drawn: loss over wall time, and beneath it what the time was spent on. Plain SVG, no library.

Colours are Okabe and Ito's, told apart with any colour vision; the band of each part also has a height of its own, so
that a print in grey can be read. The page follows the reader's light or dark mode.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from springtide_workloads.train.events import ms_of
from springtide_workloads.train.timeline import Goodput, Part

Run = tuple[str, Sequence[Mapping[str, Any]], Goodput]
"""A title, the events and their account."""

WIDTH: Final = 960
LEFT: Final = 64
RIGHT: Final = 24
TITLE: Final = 34
CHART: Final = 190
BAND: Final = 28
FOOT: Final = 42
LEGEND: Final = 30
_PLOT: Final = WIDTH - LEFT - RIGHT
_PANEL: Final = TITLE + CHART + BAND + FOOT

COLOURS: Final = {
    Part.USEFUL: "#009e73",
    Part.REDONE: "#d55e00",
    Part.STALLED: "#f0e442",
    Part.RESTORING: "#56b4e9",
    Part.STARTING: "#0072b2",
    Part.WAITING: "#999999",
}
_HEIGHTS: Final = dict(zip(Part, (1.0, 0.88, 0.76, 0.64, 0.52, 0.4), strict=True))
"""Of each band, as a part of the row."""

_STYLE: Final = """
svg{--ink:#1f2328;--faint:#6b7280;--rule:#d0d7de;--page:#ffffff;--line:#1f2328;font:12px system-ui,sans-serif}
@media (prefers-color-scheme:dark){svg{--ink:#e6edf3;--faint:#9aa4af;--rule:#30363d;--page:#0d1117;--line:#e6edf3}}
text{fill:var(--ink)}.faint{fill:var(--faint)}.title{font-size:14px;font-weight:600}
.rule{stroke:var(--rule);stroke-width:1}.page{fill:var(--page)}
.loss{fill:none;stroke:var(--line);stroke-width:1.6;stroke-linejoin:round}.dot{fill:var(--line)}
"""


@dataclass(frozen=True, slots=True)
class _Scale:
    """A straight line from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low or 1.0)
        return round(self.start + part * (self.end - self.start), 2)


def picture(runs: Sequence[Run]) -> str:
    """An SVG of the runs, one under the other, over one axis of time since each began and one of loss."""
    seconds = max(1.0, *(goodput.wall_ms / 1000 for _, _, goodput in runs))
    losses = [loss for _, events, goodput in runs for line in _losses(events, goodput) for _, loss in line]
    least, most = min(losses, default=0.0), max(losses, default=1.0)
    x = _Scale(0, seconds, LEFT, LEFT + _PLOT)
    y = _Scale(least - 0.05 * (most - least), most + 0.05 * (most - least), CHART, 0)
    height = _PANEL * len(runs) + LEGEND
    panels = (_panel(run, n * _PANEL, x, y) for n, run in enumerate(runs))
    label = " and ".join(escape(f"{title}: goodput {goodput.ratio:.1%}") for title, _, goodput in runs)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{label}">\n<style>{_STYLE}</style>\n'
        f'<rect class="page" width="{WIDTH}" height="{height}"/>\n{"".join(panels)}{_legend(_PANEL * len(runs))}</svg>\n'
    )


def _panel(run: Run, top: int, x: _Scale, y: _Scale) -> str:
    title, events, goodput = run
    facts = f"goodput {goodput.ratio:.1%}, {goodput.useful_steps:,} useful steps in {_clock(goodput.wall_ms / 1000)}"
    return (
        f'<g transform="translate(0 {top})">\n'
        f'<text class="title" x="{LEFT}" y="22">{escape(title)}</text>'
        f'<text class="faint" x="{WIDTH - RIGHT}" y="22" text-anchor="end">{facts}</text>\n'
        f'<g transform="translate(0 {TITLE})">\n{"".join(_rules(y))}{"".join(_lines(events, goodput, x, y))}'
        f"{''.join(_bands(goodput, x))}{''.join(_times(x))}</g>\n</g>\n"
    )


def _rules(y: _Scale) -> Iterator[str]:
    for value in _ticks(y.low, y.high, 5):
        at = y(value)
        yield f'<line class="rule" x1="{LEFT}" x2="{LEFT + _PLOT}" y1="{at}" y2="{at}"/>'
        yield f'<text class="faint" x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{value:g}</text>\n'
    yield f'<text class="faint" transform="translate(16 {CHART / 2}) rotate(-90)" text-anchor="middle">loss</text>\n'


def _times(x: _Scale) -> Iterator[str]:
    for value in _time_ticks(x.high):
        at = x(value)
        yield f'<line class="rule" x1="{at}" x2="{at}" y1="{CHART + BAND}" y2="{CHART + BAND + 5}"/>'
        yield f'<text class="faint" x="{at}" y="{CHART + BAND + 19}" text-anchor="middle">{_clock(value)}</text>\n'


def _bands(goodput: Goodput, x: _Scale) -> Iterator[str]:
    for span in goodput.spans:
        start, end = (x((ms - goodput.start) / 1000) for ms in (span.start, span.end))
        height = round((BAND - 4) * _HEIGHTS[span.part], 1)
        yield (
            f'<rect x="{start}" y="{CHART + BAND - height}" width="{max(0.3, round(end - start, 2))}" height="{height}" '
            f'fill="{COLOURS[span.part]}"><title>{span.part} {(span.end - span.start) / 1000:.1f} s</title></rect>\n'
        )


def _lines(events: Sequence[Mapping[str, Any]], goodput: Goodput, x: _Scale, y: _Scale) -> Iterator[str]:
    """A line for each set of processes: what happens between two of them is a gap, and steps made again lie above."""
    for line in _losses(events, goodput):
        points = [f"{x(seconds)},{y(loss)}" for seconds, loss in line]
        yield f'<polyline class="loss" points="{" ".join(points)}"/>'
        first = points[0].split(",")
        yield f'<circle class="dot" cx="{first[0]}" cy="{first[1]}" r="2.5"/>\n'


def _losses(events: Sequence[Mapping[str, Any]], goodput: Goodput) -> list[list[tuple[float, float]]]:
    lines: dict[Any, list[tuple[float, float]]] = {}
    for event in events:
        ms, loss = ms_of(event), event.get("loss")
        if ms is not None and isinstance(loss, int | float) and math.isfinite(loss):
            lines.setdefault(event.get("writer"), []).append(((ms - goodput.start) / 1000, float(loss)))
    return list(lines.values())


def _legend(top: int) -> str:
    width = _PLOT // len(Part)
    keys = (
        f'<rect x="{LEFT + n * width}" y="{top + 3}" width="14" height="14" fill="{COLOURS[part]}"/>'
        f'<text x="{LEFT + n * width + 20}" y="{top + 14}">{part}</text>\n'
        for n, part in enumerate(Part)
    )
    return "".join(keys)


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round values between two: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough)
    return [round(n * step, 9) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _time_ticks(high: float) -> list[float]:
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
    step = next((s for s in steps if high / s <= 12), 86400 * math.ceil(high / 86400 / 12))  # noqa: PLR2004  labels that fit
    return [n * step for n in range(math.floor(high / step) + 1)]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
