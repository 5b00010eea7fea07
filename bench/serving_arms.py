"""The servers that `bench/serving.py` compares: how each is set up, started on its core, told to stop, and removed."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bench import serving_work
from bench.serving_client import ANSWERED, Asked, Client
from bench.serving_work import Work, answer

from springtide_workloads.contract import Device, ServingContract

ROOT: Final = Path(__file__).resolve().parent.parent
PEERS: Final = ROOT / "bench" / "peers"
ENVIRONMENTS: Final = ROOT / ".cache" / "peers"

SERVER_CORE: Final = 0
CLIENT_CORE: Final = 1
START_SECONDS: Final = 90
WINDOW_SECONDS: Final = 5
"""The propagation window: for so long after SIGTERM clients still send."""

NAMESPACE: Final = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")
"""A process namespace a server: whatever it started goes when it goes."""
CHILD: Final = '"$@" & wait $!; code=$?; set -- /proc/[0-9]*; echo $code $(($# - 1)) > "$BENCH_END"; sleep 600'
"""A first process whose child the server is. It tells how the server ended and how many processes that left, and lets them be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One server with its settings."""

    name: str
    environment: str
    """Below `.cache/peers`; ours is this one."""
    shown: str
    """What rows call it."""
    knobs: Mapping[str, float] = field(default_factory=dict)
    warm_seconds: float = 1.0

    @property
    def python(self) -> Path:
        """The interpreter that has it."""
        return Path(sys.executable) if self.name == "ours" else ENVIRONMENTS / self.environment / "bin/python"

    def command(self, port: int) -> list[str]:
        """What starts it."""
        if self.name == "ours":
            return [str(self.python), "-m", "springtide_workloads.serve"]
        return [str(self.python), str(PEERS / f"serving_{self.name}.py"), str(port)]


def ours(**knobs: float) -> Arm:
    """Our server, with a predictor of a few lines."""
    return Arm(name="ours", environment="", shown="ours", knobs=knobs)


QUEUE: Final = 40
"""Requests of 20 ms that can be answered within 0.8 s: what a peer's bound is set to where it has one."""

PEER_NAMES: Final[Mapping[str, tuple[str, str, Mapping[str, float]]]] = {
    "fastapi": ("FastAPI + uvicorn", "--limit-concurrency 40", {"queue": QUEUE}),
    "litserve": ("LitServe", "timeout 0.8 s", {"timeout": 0.8}),
    "bentoml": ("BentoML", "traffic.max_concurrency 40", {"queue": QUEUE}),
    "ray": ("Ray Serve", "max_ongoing_requests 1, max_queued_requests 40", {"queue": QUEUE}),
}
"""Peers: what they are called, the knob that bounds waiting, and its setting."""


def peers(names: list[str], *, best: bool) -> list[Arm]:
    """The peers whose environments are there, at their defaults and, if so wanted, at their best knob too."""
    found = []
    for name in names:
        shown, knob, knobs = PEER_NAMES[name]
        warm = 10.0 if name == "ray" else 1.0  # its proxy is slow while it is cold
        arm = Arm(name=name, environment=f"serving_{name}", shown=f"{shown}, defaults", warm_seconds=warm)
        found.append(arm)
        if best:
            found.append(
                Arm(name=name, environment=arm.environment, shown=f"{shown}, {knob}", knobs=knobs, warm_seconds=warm)
            )
    return [arm for arm in found if arm.python.exists()]


def batching_peers(names: list[str], batch: int) -> list[Arm]:
    """Peers that put requests together whose body is the same as without: BentoML's have another one, FastAPI has no batches.

    Each waits at most 5 ms for a batch to fill, and is bounded as at its best.
    """
    waiting = QUEUE * batch // 2  # what batches of eight answer in 0.8 s, at 16 + 4 n ms
    knobs: dict[str, Mapping[str, float]] = {
        "litserve": {"batch": batch, "delay": 0.005, "timeout": 0.8},
        "ray": {"batch": batch, "delay": 0.005, "queue": waiting},
    }
    return [
        replace(arm, shown=f"{PEER_NAMES[arm.name][0]}, batches of {batch}, bounded", knobs=knobs[arm.name])
        for arm in peers([name for name in names if name in knobs], best=False)
    ]


def bare() -> list[Arm]:
    """Uvicorn and httptools without a framework, on asyncio's loop and on uvloop, which is ours."""
    found = [
        Arm(name="uvicorn", environment="serving_fastapi", shown="bare uvicorn + httptools", knobs={"asyncio": 1}),
        Arm(name="uvicorn", environment="serving_fastapi", shown="bare uvicorn + httptools + uvloop"),
    ]
    return [arm for arm in found if arm.python.exists()]


def prepare() -> None:
    """Makes an environment for each peer, pinned by the file beside its script."""
    uv = [sys.executable, "-m", "uv"]
    for pins in sorted(PEERS.glob("serving_*.txt")):
        place = ENVIRONMENTS / pins.stem
        subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, str(place)], check=True)
        subprocess.run([*uv, "pip", "install", "--python", str(place / "bin/python"), "-r", str(pins)], check=True)


