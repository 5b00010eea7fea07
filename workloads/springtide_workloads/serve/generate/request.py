"""What is asked of a model that continues text, and what it answers, piece by piece."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ALL: Final = 0
"""`top_k` of a request that leaves no token out."""


class Finish(StrEnum):
    """Why a text ends."""

    STOP = "stop"
    """One of the request's stop sequences came; it is not part of the text."""
    LENGTH = "length"
    """There are as many tokens as were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """One request: continue this prompt."""

    prompt: bytes | tuple[int, ...]
    """Text, for models whose tokens are bytes, or token ids. At least one token."""
    max_tokens: int
    """Tokens to give at most; at least 1. With the prompt they must fit the model's context."""
    temperature: float = 1.0
    """What logits are divided by before a token is drawn. 0 takes the likeliest each time."""
    top_p: float = 1.0
    """Tokens are drawn from the likeliest ones that together have this probability. Default 1: from all."""
    top_k: int = ALL
    """How many of the likeliest tokens may be drawn. Default 0: all."""
    seed: int | None = None
    """Equal requests with equal seeds get equal answers, whoever is computed beside them. Default: another one each time."""
    stop: tuple[bytes, ...] = ()
    """The text ends before the first of these; nothing of them is given."""
    logprobs: int | None = None
    """Log-probabilities to tell of each token: its own and those of this many likeliest ones. Default None: none."""
    model: str = ""
    """A name of `Generation.names`. Default: the first of them."""
    skip: int = 0
    """Tokens that were drawn before: of a text that is resumed, `prompt` has them at its end. The draws go on as if it had
    never been broken off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logprobs:
    """How likely a token was, in nats, before temperature and cuts."""

    chosen: float
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens, the likeliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A piece of an answer. The last one has a `finish`, and may have no token."""

    ids: tuple[int, ...] = ()
    """Token ids in their order; for our models each is a byte."""
    finish: Finish | None = None
    logprobs: tuple[Logprobs, ...] = ()
    """One for each of the ids where the request asks for them."""
    cached: int = 0
    """Of the first piece: tokens of the prompt that were in the cache already."""
