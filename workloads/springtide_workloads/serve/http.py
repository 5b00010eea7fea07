"""Requests and answers as handlers see them: nothing here knows of ASGI, of engines or of models."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec

from springtide_workloads.contract import PRIORITIES

NORMAL: Final = PRIORITIES.index("normal")

JSON: Final = {"content-type": "application/json"}
EVENTS: Final = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, its body read and its key seen."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    deadline: float | None = None
    """`time.monotonic()` at which the client gives up; None when it did not say."""
    priority: int = NORMAL
    """Index into the contract's `PRIORITIES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """An answer that is there as a whole."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)

    @classmethod
    def json(cls, value: Any, status: int = 200) -> "Plain":
        """The value as JSON."""
        return cls(body=msgspec.json.encode(value), status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """An answer that comes in pieces: complete server-sent events, each sent at once.

    A `Refusal` from the iterator becomes its last event, in the shape of an error's body. The iterator is closed when the
    client goes away.
    """

    events: AsyncIterator[bytes]
    headers: Mapping[str, str] = field(default_factory=lambda: EVENTS)


Answer = Plain | Events
Handler = Callable[[Request], Awaitable[Answer]]
"""Answers a request, or raises `Refusal`. It is cancelled when the client goes away."""
Routes = Mapping[tuple[str, str], Handler]
"""Handlers by method and path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the description of the interface says of a route."""

    summary: str
    takes: Any = None
    """Type of the body; None: it has none."""
    gives: Any = None
    """Type of the answer, or of each event; None: any JSON."""
    streams: bool = False
    """Whether the answer is server-sent events."""
    example: Any = None
    """A body to try. Default None: one is made from the type."""


H = TypeVar("H", bound=Handler)


def described(about: About) -> Callable[[H], H]:
    """Lets a handler say what it is; the OpenAPI document is made from it."""

    def mark(handler: H) -> H:
        # functions hold attributes, whatever their type says
        vars(handler)["about"] = about
        return handler

    return mark


def about_of(handler: Handler) -> About:
    """What a handler says of itself."""
    found = getattr(handler, "about", None)
    return found if isinstance(found, About) else About(summary=(handler.__doc__ or "").strip().partition("\n")[0])


class Refusal(Exception):  # noqa: N818  an answer, not an accident
    """A request that gets an answer other than what it asked for, in OpenAI's shape of an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        field: str | None = None,
        retry_after: int | None = None,
        reason: str | None = None,
    ) -> None:
        """An answer.

        Args:
            status: of HTTP.
            message: what is wrong and what to do.
            field: the field that is wrong, with its path.
            retry_after: seconds after which it may be asked again.
            reason: label under which it is counted as refused; None: it is not.
        """
        super().__init__(message)
        self.status = status
        self.field = field
        self.retry_after = retry_after
        self.reason = reason

    @property
    def body(self) -> dict[str, Any]:
        """What the client reads."""
        return {"error": {"message": str(self), "type": _kind(self.status), "param": self.field, "code": self.reason}}

    @property
    def headers(self) -> dict[str, str]:
        """What the client's library reads."""
        found = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        return found | ({"www-authenticate": "Bearer"} if self.status == HTTPStatus.UNAUTHORIZED else {})

    def plain(self) -> Plain:
        """The answer."""
        return Plain(body=msgspec.json.encode(self.body), status=self.status, headers=JSON | self.headers)


class Stopped(Refusal):
    """The server goes before the answer is whole. A handler that streams catches it to say how to go on elsewhere."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "this server stops before the answer is whole: ask again, another one answers",
            retry_after=1,
            reason="stopped",
        )


def event(data: bytes) -> bytes:
    """One server-sent event; the data must hold no line break, as JSON has none."""
    return b"data: " + data + b"\n\n"


_KINDS: Final = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


def _kind(status: int) -> str:
    """OpenAI's name of what went wrong."""
    server = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return _KINDS.get(status, "server_error" if server else "invalid_request_error")
