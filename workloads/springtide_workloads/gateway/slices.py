"""Replicas of a Kubernetes Service: its EndpointSlices, listed and watched."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector

from springtide_workloads.gateway.access import Access
from springtide_workloads.tell import tell

PORT: Final = "http"
"""Name of the Service's port that leads to the servers."""
WATCH_SECONDS: Final = 60
"""After which a watch is begun anew with a list. It bounds how long a connection that died unheard can mislead us."""
_SLACK_SECONDS: Final = 15
_LONGEST_PAUSE_SECONDS: Final = 10.0


class _Conditions(msgspec.Struct):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None

    @property
    def takes_requests(self) -> bool:
        """Whether new requests may go there. What is not said counts as ready (discovery.k8s.io/v1)."""
        return self.ready is not False and self.serving is not False and self.terminating is not True


class _Endpoint(msgspec.Struct):
    addresses: list[str]
    conditions: _Conditions = msgspec.field(default_factory=_Conditions)


class _Port(msgspec.Struct):
    name: str | None = None
    port: int | None = None


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    resource_version: str = ""


class Slice(msgspec.Struct):
    """Some of a Service's endpoints."""

    metadata: _Metadata
    endpoints: list[_Endpoint] | None = None
    ports: list[_Port] | None = None


class _Slices(msgspec.Struct):
    metadata: _Metadata
    items: list[Slice]


class _Change(msgspec.Struct):
    type: str
    object: msgspec.Raw


class ApiError(Exception):
    """The API server would not say."""


def addresses(slices: Iterable[Slice]) -> tuple[str, ...]:
    """Host and port of all that take requests, sorted; each once, though two slices may have it for a moment."""
    found = {
        f"[{host}]:{port.port}" if ":" in host else f"{host}:{port.port}"
        for item in slices
        for port in item.ports or ()
        if port.name == PORT and port.port is not None
        for endpoint in item.endpoints or ()
        if endpoint.conditions.takes_requests
        # the others are the same pod's again (discovery.k8s.io/v1)
        for host in endpoint.addresses[:1]
    }
    return tuple(sorted(found))


class EndpointSlices:
    """The replicas of one Service, as Kubernetes finds them ready."""

    def __init__(self, access: Access, *, namespace: str, service: str) -> None:
        self._access = access
        self._url = f"{access.server}/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        self._selector = {"labelSelector": f"kubernetes.io/service-name={service}"}

    async def watch(self) -> AsyncIterator[tuple[str, ...]]:
        """Those that take requests. While the API server does not answer, what it said last holds."""
        pause = 0.5
        async with ClientSession(connector=TCPConnector(ssl=self._access.tls)) as session:
            while True:
                try:
                    listed = await self._list(session)
                    known = {item.metadata.name: item for item in listed.items}
                    pause = 0.5
                    yield addresses(known.values())
                    async for change in self._changes(session, listed.metadata.resource_version):
                        _apply(change, known)
                        yield addresses(known.values())
                except (ApiError, ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
                    tell(f"the Kubernetes API does not say where replicas are, asking again in {pause:g} s: {error}")
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _list(self, session: ClientSession) -> _Slices:
        patience = ClientTimeout(total=_SLACK_SECONDS)
        async with session.get(
            self._url, params=self._selector, headers=self._access.headers(), timeout=patience
        ) as answer:
            await _agreed(answer)
            return msgspec.json.decode(await answer.read(), type=_Slices)

    async def _changes(self, session: ClientSession, since: str) -> AsyncIterator[_Change]:
        """What changes after a list, until the API server ends the watch."""
        asked = {"watch": "true", "resourceVersion": since, "timeoutSeconds": str(WATCH_SECONDS)}
        patience = ClientTimeout(total=None, sock_connect=_SLACK_SECONDS, sock_read=WATCH_SECONDS + _SLACK_SECONDS)
        async with session.get(
            self._url, params=self._selector | asked, headers=self._access.headers(), timeout=patience
        ) as answer:
            await _agreed(answer)
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield msgspec.json.decode(line, type=_Change)


def _apply(change: _Change, known: dict[str, Slice]) -> None:
    """Take a change into what is known.

    Raises:
        ApiError: the watch is told that it missed something (410 Gone), and so must list again.
    """
    if change.type == "ERROR":
        raise ApiError(bytes(change.object).decode(errors="replace"))
    item = msgspec.json.decode(change.object, type=Slice)
    if change.type == "DELETED":
        known.pop(item.metadata.name, None)
    elif change.type in {"ADDED", "MODIFIED"}:
        known[item.metadata.name] = item


async def _agreed(answer: ClientResponse) -> None:
    if not answer.ok:
        raise ApiError(f"{answer.status} {(await answer.text())[:500]}")
