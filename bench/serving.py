"""Serving, ours beside the peers: useful answers under overload, requests lost in a drain, overhead, batching, waking.

Every server does the same work (`serving_work.py`), has core 0 to itself, and is asked by our own open-loop client on core 1
(`serving_client.py`): requests leave by the clock. Servers take turns in a shuffled order; each run begins a server of its
own. A run whose requests left more than 5 ms late (99th percentile) is discarded and repeated, twice at most; `--quick` keeps
it; rows count both. Every server is sent the same headers, `x-request-timeout-ms: 1000` among them, which no peer reads.
Answers are compared: all servers give the same ones.

Prints one JSON line a row and peer: `row, ours, peer, peer_name, ratio (ours ÷ peer), unit`, quartiles and raw figures; and a
first line with versions and the CPU. The peers' environments are made once, with `--prepare`, below `.cache/peers`; a peer
without one has no row.

Usage: python bench/serving.py [--quick] [--rows goodput,drain_lost,…] [--peers fastapi,litserve,…] [--repeats N] [--trace FILE]
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from bench import serving_arms, serving_drain, serving_goodput, serving_overhead  # noqa: E402  started by its path

Rows = Callable[[argparse.Namespace], Iterator[dict[str, Any]]]


def _goodput(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    return serving_goodput.rows(quick=args.quick, names=args.peers, repeats=args.repeats, loads=args.loads)


def _goodput_batched(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    return serving_goodput.batched_rows(quick=args.quick, names=args.peers, repeats=args.repeats)


def _drain_lost(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    return serving_drain.rows(quick=args.quick, names=args.peers, repeats=args.repeats)


def _overhead(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    return serving_overhead.rows(quick=args.quick, names=args.peers, repeats=args.repeats)


def _continuous_batching(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    from bench import serving_batching  # noqa: PLC0415  imports torch

    return serving_batching.rows(quick=args.quick, trace=args.trace, repeats=args.repeats)


def _wake_lost(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    from bench import wake  # noqa: PLC0415  other rows do without

    return wake.rows(args.quick)


ROWS: Final[dict[str, Rows]] = {
    "goodput": _goodput,
    "goodput_batched": _goodput_batched,
    "drain_lost": _drain_lost,
    "overhead": _overhead,
    "continuous_batching": _continuous_batching,
    "wake_lost": _wake_lost,
}
LONG: Final = {"goodput_batched", "ray"}
"""Left out of `--quick` unless they are named: the row is beside the others' point, and a warm Ray takes half a minute a run."""


def main() -> None:
    """Runs what the arguments ask for."""
    args = _arguments()
    if args.prepare:
        serving_arms.prepare()
        return
    os.sched_setaffinity(0, {serving_arms.CLIENT_CORE})
    print(json.dumps({"versions": serving_arms.versions(), "rows": args.rows, "peers": args.peers}), flush=True)
    for name in args.rows:
        for row in ROWS[name](args):
            print(json.dumps(row), flush=True)


def _loads(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="defaults only, two loads, short runs: within 8 minutes")
    parser.add_argument("--rows", type=_names(ROWS), help=f"of {','.join(ROWS)}; default: all")
    peers = serving_arms.PEER_NAMES
    parser.add_argument("--peers", type=_names(peers), help=f"of {','.join(peers)}; default: all")
    parser.add_argument("--repeats", type=int, help="of each run, instead of the row's own count")
    parser.add_argument("--loads", type=_loads, help="multiples of capacity for goodput; default: 0.5,1,2,4")
    parser.add_argument(
        "--trace", type=Path, help="CSV with ContextTokens and GeneratedTokens, for continuous_batching"
    )
    parser.add_argument("--prepare", action="store_true", help="make the peers' environments and end")
    args = parser.parse_args()
    args.rows = args.rows or [name for name in ROWS if not (args.quick and name in LONG)]
    args.peers = args.peers or [name for name in peers if not (args.quick and name in LONG)]
    return args


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        if unknown := set(text.split(",")) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; use {', '.join(known)}")
        return text.split(",")

    return parse


if __name__ == "__main__":
    main()
