"""What rounding and compiling a served GPT cost and save: quality, memory, tokens a second, time to the first token.

Two models. `trained`: 2 million parameters, taught the sources of Python's own library for two and a half minutes (once; it
stays below `.cache/optimizations`), so that its bits a byte on held-out text mean something. `large`: the shape of GPT-2's
smallest, 85 million, with random weights; they make no difference to memory and speed, and quality is left out.

Each way to serve a model is measured in a process of its own, ways in a shuffled order, again and again. Measured is the
server's own batch (`serve/generate`), without HTTP: a prompt of 128 bytes of held-out text each, greedy answers, one
stream, then eight at a time. Speed counts from when all of them have their first token. On a CPU one core computes, and
seconds are those that it computed for this process, which other work on the machine moves little. `same tokens` compares
the answers with those of float32, place by place; what follows the first other token mostly differs. `process` is what the
process takes beyond Python and torch when all is answered, cache and the kernels' own memory included.

Prints one JSON line a model and way with medians and raw figures, then a table. bfloat16 is the server's `dtype`. `offload`
keeps half of the weights in the machine's memory and needs `--device cuda`, as does spreading layers over several GPUs
(`models/placement.py`), which is not measured here.

Usage: python bench/optimizations.py [--quick] [--repeats 5] [--models trained,large] [--ways float32,int8,…] [--device cpu]
"""

import argparse
import json
import math
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from springtide_workloads.data.dataset import TextData
from springtide_workloads.finish.evaluate import held_out_loss
from springtide_workloads.finish.quantize import NONE, quantized, stored_bytes
from springtide_workloads.models.exported import read
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.serve.generate.batch import Batch
from springtide_workloads.serve.generate.build import batch_over
from springtide_workloads.serve.generate.options import Options
from springtide_workloads.serve.generate.played import Played
from springtide_workloads.serve.generate.request import Generate
from springtide_workloads.storage import Store

ROOT: Final = Path(__file__).resolve().parent.parent
PLACE: Final = ROOT / ".cache" / "optimizations"
RUN: Final = "library"
RECIPE: Final = "gpt_tiny:width=192,layers=4,context=256,batch=4,steps=1000,lr=0.005,save_every=1000,eval_every=1000"
TEXTS: Final = 60
"""Modules of the library that it reads, in the order of their names: 1.7 MB."""
LARGE: Final = GPTConfig(layers=12, heads=12, width=768, context=256)
CONTEXT: Final = 256
SEED: Final = 20261123
SLOTS: Final = 8
PROMPT: Final = 128
TEXT: Final = 96
QUICK_TEXT: Final = 24
EVALUATED: Final = 3
"""Batches of 32 windows of held-out text: 24,576 bytes, the same for all."""
REPEATS: Final = 5
QUICK_REPEATS: Final = 2
MIB: Final = 2**20
ROUND: Final = 100
"""Figures from here on are shown without a decimal."""
MODELS: Final = ("trained", "large")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a model is served."""

    quantize: str = NONE
    compile: bool = False
    dtype: torch.dtype = torch.float32
    on_gpu: float | None = None
    """Part of the weights that a GPU takes; the rest is copied from the machine's memory for each step. None: all."""


WAYS: Final[Mapping[str, Way]] = {
    "float32": Way(),
    "bfloat16": Way(dtype=torch.bfloat16),
    "int8": Way(quantize="int8"),
    "int4": Way(quantize="int4"),
    "bfloat16+int8": Way(dtype=torch.bfloat16, quantize="int8"),
    "bfloat16+int4": Way(dtype=torch.bfloat16, quantize="int4"),
    "compile": Way(compile=True),
    "offload": Way(on_gpu=0.5),
}
ONLY_GPU: Final = {"offload"}
FIGURES: Final = {
    "tokens_per_second": "tokens/s",
    "tokens_per_second_of_8": "tokens/s, 8 streams",
    "first_token_ms": "first token",
    "process_mib": "process",
    "peak_mib": "at its peak",
}
"""What differs between repeats, and what a table calls it."""


