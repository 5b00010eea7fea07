"""Row `overhead`: what a request takes that has the server to itself, beside a plain ASGI application on bare uvicorn.

Requests leave at equal distances, a hundred a second, with no work and with work of 1 ms; measured is from when a request
left to its answer, over connections that are kept; and what the server's processes computed for it, which other work on the
machine hardly moves.
"""

import random
from collections.abc import Iterator
from typing import Any, Final

from bench.serving_arms import Arm, bare, ours, peers
from bench.serving_client import ANSWERED, clock, percentile
from bench.serving_runs import Lateness, Ran, Series, one_run, patient, row, tell, work_of

RATE: Final = 100.0
SECONDS: Final = 10.0
QUICK_SECONDS: Final = 3.0
WORK_MS: Final = (0.0, 1.0)
REPEATS: Final = 7
QUICK_REPEATS: Final = 2
PARTS: Final = {"p50": 0.5, "p99": 0.99}
CPU: Final = "cpu"

Found = dict[tuple[str, float, str], Series]


def rows(*, quick: bool, names: list[str], repeats: int | None = None) -> Iterator[dict[str, Any]]:
    """One row a peer, amount of work and percentile."""
    arms = [ours(), *bare(), *peers(names, best=False)]
    works = {ms: work_of(0.0, ms) for ms in (WORK_MS[:1] if quick else WORK_MS)}
    seconds, repeats = QUICK_SECONDS if quick else SECONDS, repeats or (QUICK_REPEATS if quick else REPEATS)
    found: Found = {(arm.shown, ms, part): Series() for arm in arms for ms in works for part in (*PARTS, CPU)}
    absent: set[str] = set()
    lateness = Lateness.of(quick=quick)
    for repeat in range(repeats):
        runs = [(arm, ms) for arm in arms for ms in works]
        random.Random(repeat).shuffle(runs)  # noqa: S311  an order, not a secret
        for arm, ms in runs:
            if arm.shown not in absent:
                with patient(arm, absent):
                    _measure(found, (arm, ms), one_run(arm, works[ms], clock(RATE, seconds), lateness))
    for arm in arms[1:]:
        if arm.shown not in absent:
            for ms in works:
                for part in (*PARTS, CPU):
                    yield row(
                        f"overhead_{part}", found["ours", ms, part], found[arm.shown, ms, part], arm.shown, "ms a request",
                        work_ms=ms, rate=RATE, repeats=repeats, seconds=seconds, **lateness.row,
                    )  # fmt: skip


def _measure(found: Found, run: tuple[Arm, float], ran: Ran) -> None:
    arm, ms = run
    took = [each.on_the_way * 1e3 for each in ran.asked if each.fate == ANSWERED]
    if len(took) < len(ran.asked):
        raise RuntimeError(f"{arm.shown} answered {len(took)} of {len(ran.asked)} at a hundred a second")
    figures = {part: percentile(took, share) for part, share in PARTS.items()} | {
        CPU: ran.cpu_seconds * 1e3 / len(took)
    }
    for part, figure in figures.items():
        found[arm.shown, ms, part].raw.append(figure)
    tell(f"overhead {ms} ms, {arm.shown}: {', '.join(f'{part} {figure:.2f} ms' for part, figure in figures.items())}")
