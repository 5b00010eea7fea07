"""Asks a cloud's metadata server whether this machine is about to be taken back.

AWS says so two minutes before, GCP thirty seconds before, of which a pod on GKE gets fifteen. Kubernetes sends SIGTERM only
once the node is being drained; asking here does not wait for that. Where the server cannot be reached from pods, as behind
AWS' hop limit of 1, SIGTERM is what is left.
"""

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol

from springtide_workloads.contract import NoticeFrom
from springtide_workloads.tell import tell

AWS_URL: Final = "http://169.254.169.254"
GCP_URL: Final = "http://metadata.google.internal"
EVERY_SECONDS: Final = 5.0
"""AWS' documentation asks for this."""
TIMEOUT_SECONDS: Final = 2.0
HANG_SECONDS: Final = 300
"""How long GCP's server may take to say that nothing changed."""
_TOKEN_SECONDS: Final = 21_600


class Cloud(Protocol):
    """One cloud's way to say it."""

    def noticed(self) -> bool:
        """Whether the machine goes. May take as long as the server likes to think.

        Raises:
            OSError: the server cannot be asked.
        """
        ...


@dataclass(slots=True)
class Aws:
    """The instance metadata service, version 2."""

    url: str = AWS_URL
    _token: str | None = field(default=None, init=False)

    def noticed(self) -> bool:
        """Whether there is a spot instance action: it is 404 until there is one."""
        if self._token is None:
            lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
            self._token, _ = _ask("PUT", f"{self.url}/latest/api/token", lifetime)
        try:
            _ask("GET", f"{self.url}/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": self._token})
        except urllib.error.HTTPError as error:
            self._token = None if error.code == HTTPStatus.UNAUTHORIZED else self._token
            if error.code in {HTTPStatus.NOT_FOUND, HTTPStatus.UNAUTHORIZED}:
                return False
            raise
        return True


@dataclass(slots=True)
class Gcp:
    """The metadata server of Compute Engine."""

    url: str = GCP_URL
    _etag: str | None = field(default=None, init=False)

    def noticed(self) -> bool:
        """Whether the machine is preempted. Answers at once the first time, then when it changes."""
        path = f"{self.url}/computeMetadata/v1/instance/preempted"
        if self._etag is not None:
            path += f"?wait_for_change=true&timeout_sec={HANG_SECONDS}&last_etag={self._etag}"
        text, headers = _ask("GET", path, {"Metadata-Flavor": "Google"}, HANG_SECONDS + TIMEOUT_SECONDS)
        self._etag = headers.get("ETag")
        return text.strip().upper() == "TRUE"


def _ask(
    method: str, url: str, headers: Mapping[str, str], timeout: float = TIMEOUT_SECONDS
) -> tuple[str, Mapping[str, str]]:
    request = urllib.request.Request(url, method=method, headers=dict(headers))  # noqa: S310  the URLs above
    # a proxy of the environment must not see, or answer, what is asked of this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout) as answer:
        return answer.read(4096).decode(errors="replace"), answer.headers


CLOUDS: Final[dict[NoticeFrom, Callable[[], Cloud]]] = {NoticeFrom.AWS: Aws, NoticeFrom.GCP: Gcp}


def listen(whom: NoticeFrom, then: Callable[[], None]) -> None:
    """Call `then` once, from a thread of its own, when the machine is about to go; with `none`, never."""
    if whom in CLOUDS:
        threading.Thread(target=watch, args=(CLOUDS[whom](), then), name="notice", daemon=True).start()


def watch(cloud: Cloud, then: Callable[[], None], every: float = EVERY_SECONDS) -> None:
    """Ask until the machine goes, then call `then`. A server that cannot be asked is told of once, and asked again."""
    told = False
    while True:
        begun = time.monotonic()
        try:
            if cloud.noticed():
                tell("this machine is about to be taken back")
                then()
                return
            told = False
        except OSError as error:
            if not told:
                tell(f"the metadata server cannot be asked whether this machine goes, SIGTERM says it then: {error}")
            told = True
        time.sleep(max(0.0, every - (time.monotonic() - begun)))
