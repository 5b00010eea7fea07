"""Row `drain_lost`: requests lost by a server that is told to stop while load balancers still send to it.

Fifty requests a second over twenty kept connections, and fifty over a fresh one each, from a second before SIGTERM until
the propagation window after it is over. Counted are those under way at SIGTERM and those sent in the window; lost is each
that did not get its 200. Servers run as the first process of a namespace and as a child of it, in turn. No peer has a knob
to go on answering after SIGTERM. A preStop sleep in the pod puts SIGTERM off until the window is over, for any server.
Processes that outlive a server may go on answering here, in favour of their peer; in a container they end with the first one.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bench.serving_arms import WINDOW_SECONDS, Arm, Server, check, ours, peers, ready, running
from bench.serving_client import ANSWERED, Asked, Client, send
from bench.serving_runs import Series, patient, row, tell, work_of
from bench.serving_work import Work

MS: Final = 2.0
RATE: Final = 50.0
"""Requests a second of either kind."""
KEPT: Final = 20
"""Clients that keep their connection."""
BEFORE: Final = 1.0
"""Seconds of requests before SIGTERM."""
REQUESTS: Final = 10_000
QUICK_WINDOW: Final = 3
QUICK_LIVES: Final = 2
PATIENCE: Final = 10.0
EXIT_WINDOWS: Final = 2
"""How long a server may take to end, after the window and in windows."""
KINDS: Final = {True: "first process", False: "child"}


@dataclass(slots=True)
class _Life:
    """One server's end."""

    first_process: bool
    kept: Counter[str]
    fresh: Counter[str]
    exit_code: int | None
    """None when it still ran when that was over."""
    exit_seconds: float | None
    left: int | None

    @property
    def lost(self) -> int:
        """Counted requests without their answer."""
        return sum(count for fates in (self.kept, self.fresh) for fate, count in fates.items() if fate != ANSWERED)


@dataclass(slots=True)
class _Lives:
    all: list[_Life] = field(default_factory=list)

    @property
    def lost(self) -> Series:
        """Of each life; the row has their sum."""
        return Series([float(life.lost) for life in self.all])

    @property
    def counted(self) -> int:
        """Requests that count."""
        return sum((life.kept + life.fresh).total() for life in self.all)

    @property
    def unclean(self) -> int:
        """Servers that did not end, or left processes behind."""
        return sum(life.exit_code is None or bool(life.left) for life in self.all)

    def told(self) -> dict[str, Any]:
        """What became of them, by kind of process and of client."""
        told: dict[str, Any] = {}
        for first, name in KINDS.items():
            lives = [life for life in self.all if life.first_process is first]
            told[name] = {
                "kept": dict(sum((life.kept for life in lives), Counter())),
                "fresh": dict(sum((life.fresh for life in lives), Counter())),
                "exits": [[life.exit_code, life.exit_seconds, life.left] for life in lives],
            }
        return told


def rows(*, quick: bool, names: list[str], repeats: int | None = None) -> Iterator[dict[str, Any]]:
    """One row a peer."""
    arms, work = [ours(), *peers(names, best=False)], work_of(0.0, MS)
    window = QUICK_WINDOW if quick else WINDOW_SECONDS
    lives = repeats or (QUICK_LIVES if quick else math.ceil(REQUESTS / (2 * RATE * window)))
    found = {arm.shown: _Lives() for arm in arms}
    absent: set[str] = set()
    for number in range(lives):
        random.Random(number).shuffle(arms)  # noqa: S311  an order, not a secret
        for arm in arms:
            if arm.shown not in absent:
                with patient(arm, absent):
                    found[arm.shown].all.append(_life(arm, work, window, first_process=number % 2 == 0))
                    tell(f"drain {arm.shown}: {found[arm.shown].all[-1]}")
    mine = found.pop("ours")
    for shown, theirs in found.items():
        if shown not in absent:
            yield row("drain_lost", mine.lost, theirs.lost, shown, "requests lost") | {
                "ours": mine.lost.total, "peer": theirs.lost.total, "of": [mine.counted, theirs.counted],
                "ratio": mine.lost.total / theirs.lost.total if theirs.lost.total else None,
                "window_seconds": window, "lives": lives, "did_not_end_or_left_processes": [mine.unclean, theirs.unclean],
                "ours_fates": mine.told(), "peer_fates": theirs.told(),
            }  # fmt: skip


def _life(arm: Arm, work: Work, window: int, *, first_process: bool) -> _Life:
    with running(arm, work, first_process=first_process, window=window) as server:
        return asyncio.run(_drained(arm, server, window))


async def _drained(arm: Arm, server: Server, window: int) -> _Life:
    await ready(server, arm)
    loop = asyncio.get_running_loop()
    began = loop.time() + 0.1
    kept = [Client(port=server.port, patience=PATIENCE) for _ in range(KEPT)]
    every, count = KEPT / RATE, int(RATE * (BEFORE + window) / KEPT)
    sending = [
        asyncio.create_task(send(client, [number / RATE + every * turn for turn in range(count)], began=began))
        for number, client in enumerate(kept)
    ]
    fresh = Client(port=server.port, patience=PATIENCE, fresh=True)
    times = [(number + 0.5) / RATE for number in range(int(RATE * (BEFORE + window)))]
    sending.append(asyncio.create_task(send(fresh, times, began=began)))
    await asyncio.sleep(began + BEFORE - loop.time())
    told = server.tell_to_stop()
    ended = asyncio.create_task(_ended(server, told, window))
    asked = await asyncio.gather(*sending)
    check([each for some in asked for each in some], arm)
    code, seconds, left = await ended
    return _Life(
        first_process=server.first_process,
        kept=_fates([each for some in asked[:-1] for each in some], told, window),
        fresh=_fates(asked[-1], told, window),
        exit_code=code,
        exit_seconds=seconds,
        left=left,
    )


def _fates(asked: Sequence[Asked], told: float, window: int) -> Counter[str]:
    """Of those under way when it was told, and those sent in the window."""
    counted = [each for each in asked if each.done > told and each.sent < told + window]
    return Counter(f"{each.fate} reused" if each.fate == "broken" and each.reused else each.fate for each in counted)


async def _ended(server: Server, told: float, window: int) -> tuple[int | None, float | None, int | None]:
    while time.monotonic() < told + window * (1 + EXIT_WINDOWS):
        if (end := server.ended()) is not None:
            return end[0], round(time.monotonic() - told, 2), end[1]
        await asyncio.sleep(0.05)
    return None, None, None
