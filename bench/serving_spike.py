"""Draws docs/pictures/spike.svg: requests, replicas and waits while eight times as many requests come for ten minutes.

Simulated, not run: the environment is planned offline, and the trace happens to the autoscaler that the plan has
(`springtide simulate`). Requests come by chance, seeded; their lengths have the quantiles of the Azure LLM inference trace
2023, conversation (Azure/AzurePublicDataset, CC-BY-4.0). Prints the figures that the text beside the picture gives.

Usage: python bench/serving_spike.py [--environment research] [--out docs/pictures/spike.svg]
"""

import argparse
import json
import math
import random
from array import array
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final, NamedTuple

from springtide.offline.markup import Markup, element
from springtide.simulate.chart import HEIGHT, LEFT, WIDTH, Chart, Series, draw
from springtide.simulate.figures import figures, percentile
from springtide.simulate.find import service_of
from springtide.simulate.options import Options
from springtide.simulate.plans import planned
from springtide.simulate.replay import Run, replay
from springtide.simulate.report import moved_by
from springtide.simulate.trace import Trace

ROOT: Final = Path(__file__).resolve().parent.parent
SEED: Final = 20261123
BIN_SECONDS: Final = 15.0
CALM: Final = 0.5
"""Requests a second before and after."""
SPIKE: Final = 4.0
FROM, UNTIL, SECONDS = 600.0, 1200.0, 4320.0
"""When the spike begins and ends, and when the last requests come."""
TAIL: Final = 2.3263
"""Standard deviations from the median of a normal distribution to its 99th percentile."""
LINE: Final = 18
"""Between the lines of the text below."""
SHOWN: Final = (
    "requests",
    "answered",
    "refused",
    "within_deadline",
    "waits",
    "queued_most",
    "replicas_most",
    "flaps",
    "gpu_hours",
)
STYLE: Final = """
svg{--ink:#1f2328;--dim:#6b7280;--rule:#d0d7de;--page:#ffffff;font:11.5px system-ui,sans-serif}
@media (prefers-color-scheme:dark){svg{--ink:#e6edf3;--dim:#9aa4af;--rule:#30363d;--page:#0d1117}}
text{fill:var(--ink)}.dim{fill:var(--dim)}.bold{font-size:13.5px;font-weight:600}
.page{fill:var(--page)}.grid{stroke:var(--rule);stroke-width:1}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.arrivals{stroke:#0072b2}.wanted{stroke:#e69f00;stroke-dasharray:6 4}.ready{stroke:#009e73}
.wait{stroke:#d55e00}.middle{stroke:#56b4e9;stroke-dasharray:2 3}
"""
"""Colours are Okabe and Ito's; where two lines share a chart, one is dashed too."""


class _Lengths(NamedTuple):
    median: float
    p99: float
    most: float

    def drawn(self, chance: random.Random) -> float:
        spread = math.log(self.p99 / self.median) / TAIL
        return min(self.median * math.exp(chance.gauss(0.0, spread)), self.most)


PROMPT: Final = _Lengths(1020, 4146, 14050)
ANSWER: Final = _Lengths(129, 601, 1000)


