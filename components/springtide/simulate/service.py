"""A model service of a plan, with all that a simulation needs to know of it."""

import math
from dataclasses import dataclass

from springtide.simulate.fleet import Machines
from springtide.simulate.hpa_object import HpaObject
from springtide.simulate.keda_object import KedaObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a machine costs, bought in one way."""

    capacity: str
    usd_per_hour: float | None
    """None where the catalog has no price."""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service, as the plan has it."""

    environment: str
    name: str
    slots: int
    """Requests that a replica computes at a time."""
    least: int
    """Replicas at the least, which there are also where nothing moves them."""
    autoscaler: HpaObject | KedaObject | None
    gateways: int
    """Gateways in front of it; 0 for none."""
    hold_seconds: float = math.inf
    """How long a gateway lets a request wait."""
    held_requests: int | None = None
    """Requests that may wait at a time, at all gateways together; None without a bound."""
    propagation_seconds: float
    drain_seconds: float
    load_seconds: float
    machines: Machines | None
    """None where it runs on the system nodes."""
    gpus: int
    """Accelerators of each replica."""
    gpus_per_node: int
    machine_type: str
    prices: tuple[Price, ...]
    notes: tuple[str, ...] = ()
    """What has to be known to read the figures, in sentences."""

    @property
    def most(self) -> int:
        """Replicas that it may be told to have."""
        scaler = self.autoscaler
        if scaler is None:
            return self.least
        return (scaler.hpa if isinstance(scaler, KedaObject) else scaler).most
