"""The budget of grace: what a pod may do between the notice and the end of its machine.

One number flows down: the cloud's notice, the pod's grace period, the agent's shutdown time, the save's deadline.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from springtide import clouds

MARGIN_SECONDS = 10
"""Kept back at each step down: for the notice to reach the pod, for the agent to reap its processes."""
PARTS = 5
"""A margin is at most this part of the notice: of GKE's 15 seconds for a spot pod, 3 are kept back at each step."""
VOLUNTARY_NOTICE_SECONDS = 600
"""What we allow where the cloud takes nothing back by itself and only a drain can end a pod; EKS drains for 15 minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """Seconds at each step of the way down. `notice_seconds` is 0 where the cloud never gives one."""

    notice_seconds: int
    grace_seconds: int
    shutdown_seconds: int
    save_deadline_seconds: int


def budget(cloud: str, version: str, capacity: Sequence[str]) -> Grace:
    """The grace of a pod on a pool: that of its most fleeting kind of capacity, in a cluster of that Kubernetes version."""
    notices = [clouds.load(cloud).notice(kind, version).seconds for kind in capacity]
    shortest = min((seconds for seconds in notices if seconds is not None), default=None)
    notice = VOLUNTARY_NOTICE_SECONDS if shortest is None else shortest
    margin = min(MARGIN_SECONDS, notice // PARTS)
    return Grace(
        notice_seconds=0 if shortest is None else shortest,
        grace_seconds=notice - margin,
        shutdown_seconds=notice - 2 * margin,
        save_deadline_seconds=notice - 3 * margin,
    )
