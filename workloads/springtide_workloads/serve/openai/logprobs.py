"""Log-probabilities in OpenAI's two shapes. A token that is no character is named by its bytes, as OpenAI does it."""

from collections.abc import Iterable
from typing import Final

from springtide_workloads.serve.generate.request import Logprobs
from springtide_workloads.serve.openai.answers import ChatLogprobs, CompletionLogprobs, TokenLogprobs, TopLogprobs

ASCII: Final = 128
BYTES: Final = 256

Tokens = Iterable[tuple[int, Logprobs]]


def of_text(tokens: Tokens) -> CompletionLogprobs:
    """For `/v1/completions`."""
    told = list(tokens)
    return CompletionLogprobs(
        tokens=[named(token) for token, _ in told],
        token_logprobs=[each.chosen for _, each in told],
        top_logprobs=[{named(other): logprob for other, logprob in each.top} for _, each in told],
    )


def of_message(tokens: Tokens) -> ChatLogprobs:
    """For `/v1/chat/completions`."""
    return ChatLogprobs(content=[_of_token(token, each) for token, each in tokens])


def named(token: int) -> str:
    r"""A token as text.

    >>> named(104), named(195)
    ('h', 'bytes:\\xc3')
    """
    if token >= BYTES:
        return f"token:{token}"
    return chr(token) if token < ASCII else f"bytes:\\x{token:02x}"


def _of_token(token: int, each: Logprobs) -> TokenLogprobs:
    top = [TopLogprobs(token=named(other), logprob=value, bytes=_bytes(other)) for other, value in each.top]
    return TokenLogprobs(token=named(token), logprob=each.chosen, bytes=_bytes(token), top_logprobs=top)


def _bytes(token: int) -> list[int] | None:
    return [token] if token < BYTES else None
