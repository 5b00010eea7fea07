"""Where everything of an environment is made, and the network it is made in."""

from dataclasses import field

from springtide.spec.checks import at_least, distinct, network_range, one_of, spec, zone_list
from springtide.spec.finding import Finding, refuse

DEFAULT_CIDR = "10.0.0.0/16"
DEFAULT_NAT = "one"
NAT_LAYOUTS = ("one", "per-zone")
ENDPOINTS = ("storage", "registry", "identity")
DEFAULT_ENDPOINTS = ("storage",)


@spec
class EnvironmentSpec:
    """The account and the place that everything of an environment is made in, and the limits set on it."""

    cloud: str
    account: str
    region: str
    machines: str | None = None
    """Cloud whose catalog describes the machines, where they are imitated; None where they are the cloud's own."""
    budget_usd_per_hour: float | None = None
    exempt: tuple[str, ...] = ()

    def findings(self) -> list[Finding]:
        """What is impossible about this environment on every cloud."""
        budget = self.budget_usd_per_hour
        return [] if budget is None else at_least("/budget_usd_per_hour", budget, 0)


@spec
class NetworkSpec:
    """A private network over some zones: one of our own, or one that is there already."""

    zones: tuple[str, ...]
    cidr: str = DEFAULT_CIDR
    nat: str = DEFAULT_NAT
    pods_cidr: str | None = None
    endpoints: tuple[str, ...] = DEFAULT_ENDPOINTS
    existing: str | None = None
    subnets: dict[str, str] = field(default_factory=dict)

    def findings(self) -> list[Finding]:
        """What is impossible about this network on every cloud."""
        pods = [] if self.pods_cidr is None else network_range("/pods_cidr", self.pods_cidr, widest=9, narrowest=21)
        named = [found for i, name in enumerate(self.endpoints) for found in one_of(f"/endpoints/{i}", name, ENDPOINTS)]
        return [
            *zone_list("/zones", self.zones),
            *network_range("/cidr", self.cidr, widest=16, narrowest=20),
            *one_of("/nat", self.nat, NAT_LAYOUTS),
            *pods,
            *named,
            *distinct("/endpoints", self.endpoints),
            *_adopted(self),
        ]


def _adopted(network: NetworkSpec) -> list[Finding]:
    """An adopted network comes with its subnets, and a network of ours with none."""
    if (network.existing is None) == (not network.subnets):
        return []
    if network.existing is None:
        fix = "name the network they belong to (existing:), or remove subnets"
        return [refuse("spec/adopted-network", "/subnets", network.subnets, "whose subnets are these?", fix)]
    message = f"of network {network.existing} no subnet is named, and nodes need one."
    fix = "name the private subnet of each zone (of the region on GCP): subnets: {use1-az1: subnet-…}"
    return [refuse("spec/adopted-network", "/subnets", {}, message, fix)]
