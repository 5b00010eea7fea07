"""Reads every shard of a data set through a cache, again and again, and ends with 0 when each was whole each time.

Usage: shard_reader.py DATA SCRATCH BUDGET ROUNDS SLOW: the store takes SLOW seconds for a shard and notes each read.
"""

import os
import sys
import time
from pathlib import Path

from springtide_workloads.data.cache import ShardCache
from springtide_workloads.data.manifest import MANIFEST, Manifest
from springtide_workloads.data.shards import digest


class Slow:
    def __init__(self, place: Path, seconds: float) -> None:
        self.place = place
        self.seconds = seconds

    def read(self, path: str) -> bytes | None:
        with (self.place / "reads.log").open("a") as log:
            log.write(f"{os.getpid()} {path}\n")
        time.sleep(self.seconds)
        return (self.place / path).read_bytes()


def main(data: str, scratch: str, budget: str, rounds: str, slow: str) -> None:
    manifest = Manifest.parse(Path(data, MANIFEST).read_bytes(), source=data)
    cache = ShardCache(Slow(Path(data), float(slow)), Path(scratch), int(budget), manifest)
    cache.ahead(manifest.shards)
    for _ in range(int(rounds)):
        for shard in manifest.shards:
            if digest(cache.open(shard).tobytes()) != shard.sha256:
                raise SystemExit(f"{shard.path} is torn")
    cache.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
