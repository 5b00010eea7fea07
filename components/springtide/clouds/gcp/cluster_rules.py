"""What a cluster asks for that GKE does not have."""

import re
from collections.abc import Iterable

from springtide import catalog
from springtide.spec import ClusterSpec, Finding, Outcome, Severity, Source, refuse
from springtide.spec.unused import unused

DEFAULT_CHANNEL = "regular"
OLDEST = (1, 33)
"""Before 1.33.2-gke.4655000 the driver of Managed Lustre meets its server only over a port that Google gave up
(container.v1: LustreCsiDriverConfig)."""
LOG_RETENTION_DAYS = 30
"""Of the log bucket _Default, which is the project's and not a cluster's."""
MOST_RANGES = 100
"""Authorized networks of a cluster (GKE's documentation of them; memory, unverified)."""
OF_SYSTEM_NODES = ("system_machine_types", "system_nodes")
_MEMBER = re.compile(r"(user|group|serviceAccount):[^@\s]+@[^@\s]+\.[^@\s]+|principal(Set)?://\S+")
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")


def cluster_findings(spec: ClusterSpec) -> list[Finding]:
    """What GKE, or the catalog of versions and machine types, does not have."""
    return [
        # Which channel an adopted cluster is in, its owner knows.
        *_version(spec.version, channel(spec) if spec.existing is None else "extended"),
        *_reach(spec),
        *_unused(spec),
        *_existing(spec.existing),
        *_machines(spec.system_machine_types),
        *_retention(spec.log_retention_days),
        *(found for i, member in enumerate(spec.admins) for found in _member(i, member)),
    ]


def channel(spec: ClusterSpec) -> str:
    """The release channel: what the file says, else GKE's own default."""
    return DEFAULT_CHANNEL if spec.release_channel is None else spec.release_channel


def _reach(spec: ClusterSpec) -> list[Finding]:
    """Whether the cloud takes so many ranges."""
    if len(spec.ranges) <= MOST_RANGES:
        return []
    message = f"GKE takes {MOST_RANGES} ranges; listed are {len(spec.ranges)}."
    fix = "join neighbouring ranges, or write access: private and deploy from inside"
    return [refuse("gcp/access-ranges", "/access", list(spec.ranges), message, fix)]


def _unused(spec: ClusterSpec) -> list[Finding]:
    """Keys that do nothing in such a cluster."""
    adopted = (*OF_SYSTEM_NODES, "log_retention_days", "release_channel")
    rules: Iterable[tuple[bool, tuple[str, ...], str, str, str]] = (
        (
            spec.existing is not None, adopted, "gcp/adopted-cluster",
            f"{spec.existing} is used as it is.", "let the cluster be made: remove existing",
        ),
        (
            spec.existing is None and spec.mode == "auto", OF_SYSTEM_NODES, "gcp/auto-mode",
            "Autopilot makes the nodes.", "write mode: standard",
        ),
    )  # fmt: skip
    return [found for holds, keys, rule, why, fix in rules if holds for found in unused(spec, keys, rule, why, fix)]


def _existing(name: str | None) -> list[Finding]:
    if name is None or _NAME.fullmatch(name):
        return []
    message = f"{name!r} is no name of a GKE cluster."
    fix = "write its name alone, as `gcloud container clusters list` shows it; it must be a regional one of this region"
    return [refuse("gcp/cluster-name", "/existing", name, message, fix)]


def adopted_findings(name: str) -> list[Finding]:
    """What node pools of ours take for granted of a cluster, and only the cloud knows of one that is there already."""
    message = (
        f"whether {name} is VPC-native and regional, with Dataplane V2, multi-networking and Workload Identity, only the "
        "cloud knows."
    )
    return [
        Finding(
            rule="gcp/adopted-contents",
            outcome=Outcome.CANNOT_TELL,
            severity=Severity.WARNING,
            source=Source.SPEC,
            message=message,
            fix=f"gcloud container clusters describe {name} --region <region>: ipAllocationPolicy, networkConfig",
            path="/cluster/existing",
            value=name,
        )
    ]


def _version(version: str, channel: str) -> list[Finding]:
    known = [item for item in catalog.kubernetes_versions("gcp") if _minor(item.version) >= OLDEST]
    today = catalog.date("gcp")
    ends = {item.version: item.standard_support_ends for item in known}
    offered = [name for name in ends if channel == "extended" or ends[name] > today]
    if version in offered:
        return []
    fix = 'write one of the versions on offer, in quotes: version: "1.xx"'
    message = f"GKE's channel {channel} has no Kubernetes {version}."
    if version in ends:
        message = (
            f"standard support of Kubernetes {version} ended on {ends[version]}; the channel {channel} has left it."
        )
        fix = "use a newer version, or release_channel: extended"
    return [refuse("gcp/version", "/version", version, message, fix, allowed=offered, source=Source.CATALOG)]


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _machines(names: tuple[str, ...]) -> list[Finding]:
    """A node pool of GKE has one machine type, and no other to fall back to."""
    small = [item.name for item in catalog.machine_types("gcp") if not item.gpu and item.architecture == "x86_64"]
    unknown = [
        refuse(
            "gcp/system-machine",
            f"/system_machine_types/{i}",
            name,
            f"{name} is no CPU machine type (x86_64) that the catalog knows.",
            "use one of them",
            allowed=small,
            source=Source.CATALOG,
        )
        for i, name in enumerate(names)
        if name not in small
    ]
    more = [
        refuse(
            "gcp/system-machines", f"/system_machine_types/{i}", name, "a node pool has one machine type.", "remove it"
        )
        for i, name in enumerate(names[1:], start=1)
    ]
    return [*unknown, *more]


def _retention(days: int) -> list[Finding]:
    if days == LOG_RETENTION_DAYS:
        return []
    message = "GKE's logs lie in the project's log bucket _Default, which keeps all logs of the project as long."
    set_it = f"gcloud logging buckets update _Default --location=global --retention-days={days}"
    fix = f"remove log_retention_days, and set the bucket's: {set_it}"
    path = "/log_retention_days"
    return [refuse("gcp/log-retention", path, days, message, fix, allowed=[LOG_RETENTION_DAYS])]


def _member(index: int, member: str) -> list[Finding]:
    if _MEMBER.fullmatch(member):
        return []
    fix = "write user:, group: or serviceAccount: and an address, such as group:ops@example.com"
    return [refuse("gcp/admin", f"/admins/{index}", member, f"{member!r} is nobody whom IAM knows.", fix)]
