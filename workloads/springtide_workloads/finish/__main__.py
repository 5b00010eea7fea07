"""Evaluate, quantize and compare trained models.

python -m springtide_workloads.finish evaluate URL [--data URL]
python -m springtide_workloads.finish quantize URL --kind int8 --to URL
python -m springtide_workloads.finish table URL [--data URL] [--device cpu]
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from springtide_workloads.contract import Device
from springtide_workloads.data.dataset import Batch, TextData
from springtide_workloads.errors import EXPECTED, ConfigError
from springtide_workloads.finish.evaluate import held_out_loss
from springtide_workloads.finish.quantize import KINDS
from springtide_workloads.finish.table import rows, written
from springtide_workloads.finish.write import quantize_export
from springtide_workloads.models.exported import read
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one of the commands and returns its exit code."""
    args = _parser().parse_args(argv)
    commands = {"evaluate": _evaluate, "quantize": _quantize, "table": _table}
    try:
        commands[args.command](args)
    except EXPECTED as error:
        tell(str(error))
        return int(error.code)
    return 0


def _evaluate(args: argparse.Namespace) -> None:
    found = read(_store(args.model))
    device = _device(args.device)
    loss = held_out_loss(found.build().to(device), _held_out(args.data, found.config.context), device)
    sys.stdout.write(f"held-out loss {loss:.4f} nats a token\n")


def _quantize(args: argparse.Namespace) -> None:
    made = quantize_export(_store(args.model), _store(args.to), args.kind)
    sys.stdout.write(f"{args.to}: {args.kind}, sha256 {made.sha256[:16]}\n")


def _table(args: argparse.Namespace) -> None:
    found, device = read(_store(args.model)), _device(args.device)
    sys.stdout.write(written(rows(found, _held_out(args.data, found.config.context), device)))


def _held_out(url: str | None, context: int) -> Sequence[Batch]:
    where = None if url is None else _url(url)
    return TextData(context=context).build(where, Path(tempfile.gettempdir())).held_out()


def _store(url: str) -> Store:
    return Store(_url(url))


def _url(text: str) -> str:
    """A URL; a path of this machine is one too."""
    return text if "://" in text else Path(text).absolute().as_uri()


def _device(name: str) -> torch.device:
    if name == Device.CUDA and not torch.cuda.is_available():
        raise ConfigError("--device is cuda and torch sees no GPU here: check the driver, or say cpu")
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else torch.get_num_threads())
    return torch.device(name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="springtide_workloads.finish", description="What became of a trained model.")
    commands = parser.add_subparsers(dest="command", required=True)
    evaluate = commands.add_parser("evaluate", help="loss on held-out data")
    quantize = commands.add_parser("quantize", help="write the model with its matrices in 8 or 4 bits")
    quantize.add_argument("--kind", required=True, choices=sorted(KINDS))
    quantize.add_argument("--to", required=True, help="URL or folder to write `export/` to")
    table = commands.add_parser("table", help="quality, size and speed of the model as it is, in bf16, int8 and int4")
    for command in (evaluate, quantize, table):
        command.add_argument("model", help="URL or folder of a finished run")
    for command in (evaluate, table):
        command.add_argument("--data", help="URL or folder of *.txt; default the text that Python ships")
        command.add_argument("--device", choices=[each.value for each in Device], default=Device.CPU.value)
    return parser


if __name__ == "__main__":
    sys.exit(main())
