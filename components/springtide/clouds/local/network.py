"""No network is made: simulated nodes have none, and what really runs is on this machine's own."""

import pulumi

from springtide.clouds import NetworkParts
from springtide.environment import EnvironmentRef
from springtide.spec import Finding, NetworkSpec, refuse

NAME = "loopback"
"""What everything listens on."""


def network(name: str, spec: NetworkSpec, place: EnvironmentRef, parent: pulumi.Resource) -> NetworkParts:  # noqa: ARG001
    """The zones that simulated nodes say they are in."""
    return NetworkParts(network_id=pulumi.Output.from_input(NAME), private_subnets=dict.fromkeys(spec.zones, NAME))


def network_findings(spec: NetworkSpec) -> list[Finding]:
    """What a network asks for that this machine does not have."""
    if spec.existing is None:
        return []
    message = "there is no network on this machine to adopt."
    return [refuse("local/network", "/existing", spec.existing, message, "remove existing and subnets")]
