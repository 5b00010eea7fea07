"""Row `continuous_batching`: tokens a second by joining at each step, beside waiting for the longest of a batch.

Both are our own step kernel over a small GPT with random weights, computing the same requests for the same tokens; so what is
compared is scheduling, and nothing is said about a GPU. All requests are there at the start. Lengths are those of a request
trace divided by eight (`--trace FILE`, a CSV with ContextTokens and GeneratedTokens); without one they are drawn, seeded, from
log-normal distributions with the quantiles of the Azure LLM inference trace 2023, conversation (Azure/AzurePublicDataset,
CC-BY-4.0). Wasted slot-steps are exact: no clock has a part in them.
"""

import csv
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from bench.serving_client import percentile
from bench.serving_runs import Series, row, tell

from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.serve.generate.build import batch_over
from springtide_workloads.serve.generate.options import Options
from springtide_workloads.serve.generate.request import Generate
from springtide_workloads.serve.generate.static import Replayed, replay

MODEL: Final = GPTConfig(layers=4, heads=6, width=384, context=768, vocab=256)
"""7 million parameters."""
SLOTS: Final = 16
SCALE: Final = 8
REQUESTS: Final = 256
QUICK_REQUESTS: Final = 64
REPEATS: Final = 7
QUICK_REPEATS: Final = 2
SEED: Final = 20261123
TAIL: Final = 2.3263
"""Standard deviations from the median of a normal distribution to its 99th percentile."""
POLICIES: Final = ("continuous", "static")


class _Lengths(NamedTuple):
    prompt: int
    text: int


class _Quantiles(NamedTuple):
    median: float
    p99: float
    most: float


CONTEXT: Final = _Quantiles(1020, 4146, 14050)
GENERATED: Final = _Quantiles(129, 601, 1000)
"""Of the trace, in tokens: what the fit has in common with it. The largest ones are where it is cut off."""


def rows(*, quick: bool, trace: Path | None, repeats: int | None = None) -> Iterator[dict[str, Any]]:
    """Tokens a second, time to the first token, and slot-steps that brought nobody on."""
    lengths = (fitted() if trace is None else traced(trace))[: QUICK_REQUESTS if quick else REQUESTS]
    requests = _requests(lengths)
    torch.set_num_threads(1)  # one core is the client's elsewhere; more threads would only add noise
    torch.manual_seed(SEED)
    model = MODEL.build().eval().requires_grad_(requires_grad=False)
    found: dict[str, list[Replayed]] = {policy: [] for policy in POLICIES}
    for repeat in range(repeats or (QUICK_REPEATS if quick else REPEATS)):
        for policy in POLICIES if repeat % 2 else reversed(POLICIES):
            # a batch of its own: nothing is in the cache yet
            batch = batch_over(model, MODEL, torch.device("cpu"), Options(slots=SLOTS))
            found[policy].append(replay(batch, requests, policy=policy))
            tell(f"batching {policy}: {found[policy][-1].seconds:.1f} s, {found[policy][-1].steps} steps")
    yield from _compared(
        found, {"requests": len(requests), "slots": SLOTS, "lengths": "fit" if trace is None else "trace"}
    )


def traced(trace: Path) -> list[_Lengths]:
    """Lengths of a trace, divided."""
    with trace.open(newline="", encoding="utf-8") as file:
        return [_lengths(float(each["ContextTokens"]), float(each["GeneratedTokens"])) for each in csv.DictReader(file)]


def fitted() -> list[_Lengths]:
    """Lengths that have the trace's quantiles, divided."""
    chance = random.Random(SEED)  # noqa: S311  lengths, not secrets
    return [_lengths(_drawn(CONTEXT, chance), _drawn(GENERATED, chance)) for _ in range(REQUESTS)]


def _drawn(known: _Quantiles, chance: random.Random) -> float:
    spread = math.log(known.p99 / known.median) / TAIL
    return min(known.median * math.exp(chance.gauss(0.0, spread)), known.most)


def _lengths(context: float, generated: float) -> _Lengths:
    text = max(1, min(round(generated / SCALE), MODEL.context // 2))
    return _Lengths(prompt=max(1, min(round(context / SCALE), MODEL.context - text)), text=text)


def _requests(lengths: Sequence[_Lengths]) -> list[Generate]:
    chance = random.Random(SEED)  # noqa: S311  prompts, not secrets
    return [
        Generate(prompt=tuple(chance.randrange(256) for _ in range(each.prompt)), max_tokens=each.text, temperature=0.0)
        for each in lengths
    ]


def _compared(found: dict[str, list[Replayed]], told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    tokens = {tuple(each.tokens) for runs in found.values() for each in runs}
    if len(tokens) != 1:
        raise AssertionError("the two ways do not give the same tokens")
    count = sum(len(each) for each in next(iter(tokens)))
    mine, theirs = (found[policy] for policy in POLICIES)
    for name, unit, value in (
        ("continuous_batching", "tokens/s", lambda run: count / run.seconds),
        ("continuous_batching_first_token", "s, p99", lambda run: percentile(run.first_seconds, 0.99)),
        ("continuous_batching_wasted", "wasted slot-steps", lambda run: float(run.wasted)),
        ("continuous_batching_steps", "steps", lambda run: float(run.steps)),
    ):
        yield row(
            name, Series([value(run) for run in mine]), Series([value(run) for run in theirs]),
            "static batching, our own step kernel", unit, tokens=count, **told,
        )  # fmt: skip
