"""A Kubernetes control plane: one of our own, or one that is there already."""

from springtide.spec.checks import at_least, distinct, network_range, one_of, spec
from springtide.spec.finding import Finding, refuse

MODES = ("standard", "auto")
POD_SECURITY = ("restricted", "baseline", "privileged")
RUNNERS = ("outside", "inside")
CHANNELS = ("rapid", "regular", "stable", "extended")
PRIVATE = "private"
"""In place of address ranges: the Kubernetes API is reached from inside the network only."""


@spec
class ClusterSpec:
    """A Kubernetes control plane with the few CPU nodes that its own add-ons need."""

    version: str
    access: tuple[str, ...] | str
    runner: str = "outside"
    mode: str = "standard"
    existing: str | None = None
    release_channel: str | None = None
    admins: tuple[str, ...] = ()
    system_machine_types: tuple[str, ...] = ()
    system_nodes: int = 2
    log_retention_days: int = 30
    pod_security: str | None = None

    @property
    def private(self) -> bool:
        """Whether the Kubernetes API has no address on the internet."""
        return self.access in {PRIVATE, (PRIVATE,)}

    @property
    def ranges(self) -> tuple[str, ...]:
        """Address ranges that may reach the Kubernetes API over the internet."""
        return () if self.private or isinstance(self.access, str) else self.access

    def findings(self) -> list[Finding]:
        """What is impossible about this cluster on every cloud."""
        channel = [] if self.release_channel is None else one_of("/release_channel", self.release_channel, CHANNELS)
        return [
            *_access(self),
            *_runner(self),
            *distinct("/access", self.ranges),
            *one_of("/runner", self.runner, RUNNERS),
            *one_of("/mode", self.mode, MODES),
            *([] if self.pod_security is None else one_of("/pod_security", self.pod_security, POD_SECURITY)),
            *channel,
            *distinct("/admins", self.admins),
            *distinct("/system_machine_types", self.system_machine_types),
            *at_least("/system_nodes", self.system_nodes, 1),
        ]


def _runner(cluster: ClusterSpec) -> list[Finding]:
    """Whether the deployment itself can reach the Kubernetes API."""
    if not cluster.private or cluster.runner != "outside":
        return []
    message = "the API would have addresses inside the network only, and whatever deploys is outside."
    fix = (
        "deploy from a machine in the network, or in one connected to it, and write runner: inside; "
        "or list under access the ranges that deploy"
    )
    return [refuse("spec/api-reachable", "/runner", cluster.runner, message, fix, allowed=["inside"])]


def _access(cluster: ClusterSpec) -> list[Finding]:
    access = cluster.access
    if cluster.private:
        return []
    if isinstance(access, str):
        fix = "write private, or a list of address ranges such as [203.0.113.0/24]"
        return [refuse("spec/api-reachable", "/access", access, f"{access!r} is nobody who could be let in.", fix)]
    if PRIVATE in access:
        message = "private means that no address of the internet reaches the API, and here some are listed."
        return [refuse("spec/api-reachable", "/access", list(access), message, "write private alone, or ranges alone")]
    if not access:
        message = "nobody could reach the Kubernetes API, not even the deployment."
        fix = "list the address ranges that deploy and administer, such as [203.0.113.0/24], or write private"
        return [refuse("spec/api-reachable", "/access", [], message, fix)]
    return [found for i, cidr in enumerate(access) for found in network_range(f"/access/{i}", cidr)]
