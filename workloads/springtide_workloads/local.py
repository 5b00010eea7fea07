"""Training and serving on this machine: the containers' own entries, with the contract's settings filled in.

python -m springtide_workloads.local train [--recipe gpt_tiny] [--nproc 2] [--dir runs]
python -m springtide_workloads.local serve [--run gpt-tiny] [--port 8000] [--dir runs]
"""

import argparse
import hashlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from springtide_workloads.contract import (
    HTTP_PORT,
    METRICS_PORT,
    READY_PATH,
    SERVE_COMMAND,
    TRAIN_COMMAND,
    Device,
    ExitCode,
    Layout,
    ServingContract,
    TrainingContract,
)
from springtide_workloads.errors import EXPECTED
from springtide_workloads.export import Export, exported
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell
from springtide_workloads.train import goodput

LOOPBACK: Final = "127.0.0.1"
LONGEST_NAME: Final = 63
"""Of a DNS label, which names of runs are."""
GRACE_SECONDS: Final = 30
"""What Ctrl-C leaves to the last save, or to the last answers."""

TRAIN_FIRST: Final = "run `make train` first, or `python -m springtide_workloads.local train`"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one of the two and returns its exit code."""
    args = _parser().parse_args(argv)
    commands = {"train": train, "serve": serve}
    try:
        return commands[args.command](args)
    except EXPECTED as error:
        tell(str(error))
        return error.code


def train(args: argparse.Namespace) -> int:
    """Trains a recipe, or goes on with it; a finished one is only shown."""
    run = args.run or _run_name(args.recipe)
    folder = Path(args.dir, run)
    contract = TrainingContract(
        run=run,
        recipe=args.recipe,
        artifacts_url=folder.absolute().as_uri(),
        data_url=None if args.data is None else Path(args.data).absolute().as_uri(),
        scratch_dir=str(folder.absolute()),
        device=Device(args.device),
        metrics_port=_free_port(),
        nodes=1,
        procs_per_node=args.nproc,
        master_addr=LOOPBACK,
        master_port=_free_port(),
        node_rank=0,
        notice_seconds=0,
        grace_seconds=GRACE_SECONDS,
        shutdown_seconds=GRACE_SECONDS,
        save_deadline_seconds=GRACE_SECONDS,
        usd_per_hour=goodput.price(os.environ),
    )
    before = _export(folder)
    if before is None:
        tell(
            f"{args.recipe} with {args.nproc} processes into {folder}; Ctrl-C saves and stops, the same command goes on"
        )
    started = time.monotonic()
    code = _Child(TRAIN_COMMAND, contract.to_env()).wait()
    after = _export(folder)
    if code == ExitCode.DONE and after:
        took = "" if before else f"{time.monotonic() - started:.0f} s"
        sys.stdout.write(_table(after, folder, took))
    if code == ExitCode.INTERRUPTED:
        tell("stopped, and what was done is saved: the same command goes on from there")
    return code


def serve(args: argparse.Namespace) -> int:
    """Serves a finished run, the newest one unless told which."""
    folder = Path(args.dir, args.run) if args.run else _newest(Path(args.dir))
    if folder is None or _export(folder) is None:
        tell(f"there is no trained model in {folder or args.dir}: {TRAIN_FIRST}")
        return ExitCode.CONFIG
    contract = ServingContract(
        model_url=folder.absolute().as_uri(),
        scratch_dir=str(folder.absolute()),
        device=Device(args.device),
        http_port=_port(args.port),
        metrics_port=_port(METRICS_PORT),
        grace_seconds=GRACE_SECONDS,
        propagation_seconds=0,
        drain_seconds=GRACE_SECONDS,
    )
    child = _Child(SERVE_COMMAND, contract.to_env())
    if _ready(child, contract.http_port):
        url = f"http://{LOOPBACK}:{contract.http_port}/v1/completions"
        body = '{"prompt": "A class is", "max_tokens": 80, "temperature": 0.5}'
        sys.stdout.write(f"\nTry it, and stop it with Ctrl-C:\n  curl -s {url} -d '{body}'\n\n")
        sys.stdout.flush()
    return child.wait()


def _run_name(recipe: str) -> str:
    """A name for a run of this recipe, the same each time: a long one ends in a digest."""
    name = re.sub(r"[^a-z0-9]+", "-", recipe.lower()).strip("-")
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9].strip('-')}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"


class _Child:
    """A container's first process, started as this machine's Python runs it."""

    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        # a signal that comes before the child exists still ends this process, as nothing runs yet
        self._process = subprocess.Popen([sys.executable, *command[1:]], env=os.environ | env)  # noqa: S603  ours
        # Ctrl-C reaches the child from the terminal itself; anything else is handed on
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._hand_on)

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> int:
        return self._process.wait()

    def _hand_on(self, number: int, _frame: FrameType | None) -> None:
        self._process.send_signal(number)


def _ready(child: _Child, port: int) -> bool:
    """Waits until the server is ready; False when it ends before."""
    while child.runs:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=1)
        try:
            connection.request("GET", READY_PATH)
            if connection.getresponse().status == http.client.OK:
                return True
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    return False


def _table(export: Export, folder: Path, took: str) -> str:
    rows = {
        "steps": f"{export.step:,}" + (f" in {took}" if took else ", finished before: nothing to do"),
        "held-out loss": f"{export.held_out_loss:.3f} nats a byte",
        **_baseline(export),
        "export": f"{folder / Layout.EXPORT}, sha256 {export.sha256[:16]}",
        "next": "make serve, or python -m springtide_workloads.local serve",
    }
    width = max(map(len, rows))
    return "\n" + "".join(f"{name:<{width}}   {value}\n" for name, value in rows.items())


def _baseline(export: Export) -> dict[str, str]:
    """What counting pairs of bytes reaches, where that says something."""
    if export.bigram_loss is None:
        return {}
    better = 1 - export.held_out_loss / export.bigram_loss
    return {"bigram baseline": f"{export.bigram_loss:.3f} nats a byte; the model is {better:.0%} below it"}


def _export(folder: Path) -> Export | None:
    return exported(Store(folder.absolute().as_uri())) if (folder / Layout.EXPORT_CONFIG).exists() else None


def _newest(folder: Path) -> Path | None:
    """The run below `folder` that was exported last."""
    configs = folder.glob(f"*/{Layout.EXPORT_CONFIG}")
    newest = max(configs, key=lambda path: path.stat().st_mtime, default=None)
    return newest and newest.parent.parent


def _port(wanted: int) -> int:
    """The port, or a free one when something else has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, wanted))
        except OSError:
            other = _free_port()
            tell(f"port {wanted} is taken: using {other}")
            return other
    return wanted


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="springtide_workloads.local", description="Train and serve on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="train a recipe; an unfinished run goes on")
    training.add_argument("--recipe", default="gpt_tiny", help="name[:key=value,...]; default gpt_tiny")
    training.add_argument("--nproc", type=int, default=2, help="processes; default 2")
    training.add_argument("--data", help="folder of *.txt to train on; default the text that Python ships")
    serving = commands.add_parser("serve", help="serve a finished run")
    serving.add_argument("--port", type=int, default=HTTP_PORT, help=f"default {HTTP_PORT}, or a free one")
    for command in (training, serving):
        command.add_argument("--run", help="name of the run; default made from the recipe, or the newest finished one")
        command.add_argument("--dir", default="runs", help="where runs lie; default runs")
        command.add_argument("--device", choices=[each.value for each in Device], default=Device.CPU.value)
    return parser


if __name__ == "__main__":
    sys.exit(main())