def main() -> None:
    """Simulates and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", default="research")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures" / "spike.svg")
    args = parser.parse_args()
    options = Options()
    plan = planned(args.environment, ROOT)
    service = service_of(plan.plan, plan.platform, None, options)
    run = replay(service, spike(options))
    args.out.write_text(picture(run), encoding="utf-8")
    found = asdict(figures(run, options.deadline_seconds))
    print(json.dumps({"row": "spike", **{name: found[name] for name in SHOWN}}))


def spike(options: Options) -> Trace:
    """The trace."""
    chance = random.Random(SEED)  # noqa: S311  arrivals, not secrets
    arrivals = array("d", _arrivals(chance))
    seconds = (PROMPT.drawn(chance) / options.prompt_rate + ANSWER.drawn(chance) / options.token_rate for _ in arrivals)
    return Trace(arrivals=arrivals, services=array("d", seconds))


def picture(run: Run) -> str:
    """The picture."""
    panels = [_panel(number, chart) for number, chart in enumerate(charts(run))]
    told = _foot(run)
    below = len(panels) * HEIGHT + LINE
    height = below + len(told) * LINE
    lines = [element("text", text, class_="dim", x=LEFT, y=below + number * LINE) for number, text in enumerate(told)]
    label = "Requests a second, replicas and seconds of waiting over time, through a spike"
    made = element(
        "svg", element("style", Markup(STYLE)), element("rect", class_="page", width=WIDTH, height=height), *panels, *lines,
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", width=WIDTH, height=height, role="img",
        aria_label=label,
    )  # fmt: skip
    return f"{made}\n"


def charts(run: Run) -> list[Chart]:
    """Requests, replicas and waits, on one axis of time."""
    found = _bins(run)
    middle = [(number + 0.5) * BIN_SECONDS for number in range(len(found))]
    rate = [len(each) / BIN_SECONDS for each in found]
    p50, p99 = ([percentile(each, share) if each else None for each in found] for share in (0.5, 0.99))
    wanted = _held(run, [step.wanted for step in run.steps])
    ready = _held(run, [step.ready for step in run.steps])
    came = Series(label="requests that came", style="arrivals", points=[*zip(middle, rate, strict=True)])
    replicas = (
        Series(label="wanted by the autoscaler", style="wanted", points=wanted, steps=True),
        Series(label="ready", style="ready", points=ready, steps=True),
    )
    waits = (
        Series(label="p99 of those that came then", style="wait", points=[*zip(middle, p99, strict=True)]),
        Series(label="p50 of them", style="middle", points=[*zip(middle, p50, strict=True)]),
    )
    most = max(value for _, value in (*wanted, *ready))
    longest = max(value or 0.0 for value in p99)
    return [
        Chart(title="Requests a second", series=(came,), seconds=SECONDS, most=max(rate)),
        Chart(title="Replicas", series=replicas, seconds=SECONDS, most=most),
        Chart(title="Wait for a turn, seconds", series=waits, seconds=SECONDS, most=longest),
    ]


def _bins(run: Run) -> list[list[float]]:
    """Waits of the requests that came in each stretch of time, in order of length."""
    found: list[list[float]] = [[] for _ in range(math.ceil(SECONDS / BIN_SECONDS))]
    for arrival, wait in zip(run.trace.arrivals, run.line.waits, strict=True):
        found[int(arrival // BIN_SECONDS)].append(wait)
    return [sorted(each) for each in found]


def _held(run: Run, values: list[int]) -> list[tuple[float, float]]:
    """Each value from its step on, the last one to the end."""
    steps = [(step.at, float(value)) for step, value in zip(run.steps, values, strict=True) if step.at <= SECONDS]
    return [*steps, (SECONDS, steps[-1][1])]


def _arrivals(chance: random.Random) -> Iterator[float]:
    """By chance, at the rate of the moment; the first one at zero, as traces have it."""
    now = 0.0
    while now < SECONDS:
        yield now
        now += chance.expovariate(SPIKE if FROM <= now < UNTIL else CALM)


def _panel(number: int, chart: Chart) -> Markup:
    """A chart at its place: drawn charts say no place of their own."""
    place = f'<svg x="0" y="{number * HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
    return Markup(draw(chart).replace("<svg ", place, 1))


def _foot(run: Run) -> list[str]:
    service, machines = run.service, run.service.machines
    told = [f"Simulated: {service.environment}/{service.name}. {moved_by(service)}"]
    if machines is not None:
        parts = (machines.boot_seconds, machines.image_seconds, service.load_seconds)
        told.append(
            "A new replica is ready after {:g} s for its machine, {:g} s for the image and {:g} s for the model.".format(
                *parts
            )
        )
    return told


if __name__ == "__main__":
    main()
