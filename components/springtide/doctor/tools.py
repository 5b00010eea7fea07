"""Programs that single commands need: kubectl for `open`, a builder for `images push`."""

from collections.abc import Sequence

from springtide.doctor.model import Check, Row, Version, good, later, shown, unknown, version_in
from springtide.images import BUILDERS
from springtide.target import Target, UsageError, find
from springtide.tools import ABSENT, Machine

SKEW = 1
"""Minor versions that kubectl may be away from its server (kubernetes.io/releases/version-skew-policy)."""
_MAJOR_MINOR = 2


def kubectl(machine: Machine, target: Target) -> Sequence[Row]:
    """The kubectl that `springtide open` and people use, near enough to the cluster's version."""
    answer = machine.ask("kubectl", "version", "--client", "--output", "json")
    if answer.status == ABSENT:
        return later(
            "kubectl", "not on the PATH", "for `springtide open`: install it as kubernetes.io/docs/tasks/tools says"
        )
    said = answer.json()
    ours = version_in(str(said.get("clientVersion", {}).get("gitVersion"))) if isinstance(said, dict) else ()
    if not ours:
        return later("kubectl", answer.why, "kubectl version --client")
    theirs = _cluster_version(target)
    if theirs is None:
        return good("kubectl", shown(ours))
    if len(theirs) < _MAJOR_MINOR:
        fix = f'write `cluster.version` in plain into the file of {target.platform}, such as "1.35"'
        return unknown("kubectl", f"{shown(ours)}; the version of the cluster is not readable", fix)
    if ours[0] != theirs[0] or abs(ours[1] - theirs[1]) > SKEW:
        found = f"{shown(ours)}; the cluster is {shown(theirs)}"
        span = f"{theirs[0]}.{theirs[1] - SKEW} to {theirs[0]}.{theirs[1] + SKEW}"
        return later("kubectl", found, f"install one of {span} as kubernetes.io/docs/tasks/tools says")
    return good("kubectl", f"{shown(ours)}, for a cluster of {shown(theirs)}")


def builder(machine: Machine, _target: Target) -> Sequence[Row]:
    """What `springtide images push` builds with."""
    there = [name for name in BUILDERS if machine.find(name)]
    if not there:
        return later("builder", f"none of {', '.join(BUILDERS)}", "for `springtide images push`: install one of them")
    return good("builder", ", ".join(there))


CHECKS: tuple[Check, ...] = (kubectl, builder)


def _cluster_version(target: Target) -> Version | None:
    """Version of the cluster that the environment runs in, which work finds in the file of its platform.

    Empty where nobody can read it; None for a file without a cluster, as a bootstrap stack's.
    """
    try:
        platform = target if target.platform == target.name else find(target.platform, target.root)
    except UsageError:
        return ()
    if "cluster" not in platform.config:
        return None
    return version_in(str(platform.section("cluster").get("version")))
