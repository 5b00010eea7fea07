"""Start what is not running, leave what is, stop everything: whatever happened in between."""

import base64
import contextlib
import datetime as dt
import json
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

import psutil
import yaml

from springtide.local.home import Home
from springtide.local.lock import alone
from springtide.local.plane import kwok, ports, process, programs, state
from springtide.local.plane.certificates import AUTHORITY, Keys, keys
from springtide.local.plane.process import Started
from springtide.local.plane.programs import Service, Site, Tempo
from springtide.local.progress import Progress, step

_ASKED_EVERY_SECONDS = 0.05
_ANSWER_SECONDS = 2.0
_PACKAGE = "springtide.local."
"""How modules of ours that run as processes begin: `python -m springtide.local.…`."""
_NEEDED_BYTES = 400 * 2**20
"""etcd writes its log in files of 64 MB, several at once."""


class LocalError(Exception):
    """Something about this machine is in the way.

    Attributes:
        fix: What to do.
    """

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(f"{message}\n  {fix}")
        self.fix = fix


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """A control plane of this machine. Its functions may be called again at any time: what is well stays as it is."""

    site: Site

    @property
    def home(self) -> Home:
        """Its folders."""
        return self.site.home

    def start_core(self, progress: Progress) -> None:
        """Kubernetes itself, and what plays its nodes.

        Raises:
            LocalError: one of its processes does not come up.
        """
        self.ensure(programs.core(self.site), progress)

    def start_autoscaler(self, progress: Progress) -> None:
        """Karpenter, once its resource definitions are there and `home.instance_types` is written.

        Raises:
            LocalError: it does not come up.
        """
        self.ensure(programs.autoscaler(self.site), progress)

    def start_event_scaler(self, progress: Progress) -> None:
        """KEDA, once its resource definitions are there.

        Raises:
            LocalError: one of its two processes does not come up.
        """
        folder = self.home.root / "keda"
        folder.mkdir(exist_ok=True)
        for name, file in {
            "ca.crt": self.site.keys.certificate(AUTHORITY),
            "tls.crt": self.site.keys.certificate("keda"),
            "tls.key": self.site.keys.key("keda"),
        }.items():
            shutil.copyfile(file, folder / name)
            (folder / name).chmod(0o600)
        self.ensure(programs.event_scaler(self.site), progress)

    def ensure(self, services: Iterable[Service], progress: Progress) -> None:
        """Start those services that are not running, or run something else than they should, in this order.

        Raises:
            LocalError: one does not come up.
        """
        for service in services:
            self._ensure(service, progress)

    def _ensure(self, service: Service, progress: Progress) -> None:
        program = service.program
        found = state.read(self.home.state)
        before = found.processes.get(program.name)
        if before is not None and before.digest == program.digest and before.alive and self._well(service):
            return
        if before is not None:
            process.stop(before, program.patience_seconds)
        with step(progress, f"starting {program.name}"):
            log = self.home.logs / f"{program.name}.log"
            try:
                started = process.start(program, log)
            except OSError as error:
                message = f"{program.name} cannot be started: {error.strerror} ({program.words[0]})."
                raise LocalError(message, "build it again: remove the file") from error
            state.write(self.home.state, found.having(program.name, started))
            self._wait(service, started, log)

    def _wait(self, service: Service, started: Started, log: Path) -> None:
        name, end = service.program.name, time.monotonic() + service.seconds
        while not self._well(service):
            # A child that ended is a zombie until somebody asks.
            if not started.alive:
                message = f"{name} ended while it started; its last words:\n{process.last_lines(log)}"
                raise LocalError(message, f"the whole log is {log}")
            if time.monotonic() > end:
                message = (
                    f"{name} is not well after {service.seconds:.0f} s; its last words:\n{process.last_lines(log)}"
                )
                raise LocalError(message, f"the whole log is {log}; on a busy machine, run the command again")
            time.sleep(_ASKED_EVERY_SECONDS)

    def _well(self, service: Service) -> bool:
        health = service.health
        if health.command:
            return _succeeds(health.command)
        return not health.url or self._answers(health.url)

    def _answers(self, url: str) -> bool:
        context = ssl.create_default_context(cafile=str(self.site.keys.certificate(AUTHORITY)))
        # A proxy of the shell's has no business between two processes of one machine.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(url, timeout=_ANSWER_SECONDS) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except (OSError, urllib.error.URLError):
            return False


