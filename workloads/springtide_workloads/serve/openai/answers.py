"""What is answered, in OpenAI's shapes. What only this server tells is under `springtide`."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

Finish = str | None


class Cached(msgspec.Struct, frozen=True, kw_only=True):
    """Parts of a prompt."""

    cached_tokens: int
    """Tokens that were read for another request before."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens read and written. Of an answer that is continued, what was given before counts as read."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: Cached


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Where an answer stands: what it takes to continue it."""

    seed: int
    tokens: int
    """Tokens given so far, with those of this chunk."""
    ids: list[int] | UnsetType = UNSET
    """Token ids of this chunk; of a whole answer, where tokens are no text."""


class TopLogprobs(msgspec.Struct, frozen=True, kw_only=True):
    """A token that could have come."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprobs(msgspec.Struct, frozen=True, kw_only=True):
    """A token that came."""

    token: str
    logprob: float
    bytes: list[int] | None
    top_logprobs: list[TopLogprobs]


class ChatLogprobs(msgspec.Struct, frozen=True, kw_only=True):
    """Log-probabilities of a message."""

    content: list[TokenLogprobs]
    refusal: None = None


class CompletionLogprobs(msgspec.Struct, frozen=True, kw_only=True):
    """Log-probabilities of a text. Offsets into it are not told: a token may be a part of a character."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]


class CompletionChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A continuation, or a chunk of one."""

    index: int
    text: str
    springtide: Mark
    finish_reason: Finish = None
    logprobs: CompletionLogprobs | None = None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """What `/v1/completions` gives; as a stream, each event is one."""

    id: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | UnsetType | None = UNSET
    object: str = "text_completion"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the model."""

    content: str
    role: str = "assistant"
    refusal: None = None


class ChatChoice(msgspec.Struct, frozen=True, kw_only=True):
    """An answer."""

    index: int
    message: Said
    springtide: Mark
    finish_reason: Finish
    logprobs: ChatLogprobs | None = None


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """What `/v1/chat/completions` gives."""

    id: str
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    object: str = "chat.completion"


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """What a chunk adds to a message."""

    content: str
    role: str | UnsetType = UNSET


class ChatChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk of an answer."""

    index: int
    delta: Delta
    springtide: Mark
    finish_reason: Finish = None
    logprobs: ChatLogprobs | None = None


class ChatChunk(msgspec.Struct, frozen=True, kw_only=True):
    """What `/v1/chat/completions` gives as a stream, in each event."""

    id: str
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: Usage | UnsetType | None = UNSET
    object: str = "chat.completion.chunk"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model that may be named."""

    id: str
    created: int
    object: str = "model"
    owned_by: str = "springtide"


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """What `GET /v1/models` gives."""

    data: list[Model]
    object: str = "list"


_encoder: Final = msgspec.json.Encoder()


def encoded(value: Any) -> bytes:
    """As JSON."""
    return _encoder.encode(value)
