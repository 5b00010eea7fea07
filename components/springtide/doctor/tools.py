"""Programs that single commands need: kubectl for `open`, a builder for `images push`."""

from collections.abc import Sequence

from springtide.doctor.model import Check, Row, good, later, shown, version_in
from springtide.images import BUILDERS
from springtide.target import Target
from springtide.tools import ABSENT, Machine

SKEW = 1
"""Minor versions that kubectl may be away from its server (kubernetes.io/releases/version-skew-policy)."""


def kubectl(machine: Machine, target: Target) -> Sequence[Row]:
    """The kubectl that `springtide open` and people use, near enough to the cluster's version."""
    answer = machine.ask("kubectl", "version", "--client", "--output", "json")
    if answer.status == ABSENT:
        return later(
            "kubectl", "not on the PATH", "for `springtide open`: install it as kubernetes.io/docs/tasks/tools says"
        )
    said = answer.json()
    ours = version_in(str(said.get("clientVersion", {}).get("gitVersion"))) if isinstance(said, dict) else ()
    theirs = version_in(str(target.section("cluster").get("version")))
    if not ours:
        return later("kubectl", answer.why, "kubectl version --client")
    if theirs and (ours[0] != theirs[0] or abs(ours[1] - theirs[1]) > SKEW):
        found = f"{shown(ours)}; the cluster is {shown(theirs)}"
        return later("kubectl", found, f"use one of {theirs[0]}.{theirs[1] - SKEW} to {theirs[0]}.{theirs[1] + SKEW}")
    return good("kubectl", shown(ours))


def builder(machine: Machine, _target: Target) -> Sequence[Row]:
    """What `springtide images push` builds with."""
    there = [name for name in BUILDERS if machine.find(name)]
    if not there:
        return later("builder", f"none of {', '.join(BUILDERS)}", "for `springtide images push`: install one of them")
    return good("builder", ", ".join(there))


CHECKS: tuple[Check, ...] = (kubectl, builder)
