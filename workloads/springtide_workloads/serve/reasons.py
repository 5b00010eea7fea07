"""Why a request is not accepted, or gets no whole answer: in words for its client, and as it is counted."""

import math
from http import HTTPStatus
from typing import Final

from springtide_workloads.serve.http import Refusal, Stopped

_FAILURES: Final[dict[int, str]] = {
    HTTPStatus.GATEWAY_TIMEOUT: "deadline",
    HTTPStatus.INTERNAL_SERVER_ERROR: "model",
    HTTPStatus.SERVICE_UNAVAILABLE: "model",
}


def failure(error: BaseException) -> str | None:
    """As what an accepted request without a whole answer is counted; None for one that was refused after all."""
    if isinstance(error, Stopped):
        return "stopped"
    return _FAILURES.get(error.status) if isinstance(error, Refusal) else "model"


def busy(late: float, deadline: float | None) -> Refusal:
    """For one whose answer is expected so many seconds too late."""
    reason = "queue" if deadline is None else "deadline"
    within = "within the time that was given" if deadline is not None else "soon enough"
    after = max(1, math.ceil(late))
    return Refusal(429, f"no answer can be expected {within}: try again in {after} s", retry_after=after, reason=reason)


def room_for_others() -> Refusal:
    """For one that waited, and made room for a more important one."""
    return Refusal(429, "a request of higher priority took its place", retry_after=1, reason="priority")
