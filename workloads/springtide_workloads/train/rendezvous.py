"""How the nodes of a run find each other, again and again.

Node 0's agent holds a store, and in it a number: the generation of processes. Whenever node 0 has to start its processes
it adds one. A node joins a generation once; its processes start when all nodes have joined, and use keys of that
generation only. So a node that comes back as a new pod is met by all others in the next generation, and never finds the
addresses of processes that are gone. Torch's own static rendezvous (2.15) keeps one set of keys for ever, and its
dynamic one gives no node a lasting rank.
"""

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import torch.distributed as dist

from springtide_workloads.contract import TrainingContract
from springtide_workloads.errors import Interrupted

RENDEZVOUS_SECONDS: Final = 900.0
"""How long a node waits for the others; the default of torch's elastic agent. New machines take minutes to come."""

POLL_SECONDS: Final = 0.2
"""Waiting is done in short sleeps, so that a signal is heard at once."""

_STORE_TIMEOUT: Final = timedelta(seconds=60)
_COUNT: Final = "generation"
_LEFT: Final = "left"

LEAVE_SECONDS: Final = 30.0
"""How long node 0 waits for the others at the end: their last processes end within moments of its own."""


@dataclass(slots=True, kw_only=True)
class Meeting:
    """One node's way into each generation, and what nodes of one generation tell each other."""

    job: TrainingContract
    rank: int
    """Of this node."""
    heed: Callable[[], None] = lambda: None
    """Called while waiting; may raise."""
    seconds: float = RENDEZVOUS_SECONDS
    generation: int = 0
    """The generation that this node's processes belong to; 0 before the first."""
    store: Any = field(default=None, init=False)

    def join(self) -> None:
        """Waits until all nodes are about to start the same generation.

        Raises:
            Interrupted: when they are not within `seconds`.
        """
        deadline = time.monotonic() + self.seconds
        bump = self.rank == 0
        while True:
            self.heed()
            try:
                self.store = self.store or self._connected(deadline)
                self.generation = join(
                    self.store, rank=self.rank, nodes=self.job.nodes, bump=bump, deadline=deadline, heed=self.heed
                )
            except dist.DistError:
                # node 0 went away while we waited: a new one will come at the same address
                self.store = None
            else:
                return

    def moved_on(self) -> bool:
        """Whether node 0 has gone on to another generation: all start their processes again."""
        try:
            return int(self.store.add(_COUNT, 0)) != self.generation
        except dist.DistError:
            # without node 0 the processes cannot go on either, and their end says how this node ends
            return False

    @property
    def generation_id(self) -> str:
        """The run and its generation; processes find it in `TORCHELASTIC_RUN_ID` and begin their keys with it."""
        return f"{self.job.run}/{self.generation}"

    def post(self, topic: str, value: Any) -> None:
        """Tells the other nodes of this generation something; the last word on a topic counts."""
        with suppress(dist.DistError):
            self.store.set(self._key(topic, self.rank), json.dumps(value))

    def posts(self, topic: str) -> dict[int, Any]:
        """What each node has told on a topic; nodes that said nothing are missing."""
        try:
            said = [node for node in range(self.job.nodes) if self.store.check([self._key(topic, node)])]
            return {node: json.loads(self.store.get(self._key(topic, node))) for node in said}
        except dist.DistError:
            return {}

    def leave(self, seconds: float = LEAVE_SECONDS) -> None:
        """This node ends. Node 0 keeps the store until the others have ended too, so that no process of theirs misses it."""
        with suppress(dist.DistError):
            self.post(_LEFT, True)
            deadline = time.monotonic() + seconds
            while self.rank == 0 and time.monotonic() < deadline and len(self.posts(_LEFT)) < self.job.nodes:
                time.sleep(POLL_SECONDS)

    def _key(self, topic: str, node: int) -> str:
        return f"generation-{self.generation}/{topic}/{node}"

    def _connected(self, deadline: float) -> Any:
        address, port = self.job.master_addr, self.job.master_port
        if self.rank > 0:
            _wait_for_listener(address, port, deadline, self.heed)
        # torch documents the class and does not list it as exported
        return dist.TCPStore(  # type: ignore[attr-defined]
            address, port, is_master=self.rank == 0, timeout=_STORE_TIMEOUT, wait_for_workers=False
        )


def join(  # noqa: PLR0913  each is one fact
    store: Any, *, rank: int, nodes: int, bump: bool, deadline: float, heed: Callable[[], None] = lambda: None
) -> int:
    """Joins the current generation and returns its number when all nodes are in it.

    Args:
        store: shared by all nodes.
        rank: this node.
        nodes: how many there are.
        bump: whether this node begins a new generation first.
        deadline: `time.monotonic` until which to wait.
        heed: called while waiting; may raise.

    Raises:
        Interrupted: at the deadline, naming the nodes that are missing.
    """
    joined = 0
    current = int(store.add(_COUNT, int(bump)))
    while time.monotonic() < deadline:
        # whoever finds its place taken had it before it was lost: that generation is over, the next one counts
        if current not in (0, joined) and store.add(_place(current, rank), 1) == 1:
            joined = current
        if joined and joined == current and store.check([_place(current, each) for each in range(nodes)]):
            return joined
        heed()
        time.sleep(POLL_SECONDS)
        current = int(store.add(_COUNT, 0))
    missing = [each for each in range(nodes) if each != rank and not store.check([_place(current, each)])]
    raise Interrupted(f"waited in vain for other nodes: {missing} of {nodes} did not come")


def _place(generation: int, rank: int) -> str:
    return f"generation-{generation}/node-{rank}"


def _wait_for_listener(address: str, port: int, deadline: float, heed: Callable[[], None]) -> None:
    """Waits until node 0 listens; torch's own wait is one call into C++ that hears no signal and logs each try."""
    while time.monotonic() < deadline:
        heed()
        try:
            socket.create_connection((address, port), timeout=2.0).close()
        except OSError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise Interrupted(f"waited in vain for node 0 at {address}:{port}")
