"""What rows of `bench/serving.py` share: how work is measured, a run that counts, and a line of JSON."""

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from bench.serving_arms import ROOT, SERVER_CORE, Arm, Server, check, ready, running
from bench.serving_client import LAG_SECONDS, Asked, Client, lag, send
from bench.serving_work import Work

TRIES: Final = 3
"""How often a run is made at most whose requests left late; the last one counts and is told of."""
QUICK_TRIES: Final = 1
"""Then nothing is repeated, and rows say how many runs were late: a busy machine must not make it long."""


@dataclass(slots=True)
class Lateness:
    """Runs whose requests left later than they should have."""

    tries: int = TRIES
    discarded: int = 0
    kept: int = 0

    @classmethod
    def of(cls, *, quick: bool) -> Self:
        """None so far."""
        return cls(QUICK_TRIES if quick else TRIES)

    @property
    def row(self) -> dict[str, int]:
        """Counts, as rows have them."""
        return {"runs_discarded_for_lag": self.discarded, "runs_kept_with_lag": self.kept}


@dataclass(slots=True)
class Series:
    """Repeats of one figure."""

    raw: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle."""
        return statistics.median(self.raw)

    @property
    def total(self) -> float:
        """The sum."""
        return sum(self.raw)

    @property
    def spread(self) -> list[float]:
        """The quartiles; the ends where there are fewer than four."""
        if len(self.raw) < 4:  # noqa: PLR2004
            return [round(min(self.raw), 3), round(max(self.raw), 3)]
        first, _, third = statistics.quantiles(self.raw, n=4, method="inclusive")
        return [round(first, 3), round(third, 3)]


def row(name: str, mine: Series, theirs: Series, peer: str, unit: str, **more: Any) -> dict[str, Any]:
    """One line."""
    ours, other = mine.median, theirs.median
    return {
        "row": name,
        **more,
        "ours": round(ours, 3),
        "peer": round(other, 3),
        "peer_name": peer,
        "ratio": round(ours / other, 3) if other else None,
        "unit": unit,
        "ours_iqr": mine.spread,
        "peer_iqr": theirs.spread,
        "apart": mine.spread[0] > theirs.spread[1] or mine.spread[1] < theirs.spread[0],
        "raw": {"ours": [round(each, 3) for each in mine.raw], "peer": [round(each, 3) for each in theirs.raw]},
    }


def work_of(base_ms: float, item_ms: float) -> Work:
    """Work that takes base + n · item milliseconds on the core that servers have."""
    product = float(_pinned("calibrate"))
    return Work(base=round(base_ms / 1e3 / product), item=round(item_ms / 1e3 / product))


def work_seconds(work: Work, items: int = 1) -> float:
    """What a batch takes there, alone on the core."""
    return float(_pinned("time", str(work.base), str(work.item), str(items)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What became of the requests of one run."""

    asked: list[Asked]
    cpu_seconds: float
    """What the server computed meanwhile."""


def one_run(arm: Arm, work: Work, arrivals: Sequence[float], lateness: Lateness) -> Ran:
    """Requests to a server of its own, begun for this run."""
    for attempt in range(lateness.tries):
        with running(arm, work) as server:
            ran = asyncio.run(_sent(arm, server, arrivals))
        late = lag(ran.asked)
        if late <= LAG_SECONDS:
            break
        last = attempt == lateness.tries - 1
        lateness.kept += last
        lateness.discarded += not last
        tell(f"{arm.shown}: requests left {late * 1e3:.1f} ms late, {'kept' if last else 'again'}")
    return ran


def tell(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def patient(arm: Arm, absent: set[str]) -> Iterator[None]:
    """A peer that does not start has no row, and the reason is told."""
    try:
        yield
    except RuntimeError as error:
        if arm.name == "ours":
            raise
        absent.add(arm.shown)
        tell(f"no row for {arm.shown}: {error}")


async def _sent(arm: Arm, server: Server, arrivals: Sequence[float]) -> Ran:
    await ready(server, arm)
    before = server.cpu_seconds()
    asked = await send(Client(port=server.port), arrivals)
    cpu = server.cpu_seconds() - before
    check(asked, arm)
    return Ran(asked=asked, cpu_seconds=cpu)


def _pinned(*arguments: str) -> str:
    command = ["taskset", "--cpu-list", str(SERVER_CORE), sys.executable, "-m", "bench.serving_work", *arguments]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, check=True, env=environment, cwd=ROOT, capture_output=True, text=True).stdout
