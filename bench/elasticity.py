"""Seconds from a training job to its nodes and back to none, and the memory of a local control plane, by nodes.

Prints one JSON line a size: `row, nodes, seconds_to_running, seconds_to_zero, control_plane_mib, …` and the raw figures.
Nodes and what runs on them are simulated (kwok); etcd, API server, scheduler, controller-manager and Karpenter are the real
ones, begun anew for each repeat in a folder that goes when it is over. Nothing is rented.

- `seconds_to_running`: from the Job's submission until every pod runs. `boot_seconds` and `start_seconds` of it are what a
  simulated machine and a simulated container take by themselves.
- `seconds_to_zero`: from the Job's deletion until no node and no claim to one is left. `idle_seconds` of it are how long
  the pool lets an idle machine stay.
- `control_plane_mib`: resident memory of all processes of the control plane while all pods run; `growth_mib` is how much
  more that is than before the job.

Usage: python bench/elasticity.py [--quick] [--repeats 3] [--sizes 1,100,1000]
"""

import argparse
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from springtide.local import site as sites
from springtide.local.cluster.api import Api
from springtide.local.cluster.apply import apply
from springtide.local.cluster.errors import UnreachableError
from springtide.local.cluster.refs import POOL, Object, Ref
from springtide.local.home import Home, home
from springtide.local.plane import control_plane
from springtide.local.plane.process import memory_bytes
from springtide.local.progress import Terminal
from springtide.local.render.substitute import substitute
from springtide.local.render.substitution import Here
from springtide.local.start import start
from springtide.offline.plan import Plan
from springtide.offline.planner import plan_environment

ROOT = Path(__file__).resolve().parent.parent
NAME = "bench"
HERE = Here(boot_seconds=1, start_seconds=1, idle_seconds=10, run_seconds=3600)
QUICK_NODES = 100
LOOK_EVERY_SECONDS = 0.25
LOOK_SHARE = 0.01
"""How exact a time is, as a part of it, where that is more than `LOOK_EVERY_SECONDS`."""
MANY = 1000
"""Nodes from which on the control plane is one that the compiler did its best for; `make up` builds it without, in less time."""
SECONDS_PER_STEP = 2400
PROJECT = f"name: springtide\nruntime: python\nmain: {ROOT / 'stacks'}\nstackConfigDir: stacks\n"
ENVIRONMENT = """\
config:
  cloud: local
  machines: aws
  pools:
    train: {{ gpu: H100, gpus_per_node: 8, capacity: [spot], max_nodes: {nodes}, purpose: training }}
  storage:
    artifacts: {{ kind: bucket }}
  jobs:
    gpt: {{ recipe: gpt_tiny, pool: train, nodes: {nodes}, checkpoints: artifacts, run: first }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tide:
    """One repeat: in and out again."""

    seconds_to_first_node: float
    seconds_to_running: float
    seconds_to_zero: float
    idle_mib: float
    control_plane_mib: float
    processes_mib: dict[str, float]


@dataclass(slots=True)
class Tides:
    """All repeats of one size."""

    nodes: int
    found: list[Tide] = field(default_factory=list)

    @property
    def row(self) -> dict[str, object]:
        """The line of this size: medians, and every figure behind them."""
        return {
            "row": "elasticity",
            "nodes": self.nodes,
            **{name: self._median(name) for name in ("seconds_to_first_node", "seconds_to_running", "seconds_to_zero")},
            "control_plane_mib": round(self._median("control_plane_mib")),
            "growth_mib": round(statistics.median(it.control_plane_mib - it.idle_mib for it in self.found)),
            "boot_seconds": HERE.boot_seconds,
            "start_seconds": HERE.start_seconds,
            "idle_seconds": HERE.idle_seconds,
            "processes_mib": self.found[-1].processes_mib,
            **{f"raw_{name}": self._raw(name) for name in ("seconds_to_running", "seconds_to_zero")},
            **{f"raw_{name}": self._raw(name) for name in ("idle_mib", "control_plane_mib")},
        }

    def _raw(self, name: str) -> list[float]:
        return [round(getattr(it, name), 1) for it in self.found]

    def _median(self, name: str) -> float:
        return round(statistics.median(self._raw(name)), 1)


def main() -> None:
    """Measure each size and print its line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sizes", default="1,100,1000")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_NODES} nodes, once: under three minutes")
    options = parser.parse_args()
    sizes, repeats = ([QUICK_NODES], 1) if options.quick else ([*map(int, options.sizes.split(","))], options.repeats)
    # Told to end, it takes its processes along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for nodes in sizes:
        tides = Tides(nodes)
        for _ in range(repeats):
            tides.found.append(measure(nodes))
        print(json.dumps(tides.row), flush=True)


