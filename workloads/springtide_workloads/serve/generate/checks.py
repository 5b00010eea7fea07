"""What of a request cannot work with a model, said before it is accepted."""

from collections.abc import Callable, Iterator
from typing import Final

from springtide_workloads.models import ModelConfig
from springtide_workloads.serve.generate.request import Generate
from springtide_workloads.serve.http import Refusal

BYTES: Final = 256
"""Vocabulary of a model whose tokens are bytes."""

Problems = Iterator[tuple[str, str]]
"""Fields and what is wrong with them."""


def check(asked: Generate, config: ModelConfig) -> None:
    """Nothing, for a request that the model can answer.

    Raises:
        Refusal: 422 with the first field that does not fit, and every one in its text.
    """
    problems = [problem for rule in _RULES for problem in rule(asked, config)]
    if problems:
        text = "; ".join(f"{field}: {what}" for field, what in problems)
        raise Refusal(422, text, field=problems[0][0])


def _prompt(asked: Generate, config: ModelConfig) -> Problems:
    if not asked.prompt:
        yield "prompt", "it is empty: the model needs at least one token"
    if isinstance(asked.prompt, bytes) and config.vocab != BYTES:
        yield "prompt", f"tokens of this model are no bytes, it has {config.vocab}: send token ids"
    elif asked.prompt and not 0 <= min(asked.prompt) <= max(asked.prompt) < config.vocab:
        yield "prompt", f"a token id must be from 0 to {config.vocab - 1}"


def _length(asked: Generate, config: ModelConfig) -> Problems:
    room = config.context - len(asked.prompt)
    if room < 1:
        seen = f"it has {len(asked.prompt)} tokens and the model sees {config.context}"
        yield "prompt", f"{seen}: send {config.context - 1} at most"
    elif asked.max_tokens < 1:
        yield "max_tokens", f"it is {asked.max_tokens} and must be at least 1"
    elif asked.max_tokens > room:
        seen = f"the prompt has {len(asked.prompt)} tokens and the model sees {config.context} in all"
        yield "max_tokens", f"it is {asked.max_tokens}, {seen}: at most {room} with this prompt"


def _chances(asked: Generate, config: ModelConfig) -> Problems:
    if not 0 <= asked.temperature < float("inf"):
        yield "temperature", f"it is {asked.temperature} and must be at least 0"
    if not 0 < asked.top_p <= 1:
        yield "top_p", f"it is {asked.top_p} and must be above 0 and at most 1"
    if asked.top_k < 0:
        yield "top_k", f"it is {asked.top_k} and must be at least 0, which leaves no token out"
    if asked.logprobs is not None and not 0 <= asked.logprobs <= config.vocab:
        yield "logprobs", f"it is {asked.logprobs} and must be from 0 to {config.vocab}"


def _stop(asked: Generate, config: ModelConfig) -> Problems:
    if not all(asked.stop):
        yield "stop", "a stop sequence is empty: leave it out"
    if asked.stop and config.vocab != BYTES:
        yield "stop", "tokens of this model are no bytes: it cannot tell where a text stops"


_RULES: Final[tuple[Callable[[Generate, ModelConfig], Problems], ...]] = (_prompt, _length, _chances, _stop)
