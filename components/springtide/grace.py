"""The budget of grace: what a pod may do between the notice and the end of its machine.

One number flows down: the cloud's notice, the pod's grace period, the elastic agent's shutdown time, the save's deadline.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from springtide import clouds

MARGIN_SECONDS = 10
"""Kept back at each step down: for the notice to reach the pod, for the agent to reap its processes."""
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
    grace = (VOLUNTARY_NOTICE_SECONDS if shortest is None else shortest) - MARGIN_SECONDS
    return Grace(
        notice_seconds=0 if shortest is None else shortest,
        grace_seconds=grace,
        shutdown_seconds=grace - MARGIN_SECONDS,
        save_deadline_seconds=grace - 2 * MARGIN_SECONDS,
    )