def versions() -> dict[str, str]:
    """What was compared, and on what."""
    told: dict[str, str] = {}
    for pins in sorted(PEERS.glob("serving_*.txt")):
        told |= dict(line.split("==") for line in pins.read_text().split())
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ":")
    return told | {"python": sys.version.split()[0], "cpu": cpu.split(":", 1)[1].strip(), "cores": str(os.cpu_count())}


@dataclass(slots=True, kw_only=True)
class Server:
    """A server that runs."""

    port: int
    popen: "subprocess.Popen[bytes]"
    log: Path
    end: Path
    first_process: bool

    def tell_to_stop(self) -> float:
        """SIGTERM to the server itself; when that was, by the clock of event loops."""
        first = _children(self.popen.pid)[0]
        os.kill(first if self.first_process else _children(first)[0], signal.SIGTERM)
        return time.monotonic()

    def cpu_seconds(self) -> float:
        """What its processes have computed so far; exact to a microsecond or so, and hardly moved by what else runs here."""
        threads = [path for pid in _below(self.popen.pid) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(path.read_text().split()[0]) for path in threads) / 1e9

    def ended(self) -> tuple[int, int] | None:
        """Its exit code and how many processes it left, once it has ended."""
        if self.first_process:
            return None if (code := self.popen.poll()) is None else (code, 0)
        told = self.end.read_text().split() if self.end.exists() else []
        return (int(told[0]), int(told[1])) if len(told) == 2 else None  # noqa: PLR2004


@contextmanager
def running(arm: Arm, work: Work, *, first_process: bool = True, window: int = WINDOW_SECONDS) -> Iterator[Server]:
    """Starts a server on its core, and removes it and all that it started."""
    with tempfile.TemporaryDirectory(prefix="springtide-bench-") as folder:
        place, ports = Path(folder), _free_ports()
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "workloads"))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
            serving_work.VARIABLE: work.text,
            serving_work.KNOBS: json.dumps(dict(arm.knobs)),
            "BENCH_END": str(place / "end"),
        }
        if arm.name == "ours":
            environment |= _contract(place, ports, arm.knobs, window).to_env()
        pinned = ["taskset", "--cpu-list", str(SERVER_CORE), *arm.command(ports[0])]
        whole = [*NAMESPACE, *pinned] if first_process else [*NAMESPACE, "sh", "-c", CHILD, "sh", *pinned]
        with (place / "log").open("wb") as log:
            popen = subprocess.Popen(whole, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=place)
        server = Server(port=ports[0], popen=popen, log=place / "log", end=place / "end", first_process=first_process)
        try:
            yield server
        finally:
            popen.kill()  # and with it its namespace
            popen.wait()


async def ready(server: Server, arm: Arm) -> None:
    """Waits until it answers as it must, and lets it warm up.

    Raises:
        RuntimeError: it ended, or did not answer in time.
    """
    client, deadline = Client(port=server.port, patience=5.0), time.monotonic() + START_SECONDS
    loop = asyncio.get_running_loop()
    warm_until, number = float("inf"), 0
    while loop.time() < warm_until:
        number += 1
        asked = await client.ask(Asked(x=number, intended=loop.time()))
        if asked.fate == ANSWERED:
            check([asked], arm)
            warm_until = min(warm_until, loop.time() + arm.warm_seconds)
        elif server.popen.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{arm.shown} did not start ({asked.fate}):\n{server.log.read_text()[-3000:]}")
        await asyncio.sleep(0.05)
    client.close()


def check(asked: list[Asked], arm: Arm) -> None:
    """Every answer is the one that the work gives: identical between peers.

    Raises:
        AssertionError: one is not.
    """
    for each in asked:
        if each.fate == ANSWERED and json.loads(each.body) != {"y": answer(each.x)}:
            raise AssertionError(f"{arm.shown} answered {each.body!r} to {each.x}, not {answer(each.x)}")


def _contract(place: Path, ports: tuple[int, int], knobs: Mapping[str, float], window: int) -> ServingContract:
    settings = ",".join(f"{key}={value:g}" for key, value in knobs.items())
    return ServingContract(
        model_url=place.as_uri(),
        predictor=f"bench.peers.serving_ours.Numbers{':' if settings else ''}{settings}",
        scratch_dir=str(place),
        device=Device.CPU,
        http_port=ports[0],
        metrics_port=ports[1],
        grace_seconds=60,
        propagation_seconds=window,
        drain_seconds=30,
    )


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])


def _below(pid: int) -> list[int]:
    return [pid, *(each for child in _children(pid) for each in _below(child))]


def _children(pid: int) -> list[int]:
    # also those that another thread than the first one has begun
    return [int(each) for path in Path(f"/proc/{pid}/task").glob("*/children") for each in path.read_text().split()]
