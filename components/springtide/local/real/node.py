"""The real node: its runtime, its kubelet and the process that keeps twins in step, and how all of it goes away again."""

import contextlib
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psutil

from springtide.local.home import Home
from springtide.local.plane.certificates import AUTHORITY
from springtide.local.plane.control_plane import ControlPlane, LocalError, running
from springtide.local.plane.process import Program
from springtide.local.plane.programs import Health, Service, Site
from springtide.local.progress import Progress, step
from springtide.local.real import kubelet, twins
from springtide.local.real.ability import Surroundings, plugins
from springtide.local.real.image import archive
from springtide.local.real.runtime import RuntimeFolders, containerd_config, network_config, subnet
from springtide.local.real.twin import IMAGE, Machine

USER = 10001
"""Who the workloads' containers run as; storage belongs to that user."""
_GROUPS = Path("/sys/fs/cgroup")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CONTAINER_LOGS = Path("/var/log/containers")
"""Where every kubelet leaves links to its containers' logs."""
_WORKLOADS = "springtide_workloads"
_TRIES = 50
_PAUSE_SECONDS = 0.1


def folders(home: Home) -> RuntimeFolders:
    """Where an environment's runtime keeps its things."""
    return RuntimeFolders(root=home.root / "node")


def present(home: Home) -> bool:
    """Whether an environment has a real node."""
    return "kubelet" in running(home)


def start(plane: ControlPlane, machine: Machine, progress: Progress) -> None:
    """Let pods really run; what runs already stays as it is.

    Raises:
        LocalError: a process does not come up, or the image cannot be imported.
    """
    site, here = plane.site, folders(plane.home)
    found = plugins(Surroundings())
    if found is None:
        message = "the network plugins of containers are not there."
        raise LocalError(message, "apt-get install containernetworking-plugins")
    _write(here, site, found)
    _own(plane.home.storage)
    plane.ensure([_containerd(here)], progress)
    _import(here, site.binaries["pause"], progress)
    plane.ensure([_kubelet(site, here), _twins(site, machine)], progress)


def machine(home: Home, storage_path: str) -> Machine:
    """What a container sees of this machine: the system, Python, its packages, and the sources they are linked to."""
    installed = {"/usr", sys.prefix, sys.base_prefix}
    sources = _sources()
    needed = {*installed, *([] if _within(sources, installed) else [str(sources)])}
    return Machine(
        read_only=tuple(sorted(needed)),
        storage=str(home.storage),
        storage_path=storage_path,
        python=str(Path(sys.executable).parent),
    )


def _sources() -> Path:
    """Folder that the workloads are imported from: among the packages, or a checkout that is linked there."""
    found = find_spec(_WORKLOADS)
    if found is None or found.origin is None:
        raise LocalError(f"{_WORKLOADS} is not installed beside springtide.", "make up installs both")
    return Path(found.origin).resolve().parent.parent


def _within(folder: Path, others: Iterable[str]) -> bool:
    return any(folder.is_relative_to(other) for other in others)


def _write(here: RuntimeFolders, site: Site, found: Path) -> None:
    here.networks.mkdir(parents=True, exist_ok=True)
    here.config.write_text(containerd_config(here, found), encoding="utf-8")
    (here.networks / "springtide.conflist").write_text(network_config(here, subnet(here.root)), encoding="utf-8")
    here.kubelet_config.write_text(
        kubelet.kubelet_config(
            here,
            client_ca=site.keys.certificate(AUTHORITY),
            port=site.ports["kubelet"],
            health_port=site.ports["kubelet-health"],
            cgroup=f"/{group(site.home)}",
        ),
        encoding="utf-8",
    )
    for folder in hierarchies():
        (folder / group(site.home)).mkdir(exist_ok=True)


def group(home: Home) -> str:
    """Name of the control group that all pods of an environment are in."""
    return f"springtide-{home.root.name}"


def hierarchies() -> list[Path]:
    """Roots of this machine's control groups: one of version 2, or one for each controller of version 1."""
    if (_GROUPS / "cgroup.procs").exists():
        return [_GROUPS]
    return [folder for folder in _GROUPS.iterdir() if (folder / "cgroup.procs").exists()] if _GROUPS.is_dir() else []


def _own(storage: Path) -> None:
    storage.mkdir(parents=True, exist_ok=True)
    os.chown(storage, USER, USER)


