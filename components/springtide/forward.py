"""`springtide open`: a service inside a cluster at an address of this machine, for as long as the command runs."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from springtide.spec import did_you_mean
from springtide.target import Target, UsageError, find
from springtide.tools import Machine, ThisMachine

HERE = "127.0.0.1"
DEFAULT_PORT = 8000
ANY_PORT = 0
"""Lets kubectl choose."""
MOST_PORT = 65535
PORT_NAME = "http"
"""What a service calls the port that requests go to."""
_FORWARDING = "Forwarding from "
_END_SECONDS = 5.0
"""Time for kubectl to end once it was told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A service inside its cluster."""

    name: str
    namespace: str


def run(environment: str, service: str, port: int, folder: Path, machine: Machine | None = None) -> int:
    """Forward a port until interrupted.

    Args:
        environment: Name of the environment.
        service: Name of one of its services.
        port: Port of this machine; `ANY_PORT` for one that is free.
        folder: Folder in the project.
        machine: What is asked for short answers. Default: this machine.

    Returns:
        0 after an interrupt, which is how it is meant to end; 1 when the connection was lost or never came about.

    Raises:
        UsageError: nothing was opened, for the reason that the message gives.
    """
    machine = ThisMachine() if machine is None else machine
    target = find(environment, folder)
    _known_service(service, target)
    _usable(port)
    kubectl = machine.find("kubectl")
    if kubectl is None:
        raise UsageError("kubectl is not on the PATH: install it as kubernetes.io/docs/tasks/tools says")
    outputs = _outputs(target.name, target, machine)
    address = _address(service, outputs)
    platform = outputs if target.platform == target.name else _outputs(target.platform, target, machine)
    with _kubeconfig(platform, target.platform) as file:
        return _forward([kubectl, *_words(file, address, port)])


def address_of(endpoint: str) -> Address | None:
    """Service and namespace in an address inside a cluster, `http://chat.springtide`; None for any other address."""
    host = urlsplit(endpoint).hostname or ""
    name, dot, rest = host.partition(".")
    namespace = rest.removesuffix(".cluster.local").removesuffix(".svc")
    return Address(name=name, namespace=namespace) if dot and namespace and "." not in namespace else None


def forwarded(line: str) -> int | None:
    """The local port in what kubectl says once it forwards; None for any other line."""
    if not line.startswith(_FORWARDING):
        return None
    port = line.removeprefix(_FORWARDING).partition(" ->")[0].rpartition(":")[2]
    return int(port) if port.isdigit() else None


def _words(kubeconfig: Path, address: Address, port: int) -> list[str]:
    local = "" if port == ANY_PORT else str(port)
    return [
        *("--kubeconfig", str(kubeconfig), "--namespace", address.namespace, "port-forward", "--address", HERE),
        *(f"service/{address.name}", f"{local}:{PORT_NAME}"),
    ]


def _known_service(service: str, target: Target) -> None:
    known = sorted(target.section("services"))
    if service in known:
        return
    if not known:
        raise UsageError(f"SERVICE {service!r}: {target.shown} has no services")
    hint = did_you_mean(service, known, "")
    raise UsageError(f"SERVICE {service!r}: {f'{hint} ' if hint else ''}{target.shown} has {', '.join(known)}")


def _usable(port: int) -> None:
    """Find out whether a port of this machine can be had.

    Raises:
        UsageError: it cannot.
    """
    if not ANY_PORT <= port <= MOST_PORT:
        raise UsageError(f"--port {port}: use 1 to {MOST_PORT}, or {ANY_PORT} for any that is free")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was closed a moment ago is free
        try:
            probe.bind((HERE, port))
        except OSError as error:
            raise UsageError(
                f"--port {port}: {error.strerror}. Use another, or {ANY_PORT} for any that is free"
            ) from error


def _outputs(stack: str, target: Target, machine: Machine) -> Mapping[str, Any]:
    """What a stack exports, its kubeconfig in plain.

    Raises:
        UsageError: Pulumi does not say.
    """
    words = ("pulumi", "stack", "output", "--json", "--show-secrets", "--stack", stack, "--non-interactive")
    answer = machine.ask(*words, folder=target.root)
    said = answer.json()
    if answer.good and isinstance(said, dict):
        return said
    why = "it says no outputs" if answer.good else answer.why
    raise UsageError(f"outputs of stack {stack}: {why}. `springtide doctor {target.name}` says what is missing")


def _address(service: str, outputs: Mapping[str, Any]) -> Address:
    """Where a service is, as its stack exports it.

    Raises:
        UsageError: it does not, or says an address that is reached without us.
    """
    services = outputs.get("services")
    endpoint = services.get(service) if isinstance(services, Mapping) else None
    if endpoint is None:
        raise UsageError(f"SERVICE {service!r} is in the file and not deployed yet: `pulumi up` first")
    address = address_of(str(endpoint))
    if address is None:
        raise UsageError(f"SERVICE {service!r} needs no forwarding: it answers at {endpoint}")
    return address


@contextmanager
def _kubeconfig(outputs: Mapping[str, Any], stack: str) -> Iterator[Path]:
    """The stack's kubeconfig in a file that nobody else can read and that is gone afterwards."""
    text = outputs.get("kubeconfig")
    if not isinstance(text, str):
        raise UsageError(f"stack {stack} exports no kubeconfig: `pulumi up` first")
    with TemporaryDirectory(prefix="springtide-") as folder, _ended_by_a_signal():
        file = Path(folder) / "kubeconfig"
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        yield file


@contextmanager
def _ended_by_a_signal() -> Iterator[None]:
    """Let a request to end be an interrupt, so that what has to be tidied up is."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _forward(command: list[str]) -> int:
    """Run kubectl until it ends or we are interrupted; say the address once it answers."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, encoding="utf-8") as kubectl:  # noqa: S603  a list of words, no shell
        try:
            for line in kubectl.stdout or ():
                if (port := forwarded(line)) is not None:
                    sys.stdout.write(f"http://{HERE}:{port}   (Ctrl-C closes it)\n")
                    sys.stdout.flush()
            kubectl.wait()
        except KeyboardInterrupt:
            _end(kubectl)
            return 0
    sys.stderr.write(f"springtide: kubectl ended with exit status {kubectl.returncode}; what it said stands above\n")
    return 1


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
