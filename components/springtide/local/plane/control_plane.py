"""Start what is not running, leave what is, stop everything: whatever happened in between."""

import base64
import contextlib
import datetime as dt
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from springtide.local.home import Home
from springtide.local.lock import alone
from springtide.local.plane import kwok, ports, process, programs, state, stray
from springtide.local.plane.certificates import AUTHORITY, Keys, keys
from springtide.local.plane.health import well
from springtide.local.plane.process import Program, Started
from springtide.local.plane.programs import Service, Site, Tempo
from springtide.local.plane.stray import strays
from springtide.local.progress import Progress, step

__all__ = ["ControlPlane", "LocalError", "fallen", "kubeconfig", "only", "prepare", "running", "stop", "strays"]

_ASKED_EVERY_SECONDS = 0.05
_RECOVERS_SECONDS = 10.0
GATEWAYS = "gateway-"
"""How names of gateways' processes and ports begin."""
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

    def start_gateways(self, wanted: Mapping[str, Mapping[str, str]], progress: Progress) -> None:
        """What holds the requests of services that sleep; one that is wanted no more goes.

        Args:
            wanted: Variables of each, by the name of its process.
            progress: Who is told.

        Raises:
            LocalError: one does not come up.
        """
        admin = self.site.kubeconfig("admin").read_text(encoding="utf-8")
        for name in wanted:
            _write(self.site.kubeconfig(name), admin)
        self._retire(lambda name: name.startswith(GATEWAYS) and name not in wanted, progress)
        self.ensure((programs.gateway(self.site, name, said) for name, said in wanted.items()), progress)

    def _retire(self, unwanted: Callable[[str], bool], progress: Progress) -> None:
        for name, item in state.read(self.home.state).processes.items():
            if unwanted(name):
                with step(progress, f"stopping {name}"):
                    process.stop(item, process.PATIENCE_SECONDS)
                state.write(self.home.state, state.read(self.home.state).lacking(name))

    def ensure(self, services: Iterable[Service], progress: Progress) -> None:
        """Start those services that are not running, or run something else than they should, in this order.

        Raises:
            LocalError: one does not come up.
        """
        for service in services:
            self._ensure(service, progress)

    def _ensure(self, service: Service, progress: Progress) -> None:
        name = service.program.name
        before = state.read(self.home.state).processes.get(name)
        if before is not None and before.digest == service.program.digest and self._stays(service, before):
            return
        with step(progress, f"starting {name}"):
            self._wait(service, self._start(service.program, before))

    def _stays(self, service: Service, before: Started) -> bool:
        """Whether it runs and is well, or gets well by itself: what it leans on may only just have been started again."""
        end = time.monotonic() + _RECOVERS_SECONDS
        while before.alive and time.monotonic() < end:
            if self._well(service):
                return True
            time.sleep(_ASKED_EVERY_SECONDS)
        return False

    def _start(self, program: Program, before: Started | None) -> Started:
        if before is not None:
            with _possible(f"{program.name} cannot be stopped", "run the command as the user who started it"):
                process.stop(before, program.patience_seconds)
        # Two etcds on one folder would wait for each other, and the second controller of a kind would undo the first's work.
        stray.end(stray.like(self.home, program.words))
        with _possible(
            f"{program.name} cannot be started: {program.words[0]}", "remove that file, and it is made again"
        ):
            started = process.start(program, self._log(program.name))
        with _writable(self.home):
            state.write(self.home.state, state.read(self.home.state).having(program.name, started))
        return started

    def _wait(self, service: Service, started: Started) -> None:
        name, log, end = service.program.name, self._log(service.program.name), time.monotonic() + service.seconds
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
        return well(service.health, self.site.keys.certificate(AUTHORITY))

    def _log(self, name: str) -> Path:
        return self.home.logs / f"{name}.log"


@contextlib.contextmanager
def _possible(what: str, fix: str) -> Iterator[None]:
    """What the system refuses is told with what to do.

    Raises:
        LocalError: the system refuses it.
    """
    try:
        yield
    except OSError as error:
        raise LocalError(f"{what}: {error.strerror}.", fix) from error


def _writable(home: Home) -> "contextlib.AbstractContextManager[None]":
    fix = "make room there and make it writable, or set SPRINGTIDE_HOME to another folder"
    return _possible(f"{home.root} cannot be written", fix)


