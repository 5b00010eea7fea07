"""What a simulation assumes of servers and machines where the plan does not say, each with its source."""

from dataclasses import dataclass
from fractions import Fraction

PROMPT_RATE = 2000.0
"""Prompt tokens a second of one request. Assumed, not measured: say what yours does."""
TOKEN_RATE = 25.0
"""Generated tokens a second of one request while its replica is busy. Assumed, not measured: say what yours does."""
SLOTS = 8
"""Requests that a replica computes at a time where the plan says no `in_flight_per_replica`. Assumed."""
IMAGE_SECONDS = 138.0
"""To pull the image on a new machine: 10.76 GB in 2 min 18 s (aws-samples/karpenter-blueprints issue 32)."""
LOAD_SECONDS = 42.0
"""To load a model: the 90th percentile of base models in Alibaba's trace GenTD26 (alibaba/clusterdata)."""
IDLE_SECONDS = 600.0
"""An empty machine stays, where the plan does not say: cluster-autoscaler's default `--scale-down-unneeded-time`."""
DEADLINE_SECONDS = 60.0
"""From a request's arrival to the end of its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be said instead."""

    slots: int | None = None
    """Default: the service's `in_flight_per_replica`, else `SLOTS`."""
    prompt_rate: float = PROMPT_RATE
    token_rate: float = TOKEN_RATE
    boot_seconds: float | None = None
    """From asking for a machine until pods can be put on it. Default: the most that the catalog's source reports."""
    image_seconds: float = IMAGE_SECONDS
    load_seconds: float = LOAD_SECONDS
    deadline_seconds: float = DEADLINE_SECONDS
    scale: Fraction = Fraction(1)
    """Requests of the simulation for each of the trace."""
    tail_seconds: float = 0.0
    """How long to go on after the last answer."""
