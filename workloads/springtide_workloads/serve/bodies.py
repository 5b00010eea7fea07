"""Bodies of requests and answers, in OpenAI's shape for text completions."""

import re
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

MAX_BODY_BYTES: Final = 1 << 18
MAX_PROMPT_CHARACTERS: Final = 1 << 15
MAX_TOKENS: Final = 512
"""Most tokens one request may ask for: what bounds the time that a drain may take."""


class CompletionRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What `POST /v1/completions` takes."""

    prompt: Annotated[str, Meta(min_length=1, max_length=MAX_PROMPT_CHARACTERS)]
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_TOKENS)] = 64
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] = 1.0
    """0 takes the likeliest token each time."""
    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] | None = None
    """Equal requests with equal seeds get equal answers. Default: another one each time."""
    model: str = ""
    """Accepted for clients that always send it; a server has one model."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One continuation."""

    text: str
    finish_reason: str
    index: int = 0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens read and written; for our models a token is a byte."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What it gives."""

    id: str
    model: str
    created: int
    choices: list[Choice]
    usage: Usage
    object: str = "text_completion"


class Refusal(Exception):  # noqa: N818  an answer, not an accident
    """A request that gets an answer other than what it asked for."""

    def __init__(self, status: int, message: str, *, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"error": {"message": message} | ({"field": field} if field else {})}
        self.headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        if status == HTTPStatus.UNAUTHORIZED:
            self.headers["www-authenticate"] = "Bearer"


def parse(body: bytes) -> CompletionRequest:
    """The request in a body.

    Raises:
        Refusal: 400 for what is not JSON, 422 with the field's name for what does not fit.
    """
    try:
        return msgspec.json.decode(body, type=CompletionRequest)
    except msgspec.ValidationError as error:
        message, field = _readable(str(error))
        raise Refusal(422, message, field=field) from error
    except msgspec.DecodeError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from error


_FIELD: Final = re.compile(r"at `\$\.(\w+)|field `(\w+)`")


def _readable(text: str) -> tuple[str, str]:
    """Message and field of msgspec's text, which ends in a path or names the field it misses or does not know."""
    match = _FIELD.search(text)
    field = (match[1] or match[2]) if match else "body"
    return f"{field}: {text.partition(' - at ')[0]}", field
