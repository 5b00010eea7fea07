"""How the nodes of a run find each other, again and again.

Node 0's agent holds a store, and in it a number: the generation of processes. Whenever node 0 has to start its processes
it adds one. A node joins a generation once; its processes start when all nodes have joined, and use keys of that
generation only. So a node that comes back as a new pod is met by all others in the next generation, and never finds the
addresses of processes that are gone. Torch's own static rendezvous (2.15) keeps one set of keys for ever, and its
dynamic one gives no node a lasting rank.
"""

import socket
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import torch.distributed as dist
from torch.distributed.elastic.rendezvous.api import RendezvousHandler, RendezvousInfo, RendezvousStoreInfo

from springtide_workloads.contract import TrainingContract
from springtide_workloads.errors import Interrupted

RENDEZVOUS_SECONDS: Final = 900.0
"""How long a node waits for the others; the elastic agent's own default. New machines take minutes to come."""

POLL_SECONDS: Final = 0.2
"""Waiting is done in short sleeps, so that a signal is heard at once."""

_STORE_TIMEOUT: Final = timedelta(seconds=60)
_COUNT: Final = "generation"


@dataclass(slots=True, kw_only=True)
class Meeting(RendezvousHandler):
    """One node's way into each generation, in the terms of torch's elastic agent."""

    job: TrainingContract
    rank: int
    seconds: float = RENDEZVOUS_SECONDS
    generation: int = 0
    """The generation that this node's processes belong to; 0 before the first."""
    store: Any = field(default=None, init=False)

    def next_rendezvous(self) -> RendezvousInfo:
        """Waits until all nodes are about to start the same generation.

        Raises:
            Interrupted: when they are not within `seconds`.
        """
        deadline = time.monotonic() + self.seconds
        bump = self.rank == 0
        while True:
            try:
                self.store = self.store or self._connected(deadline)
                self.generation = join(self.store, rank=self.rank, nodes=self.job.nodes, bump=bump, deadline=deadline)
                break
            except dist.DistError:
                # node 0 went away while we waited: a new one will come at the same address
                self.store = None
        address = RendezvousStoreInfo(self.job.master_addr, self.job.master_port)
        keys = dist.PrefixStore(self.get_run_id(), self.store)  # type: ignore[attr-defined]
        return RendezvousInfo(keys, self.rank, self.job.nodes, address)

    def num_nodes_waiting(self) -> int:
        """More than 0 when node 0 has gone on to another generation: the agent then starts its processes again."""
        try:
            return int(self.store.add(_COUNT, 0) != self.generation)
        except dist.DistError:
            # without node 0 the processes cannot go on either, and their end says how this node ends
            return 0

    def get_run_id(self) -> str:
        """The run and its generation; processes find it in `TORCHELASTIC_RUN_ID` and begin their keys with it."""
        return f"{self.job.run}/{self.generation}"

    def get_backend(self) -> str:
        """A name for the agent's records."""
        return "generations"

    @property
    def use_agent_store(self) -> bool:
        """Processes use the same store."""
        return True

    def is_closed(self) -> bool:
        """A run can always be joined."""
        return False

    def set_closed(self) -> None:
        """Nothing to do: see `is_closed`."""

    def shutdown(self) -> bool:
        """The store ends with the agent's process."""
        return True

    def _connected(self, deadline: float) -> Any:
        address, port = self.job.master_addr, self.job.master_port
        if self.rank > 0:
            _wait_for_listener(address, port, deadline)
        # torch documents the class and does not list it as exported
        return dist.TCPStore(  # type: ignore[attr-defined]
            address, port, is_master=self.rank == 0, timeout=_STORE_TIMEOUT, wait_for_workers=False
        )


def join(store: Any, *, rank: int, nodes: int, bump: bool, deadline: float) -> int:
    """Joins the current generation and returns its number when all nodes are in it.

    Args:
        store: shared by all nodes.
        rank: this node.
        nodes: how many there are.
        bump: whether this node begins a new generation first.
        deadline: `time.monotonic` until which to wait.

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
        time.sleep(POLL_SECONDS)
        current = int(store.add(_COUNT, 0))
    missing = [each for each in range(nodes) if each != rank and not store.check([_place(current, each)])]
    raise Interrupted(f"waited in vain for other nodes: {missing} of {nodes} did not come")


def _place(generation: int, rank: int) -> str:
    return f"generation-{generation}/node-{rank}"


def _wait_for_listener(address: str, port: int, deadline: float) -> None:
    """Waits until node 0 listens; torch's own wait is one call into C++ that hears no signal and logs each try."""
    while time.monotonic() < deadline:
        try:
            socket.create_connection((address, port), timeout=2.0).close()
        except OSError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise Interrupted(f"waited in vain for node 0 at {address}:{port}")
