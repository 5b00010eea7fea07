"""What `POST /v1/completions` and `POST /v1/chat/completions` take, and what of OpenAI's fields they do not serve.

A field that would change the answer is served or refused, never left unread.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from springtide_workloads.serve.openai.messages import Message
from springtide_workloads.serve.openai.refusing import refuse, wrong

MOST_CHOICES: Final = 4
"""Answers to one prompt."""
MOST_STOPS: Final = 4
SEEDS: Final = 1 << 63
"""Seeds are from 0 to below this."""

Seed = Annotated[int, Meta(ge=0, le=SEEDS - 1)]
Count = Annotated[int, Meta(ge=1)]
Stop = Annotated[str, Meta(min_length=1)]


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a stream is told."""

    include_usage: bool | None = None
    """Whether a chunk with the usage comes last."""
    include_obfuscation: Any = None


class ContinueFrom(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an answer broke off."""

    seed: Seed
    """As its chunks told it."""
    ids: list[Annotated[int, Meta(ge=0)]]
    """Token ids of its chunks, one after the other."""


class Extension(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What only this server has."""

    continue_from: ContinueFrom | None = None
    """The same request goes on where a stream of it broke off: the answer is what would have followed."""


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both take."""

    model: str | None = None
    """One of `GET /v1/models`. Default: the first of them."""
    max_tokens: Count | None = None
    """Tokens to give at most."""
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | None = None
    """0 takes the likeliest token each time. Default 1."""
    top_p: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    """Tokens are drawn from the likeliest ones that together have this probability. Default 1: from all."""
    top_k: Annotated[int, Meta(ge=0)] | None = None
    """How many of the likeliest tokens may be drawn; not a field of OpenAI's. Default 0: all."""
    n: Annotated[int, Meta(ge=1, le=MOST_CHOICES)] | None = None
    """Answers to each prompt. Default 1."""
    stop: Stop | Annotated[list[Stop], Meta(max_length=MOST_STOPS)] | None = None
    """The answer ends before the first of these."""
    seed: Seed | None = None
    """Equal requests with equal seeds get equal answers. Of `n` answers, the next ones have the next seeds. Default: drawn."""
    stream: bool | None = None
    """Whether the answer comes as server-sent events. Default false."""
    stream_options: StreamOptions | None = None
    springtide: Extension | None = None

    user: Any = None
    """Read by nobody, like the four below it: they are for the provider's accounts and caches."""
    metadata: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    safety_identifier: Any = None

    frequency_penalty: Any = None
    logit_bias: Any = None
    presence_penalty: Any = None

    not_served: ClassVar[Mapping[str, Sequence[Any]]] = {
        "frequency_penalty": (0,),
        "logit_bias": ({},),
        "presence_penalty": (0,),
    }
    """Fields that are refused, but for null and these values, which ask for nothing."""

    @property
    def choices(self) -> int:
        """Answers to each prompt."""
        return 1 if self.n is None else self.n

    @property
    def stops(self) -> tuple[bytes, ...]:
        """Where the text ends."""
        found = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(each.encode() for each in found)

    @property
    def continued(self) -> ContinueFrom | None:
        """Where it goes on; None when it begins."""
        return None if self.springtide is None else self.springtide.continue_from

    def refuse_not_served(self) -> None:
        """Refuses what would change the answer and is not served.

        Raises:
            Refusal: 422 with the field.
        """
        refuse(self, self.not_served)
        if self.stream_options is not None:
            refuse(self.stream_options, {"include_obfuscation": (False,)}, "stream_options.")
            if not self.stream:
                raise wrong("stream_options", "is for streams: send stream = true with it, or leave it out")


class CompletionBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `POST /v1/completions` takes."""

    prompt: str | list[str | int | list[int]]
    """Text, token ids, or a list of either."""
    echo: bool | None = None
    """Whether the answer begins with the prompt. Default false."""
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    """Log-probabilities of each token and of this many likeliest ones."""

    best_of: Any = None
    suffix: Any = None

    not_served: ClassVar[Mapping[str, Sequence[Any]]] = {**Body.not_served, "best_of": (1,), "suffix": ("",)}

    @property
    def prompts(self) -> list[bytes | tuple[int, ...]]:
        """Each prompt.

        Raises:
            Refusal: 422 when the list is empty, or of several kinds.
        """
        if isinstance(self.prompt, str):
            return [self.prompt.encode()]
        match self.prompt:
            case [str(), *_] if _all(self.prompt, str):
                return [str(each).encode() for each in self.prompt]
            case [int(), *_] if _all(self.prompt, int):
                return [_ids(self.prompt)]
            case [list(), *_] if _all(self.prompt, list):
                return [_ids(each) for each in self.prompt if isinstance(each, list)]
        raise wrong(
            "prompt", "must be text, a list of texts, a list of token ids, or a list of such lists; none may be empty"
        )


class ChatBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `POST /v1/chat/completions` takes."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Count | None = None
    """The newer name of `max_tokens`."""
    logprobs: bool | None = None
    """Whether log-probabilities are told of each token. Default false."""
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    """Of how many likeliest ones they are told too; only with `logprobs`."""

    audio: Any = None
    function_call: Any = None
    functions: Any = None
    modalities: Any = None
    moderation: Any = None
    parallel_tool_calls: Any = None
    prediction: Any = None
    reasoning_effort: Any = None
    response_format: Any = None
    service_tier: Any = None
    store: Any = None
    tool_choice: Any = None
    tools: Any = None
    verbosity: Any = None
    web_search_options: Any = None

    not_served: ClassVar[Mapping[str, Sequence[Any]]] = {
        **Body.not_served,
        "audio": (),
        "function_call": ("none", "auto"),
        "functions": ([],),
        "modalities": (["text"],),
        "moderation": (),
        "parallel_tool_calls": (True, False),
        "prediction": (),
        "reasoning_effort": ("none",),
        "response_format": ({"type": "text"},),
        "service_tier": ("auto", "default"),
        "store": (False,),
        "tool_choice": ("none", "auto"),
        "tools": ([],),
        "verbosity": ("medium",),
        "web_search_options": (),
    }

    @property
    def most(self) -> int | None:
        """Tokens to give at most; None when nobody said.

        Raises:
            Refusal: 422 when its two names have two values.
        """
        if self.max_completion_tokens is None or self.max_tokens in (None, self.max_completion_tokens):
            return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        raise wrong("max_tokens", "and max_completion_tokens say the same in two ways: send one of them")

    @property
    def logprobs_of(self) -> int | None:
        """Likeliest tokens to tell of; None when nobody asks.

        Raises:
            Refusal: 422 for `top_logprobs` alone.
        """
        if self.logprobs:
            return self.top_logprobs or 0
        if self.top_logprobs is None:
            return None
        raise wrong("top_logprobs", "is told with logprobs only: send logprobs = true with it, or leave it out")


def _all(values: Iterable[object], kind: type) -> bool:
    return all(isinstance(each, kind) for each in values)


def _ids(values: Sequence[Any]) -> tuple[int, ...]:
    if not values or any(each < 0 for each in values):
        raise wrong("prompt", "token ids are whole numbers from 0, and there must be one")
    return tuple(values)
