"""Headers of a message that is handed on."""

from collections.abc import Mapping
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from springtide_workloads.contract import HOLD_HEADER, TIMEOUT_HEADER

_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Of one connection and not of the message (RFC 9110, section 7.6.1)."""
_OURS: Final = frozenset({"content-length", "expect", TIMEOUT_HEADER, HOLD_HEADER})
"""Of a request: what we answered ourselves, and what we know better once we have its body."""


def request_headers(
    headers: "CIMultiDictProxy[str]", *, client: str | None, times: Mapping[str, float | None]
) -> "CIMultiDict[str]":
    """Headers that the replica gets: the client's own, who it was, and the seconds that are left of each time."""
    kept = _without(headers, _OURS)
    if client is not None:
        before = ", ".join(kept.popall("X-Forwarded-For", []))
        kept["X-Forwarded-For"] = f"{before}, {client}" if before else client
    for name, seconds in times.items():
        if seconds is not None:
            kept[name] = str(max(1, int(seconds * 1000)))
    return kept


def answer_headers(headers: "CIMultiDictProxy[str]") -> "CIMultiDict[str]":
    """Headers that the client gets."""
    return _without(headers, frozenset())


def _without(headers: "CIMultiDictProxy[str]", names: frozenset[str]) -> "CIMultiDict[str]":
    """All but the named ones, those of the connection, and those that `Connection` says are of the connection too."""
    listed = {name.strip().lower() for value in headers.getall("Connection", []) for name in value.split(",")}
    left_out = _HOP | names | listed
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in left_out)
