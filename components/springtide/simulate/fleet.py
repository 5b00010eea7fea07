"""Replicas and the machines they run on: asked for, booted, loading, ready, leaving, gone."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """What the machines of a pool are like."""

    replicas_each: int
    """Replicas that fit on one."""
    most: int
    """How many there may be for this service."""
    kept: int = 0
    """How many are there at all times."""
    boot_seconds: float
    image_seconds: float
    idle_seconds: float
    """How long an empty one stays."""


@dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """One machine."""

    asked: float
    booted: float
    pulled: float
    """From when on it has the image."""
    kept: bool
    replicas: int = 0
    empty_since: float = math.inf
    gone: float = math.inf


@dataclass(slots=True, eq=False, kw_only=True)
class Replica:
    """One server."""

    number: int
    asked: float
    node: Node | None = None
    started: float = math.inf
    """From when on its machine was there."""
    ready: float = math.inf
    """From when on it takes requests; in the future while it loads its model."""


class Fleet:
    """The replicas of one service.

    Without `machines` a replica starts at once: it runs on nodes that are there anyway.

    Attributes:
        replicas: Those that are wanted, in the order in which they were asked for.
    """

    def __init__(
        self,
        machines: Machines | None,
        *,
        load_seconds: float,
        on_ready: Callable[[Replica, float], None],
        on_leave: Callable[[Replica, float], float],
    ) -> None:
        """Args: what to call when a replica is ready, and when it leaves; the latter says when it is gone."""
        self._machines, self._load = machines, load_seconds
        self._on_ready, self._on_leave = on_ready, on_leave
        self._numbers, self._order = itertools.count(), itertools.count()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self.replicas: list[Replica] = []
        self.nodes: list[Node] = []
        self.replica_seconds = 0.0
        for _ in range(0 if machines is None else machines.kept):
            self.nodes.append(Node(asked=0.0, booted=0.0, pulled=0.0, kept=True))

    @property
    def next_event(self) -> float:
        """When something happens by itself."""
        return self._events[0][0] if self._events else math.inf

    def begin(self, replicas: int) -> None:
        """Have replicas that were there before, as far as there are machines."""
        for _ in range(replicas):
            replica = Replica(number=next(self._numbers), asked=0.0)
            self.replicas.append(replica)
            self._place(replica, 0.0, there=True)

    def happen(self, now: float) -> None:
        """Let happen what is due."""
        while self._events and self._events[0][0] <= now:
            heappop(self._events)[2](now)

    def scale(self, wanted: int, now: float) -> None:
        """Have so many replicas from now on."""
        while len(self.replicas) < wanted:
            replica = Replica(number=next(self._numbers), asked=now)
            self.replicas.append(replica)
            self._place(replica, now)
        for replica in self._leavers(len(self.replicas) - wanted, now):
            self._leave(replica, now)

    def ready(self, now: float) -> int:
        """Replicas that take requests."""
        return sum(replica.ready <= now for replica in self.replicas)

    def live_nodes(self) -> int:
        """Machines that are paid for."""
        return sum(node.gone == math.inf for node in self.nodes)

    def node_seconds(self, end: float) -> float:
        """Seconds of machines, from asking for them until they are gone."""
        return sum(min(node.gone, end) - node.asked for node in self.nodes if node.asked < end)

    def close(self, end: float) -> None:
        """Count what is still there."""
        self.replica_seconds += sum(end - item.started for item in self.replicas if item.started < end)

    def _leavers(self, count: int, now: float) -> list[Replica]:
        """Who goes first, as a ReplicaSet chooses: without a machine, not ready, ready most recently."""
        order = sorted(
            self.replicas, key=lambda item: (item.node is not None, item.ready <= now, -item.ready, -item.number)
        )
        return order[: max(count, 0)]

    def _leave(self, replica: Replica, now: float) -> None:
        self.replicas.remove(replica)
        gone = now if replica.ready > now else self._on_leave(replica, now)
        self.replica_seconds += max(gone - replica.started, 0.0)
        if replica.node is None:
            return
        if gone <= now:
            self._vacate(replica.node, now)
        else:
            node = replica.node
            self._at(gone, lambda then: self._vacate(node, then))

    def _vacate(self, node: Node, now: float) -> None:
        node.replicas -= 1
        for waiting in [item for item in self.replicas if item.node is None and self._machines is not None]:
            self._place(waiting, now)
        if node.replicas == 0 and not node.kept and self._machines is not None:
            node.empty_since = now
            self._at(max(now, node.booted) + self._machines.idle_seconds, lambda then: self._retire(node, now, then))

    def _retire(self, node: Node, since: float, now: float) -> None:
        """Give an empty machine back, unless it was used since."""
        if node.replicas or node.empty_since != since or node.gone < math.inf:
            return
        node.gone = now
        for waiting in [item for item in self.replicas if item.node is None]:
            self._place(waiting, now)

    def _place(self, replica: Replica, now: float, *, there: bool = False) -> None:
        """Put a replica on a machine, a new one where none has room; without any it waits."""
        if self._machines is None:
            replica.started = now
            self._expect(replica, now if there else now + self._load)
            return
        node = self._with_room(now) or self._new_node(now, there=there)
        if node is None:
            return
        node.replicas += 1
        node.empty_since = math.inf
        replica.node, replica.started = node, max(now, node.booted)
        self._expect(replica, now if there else max(now, node.pulled) + self._load)

    def _with_room(self, now: float) -> Node | None:
        """The machine with room that is there soonest, the fullest of those first."""
        each = 0 if self._machines is None else self._machines.replicas_each
        open_ = [node for node in self.nodes if node.gone == math.inf and node.replicas < each]
        return min(open_, key=lambda node: (max(node.booted, now), -node.replicas), default=None)

    def _new_node(self, now: float, *, there: bool) -> Node | None:
        machines = self._machines
        if machines is None or self.live_nodes() >= machines.most:
            return None
        booted = now if there else now + machines.boot_seconds
        pulled = booted if there else booted + machines.image_seconds
        node = Node(asked=now, booted=booted, pulled=pulled, kept=False)
        self.nodes.append(node)
        return node

    def _expect(self, replica: Replica, ready: float) -> None:
        replica.ready = ready
        self._at(ready, lambda now: self._on_ready(replica, now) if replica in self.replicas else None)

    def _at(self, when: float, act: Callable[[float], None]) -> None:
        heappush(self._events, (when, next(self._order), act))
