"""What is impossible about a pool on this machine, and what would be silently in vain."""

from collections.abc import Iterator

from springtide.ladder import Rung, ceiling, gathered, label_findings, rungs
from springtide.selection import Choice
from springtide.spec import Finding, PoolSpec, refuse


def rungs_of(name: str, spec: PoolSpec, choice: Choice) -> tuple[Rung, ...]:
    """The NodePools of a pool, first the ones to try first.

    Where machines work together they are in the first zone: no zone is short of simulated ones.
    """
    gathers = gathered(spec)
    return rungs(name, spec, choice.zones[:1] if gathers else choice.zones, together=gathers)


def wakes(spec: PoolSpec) -> bool:  # noqa: ARG001  the protocol's signature: elsewhere some pools sleep for ever
    """Whether something makes the first node of this pool: Karpenter does."""
    return True


def most_nodes(spec: PoolSpec, choice: Choice) -> int:
    """Most nodes that the pool can have, over all its rungs."""
    return ceiling(spec, rungs_of("", spec, choice))


def ladder_findings(spec: PoolSpec) -> list[Finding]:  # noqa: ARG001  reserved capacity, which AWS takes first, is not here
    """Which order of kinds cannot be kept: Karpenter keeps them all."""
    return []


def pool_findings(spec: PoolSpec, choice: Choice, *, version: str, mode: str) -> list[Finding]:  # noqa: ARG001
    """What is impossible about a pool on this machine, beyond what its capabilities say."""
    return [*_in_vain(spec), *label_findings("local", spec.labels)]


def _in_vain(spec: PoolSpec) -> Iterator[Finding]:
    """Keys that ask for what a simulated node does not have."""
    rules = (
        (spec.min_nodes > 0, "min_nodes", "nothing keeps a simulated node that no pod asks for", "write 0"),
        (spec.efa_layout != "ip-optimised", "efa_layout", "the pool has no EFA", "remove it"),
        (spec.max_run_hours is not None, "max_run_hours", "nothing ends a machine by the clock", "remove it"),
        (spec.driver != "default", "driver", "a simulated GPU has no driver", "remove it"),
        (spec.local_disks == "block", "local_disks", "a simulated node has no disks to hand out", "write scratch or none"),
    )  # fmt: skip
    for holds, key, why, fix in rules:
        if holds:
            yield refuse("local/in-vain", f"/{key}", getattr(spec, key), f"{key} does nothing here: {why}.", fix)
