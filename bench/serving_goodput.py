"""Rows `goodput` and `goodput_batched`: useful answers a second under more load than there is capacity.

`goodput`: the work takes 20 ms and is done by one core, one request after the other, so capacity is what one core does with
nothing else to do; what HTTP takes of that core counts against a server. `goodput_batched`: a batch of n takes 16 + 4 n ms, and
capacity is that of batches of eight; there are rows for peers that batch requests with the same body.

Arrivals are those of many clients who know nothing of each other. A client waits for one second, says so in
`x-request-timeout-ms` (no peer reads it), and then closes its connection. A useful answer is a 200 within that second; what
is counted are those that come after the first second of a run, to its end, so that no queue is counted that is worked off
afterwards. Each run has a server of its own.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from bench.serving_arms import Arm, batching_peers, ours, peers
from bench.serving_client import ANSWERED, Asked, percentile, poisson
from bench.serving_runs import Lateness, Series, one_run, patient, row, tell, work_of, work_seconds
from bench.serving_work import Work

BATCH: Final = 8
LOADS: Final = (0.5, 1.0, 2.0, 4.0)
QUICK_LOADS: Final = (0.5, 4.0)
SECONDS: Final = 9.0
QUICK_SECONDS: Final = 4.0
SETTLED: Final = 1.0
"""The beginning of a run that is not counted: queues fill."""
REPEATS: Final = 7
QUICK_REPEATS: Final = 1


class _Key(NamedTuple):
    shown: str
    load: float


@dataclass(slots=True)
class _Found:
    """Repeats of one arm under one load."""

    useful: Series = field(default_factory=Series)
    p99_ms: Series = field(default_factory=Series)
    fates: Counter[str] = field(default_factory=Counter)

    def add(self, asked: Sequence[Asked], seconds: float) -> None:
        answered = [each for each in asked if each.fate == ANSWERED]
        self.useful.raw.append(useful(asked, seconds))
        self.p99_ms.raw.append(round(percentile([each.seconds * 1e3 for each in answered], 0.99), 1))
        self.fates.update(each.fate for each in asked)


class _Extent(NamedTuple):
    loads: tuple[float, ...]
    seconds: float
    repeats: int


@dataclass(slots=True, kw_only=True)
class _Setting:
    """What is compared."""

    name: str
    work: Work
    batch: int
    arms: list[Arm]
    """Ours first."""
    extent: _Extent
    lateness: Lateness
    capacity: Series = field(default_factory=Series)
    """Requests a second of the work alone on the core, measured anew beside each run of ours."""
    absent: set[str] = field(default_factory=set)

    def capacity_now(self) -> float:
        """Measured once more."""
        self.capacity.raw.append(round(self.batch / work_seconds(self.work, self.batch), 2))
        return self.capacity.raw[-1]


def rows(
    *, quick: bool, names: list[str], repeats: int | None = None, loads: tuple[float, ...] | None = None
) -> Iterator[dict[str, Any]]:
    """`goodput`: one row a load and peer."""
    arms = [ours(), *peers(names, best=not quick)]
    extent, lateness = _extent(quick=quick, repeats=repeats), Lateness.of(quick=quick)
    extent = extent if loads is None else extent._replace(loads=loads)
    work = work_of(0.0, 20.0)
    yield from _rows(_Setting(name="goodput", work=work, batch=1, arms=arms, extent=extent, lateness=lateness))


def batched_rows(*, quick: bool, names: list[str], repeats: int | None = None) -> Iterator[dict[str, Any]]:
    """`goodput_batched`: the same for servers that make batches."""
    arms = [ours(max_batch=BATCH), *batching_peers(names, BATCH)]
    extent, lateness = _extent(quick=quick, repeats=repeats), Lateness.of(quick=quick)
    work = work_of(16.0, 4.0)
    yield from _rows(
        _Setting(name="goodput_batched", work=work, batch=BATCH, arms=arms, extent=extent, lateness=lateness)
    )


def useful(asked: Sequence[Asked], seconds: float) -> float:
    """Useful answers a second that came after the first second and before the end."""
    began = min(each.intended for each in asked)
    first, last = began + SETTLED, began + seconds
    return sum(each.fate == ANSWERED and first <= each.done < last for each in asked) / (seconds - SETTLED)


def _extent(*, quick: bool, repeats: int | None) -> _Extent:
    usual = _Extent(QUICK_LOADS, QUICK_SECONDS, QUICK_REPEATS) if quick else _Extent(LOADS, SECONDS, REPEATS)
    return usual if repeats is None else usual._replace(repeats=repeats)


def _rows(setting: _Setting) -> Iterator[dict[str, Any]]:
    found = {_Key(arm.shown, load): _Found() for arm in setting.arms for load in setting.extent.loads}
    capacity = setting.capacity_now()  # loads are multiples of this one for all
    for repeat in range(setting.extent.repeats):
        runs = [(arm, load) for arm in setting.arms for load in setting.extent.loads]
        random.Random(repeat).shuffle(runs)  # noqa: S311  an order, not a secret
        for arm, load in runs:
            if arm.shown not in setting.absent:
                # the same arrivals for every server, others in each repeat
                arrivals = poisson(load * capacity, setting.extent.seconds, seed=repeat)
                _measure(setting, arm, arrivals, found[_Key(arm.shown, load)], load)
    for arm in setting.arms[1:]:
        if arm.shown not in setting.absent:
            for load in setting.extent.loads:
                mine, theirs = found[_Key(setting.arms[0].shown, load)], found[_Key(arm.shown, load)]
                yield _row(setting, mine, theirs, arm.shown, load)


def _measure(setting: _Setting, arm: Arm, arrivals: Sequence[float], found: _Found, load: float) -> None:
    with patient(arm, setting.absent):
        found.add(one_run(arm, setting.work, arrivals, setting.lateness).asked, setting.extent.seconds)
        tell(f"{setting.name} {load:g} × {arm.shown}: {found.useful.raw[-1]:.1f}/s {dict(found.fates)}")
        if arm.name == "ours":
            setting.capacity_now()


def _row(setting: _Setting, mine: _Found, theirs: _Found, shown: str, load: float) -> dict[str, Any]:
    capacity = setting.capacity.median
    return row(
        setting.name, mine.useful, theirs.useful, shown, "answers/s within 1 s", load=load,
        capacity=round(capacity, 2), ours_of_capacity=round(mine.useful.median / capacity, 3),
        peer_of_capacity=round(theirs.useful.median / capacity, 3), offered=round(load * setting.capacity.raw[0], 1),
        ours_p99_ms=mine.p99_ms.median, peer_p99_ms=theirs.p99_ms.median,
        ours_fates=dict(mine.fates), peer_fates=dict(theirs.fates),
        repeats=setting.extent.repeats, seconds=setting.extent.seconds, raw_capacity=setting.capacity.raw, **setting.lateness.row,
    )  # fmt: skip
