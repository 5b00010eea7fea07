"""Where replicas are."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from aiohttp import ClientError, ClientSession, ClientTimeout

from springtide_workloads.contract import READY_PATH

PROBE_SECONDS: Final = 0.5
_PATIENCE: Final = ClientTimeout(total=2)


class Backends(Protocol):
    """Somebody who knows which replicas take requests."""

    def watch(self) -> AsyncIterator[tuple[str, ...]]:
        """Host and port of each replica that takes requests: all of them now, and all of them anew at each change."""
        ...


class Probed:
    """Replicas at addresses that are known, without Kubernetes: each is asked whether it is ready, twice a second."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def watch(self) -> AsyncIterator[tuple[str, ...]]:
        """Those that say they are ready."""
        async with ClientSession(timeout=_PATIENCE) as session:
            while True:
                answers = await asyncio.gather(*(_ready(session, address) for address in self._addresses))
                yield tuple(address for address, ready in zip(self._addresses, answers, strict=True) if ready)
                await asyncio.sleep(PROBE_SECONDS)


async def _ready(session: ClientSession, address: str) -> bool:
    try:
        async with session.get(f"http://{address}{READY_PATH}") as answer:
            return answer.ok
    except (ClientError, TimeoutError):
        return False
