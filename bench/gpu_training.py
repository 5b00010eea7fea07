"""Tokens a second and memory of our trainer's step on one GPU, beside torchtitan's Llama model of the same size.

Both train the same number of layers, heads and widths on the same random tokens: `torch.compile` by block, bfloat16, fused AdamW,
gradients clipped. Each is a process of its own, in turn; the medians are compared. torchtitan must be importable (its folder on
PYTHONPATH); without it our row stands alone.

Prints one JSON line a row and size: `row, ours, peer, peer_name, ratio, unit, raw`.

Usage: python bench/gpu_training.py [--repeats 5] [--quick]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SIZES = {
    "86M": {"layers": 12, "width": 768, "heads": 12, "vocab": 256, "context": 1024, "batch": 32},
    "1.2B": {"layers": 24, "width": 2048, "heads": 16, "vocab": 256, "context": 2048, "batch": 8},
}
WARM_STEPS = 5


def main() -> None:
    """Measure each size and print its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="the small size, twice")
    parser.add_argument("--ours", help="measure our step once and print it: a size as JSON")
    options = parser.parse_args()
    if options.ours:
        print(json.dumps(ours(**json.loads(options.ours), steps=options.steps)))
        return
    for name in ["86M"] if options.quick else SIZES:
        for row in compare(name, SIZES[name], 2 if options.quick else options.repeats, options.steps):
            print(json.dumps(row), flush=True)


def compare(name: str, size: dict[str, int], repeats: int, steps: int) -> list[dict[str, Any]]:
    """Rows of one size: speed, then memory."""
    mine = [sys.executable, str(HERE / "gpu_training.py"), "--ours", json.dumps(size), "--steps", str(steps)]
    peer = [sys.executable, str(HERE / "peers" / "titan_step.py"), "--steps", str(steps)]
    peer += [text for key, value in size.items() for text in (f"--{key}", str(value))]
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "torchtitan": []}
    for _ in range(repeats):
        for who, command in (("ours", mine), ("torchtitan", peer)):
            if (row := run(command)) is not None:
                found[who].append(row)
    rows = []
    for key, unit in (("tokens_per_s", "tokens/s"), ("peak_mib", "MiB")):
        middle = {who: statistics.median(row[key] for row in runs) for who, runs in found.items() if runs}
        both = "torchtitan" in middle and "ours" in middle
        rows.append(
            {
                "row": f"gpu_{key}_{name}", "ours": middle.get("ours"), "peer": middle.get("torchtitan"),
                "peer_name": "torchtitan", "ratio": round(middle["ours"] / middle["torchtitan"], 3) if both else None,
                "unit": unit, "raw": {who: [row[key] for row in runs] for who, runs in found.items()},
                "parameters": {who: runs[0]["parameters"] for who, runs in found.items() if runs},
                "torch": next((row["torch"] for runs in found.values() for row in runs), None),
            }
        )  # fmt: skip
    return rows


def run(command: list[str]) -> dict[str, Any] | None:
    """What a measurement printed; None where it could not run, and why on stderr."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    if done.returncode:
        sys.stderr.write(done.stderr[-2000:])
        return None
    row: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return row


def ours(  # noqa: PLR0913  the shape
    *, layers: int, width: int, heads: int, vocab: int, context: int, batch: int, steps: int
) -> dict[str, Any]:
    """Our trainer's step, as the loop calls it."""
    import torch  # noqa: PLC0415  the parent measures nothing
    import torch.distributed as dist  # noqa: PLC0415

    from springtide_workloads.data.dataset import TextData  # noqa: PLC0415
    from springtide_workloads.models.gpt import GPTConfig  # noqa: PLC0415
    from springtide_workloads.recipes import AdamW, Recipe  # noqa: PLC0415
    from springtide_workloads.train.stepper import stepper  # noqa: PLC0415

    device = torch.device("cuda", 0)
    torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl", store=dist.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
    recipe = Recipe(
        name="bench", model=GPTConfig(layers=layers, heads=heads, width=width, context=context, vocab=vocab),
        data=TextData(context=context), optimizer=AdamW(lr=8e-4), steps=1000, batch=batch, eval_every=1000, bf16=True,
        compile=True,
    )  # fmt: skip
    torch.manual_seed(0)
    made = stepper(recipe.model.build(), recipe, rank=0, world=1, device=device)
    tokens = torch.randint(vocab, (batch, context + 1))
    part = (tokens[:, :-1], tokens[:, 1:])
    for number in range(WARM_STEPS):
        made.step(part, lr=8e-4, number=number)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    for number in range(steps):
        loss = made.step(part, lr=8e-4, number=number)
    torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    dist.destroy_process_group()
    return {
        "tokens_per_s": round(steps * batch * context / seconds),
        "peak_mib": round(torch.cuda.max_memory_allocated() / 2**20),
        "parameters": sum(p.numel() for p in made.model.parameters()),
        "loss": round(float(loss), 3),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    main()
