"""Every measurement of training, a line of JSON a row: `row, ours, peer, peer_name, ratio = ours ÷ peer, unit` and the raw list.

Each row lives in a file of its own, which says what it does and can be run alone: steps, saves, restarts, losses, exact_price,
loader, faulted.
A CPU and gloo show loops, disks, processes and signals; they say nothing of a GPU, NCCL or an object store's bandwidth.

Usage: python bench/training.py [--quick] [--rows step_overhead,restart] [--prepare]

`--quick` runs small counts and prints them, and ends within 8 minutes; the loader's peers join where `--prepare` has made their
environments.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from bench import exact_price, faulted, loader, losses, restarts, saves, steps  # noqa: E402

Rows = Callable[[bool], Iterator[dict[str, Any]]]

ROWS: Final[Mapping[str, Rows]] = {
    "step_overhead": steps.rows,
    "restart": restarts.rows,
    "lost": losses.rows,
    "save": saves.rows,
    "exact_step": exact_price.rows,
    "loader": loader.rows,
    "goodput": faulted.rows,
}
"""Rows by the name under which they are asked for; `lost` is both signals, `save` the stall and the torn checkpoints."""


def main() -> None:
    """Prints each row as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small counts: within 8 minutes")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--prepare", action="store_true", help="make the peers' environments and end")
    options = parser.parse_args()
    if options.prepare:
        steps.prepare()
        losses.prepare()
        faulted.prepare()
        loader.prepare()
        return
    wanted = options.rows.split(",")
    if unknown := [name for name in wanted if name not in ROWS]:
        parser.error(f"--rows {','.join(unknown)}: use {', '.join(ROWS)}")
    versions = {"torch": torch.__version__, "python": platform.python_version(), "machine": platform.machine()}
    print(json.dumps({"versions": versions, "rows": wanted, "quick": options.quick}), flush=True)
    for name in wanted:
        began = time.monotonic()
        for row in ROWS[name](options.quick):
            print(json.dumps(row), flush=True)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