def _succeeds(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_ANSWER_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def prepare(home: Home, binaries: Mapping[str, Path], tempo: Tempo | None = None) -> ControlPlane:
    """A control plane, with its keys, ports and configuration written and nothing started.

    Raises:
        LocalError: the folder cannot be written, or the disk is full.
    """
    try:
        home.root.mkdir(parents=True, exist_ok=True)
        room = shutil.disk_usage(home.root).free
        if room < _NEEDED_BYTES:
            message = f"{home.root} has {room / 2**20:.0f} MB left; a control plane needs {_NEEDED_BYTES / 2**20:.0f}."
            raise LocalError(message, "free some, or set SPRINGTIDE_HOME to a folder on another disk")
        return _prepared(home, binaries, Tempo() if tempo is None else tempo)
    except OSError as error:
        message = f"{home.root} cannot be written: {error.strerror}."
        raise LocalError(message, "make it writable, or set SPRINGTIDE_HOME to another folder") from error


def _prepared(home: Home, binaries: Mapping[str, Path], tempo: Tempo) -> ControlPlane:
    found = state.read(home.state)
    alive = {name for name, item in found.processes.items() if item.alive}
    chosen = ports.given(programs.PORTS, found.ports, kept=lambda name: _owner(name) in alive)
    made = keys(home.keys, dt.datetime.now(dt.UTC))
    site = Site(home=home, binaries=binaries, keys=made, ports=chosen, tempo=tempo)
    state.write(home.state, replace(found, ports=chosen))
    for name in ("admin", "kube-controller-manager", "kube-scheduler"):
        _write(site.kubeconfig(name), kubeconfig(site.server, made, name, home.environment))
    _write(home.kubeconfig, site.kubeconfig("admin").read_text(encoding="utf-8"))
    _write(home.root / "kwok.yaml", kwok.config())
    _write(home.root / "scheduler.yaml", _scheduler_config(site))
    return ControlPlane(site=site)


def _owner(port: str) -> str:
    """Name of the process that listens on a port."""
    names = {"keda-adapter": "keda-adapter", "keda-adapter-metrics": "keda-adapter"}
    prefixes = {"etcd": "etcd", "karpenter": "karpenter", "keda": "keda-operator", "kubelet": "kubelet"}
    return names.get(port) or prefixes.get(port.partition("-")[0], port)


def kubeconfig(server: str, made: Keys, name: str, environment: str) -> str:
    """A kubeconfig with the certificate of one client in it; its context is `springtide-<environment>`."""
    context = f"springtide-{environment}"
    cluster = {"server": server, "certificate-authority-data": _encoded(made.certificate(AUTHORITY))}
    user = {
        "client-certificate-data": _encoded(made.certificate(name)),
        "client-key-data": _encoded(made.key(name)),
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": context, "user": user}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        },
        indent=1,
    )


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _scheduler_config(site: Site) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": str(site.kubeconfig("kube-scheduler")), "qps": 300, "burst": 500},
            "leaderElection": {"leaderElect": False},
        }
    )


def _write(file: Path, content: str) -> None:
    """Write a file for nobody but us, and only where its content is another one."""
    if file.is_file() and file.read_text(encoding="utf-8") == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.touch(mode=0o600)
    part.write_text(content, encoding="utf-8")
    part.rename(file)


def only(home: Home, waits: Callable[[], None]) -> "contextlib.AbstractContextManager[None]":
    """What changes an environment does so alone: a second command waits for the first."""
    return alone(home.root.with_name(f"{home.root.name}.lock"), waits)


def running(home: Home) -> dict[str, Started]:
    """The processes of an environment that run, in the order they were started."""
    return {name: item for name, item in state.read(home.state).processes.items() if item.alive}


def fallen(home: Home) -> dict[str, str]:
    """Processes that were started and run no more, each with its last words."""
    found = state.read(home.state).processes
    return {name: process.last_lines(home.logs / f"{name}.log") for name, item in found.items() if not item.alive}


def stop(home: Home, progress: Progress, clean: Callable[[], None]) -> None:
    """End every process of an environment and remove its files; its storage stays.

    It works after a crash, with a state file that is damaged or tells of another day, and with nothing there at all.

    Args:
        home: The environment's folders.
        progress: Who is told.
        clean: Called when all processes are gone and no file is yet: what removes mounts and control groups.
    """
    found = state.read(home.state)
    for name, item in reversed(list(found.processes.items())):
        with step(progress, f"stopping {name}"):
            process.stop(item, process.PATIENCE_SECONDS)
    for stray in strays(home):
        _end(stray)
    clean()
    for part in home.root.iterdir() if home.root.is_dir() else ():
        if part != home.storage:
            shutil.rmtree(part) if part.is_dir() and not part.is_symlink() else part.unlink()
    if home.root.is_dir() and not any(home.root.iterdir()):
        home.root.rmdir()


def strays(home: Home) -> list[psutil.Process]:
    """Processes of ours that no state file tells of any more: the environment's folder stands in their command lines.

    So it may in those of people, who look at a log or ask kubectl: only what is named like a program of ours counts.
    """
    mark = f"{home.root}/"
    found = ((item, _words(item)) for item in psutil.process_iter())
    return [item for item, words in found if _ours(words) and any(mark in word for word in words)]


def _ours(words: Sequence[str]) -> bool:
    return bool(words) and (Path(words[0]).name in programs.NAMES or any(_PACKAGE in word for word in words[1:3]))


def _words(item: psutil.Process) -> list[str]:
    try:
        return item.cmdline()
    except psutil.Error:
        return []


def _end(stray: psutil.Process) -> None:
    try:
        stray.kill()
        stray.wait(timeout=process.PATIENCE_SECONDS)
    except psutil.Error:
        return
