"""Whether a program is well, asked in the way that it offers."""

import http.client
import ssl
import subprocess
import urllib.request
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from springtide.local.plane.programs import Health

_ANSWER_SECONDS = 2.0


def well(health: Health, authority: Path) -> bool:
    """Whether a program is well.

    Args:
        health: How it says so.
        authority: Certificate of the authority that signed its own, where it has one.
    """
    if health.command:
        return _succeeds(health.command)
    return not health.url or _answers(health.url, authority)


def _succeeds(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_ANSWER_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _answers(url: str, authority: Path) -> bool:
    context = ssl.create_default_context(cafile=str(authority))
    # A proxy of the shell's has no business between two processes of one machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=_ANSWER_SECONDS) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, http.client.HTTPException):
        # Somebody else, who has the port now, may answer in any way.
        return False
