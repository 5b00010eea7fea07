"""Samples a second of shuffled token windows: ours beside torchdata's StatefulDataLoader and mosaicml-streaming.

20,000 windows of 512 tokens and the one after, uint16 on disk and in the page cache, no worker processes. Every arm hands
out batches of 256 as int64 on the CPU, an epoch after the other in another order each, and runs in a process and an
environment of its own. The arms take turns. Prints one JSON line a peer: `row, ours, peer, peer_name, ratio, unit`, the
medians' raw lists and versions.

The peers' environments are made once, with `python bench/loader.py --prepare`, below `.cache/peers`.

Usage: python bench/loader.py [--quick] [--repeats 5] [--prepare]
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
PEERS: Final = ROOT / "bench" / "peers"
ENVIRONMENTS: Final = ROOT / ".cache" / "peers"

SAMPLES: Final = 20_000
CONTEXT: Final = 512
BATCH: Final = 256
SEED: Final = 20261123
REPEATS: Final = 5
SECONDS, QUICK_SECONDS = 3.0, 1.0
"""Of one repeat."""

NAMES: Final = {
    "loader_torchdata": "torchdata StatefulDataLoader, default_collate",
    "loader_torchdata_collate": "torchdata StatefulDataLoader, a collate_fn that widens once a batch",
    "loader_torchdata_getitems": "torchdata StatefulDataLoader, batched __getitems__",
    "loader_streaming": "mosaicml-streaming",
}
"""Peers by their arm: an environment, and what follows it in the name is told to its script."""


def main() -> None:
    """Runs what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short repeat")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--prepare", action="store_true", help="make the peers' environments and end")
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.prepare:
        prepare()
    elif args.ours:
        print(json.dumps(ours(args.ours, args.seconds)))
    else:
        for row in rows(args.quick, args.repeats):
            print(json.dumps(row), flush=True)


def rows(quick: bool = False, repeats: int = REPEATS, seconds: float = SECONDS) -> Iterator[dict[str, Any]]:
    """One row a peer whose environment is there; with `quick`, of one short repeat."""
    repeats, seconds = (1, QUICK_SECONDS) if quick else (repeats, seconds)
    arms = [arm for arm in NAMES if _python(arm).exists()]
    with tempfile.TemporaryDirectory(prefix="springtide-bench-") as place:
        folder = Path(place)
        write_tokens(folder)
        figures: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ("ours", *arms)}
        for _ in range(repeats):
            for arm, found in figures.items():
                found.append(_measured(arm, folder, seconds))
    yield from (_row(arm, figures["ours"], figures[arm]) for arm in arms)


def write_tokens(folder: Path) -> None:
    """One shard of ours, which the peers read or convert: the same tokens for all."""
    from springtide_workloads.data.manifest import MANIFEST, Manifest, Shard, Stratum  # noqa: PLC0415  not for peers

    rng = np.random.default_rng(SEED)
    shards = []
    for number, (count, held_out) in enumerate(((SAMPLES, False), (BATCH, True))):
        data = rng.integers(0, 50_000, count * CONTEXT + 1, dtype=np.uint16).tobytes()
        path = f"shard-{number:05d}.bin"
        (folder / path).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        shards.append(Shard(path=path, tokens=len(data) // 2, sha256=digest, stratum="all", held_out=held_out))
    manifest = Manifest(
        dtype="uint16",
        vocab=50_000,
        tokenizer={"kind": "random"},
        strata=(Stratum(name="all", weight=1.0),),
        shards=tuple(shards),
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")


def ours(folder: Path, seconds: float) -> dict[str, Any]:
    """Our arm."""
    from springtide_workloads.data.sharded import ShardData  # noqa: PLC0415  the other arms do without

    data = ShardData(context=CONTEXT, vocab=50_000, seed=SEED).build(folder.as_uri(), folder)
    numbers = np.arange(BATCH, dtype=np.uint64)

    def epoch(number: int) -> int:
        whole = SAMPLES // BATCH
        for step in range(whole * number, whole * (number + 1)):
            data.take(numbers + np.uint64(step * BATCH))
        return whole * BATCH

    epoch(0)
    started, done, number = time.perf_counter(), 0, 1
    while time.perf_counter() - started < seconds:
        done += epoch(number)
        number += 1
    return {"samples_per_second": done / (time.perf_counter() - started), "versions": {"numpy": np.__version__}}


def prepare() -> None:
    """Makes an environment for each peer, pinned by the file beside its script."""
    uv = [sys.executable, "-m", "uv"]
    for pins in sorted(PEERS.glob("loader_*.txt")):
        place = ENVIRONMENTS / pins.stem
        subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, str(place)], check=True)
        subprocess.run([*uv, "pip", "install", "--python", str(place / "bin/python"), "-r", str(pins)], check=True)


def _measured(arm: str, folder: Path, seconds: float) -> dict[str, Any]:
    here = [sys.executable, __file__, "--ours", str(folder), "--seconds", str(seconds)]
    peer = [str(_python(arm)), str(PEERS / f"{_environment(arm)}.py"), str(folder), str(seconds), arm]
    done = subprocess.run(here if arm == "ours" else peer, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise SystemExit(f"{arm} failed:\n{done.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _row(arm: str, mine: list[dict[str, Any]], others: list[dict[str, Any]]) -> dict[str, Any]:
    raw_ours, raw_peer = ([round(each["samples_per_second"]) for each in found] for found in (mine, others))
    ours_median, peer_median = statistics.median(raw_ours), statistics.median(raw_peer)
    return {
        "row": "loader",
        "ours": ours_median,
        "peer": peer_median,
        "peer_name": NAMES[arm],
        "ratio": round(ours_median / peer_median, 2),
        "unit": "samples/s",
        "raw_ours": raw_ours,
        "raw_peer": raw_peer,
        "versions": mine[0]["versions"] | others[0]["versions"],
    }


def _environment(arm: str) -> str:
    return "_".join(arm.split("_")[:2])


def _python(arm: str) -> Path:
    return ENVIRONMENTS / _environment(arm) / "bin" / "python"


if __name__ == "__main__":
    main()
