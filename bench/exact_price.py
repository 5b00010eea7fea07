"""The price of equal bits on any number of processes: a step of `exact` beside a step of DDP, over gloo on this machine.

Both arms train the same GPT on the same batch, with one thread a process, in one process group, and take turns. Prints one
JSON line a world: `row, ours, peer, peer_name, ratio, unit`, the raw lists, and the bytes of gradients that a rank sends in
a step. Gloo on loopback is no model of a network between GPUs: bytes carry over, milliseconds do not.

Usage: python bench/exact_price.py [--quick]
"""

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.workloads.stepping import Choice  # noqa: E402  found below the root
from tests.workloads.worlds import together  # noqa: E402

from springtide_workloads.models.gpt import GPTConfig  # noqa: E402
from springtide_workloads.train.exact import cover, slots_of  # noqa: E402
from springtide_workloads.train.ranks import Ranks  # noqa: E402
from springtide_workloads.train.stepper import stepper  # noqa: E402

SLOTS: Final = 4
BATCH: Final = 8
MODEL: Final = GPTConfig(layers=4, heads=4, width=256, context=128)
FLOAT: Final = 4


def main() -> None:
    """Prints the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer steps and repeats")
    for row in rows(parser.parse_args().quick):
        print(json.dumps(row), flush=True)


def rows(quick: bool) -> Iterator[dict[str, Any]]:
    """One row a world that DDP can share the batch in."""
    repeats, steps = (3, 2) if quick else (7, 6)
    for world in (1, 2, 4):
        found = together(world, measure, repeats, steps)
        exact, ddp = (max(each) for each in zip(*(rank["median"] for rank in found), strict=True))
        sent, ring = sent_bytes(found[0]["parameters"], world)
        yield {
            "row": f"exact_step_{world}", "ours": exact, "peer": ddp, "peer_name": f"DDP {torch.__version__}",
            "ratio": exact / ddp, "unit": "s/step", "raw": found[0]["raw"], "bytes_sent": sent, "bytes_sent_ddp": ring,
            "bytes_ratio": sent / ring if ring else None, "slots": SLOTS, "parameters": found[0]["parameters"],
        }  # fmt: skip


def measure(ranks: Ranks, repeats: int, steps: int) -> dict[str, Any]:
    """Seconds a step of both arms, taking turns."""
    arms = {name: _arm(ranks, slots) for name, slots in (("exact", SLOTS), ("ddp", None))}
    raw: dict[str, list[float]] = {name: [] for name in arms}
    for repeat in range(repeats + 1):
        for name, (run, batch) in arms.items():
            # DDP is measured without what exact asks of torch
            torch.use_deterministic_algorithms(mode=name == "exact")
            ranks.any(flag=False)
            started = time.perf_counter()
            for number in range(steps):
                run.step(batch, lr=1e-3, number=number)
            if repeat:
                raw[name].append((time.perf_counter() - started) / steps)
    parameters = sum(p.numel() for p in arms["ddp"][0].model.parameters())
    return {"raw": raw, "median": [statistics.median(raw[name]) for name in arms], "parameters": parameters}


def sent_bytes(parameters: int, world: int) -> tuple[int, int]:
    """Bytes that the busiest rank sends in a step: exact's, and those of a ring."""
    chunk = -(-(parameters + 1) // world)
    nodes = max(len(cover(slots_of(SLOTS, rank, world), SLOTS)) for rank in range(world))
    return FLOAT * (world - 1) * chunk * (nodes + 1), FLOAT * 2 * (world - 1) * -(-parameters // world)


def _arm(ranks: Ranks, slots: int | None) -> tuple[Any, Any]:
    torch.manual_seed(1)
    choice = dataclasses.replace(Choice(), exact=slots, batch=BATCH)
    run = stepper(MODEL.build(), choice, rank=ranks.rank, world=ranks.world, device=ranks.device)
    tokens = torch.randint(0, 256, (BATCH, MODEL.context + 1))[run.part.start : run.part.stop]
    return run, (tokens[:, :-1], tokens[:, 1:])


if __name__ == "__main__":
    main()
