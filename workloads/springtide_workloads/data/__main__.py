"""`springtide-data`: packs text and Parquet into token shards, shows them and verifies them.

springtide-data pack s3://bucket/corpus 'books/*.txt'
springtide-data pack file:///data/corpus --stratum web=3:'web/*.parquet' --stratum code=1:'code/**/*.txt'
springtide-data show s3://bucket/corpus
springtide-data verify s3://bucket/corpus
"""

import argparse
import glob
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from springtide_workloads.contract import ExitCode
from springtide_workloads.data.corpus import HELD_OUT_ONE_IN
from springtide_workloads.data.documents import Reading
from springtide_workloads.data.manifest import Manifest
from springtide_workloads.data.pack import Input, Packing, pack, verify
from springtide_workloads.data.shards import read_manifest
from springtide_workloads.data.strata import shares
from springtide_workloads.data.tokenizers import Bytes, Tokenizer, TokenizersFile
from springtide_workloads.errors import EXPECTED, ConfigError
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell

URL: Final = re.compile(r"(file:///|(s3|gs|az)://[^/\s]+)\S*")
STRATUM: Final = re.compile(r"(?P<name>[a-z0-9][-_a-z0-9]*)=(?P<weight>[0-9]*\.?[0-9]+):(?P<pattern>.+)")
ONLY: Final = "all"
"""Name of the stratum when none is named."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    args = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        manifest = _COMMANDS[args.command](args)
    except EXPECTED as error:
        tell(str(error))
        return error.code
    except OSError as error:
        tell(f"cannot read an input: {error}")
        return ExitCode.STORAGE
    except KeyboardInterrupt:
        tell("stopped; the same command goes on from the last whole shard")
        return ExitCode.INTERRUPTED
    sys.stdout.write(table(manifest))
    return ExitCode.DONE


def table(manifest: Manifest) -> str:
    """The data set in a few lines."""
    drawn = shares(tuple(each.weight for each in manifest.strata))
    rows = [("stratum", "drawn", "shards", "tokens to train on", "held out")]
    for stratum, share in zip(manifest.strata, drawn, strict=True):
        train = manifest.train(stratum.name)
        held = sum(each.tokens for each in manifest.held_out if each.stratum == stratum.name)
        total = sum(each.tokens for each in train)
        rows.append((stratum.name, f"{share / 10:.1f} %", f"{len(train)}", f"{total:,}", f"{held:,}"))
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["   ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    about = f"{manifest.dtype}, {manifest.vocab:,} tokens known, tokenizer {manifest.tokenizer.get('kind')}"
    return "\n".join([*lines, about]) + "\n"


def _pack(args: argparse.Namespace) -> Manifest:
    return pack(Store(_url(args.url)), _packing(args))


def _show(args: argparse.Namespace) -> Manifest:
    return read_manifest(Store(_url(args.url)))


def _verify(args: argparse.Namespace) -> Manifest:
    return verify(Store(_url(args.url)))


_COMMANDS: Final = {"pack": _pack, "show": _show, "verify": _verify}


def _url(text: str) -> str:
    """The URL; a plain path is one of file://."""
    if "://" not in text:
        return Path(text).absolute().as_uri()
    if not URL.fullmatch(text):
        raise ConfigError(f"the URL is {text!r}: it must be a path, or of scheme file, s3, gs or az")
    return text


def _packing(args: argparse.Namespace) -> Packing:
    """What the arguments ask for, or all that is wrong with them."""
    reading = Reading(separator=args.separator.encode().decode("unicode_escape"), column=args.column)
    mistakes: list[str] = []
    inputs = tuple(_inputs(args, mistakes))
    mistakes += [mistake for each in inputs for path in each.files for mistake in reading.mistakes(path)]
    counts = {"--shard-mib": args.shard_mib, "--held-out-one-in": args.held_out_one_in}
    mistakes += [f"{name} is {value}: it must be at least 1" for name, value in counts.items() if value < 1]
    tokenizer = _tokenizer(args, mistakes)
    if mistakes:
        raise ConfigError("nothing was packed:" + "".join(f"\n  - {each}" for each in dict.fromkeys(mistakes)))
    return Packing(
        inputs=inputs,
        tokenizer=tokenizer,
        reading=reading,
        shard_bytes=args.shard_mib << 20,
        held_out_one_in=args.held_out_one_in,
    )


def _inputs(args: argparse.Namespace, mistakes: list[str]) -> Iterator[Input]:
    if bool(args.files) == bool(args.stratum):
        mistakes.append("give either files, or --stratum for each part of the data")
        return
    if args.files:
        yield Input(name=ONLY, weight=1.0, files=_files(args.files, mistakes))
    found = [(text, STRATUM.fullmatch(text)) for text in args.stratum]
    mistakes += [f"--stratum is {text!r}: it must be name=weight:glob" for text, match in found if not match]
    matches = [match for _, match in found if match]
    names = [match["name"] for match in matches]
    mistakes += [f"--stratum {name!r} is named twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for match in matches:
        weight = float(match["weight"])
        if not weight:
            mistakes.append(f"weight of stratum {match['name']!r} is 0: it must be above 0, or the stratum left out")
        yield Input(name=match["name"], weight=weight, files=_files([match["pattern"]], mistakes))


def _files(patterns: Sequence[str], mistakes: list[str]) -> tuple[Path, ...]:
    found: dict[Path, None] = {}
    for pattern in patterns:
        # glob takes absolute patterns and plain names alike
        files = [path for path in map(Path, sorted(glob.glob(pattern, recursive=True))) if path.is_file()]  # noqa: PTH207
        if not files:
            mistakes.append(f"{pattern!r} matches no file")
        found |= dict.fromkeys(files)
    return tuple(found)


def _tokenizer(args: argparse.Namespace, mistakes: list[str]) -> Tokenizer:
    if args.tokenizer is None:
        return Bytes()
    try:
        return TokenizersFile.read(Path(args.tokenizer), args.end)
    except ConfigError as error:
        mistakes.append(str(error))
        return Bytes()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="springtide-data", description="Token shards for training.")
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="make shards of text; an interrupted call goes on")
    showing = commands.add_parser("show", help="show what a data set holds")
    verifying = commands.add_parser("verify", help="read every shard and compare its digest")
    for command in (packing, showing, verifying):
        command.add_argument("url", help="where the data set lies: a path, file://, s3://, gs:// or az://")
    packing.add_argument("files", nargs="*", help="text or *.parquet files, or globs of them")
    packing.add_argument("--stratum", action="append", default=[], metavar="NAME=WEIGHT:GLOB", help="a weighted part")
    packing.add_argument("--tokenizer", metavar="FILE", help="a tokenizers JSON file; default bytes")
    packing.add_argument("--end", metavar="TOKEN", help="token that ends a document; default the file's usual one")
    packing.add_argument("--column", default="text", help="column of Parquet files; default text")
    packing.add_argument("--separator", default=r"\n\n", help=r"between documents of a text; default \n\n")
    packing.add_argument("--shard-mib", type=int, default=64, help="size of a shard; default 64")
    packing.add_argument(
        "--held-out-one-in", type=int, default=HELD_OUT_ONE_IN, metavar="N", help="default one document in 10"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
