"""Lines over time as SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from springtide.offline.markup import Markup, element

WIDTH, HEIGHT = 1120, 190
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 26
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440, 2880, 10080)
_MOST_TICKS = 8
_HOUR = 60
_LETTER = 6.2
"""Width of a letter of a legend, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of a chart."""

    label: str
    style: str
    """Class of its colour, see page.css."""
    points: Sequence[tuple[float, float | None]]
    """Seconds and values; None where there is none."""
    steps: bool = False
    """Whether a value holds until the next; else points are joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines that share their axes."""

    title: str
    series: tuple[Series, ...]
    seconds: float
    most: float
    """What the axis must reach, so that charts can be compared."""


def draw(chart: Chart) -> Markup:
    """The chart as an SVG element."""
    top, step = axis(chart.most)
    return element(
        "svg",
        element("title", chart.title),
        element("text", chart.title, class_="bold", x=LEFT, y=16),
        *_legend(chart),
        *_rows(top, step),
        *_times(chart.seconds),
        *(_line(series, chart.seconds, top) for series in chart.series),
        xmlns="http://www.w3.org/2000/svg", class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img",
    )  # fmt: skip


def axis(most: float) -> tuple[float, float]:
    """A round end of an axis that reaches `most`, and the step between its lines."""
    if most <= 0:
        return 1.0, 1.0
    power = 10.0 ** math.floor(math.log10(most / 4))
    step = next(power * item for item in _STEPS if power * item * 4 >= most * (1 - 1e-9))
    return math.ceil(most / step - 1e-9) * step, step


def _x(seconds: float, all_seconds: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * seconds / max(all_seconds, 1e-9)


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, top) / top


def _rows(top: float, step: float) -> Iterator[Markup]:
    for number in range(round(top / step) + 1):
        y = _y(number * step, top)
        yield element("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y)
        yield element("text", f"{number * step:g}", class_="dim", x=LEFT - 8, y=y + 4, text_anchor="end")


def _times(seconds: float) -> Iterator[Markup]:
    minutes = next((item for item in _MINUTES if seconds / 60 / item <= _MOST_TICKS), _MINUTES[-1])
    for number in range(int(seconds / 60 / minutes) + 1):
        label = f"{number * minutes} min" if minutes < _HOUR else f"{number * minutes / _HOUR:g} h"
        x = _x(number * minutes * 60, seconds)
        yield element("text", label, class_="dim", x=x, y=HEIGHT - 8, text_anchor="start" if number == 0 else "middle")


def _legend(chart: Chart) -> Iterator[Markup]:
    x = float(WIDTH - RIGHT)
    for series in reversed(chart.series):
        start = x - _LETTER * len(series.label)
        yield element("text", series.label, x=x, y=16, text_anchor="end")
        yield element("line", class_=f"line {series.style}", x1=start - 22, x2=start - 6, y1=12, y2=12)
        x = start - 40


def _line(series: Series, seconds: float, top: float) -> Markup:
    return element("path", class_=f"line {series.style}", d=" ".join(_path(series, seconds, top)))


def _path(series: Series, seconds: float, top: float) -> Iterator[str]:
    drawing = False
    for at, value in series.points:
        if value is None:
            drawing = False
            continue
        x, y = f"{_x(at, seconds):.1f}", f"{_y(value, top):.1f}"
        yield (f"H{x} V{y}" if series.steps else f"L{x} {y}") if drawing else f"M{x} {y}"
        drawing = True
