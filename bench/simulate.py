"""How long and how much memory a simulation takes, at 10,000, 100,000 and 1,000,000 requests.

Prints one JSON line a size: `row, requests, seconds, peak_mib`, and where the seconds went. The trace is made by chance, the
service is one behind gateways with up to 20 replicas of 16 slots; it is read from CSV, replayed and summed up in a process
of its own, without planning (`springtide plan` has its own benchmark).

Usage: python bench/simulate.py [--quick] [--sizes 10000,100000,1000000]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from springtide.simulate.figures import figures
from springtide.simulate.fleet import Machines
from springtide.simulate.keda_object import KedaObject
from springtide.simulate.options import Options
from springtide.simulate.replay import replay
from springtide.simulate.service import Service
from springtide.simulate.trace import read_trace

RATE = 20.0
"""Requests a second: about 130 in flight, 9 replicas."""
QUICK, FULL = "10000,100000", "10000,100000,1000000"


def main() -> None:
    """Measure each size and print its line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--sizes")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measured(options.one)))
        return
    for size in map(int, (options.sizes or (QUICK if options.quick else FULL)).split(",")):
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(row(Path(folder) / "trace.csv", size)), flush=True)


def row(trace: Path, size: int) -> dict[str, object]:
    """One size in a process of its own."""
    write_trace(trace, size)
    process = subprocess.Popen([sys.executable, __file__, "--one", str(trace)], stdout=subprocess.PIPE)
    with process:
        said = process.stdout.read() if process.stdout is not None else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"the simulation of {size} requests failed")
    return {"row": "simulate", **json.loads(said), "peak_mib": round(usage.ru_maxrss / 1024)}


def write_trace(file: Path, size: int) -> None:
    """Requests that come by chance, with the tokens of a conversation."""
    dice, now = random.Random(1), 0.0  # noqa: S311  no secret: the same trace on every machine
    with file.open("w", encoding="utf-8") as out:
        out.write("arrival_seconds,ContextTokens,GeneratedTokens\n")
        for _ in range(size):
            now += dice.expovariate(RATE)
            out.write(f"{now:.6f},{int(dice.lognormvariate(6.8, 0.8))},{int(dice.lognormvariate(4.8, 0.7)) + 1}\n")


def measured(trace: Path) -> dict[str, object]:
    """Seconds of processor time of each part, and of all."""
    begun = time.process_time()
    requests = read_trace(trace, Options())
    read = time.process_time()
    run = replay(service(), requests)
    replayed = time.process_time()
    found = figures(run, 60.0)
    done = time.process_time()
    return {
        "requests": found.requests,
        "seconds": round(done - begun, 2),
        "read": round(read - begun, 2),
        "replay": round(replayed - read, 2),
        "figures": round(done - replayed, 2),
        "scalings": found.scalings,
        "wait_p99": round(found.waits.p99, 1),
    }


def service() -> Service:
    """A service as `springtide.k8s.gateway` makes it, with up to 20 machines."""
    metadata = {
        "valueLocation": "springtide_gateway_requests",
        "targetValue": "16",
        "aggregationType": "sum",
        "aggregateFromKubeServiceEndpoints": "true",
    }
    trigger = {"type": "metrics-api", "name": "requests", "metricType": "AverageValue", "metadata": metadata}
    autoscaler = {"minReplicaCount": 0, "maxReplicaCount": 20, "pollingInterval": 2, "triggers": [trigger]}
    return Service(
        environment="bench", name="chat", slots=16, least=0, autoscaler=KedaObject.of(autoscaler), gateways=2,
        hold_seconds=1200.0, held_requests=2000, propagation_seconds=10.0, drain_seconds=60.0, load_seconds=42.0,
        machines=Machines(replicas_each=1, most=20, boot_seconds=90.0, image_seconds=138.0, idle_seconds=600.0),
        gpus=1, gpus_per_node=1, machine_type="", prices=(),
    )  # fmt: skip


if __name__ == "__main__":
    main()
