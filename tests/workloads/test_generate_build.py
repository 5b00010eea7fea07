"""Batches by other means: steps that are compiled, weights that are elsewhere, requests that are replayed."""

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from tests.workloads.generating import TINY, FakeWork, asked, greedy, one_thread, tiny
from torch import Tensor, nn

from springtide_workloads.errors import ConfigError
from springtide_workloads.models.placement import place, size
from springtide_workloads.serve.generate.batch import Batch
from springtide_workloads.serve.generate.build import batch_over
from springtide_workloads.serve.generate.options import Options
from springtide_workloads.serve.generate.request import Generate
from springtide_workloads.serve.generate.static import replay

__all__ = ["one_thread"]  # a fixture that works by being here

CPU = torch.device("cpu")
LENGTHS = [(30, 9), (1, 2), (12, 20), (50, 3), (3, 3), (20, 1), (7, 12), (2, 5)]
REQUESTS = [asked([at] * prompt, more) for at, (prompt, more) in enumerate(LENGTHS)]


def batch(**options: int | bool) -> Batch:
    return batch_over(tiny(), TINY, CPU, Options(**{"slots": 3, "step_tokens": 32} | options))  # type: ignore[arg-type]


def played(made: Batch, requests: list[Generate] = REQUESTS) -> list[FakeWork]:
    works = [FakeWork(each) for each in requests]
    waiting = list(works)
    while waiting or made.members:
        while waiting and made.join(waiting[0]):
            waiting.pop(0)
        made.step()
    return works


@pytest.fixture
def fast_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything of a compilation but the compiler, which takes a minute."""
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))


@pytest.mark.usefixtures("fast_compiler")
def test_compiled_steps_give_the_same_tokens_and_nothing_is_compiled_while_serving() -> None:
    made = batch(compile=True)
    counters = torch._dynamo.utils.counters["stats"]
    compiled = counters["unique_graphs"]
    for work in played(made):
        assert work.ids == greedy(tiny(), work.asked, work.ids)
    assert counters["unique_graphs"] == compiled == 1


def test_steps_that_cannot_be_compiled_are_a_setting_that_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        def compiled(*_: object) -> object:
            raise RuntimeError("no C++ compiler")

        return compiled

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(ConfigError, match=r"compile=true, and a step cannot be compiled here: no C\+\+ compiler"):
        batch(compile=True)


def test_a_model_placed_layer_by_layer_gives_the_same_tokens() -> None:
    model = place(tiny(), {CPU: size(tiny())})
    for work in played(batch_over(model, TINY, CPU, Options(slots=3))):
        assert work.ids == greedy(tiny(), work.asked, work.ids)


def test_static_and_continuous_batching_give_the_same_tokens_and_count_their_waste() -> None:
    continuous, static = (replay(batch(pages=30), REQUESTS, policy=policy) for policy in ("continuous", "static"))
    assert static.tokens == continuous.tokens
    assert [len(tokens) for tokens in static.tokens] == [each.max_tokens for each in REQUESTS]
    # three batches, each as long as its longest text
    assert static.steps == 20 + 3 + 12
    assert static.wasted == 3 * static.steps - sum(each.max_tokens for each in REQUESTS)
    assert continuous.wasted < static.wasted
    assert static.first_steps == [1, 1, 1, 21, 21, 21, 24, 24]
    assert all(0 < first <= static.seconds for first in static.first_seconds)


def test_a_cache_by_its_size_in_memory() -> None:
    # keys and values of 16 tokens, 2 layers, 32 numbers of 4 bytes
    assert batch(cache_mib=1).pages.count == 2**20 // (2 * 16 * 2 * 32 * 4)
    assert batch().pages.count == 3 * 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SumConfig:
    """A model of one's own: likes the token that is the sum of all before it."""

    kind: ClassVar = "tests:Sum"
    context: int = 40
    vocab: int = 256

    def build(self) -> nn.Module:
        return Sum()

    def to_json(self) -> dict[str, Any]:
        return {}


class Sum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, tokens: Tensor) -> Tensor:
        assert tokens.shape[1] <= SumConfig().context
        logits: Tensor = nn.functional.one_hot(tokens.cumsum(1) % 256, 256) * self.weight
        return logits


def test_a_model_of_another_kind_is_read_again_for_each_token() -> None:
    made = batch_over(Sum(), SumConfig(), CPU, Options(slots=3, step_tokens=8))
    for work in played(made, [asked([at, 3], 1 + 5 * at) for at in range(7)]):
        assert work.ids == greedy(Sum(), work.asked, work.ids)
