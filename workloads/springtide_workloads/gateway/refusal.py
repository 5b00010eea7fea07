"""Requests that get no answer of a replica, and what they get."""

import json
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from aiohttp import web

from springtide_workloads.contract import REFUSED_HEADER

RETRY_SECONDS: Final = 5
"""What a client is told to wait that found no room or no replica: room comes with the next answer, or the next replica."""


class Reason(StrEnum):
    """Why a request got no answer of a replica."""

    KEY = "key"
    """It carried no key that may ask."""
    MALFORMED = "malformed"
    """It cannot be handed on."""
    TOO_LARGE = "too_large"
    """Its body is longer than one may be."""
    SLOW_BODY = "slow_body"
    """Its body did not arrive in time."""
    TOO_MANY = "too_many"
    """As many requests wait as may."""
    MEMORY = "memory"
    """The bodies of those that wait fill the memory they may take."""
    NO_REPLICA = "no_replica"
    """No replica took it in the time that a replica needs to be there."""
    TIMEOUT = "timeout"
    """Its client would not wait any longer."""
    BROKEN = "broken"
    """A replica took it and broke off."""
    CLIENT = "client"
    """Its client went away."""
    STOPPED = "stopped"
    """The gateway's own time was over."""


class Refused(Exception):  # noqa: N818  an answer, not an accident
    """An answer of the gateway's own, in the shape that the servers' refusals have."""

    def __init__(self, status: HTTPStatus, reason: Reason, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after

    def response(self) -> web.Response:
        """What the client gets."""
        body = json.dumps({"error": {"message": str(self), "reason": self.reason}})
        headers = {REFUSED_HEADER: self.reason.value}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return web.Response(status=self.status, text=body, content_type="application/json", headers=headers)


class Broken(Refused):
    """A replica took the request and broke off before it answered: nobody knows how far it came."""

    def __init__(self, message: str) -> None:
        super().__init__(HTTPStatus.BAD_GATEWAY, Reason.BROKEN, message)


class NoReplica(Refused):
    """No replica took the request in the time that one needs to be there; another arm may."""

    def __init__(self, message: str) -> None:
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, Reason.NO_REPLICA, message, retry_after=RETRY_SECONDS)