def _containerd(here: RuntimeFolders) -> Service:
    program = Program(name="containerd", words=("containerd", f"--config={here.config}"), files=(here.config,))
    return Service(program=program, health=Health(command=(*_ctr(here), "version")))


def _kubelet(site: Site, here: RuntimeFolders) -> Service:
    words = kubelet.kubelet_arguments(site.binaries, here, site.kubeconfig("admin"))
    program = Program(name="kubelet", words=tuple(words), files=(here.kubelet_config,))
    return Service(program=program, health=Health(url=f"http://127.0.0.1:{site.ports['kubelet-health']}/healthz"))


def _twins(site: Site, seen: Machine) -> Service:
    return Service(
        program=Program(name="twins", words=tuple(twins.command(site.home.kubeconfig, seen))), health=Health()
    )


def _ctr(here: RuntimeFolders) -> tuple[str, ...]:
    return ("ctr", "--address", str(here.socket), "--namespace", "k8s.io")


def _import(here: RuntimeFolders, pause: Path, progress: Progress) -> None:
    listed = subprocess.run((*_ctr(here), "images", "ls", "-q"), capture_output=True, text=True, check=False)  # noqa: S603
    if IMAGE in listed.stdout.split():
        return
    with step(progress, "importing the image"):
        architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
        here.images.write_bytes(archive(pause, IMAGE, architecture))
        done = subprocess.run(  # noqa: S603
            (*_ctr(here), "images", "import", str(here.images)), capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        message = f"containerd does not take the image: {done.stderr.strip()}"
        raise LocalError(message, "look at the log of containerd beside the other logs of the environment")


def clean(home: Home, progress: Progress) -> None:
    """Remove what a real node leaves besides files: containers that still run, mounts, control groups, links to logs.

    Call it when kubelet and containerd are stopped. It works after any crash, and where there never was a real node.
    """
    here = folders(home)
    _end_containers(home)
    mounted = _mounts(here.root)
    if mounted:
        with step(progress, f"unmounting {len(mounted)} folders"):
            for place in mounted:
                subprocess.run(("umount", "--lazy", place), capture_output=True, check=False)  # noqa: S603, S607
    for folder in hierarchies():
        _remove_group(folder / group(home))
    for link in _CONTAINER_LOGS.iterdir() if _CONTAINER_LOGS.is_dir() else ():
        if link.is_symlink() and str(link.readlink()).startswith(f"{here.root}/"):
            link.unlink()


def _end_containers(home: Home) -> None:
    """Kill what is in the control groups of the environment, and containerd's own child for each container."""
    socket = str(folders(home).socket)
    for item in psutil.process_iter():
        words = _words(item)
        if words and Path(words[0]).name.startswith("containerd-shim") and socket in words:
            _kill(item.pid)
    _until(partial(_killed_all, home))


def _killed_all(home: Home) -> bool:
    """Kill what is left, and say whether nothing was."""
    left = _members(home)
    for number in left:
        _kill(number)
    return not left


def _words(item: psutil.Process) -> list[str]:
    try:
        return item.cmdline()
    except psutil.Error:
        return []


def _kill(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def _members(home: Home) -> Sequence[int]:
    """Processes in the control groups of the environment."""
    found: set[int] = set()
    for file in (file for folder in hierarchies() for file in (folder / group(home)).rglob("cgroup.procs")):
        # A group may go while we look.
        with contextlib.suppress(OSError):
            found.update(int(line) for line in file.read_text(encoding="utf-8").split())
    return sorted(found)


def _remove_group(folder: Path) -> None:
    """Remove a control group with those in it, the innermost first; what just ended may take a moment to leave."""
    inner = sorted((path for path in folder.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
    for path in [*inner, folder] if folder.is_dir() else ():
        _until(partial(_gone, path))


def _gone(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _mounts(root: Path) -> list[str]:
    """Mount points below a folder, the innermost first."""
    file = Path("/proc/self/mounts")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    places = (line.split()[1].replace("\\040", " ") for line in lines)
    return sorted((place for place in places if place.startswith(f"{root}/")), key=len, reverse=True)


def _until(done: Callable[[], bool]) -> None:
    for _ in range(_TRIES):
        if done():
            return
        time.sleep(_PAUSE_SECONDS)