def main() -> None:
    """Measures what the arguments ask for, or one way where a process of its own was begun for it."""
    args = _arguments()
    if args.one is not None:
        print(json.dumps(measured(args)))
        return
    if "trained" in args.models:
        train()
    print(json.dumps(_versions(args)), flush=True)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {
        (model, way): [] for model in args.models for way in args.ways
    }
    for repeat in range(args.repeats):
        order = list(found)
        random.Random(repeat).shuffle(order)  # noqa: S311  an order, not a secret
        for model, way in order:
            found[model, way].append(_one(args, model, way, repeat))
    rows = [_row(model, way, runs, found.get((model, "float32"), [])) for (model, way), runs in found.items()]
    for row in rows:
        print(json.dumps(row))
    print(table(rows))


def train() -> None:
    """Teaches the small model, unless that was done before."""
    if (PLACE / RUN / "export" / "config.json").exists():
        return
    texts = PLACE / "texts"
    texts.mkdir(parents=True, exist_ok=True)
    for file in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:TEXTS]:
        shutil.copyfile(file, texts / f"{file.stem}.txt")
    command = [sys.executable, "-m", "springtide_workloads.local", "train", "--nproc", "2"]
    said = ["--recipe", RECIPE, "--run", RUN, "--dir", str(PLACE), "--data", str(texts)]
    subprocess.run([*command, *said], check=True, stdout=sys.stderr)


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """One way, in this process."""
    way, device = WAYS[args.one], torch.device(args.device)
    torch.set_num_threads(args.threads)
    before = _memory()["VmRSS"]
    model, config = _model(args.models[0])
    started = time.perf_counter()
    model = quantized(model.to(way.dtype), way.quantize)
    weights = stored_bytes(model)
    options = Options(
        slots=SLOTS,
        compile=way.compile,
        weights_mib=None if way.on_gpu is None else max(1, int(way.on_gpu * weights / MIB)),
    )
    batch = batch_over(model, config, device, options)
    text = _held_out()
    played(batch, _prompts(text, SLOTS, args.repeat, 1), 8)
    prepared = time.perf_counter() - started
    one = played(batch, _prompts(text, 1, args.repeat, 2), args.text)
    # all repeats give the same prompts to eight streams, whose answers are compared
    eight = played(batch, _prompts(text, SLOTS, 0, 3), args.text)
    memory = _memory()
    rate = _bits_per_byte(model, device) if args.models[0] == "trained" and args.repeat == 0 else None
    return {
        "parameters": sum(each.numel() for each in config.build().parameters()),
        "weights_mib": round(weights / MIB, 2),
        "bits_per_byte": rate,
        "prepared_seconds": round(prepared, 1),
        "tokens_per_second": round(one.tokens_per_second, 1),
        "tokens_per_second_of_8": round(eight.tokens_per_second, 1),
        "first_token_ms": round(one.first_seconds * 1e3, 1),
        "process_mib": round((memory["VmRSS"] - before) / MIB),
        "peak_mib": round((memory["VmHWM"] - before) / MIB),
        "gpu_mib": round(torch.cuda.max_memory_allocated() / MIB) if device.type == "cuda" else None,
        "ids": eight.ids,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """What became of requests that came together."""

    first_seconds: float
    """Until the last of them had its first token."""
    tokens_per_second: float
    """Of all of them from then on."""
    ids: list[tuple[int, ...]]


def played(batch: Batch, prompts: Sequence[bytes], tokens: int) -> Streams:
    """Lets them be answered at a time; nothing else is in the batch."""
    works = [Played(Generate(prompt=each, max_tokens=tokens, temperature=0.0)) for each in prompts]
    clock = time.perf_counter if batch.rows.token.is_cuda else time.process_time
    began = clock()
    for work in works:
        if not batch.join(work, seed=0):
            raise RuntimeError("the batch has no room for its streams")
    while not all(work.pieces for work in works):
        batch.step()
    first, before = clock(), batch.count.tokens
    while batch.members:
        batch.step()
    return Streams(
        first_seconds=first - began,
        tokens_per_second=(batch.count.tokens - before) / (clock() - first),
        ids=[work.ids for work in works],
    )


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as Markdown."""
    head = ("model", "way", "bits a byte", "same tokens", "weights", *FIGURES.values())
    lines = [head, tuple("---" for _ in head), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    quality = "" if row["bits_per_byte"] is None else f"{row['bits_per_byte']:.3f}"
    same = "" if row["same_tokens"] is None else f"{100 * row['same_tokens']:.0f} %"
    units = {"first_token_ms": " ms", "process_mib": " MiB", "peak_mib": " MiB"}
    figures = (f"{row[name]:,.{0 if row[name] >= ROUND else 1}f}{units.get(name, '')}" for name in FIGURES)
    return (row["model"], row["way"], quality, same, f"{row['weights_mib']:.1f} MiB", *figures)


def _row(model: str, way: str, runs: Sequence[dict[str, Any]], plain: Sequence[dict[str, Any]]) -> dict[str, Any]:
    known = [run["bits_per_byte"] for run in runs if run["bits_per_byte"] is not None]
    return {
        "row": "optimization", "model": model, "way": way, "parameters": runs[0]["parameters"],
        "bits_per_byte": round(known[0], 4) if known else None,
        "same_tokens": _same(runs[0]["ids"], plain[0]["ids"]) if plain and model == "trained" else None,
        "weights_mib": runs[0]["weights_mib"],
        **{name: statistics.median(run[name] for run in runs) for name in FIGURES},
        "gpu_mib": runs[0]["gpu_mib"],
        "raw": {name: [run[name] for run in runs] for name in (*FIGURES, "prepared_seconds")},
    }  # fmt: skip


def _same(ids: Sequence[Sequence[int]], others: Sequence[Sequence[int]]) -> float:
    """Part of the tokens that are the same at the same place."""
    pairs = [pair for one, other in zip(ids, others, strict=True) for pair in zip(one, other, strict=True)]
    return round(sum(one == other for one, other in pairs) / len(pairs), 3)


def _one(args: argparse.Namespace, model: str, way: str, repeat: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", way, "--models", model, "--repeat", str(repeat)]
    said = ["--device", args.device, "--threads", str(args.threads), "--text", str(args.text)]
    found: dict[str, Any] = json.loads(
        subprocess.run([*command, *said], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
    )
    shown = {name: value for name, value in found.items() if name != "ids"}
    print(f"{model}, {way}: {shown}", file=sys.stderr, flush=True)
    return found


def _model(name: str) -> tuple[nn.Module, GPTConfig]:
    if name == "large":
        torch.manual_seed(SEED)
        return LARGE.build().eval().requires_grad_(requires_grad=False), LARGE
    found = read(Store((PLACE / RUN).as_uri()))
    if not isinstance(found.config, GPTConfig):
        raise TypeError(f"{PLACE / RUN} is no GPT")
    return found.build().requires_grad_(requires_grad=False), found.config


def _held_out() -> bytes:
    data = TextData(context=CONTEXT).build((PLACE / "texts").as_uri() if (PLACE / "texts").exists() else None, PLACE)
    return b"".join(bytes(inputs.flatten().tolist()) for (inputs, _) in data.held_out()[:EVALUATED])


def _prompts(text: bytes, count: int, repeat: int, kind: int) -> list[bytes]:
    """Of other places of the text each time: nothing is in the cache yet."""
    chance = random.Random(1000 * repeat + kind)  # noqa: S311  places, not secrets
    starts = [chance.randrange(len(text) - PROMPT) for _ in range(count)]
    return [text[start : start + PROMPT] for start in starts]


def _bits_per_byte(model: nn.Module, device: torch.device) -> float:
    """By the model's own forward pass, which is what is served and, for `compile`, what is compiled."""
    data = TextData(context=CONTEXT).build((PLACE / "texts").as_uri(), PLACE)
    return held_out_loss(model, data.held_out()[:EVALUATED], device) / math.log(2)


def _memory() -> dict[str, int]:
    """Bytes by what Linux calls them."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1] == "kB"}


def _versions(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "versions": {"torch": torch.__version__, "python": platform.python_version(), "machine": platform.machine()},
        "threads": args.threads, "load": os.getloadavg()[0], "recipe": RECIPE, "device": args.device,
        "capability": torch.backends.cpu.get_cpu_capability(), "repeats": args.repeats,
    }  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"the small model, {QUICK_REPEATS} repeats, short texts")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--models", type=lambda text: text.split(","), help=f"of {','.join(MODELS)}; default: both")
    parser.add_argument("--ways", type=lambda text: text.split(","), help=f"of {','.join(WAYS)}; default: all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--repeat", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--text", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.models = args.models or list(MODELS[:1] if args.quick else MODELS)
    args.ways = args.ways or [name for name in WAYS if args.device != "cpu" or name not in ONLY_GPU]
    args.repeats = args.repeats or (QUICK_REPEATS if args.quick else REPEATS)
    args.text = args.text or (QUICK_TEXT if args.quick else TEXT)
    return args


if __name__ == "__main__":
    main()
