"""What the tests of generation share: tiny models, works without a server, and the plain module as the truth."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.serve.generate.request import Finish, Generate, Logprobs, Tokens

TINY = GPTConfig(layers=2, heads=2, width=32, context=96, vocab=256)


def tiny(seed: int = 0, config: GPTConfig = TINY) -> nn.Module:
    """A model whose logits are far apart, unlike those of fresh weights."""
    torch.manual_seed(seed)
    model = config.build().eval().requires_grad_(requires_grad=False)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.mul_(8)
    return model


def asked(prompt: bytes | list[int], max_tokens: int, **settings: Any) -> Generate:
    """A request that takes the likeliest token each time, unless it says otherwise."""
    everything: dict[str, Any] = {"prompt": tuple(prompt), "max_tokens": max_tokens, "temperature": 0.0} | settings
    return Generate(**everything)


@dataclasses.dataclass(eq=False)
class FakeWork:
    """An accepted request, without a queue or a client."""

    asked: Generate
    gone: bool = False
    begun: int = 0
    ended: int = 0
    error: BaseException | None = None
    pieces: list[Tokens] = dataclasses.field(default_factory=list)
    cost: float = 1.0
    deadline: float | None = None

    def begin(self) -> None:
        self.begun += 1

    def emit(self, piece: Tokens) -> None:
        assert not self.ended
        self.pieces.append(piece)

    def end(self) -> None:
        self.ended += 1

    def fail(self, error: BaseException) -> None:
        self.error = error

    @property
    def ids(self) -> list[int]:
        return [token for piece in self.pieces for token in piece.ids]

    @property
    def logprobs(self) -> list[Logprobs]:
        return [each for piece in self.pieces for each in piece.logprobs]

    @property
    def finish(self) -> Finish | None:
        return self.pieces[-1].finish if self.pieces else None


@torch.inference_mode()
def greedy(model: nn.Module, request: Generate, ids: list[int]) -> list[int]:
    """The likeliest token after each beginning of a text: equal to `ids` when those are what the plain module would give."""
    text = torch.tensor([[*request.prompt, *ids]])
    found: list[int] = model(text)[0, len(request.prompt) - 1 : -1].argmax(-1).tolist()
    return found


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tiny matrices are computed fastest by one thread, above all beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
