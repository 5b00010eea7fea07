"""A run's account for people: a table, JSON, and a picture.

python -m springtide_workloads.train.goodput URL [--format json] [--usd-per-hour 31.2]
python -m springtide_workloads.train.goodput URL [URL] --svg FILE

Works on any run's artifacts, also while it lives: then its time goes up to now.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from springtide_workloads.contract import Env, ExitCode
from springtide_workloads.errors import EXPECTED, ConfigError
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell
from springtide_workloads.train.events import read_events
from springtide_workloads.train.picture import picture
from springtide_workloads.train.timeline import Goodput, Part, Timeline

MOST_RUNS: Final = 4
"""Runs in one picture."""
_MS_PER_HOUR: Final = 3_600_000


def main(argv: Sequence[str] | None = None) -> int:
    """Shows what is asked for and returns an exit code."""
    args = _parser().parse_args(argv)
    try:
        _show(args)
    except EXPECTED as error:
        tell(str(error))
        return error.code
    return ExitCode.DONE


def account(store: Store, until: int | None = None) -> Goodput:
    """The account of the run in a store; of one that lives up to `until`, in milliseconds since 1970, default now.

    Raises:
        StorageError: when its log cannot be read.
    """
    return Timeline.of(read_events(store), time.time_ns() // 1_000_000 if until is None else until)


def price(env: Mapping[str, str]) -> float | None:
    """Dollars an hour of all nodes together, from `SPRINGTIDE_USD_PER_HOUR`; None when it is not given.

    Raises:
        ConfigError: when it is no amount.
    """
    text = env.get(Env.USD_PER_HOUR)
    return None if text is None else _dollars(text, Env.USD_PER_HOUR)


def cost_per_1000_steps(goodput: Goodput, usd_per_hour: float) -> float | None:
    """Dollars for 1,000 useful steps; machines are paid for while they are there, so not while the run waits for one.

    None before the first step.
    """
    paid = goodput.wall_ms - goodput.parts[Part.WAITING]
    return paid / _MS_PER_HOUR * usd_per_hour / goodput.useful_steps * 1000 if goodput.useful_steps else None


def table(goodput: Goodput, usd_per_hour: float | None = None) -> str:
    """The account as lines of text: every part in time and as a part of the wall time, then what came of it."""
    rows = [("wall", _hours(goodput.wall_ms), "" if goodput.ended else "and still going")]
    rows += [(part, _hours(ms), _percent(ms, goodput.wall_ms)) for part, ms in goodput.parts.items()]
    rows += [(name, value, "") for name, value in _facts(goodput, usd_per_hour).items()]
    names, values = (max(len(row[n]) for row in rows) for n in (0, 1))
    return "".join(f"{name:<{names}}   {value:>{values}}   {note}".rstrip() + "\n" for name, value, note in rows)


def to_json(goodput: Goodput, usd_per_hour: float | None = None) -> dict[str, Any]:
    """The account as plain data; times in milliseconds."""
    return {
        "wall_ms": goodput.wall_ms,
        "parts_ms": {part.value: ms for part, ms in goodput.parts.items()},
        "goodput": round(goodput.ratio, 6),
        "useful_steps": goodput.useful_steps,
        "redone_steps": goodput.redone_steps,
        "restarts": dict(goodput.restarts),
        "interruptions": goodput.interruptions,
        "losses": goodput.losses,
        "clamped_ms": goodput.clamped_ms,
        "ended": goodput.ended,
        "usd_per_1000_steps": None if usd_per_hour is None else cost_per_1000_steps(goodput, usd_per_hour),
    }


def _facts(goodput: Goodput, usd_per_hour: float | None) -> dict[str, str]:
    causes = ", ".join(f"{count} {cause}" for cause, count in goodput.restarts.items())
    cost = None if usd_per_hour is None else cost_per_1000_steps(goodput, usd_per_hour)
    facts = {
        "goodput": f"{goodput.ratio:.1%}",
        "useful steps": f"{goodput.useful_steps:,}",
        "steps redone": f"{goodput.redone_steps:,}",
        "restarts": causes or "0",
        "interruptions": f"{goodput.interruptions:,}",
        "work lost": f"{goodput.losses:,} times",
    }
    facts |= {} if cost is None else {"cost per 1,000 useful steps": f"${cost:,.4g}"}
    return facts | ({"clocks put forward": f"{goodput.clamped_ms / 1000:.3f} s"} if goodput.clamped_ms else {})


def _hours(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}.{rest:03d}"


def _percent(ms: int, wall: int) -> str:
    return f"{ms / wall:6.1%}" if wall else ""


def _show(args: argparse.Namespace) -> None:
    until = time.time_ns() // 1_000_000
    usd = price(os.environ) if args.usd_per_hour is None else _dollars(args.usd_per_hour, "--usd-per-hour")
    if len(args.url) > MOST_RUNS:
        raise ConfigError(f"{len(args.url)} runs do not fit one page: give at most {MOST_RUNS}")
    runs = {url: _events(url) for url in args.url}
    accounts = {url: Timeline.of(events, until) for url, events in runs.items()}
    if args.svg is not None:
        Path(args.svg).write_text(picture([(_name(runs[url]), runs[url], accounts[url]) for url in runs]))
        return
    if args.format == "json":
        sys.stdout.write("".join(json.dumps({"url": url} | to_json(a, usd)) + "\n" for url, a in accounts.items()))
        return
    titles = {url: f"{_name(runs[url])}\n" if len(runs) > 1 else "" for url in runs}
    sys.stdout.write("\n".join(titles[url] + table(each, usd) for url, each in accounts.items()))


def _events(url: str) -> list[dict[str, Any]]:
    """The log of a run, which must be there.

    Raises:
        ConfigError: when nothing is there, before a store would make an empty folder of it.
    """
    where = url if urlsplit(url).scheme else Path(url).absolute().as_uri()
    path = urlsplit(where)
    gone = path.scheme == "file" and not Path(path.path).is_dir()
    events = [] if gone else read_events(Store(where))
    if not events:
        raise ConfigError(f"there is no event log in {url!r}: give the artifacts URL or folder of a run that has begun")
    return events


def _name(events: Sequence[Mapping[str, Any]]) -> str:
    return str(events[0].get("run", "run"))


def _dollars(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ConfigError(f"{name} is {text!r}: it must be an amount of dollars an hour for all nodes, such as 31.20")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="springtide_workloads.train.goodput", description="Where the time of a training run went."
    )
    parser.add_argument("url", nargs="+", help="artifacts URL or folder of a run")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    parser.add_argument("--usd-per-hour", help=f"price of all nodes together; default {Env.USD_PER_HOUR}")
    parser.add_argument(
        "--svg", metavar="FILE", help="draw loss over time with the parts beneath, one run under another"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