def measure(nodes: int) -> Tide:
    """One repeat, on a control plane of its own."""
    with environment(nodes) as (api, here, objects):
        idle = mib(here)
        [job] = [item for item in objects if item["kind"] == "Job"]
        began = time.monotonic()
        api.apply(job)
        until(lambda: bool(there(api)), "the first node comes")
        first = time.monotonic()
        until(lambda: len(there(api)) == nodes, f"{nodes} nodes come")
        until(lambda: not waiting(api), f"{nodes} pods run")
        running, whole = time.monotonic(), mib(here)
        api.delete(Ref.of(job))
        until(lambda: not there(api) and not claims(api), "the last node goes")
        return Tide(
            seconds_to_first_node=first - began,
            seconds_to_running=running - began,
            seconds_to_zero=time.monotonic() - running,
            idle_mib=sum(idle.values()),
            control_plane_mib=sum(whole.values()),
            processes_mib=whole,
        )


@contextmanager
def environment(nodes: int) -> Iterator[tuple[Api, Home, tuple[Object, ...]]]:
    """A control plane with one pool and no work, and the objects of its plan. Nothing of it stays."""
    progress = Terminal(Console(stderr=True))
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        plan = planned(Path(folder), nodes)
        here = Home(environment=NAME, cache=home(NAME, ROOT).cache, root=Path(folder) / NAME)
        try:
            start(sites.Site(plan=plan, home=here, root=Path(folder)), HERE, progress, optimised=nodes >= MANY)
            with Api.connect(here.kubeconfig) as api:
                objects = substitute(plan, HERE).objects
                pools = [item for item in objects if item["kind"] != "Job"]
                refused = apply(pools, api, NAME, progress).refused
                if refused:
                    raise SystemExit(f"the API server refuses {refused}")
                yield api, here, objects
        finally:
            control_plane.stop(here, progress, clean=lambda: None)
            progress.done()


def planned(folder: Path, nodes: int) -> Plan:
    """The plan of an environment whose one job takes that many nodes."""
    (folder / "Pulumi.yaml").write_text(PROJECT, encoding="utf-8")
    (folder / "stacks").mkdir()
    said = ENVIRONMENT.format(nodes=nodes)
    (folder / "stacks" / f"Pulumi.{NAME}.yaml").write_text(said, encoding="utf-8")
    return plan_environment(folder, NAME)


def there(api: Api) -> list[Object]:
    """The pool's nodes, by their metadata: they are asked for often."""
    return api.metadata(api.kind("v1", "Node"), labels=POOL)


def claims(api: Api) -> list[Object]:
    """What Karpenter has asked for, or not given back yet."""
    return api.metadata(api.kind("karpenter.sh/v1", "NodeClaim"), labels=POOL)


def waiting(api: Api) -> list[Object]:
    """Pods of the job that do not run. Asked for once all nodes are there: there are few of them then."""
    return api.objects("v1", "Pod", labels="springtide.dev/run", fields="status.phase!=Running")


def mib(here: Home) -> dict[str, float]:
    """Resident memory of each process of the control plane."""
    return {name: round(memory_bytes([it]) / 2**20, 1) for name, it in control_plane.running(here).items()}


def until(true: Callable[[], bool], what: str) -> None:
    """Ask again and again until it is so; an answer that is late is no answer.

    What has taken long is asked for less often: a list of a thousand nodes is work too.
    """
    began = time.monotonic()
    while not _so(true):
        took = time.monotonic() - began
        if took > SECONDS_PER_STEP:
            raise SystemExit(f"not so within {SECONDS_PER_STEP} s: {what}")
        time.sleep(max(LOOK_EVERY_SECONDS, LOOK_SHARE * took))


def _so(true: Callable[[], bool]) -> bool:
    try:
        return true()
    except UnreachableError:
        return False


if __name__ == "__main__":
    main()