def prepare(
    home: Home, binaries: Mapping[str, Path], tempo: Tempo | None = None, *, gateways: Iterable[str] = ()
) -> ControlPlane:
    """A control plane, with its keys, ports and configuration written and nothing started.

    Args:
        home: Its folders.
        binaries: Its programs.
        tempo: How soon autoscalers act.
        gateways: Names of ports that gateways need.

    Raises:
        LocalError: the folder cannot be written, or the disk is full.
    """
    with _writable(home):
        home.logs.mkdir(parents=True, exist_ok=True)
        room = shutil.disk_usage(home.root).free
    if room < _NEEDED_BYTES:
        message = f"{home.root} has {room / 2**20:.0f} MB left; a control plane needs {_NEEDED_BYTES / 2**20:.0f}."
        raise LocalError(message, "free some, or set SPRINGTIDE_HOME to a folder on another disk")
    found = state.read(home.state)
    alive = {name for name, item in found.processes.items() if item.alive}
    with _possible("no ports for a control plane", "end programs that listen on them"):
        names = dict.fromkeys(
            (*programs.PORTS, *gateways, *(name for name in found.ports if name.startswith(GATEWAYS)))
        )
        chosen = ports.given(names, found.ports, kept=lambda name: _owner(name) in alive)
    with _writable(home):
        made = keys(home.keys, dt.datetime.now(dt.UTC))
        site = Site(home=home, binaries=binaries, keys=made, ports=chosen, tempo=Tempo() if tempo is None else tempo)
        state.write(home.state, replace(found, ports=chosen))
        _configure(site)
    return ControlPlane(site=site)


def _configure(site: Site) -> None:
    home = site.home
    for name in ("admin", "kube-controller-manager", "kube-scheduler"):
        _write(site.kubeconfig(name), kubeconfig(site.server, site.keys, name, home.environment))
    _write(home.kubeconfig, site.kubeconfig("admin").read_text(encoding="utf-8"))
    _write(home.root / "kwok.yaml", kwok.config(site.tempo.lease_seconds))
    _write(home.root / "scheduler.yaml", _scheduler_config(site))


def _owner(port: str) -> str:
    """Name of the process that listens on a port."""
    if port.startswith(GATEWAYS):
        return port.partition(":")[0]
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
        file.chmod(0o600)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.touch(mode=0o600)
    part.write_text(content, encoding="utf-8")
    part.rename(file)


def only(home: Home, waits: Callable[[], None]) -> "contextlib.AbstractContextManager[None]":
    """What changes an environment does so alone: a second command waits for the first."""
    return alone(home.root.with_name(f"{home.root.name}.lock"), waits)


def reserved(home: Home, names: Iterable[str]) -> dict[str, int]:
    """Ports for those names, kept for them: what is applied may speak of them before anything listens there.

    Raises:
        LocalError: the folder cannot be written, or there are no ports.
    """
    found = state.read(home.state)
    alive = {name for name, item in found.processes.items() if item.alive}
    every = dict.fromkeys((*found.ports, *names))
    with _possible("no ports for gateways", "end programs that listen on them"):
        chosen = ports.given(every, found.ports, kept=lambda name: _owner(name) in alive)
    with _writable(home):
        state.write(home.state, replace(found, ports=chosen))
    return {name: chosen[name] for name in names}


def known_ports(home: Home) -> dict[str, int]:
    """Ports of an environment, by the name of who listens."""
    return dict(state.read(home.state).ports)


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

    Raises:
        LocalError: something of it is another user's.
    """
    fix = "run the command as the user who brought it up"
    with _possible(f"{home.environment} cannot be taken down", fix):
        for name, item in reversed(list(state.read(home.state).processes.items())):
            with step(progress, f"stopping {name}"):
                process.stop(item, process.PATIENCE_SECONDS)
    stray.end(strays(home))
    clean()
    with _possible(f"{home.root} cannot be removed", fix):
        _remove(home)


def _remove(home: Home) -> None:
    for part in home.root.iterdir() if home.root.is_dir() else ():
        if part != home.storage:
            shutil.rmtree(part) if part.is_dir() and not part.is_symlink() else part.unlink()
    if home.root.is_dir() and not any(home.root.iterdir()):
        home.root.rmdir()
