"""The workloads' own entries, started and watched as processes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from springtide_workloads.contract import Device, ServingContract, TrainingContract

TINY = "gpt_tiny:steps=60,batch=4,context=32,width=32,layers=1,dropout=0.1,save_every=10,eval_every=40"
"""Trains in a second. With dropout, so that random states count."""

STEADY = "gpt_tiny:steps=120,context=64,width=64,dropout=0.1,save_every=20,eval_every=80"
"""Takes some seconds, so that a process can be met in the middle of it."""

SECONDS = 150
"""How long anything here may take on a busy machine."""

FIRST_PROCESS = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
"""Prefix that makes a command process 1 of its own process namespace, as in a container."""


def has_namespaces() -> bool:
    """Whether this machine lets us be process 1 of something."""
    return bool(shutil.which("unshare")) and not subprocess.run([*FIRST_PROCESS, "true"], check=False).returncode


@dataclass(slots=True)
class Process:
    """A running entry, its output in a file."""

    popen: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> int:
        return self.popen.wait(SECONDS)

    def ends(self) -> tuple[int, str]:
        """Exit code and all output."""
        return self.wait(), self.text()

    def text(self) -> str:
        return self.log.read_text()

    def told(self, number: int) -> None:
        """Sends a signal to the entry itself, also when it is process 1 of a namespace."""
        inside = children(self.popen.pid) if self.popen.args[0] == "unshare" else [self.popen.pid]  # type: ignore[index]
        os.kill(inside[0], number)

    def kill_all(self) -> None:
        """What the loss of a machine does: every process of the tree is gone at once."""
        tree = [self.popen.pid, *descendants(self.popen.pid)]
        for pid in tree:
            os.kill(pid, signal.SIGKILL)
        self.popen.wait()


@dataclass(slots=True)
class Launcher:
    """Starts entries and leaves none behind."""

    place: Path
    started: list[Process] = field(default_factory=list)

    def module(
        self, name: str, *args: str, env: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
    ) -> Process:
        log = self.place / f"{len(self.started)}.log"
        command = [*prefix, sys.executable, "-m", name, *args]
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command, env=os.environ | (env or {}), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.started.append(Process(popen, log))
        return self.started[-1]

    def train(self, contract: TrainingContract, *, prefix: tuple[str, ...] = ()) -> Process:
        return self.module("springtide_workloads.train", env=contract.to_env(), prefix=prefix)

    def serve(self, contract: ServingContract, *, prefix: tuple[str, ...] = ()) -> Process:
        return self.module("springtide_workloads.serve", env=contract.to_env(), prefix=prefix)

    def close(self) -> None:
        for process in self.started:
            if process.popen.poll() is None:
                process.kill_all()


def job(place: Path, **changes: Any) -> TrainingContract:
    """A training contract for this machine."""
    settings: dict[str, Any] = {
        "run": "tiny",
        "recipe": STEADY,
        "artifacts_url": place.as_uri(),
        "device": Device.CPU,
        "nodes": 1,
        "procs_per_node": 2,
        "master_addr": "127.0.0.1",
        "node_rank": 0,
        "notice_seconds": 120,
        "grace_seconds": 60,
        "shutdown_seconds": 50,
        "save_deadline_seconds": 40,
    }
    for port in ("master_port", "metrics_port"):
        if port not in changes:
            settings[port] = free_port()
    return TrainingContract(**settings | changes)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], *, while_alive: Process | None = None) -> None:
    """Waits for a condition, often looking."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        if while_alive is not None and while_alive.popen.poll() is not None:
            raise AssertionError(f"ended too early:\n{while_alive.text()}")
        if time.monotonic() > deadline:
            raise AssertionError("waited too long")
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descendants(pid: int) -> list[int]:
    below = children(pid)
    return below + [each for child in below for each in descendants(child)]


def published(place: Path, step: int) -> bool:
    return (place / f"checkpoints/step-{step:08d}/manifest.json").exists()


def events(place: Path) -> list[dict[str, Any]]:
    path = place / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def export_of(place: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((place / "export/config.json").read_text())
    return config
